import { type FormEvent, type ReactNode, useState } from "react";
import { useLocation } from "wouter";
import { ApiError, sentence } from "../api/errors";
import { meQuery, queryClient } from "../api/queries";
import { session } from "../api/session";
import type { User } from "../api/types";
import { Door } from "../shell/door";
import { buttonClass } from "../ui/button";
import { Problem } from "../ui/feedback";
import { TextField } from "../ui/field";

/** Only paths of this site: an address in the query must not lead elsewhere. */
export const safeNext = (next: string | null): string => (next && /^\/(?![/\\])/.test(next) ? next : "/");

/**
 * The token stands behind the # as it is: it reaches no server log. Once read it leaves the address bar for the
 * history's own memory, so that it is still there when the page is loaded again, and gone with the way on.
 */
function takeToken(): string {
  const token = window.location.hash.slice(1);
  if (!token) return (window.history.state as { token?: string } | null)?.token ?? "";
  window.history.replaceState({ token }, "", window.location.pathname);
  return token;
}

export const useToken = (): string => useState(takeToken)[0];

export interface Entrance {
  expires_in: number;
  user: User;
}

export { Door };

export type Field = (name: string) => string;

/** A form that lets somebody in: `ask` sends it, and on success the way goes on to `next`. */
export function useEntrance(ask: (field: Field) => Promise<Entrance>, next = "/") {
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const [, navigate] = useLocation();
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    setBusy(true);
    setError(null);
    try {
      const login = await ask((name) => String(data.get(name) ?? ""));
      session.began(login.expires_in);
      queryClient.clear();
      queryClient.setQueryData(meQuery.queryKey, login.user);
      navigate(next, { replace: true });
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return { error, busy, onSubmit: (event: FormEvent<HTMLFormElement>) => void submit(event) };
}

const wantsCode = (error: unknown): boolean =>
  error instanceof ApiError && (error.code === "code_required" || error.code === "bad_code");

/** The second step of whoever has one: asked for once the server says so, and from then on. */
export function useSecondStep() {
  const [due, setDue] = useState(false);
  const withCode = async (field: Field, ask: (code: { code?: string }) => Promise<Entrance>) => {
    const code = field("code").replaceAll(" ", "");
    try {
      return await ask(code ? { code } : {});
    } catch (error) {
      if (wantsCode(error)) setDue(true);
      throw error;
    }
  };
  return { due, withCode };
}

/** That a code is wanted is no trouble: its field says so. */
export const isAsked = (error: unknown): boolean =>
  error instanceof ApiError && error.code === "code_required";

export const CodeField = () => (
  <TextField
    label="Code"
    name="code"
    autoComplete="one-time-code"
    spellCheck={false}
    autoCapitalize="none"
    required
    autoFocus
    maxLength={40}
    hint="Six digits from your authenticator app, or one of your recovery codes."
  />
);

export const Trouble = ({ error }: { error: unknown }) =>
  error ? <Problem>{sentence(error)}</Problem> : null;

/** A link that was cut off, or opened without its secret part. */
export function Incomplete({ children }: { children: ReactNode }) {
  return (
    <Door title="This link is not complete">
      <p className="mb-6 text-ink-soft">{children}</p>
      <a href="/login" className={buttonClass("primary")}>
        Sign in instead
      </a>
    </Door>
  );
}
