import { type FormEvent, type ReactNode, useState } from "react";
import { useLocation, useSearchParams } from "wouter";
import { answer, api } from "../api/client";
import { sentence } from "../api/errors";
import { meQuery, queryClient } from "../api/queries";
import { session } from "../api/session";
import { Logo } from "../shell/logo";
import { Button } from "../ui/button";
import { Problem } from "../ui/feedback";
import { TextField } from "../ui/field";

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

export default function Login() {
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const [, navigate] = useLocation();
  const [params] = useSearchParams();

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    setBusy(true);
    setError(null);
    try {
      const body = { email: String(data.get("email")), password: String(data.get("password")) };
      const login = await answer(api.POST("/api/auth/login", { body }));
      session.began(login.expires_in);
      queryClient.clear();
      queryClient.setQueryData(meQuery.queryKey, login.user);
      navigate(safeNext(params.get("next")), { replace: true });
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };

  return (
    <Door title="Sign in to your farm">
      <form className="grid gap-4" onSubmit={(event) => void submit(event)}>
        <TextField label="E-mail" name="email" type="email" autoComplete="username" required autoFocus />
        <TextField
          label="Password"
          name="password"
          type="password"
          autoComplete="current-password"
          required
        />
        {error ? <Problem>{sentence(error)}</Problem> : null}
        <Button type="submit" look="primary" size="lg" busy={busy}>
          Sign in
        </Button>
      </form>
    </Door>
  );
}
