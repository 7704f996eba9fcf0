import { type FormEvent, type ReactNode, useState } from "react";
import { useLocation } from "wouter";
import { sentence } from "../api/errors";
import { meQuery, queryClient } from "../api/queries";
import { session } from "../api/session";
import type { User } from "../api/types";
import { Logo } from "../shell/logo";
import { buttonClass } from "../ui/button";
import { Problem } from "../ui/feedback";

/** The quiet page around a form before one is signed in. */
export function Door({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="grid min-h-dvh place-items-center px-4 py-10">
      <div className="w-full max-w-sm">
        <Logo className="mb-6 size-14" />
        <h1 className="mb-6 text-[1.75rem] leading-tight font-semibold tracking-[-0.02em]">{title}</h1>
        {children}
      </div>
    </main>
  );
}

/** Only paths of this site: an address in the query must not lead elsewhere. */
export const safeNext = (next: string | null): string => (next && /^\/(?![/\\])/.test(next) ? next : "/");

/** The token stands behind the #: it reaches no server log. Once read it leaves the address bar too. */
export function takeToken(): string {
  const fragment = window.location.hash.slice(1);
  const token = new URLSearchParams(fragment).get("token") ?? fragment;
  if (token) window.history.replaceState(null, "", window.location.pathname);
  return token;
}

export interface Entrance {
  expires_in: number;
  user: User;
}

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
