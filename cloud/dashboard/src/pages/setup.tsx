import { type FormEvent, useState } from "react";
import { useLocation } from "wouter";
import { answer, api } from "../api/client";
import { sentence } from "../api/errors";
import { meQuery, queryClient } from "../api/queries";
import { session } from "../api/session";
import { Button, buttonClass } from "../ui/button";
import { Problem } from "../ui/feedback";
import { TextField } from "../ui/field";
import { Door } from "./login";

/** The token stands behind the #: it reaches no server log. Once read it leaves the address bar too. */
function takeToken(): string {
  const fragment = window.location.hash.slice(1);
  const token = new URLSearchParams(fragment).get("token") ?? fragment;
  if (token) window.history.replaceState(null, "", window.location.pathname);
  return token;
}

export default function Setup() {
  const [token] = useState(takeToken);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const [, navigate] = useLocation();

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const field = (name: string) => String(data.get(name) ?? "");
    setBusy(true);
    setError(null);
    try {
      const body = { token, name: field("name"), email: field("email"), password: field("password") };
      const login = await answer(api.POST("/api/auth/setup", { body }));
      session.began(login.expires_in);
      queryClient.clear();
      queryClient.setQueryData(meQuery.queryKey, login.user);
      navigate("/", { replace: true });
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };

  if (!token) {
    return (
      <Door title="This link is not complete">
        <p className="mb-6 text-ink-soft">
          Open the whole set-up link that the server printed in its log when it first started.
        </p>
        <a href="/login" className={buttonClass("primary")}>
          Sign in instead
        </a>
      </Door>
    );
  }
  return (
    <Door title="Set up your farm">
      <form className="grid gap-4" onSubmit={(event) => void submit(event)}>
        <TextField label="Your name" name="name" autoComplete="name" required autoFocus maxLength={100} />
        <TextField label="E-mail" name="email" type="email" autoComplete="username" required />
        <TextField
          label="Password"
          name="password"
          type="password"
          autoComplete="new-password"
          required
          minLength={8}
          hint="At least 8 characters."
        />
        {error ? <Problem>{sentence(error)}</Problem> : null}
        <Button type="submit" look="primary" size="lg" busy={busy}>
          Create the owner
        </Button>
      </form>
    </Door>
  );
}
