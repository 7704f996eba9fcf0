import { useQuery } from "@tanstack/react-query";
import { LogIn } from "lucide-react";
import { useState } from "react";
import { Link, useSearchParams } from "wouter";
import { answer, api } from "../api/client";
import { ApiError } from "../api/errors";
import { methodsQuery } from "../api/methods";
import { loginTrouble } from "../domain/accounts";
import { Button, buttonClass } from "../ui/button";
import { Problem } from "../ui/feedback";
import { TextField } from "../ui/field";
import { Door, type Field, safeNext, Trouble, useEntrance } from "./doors";

const wantsCode = (error: unknown): boolean =>
  error instanceof ApiError && (error.code === "code_required" || error.code === "bad_code");

export default function Login() {
  const [params] = useSearchParams();
  const next = safeNext(params.get("next"));
  const methods = useQuery(methodsQuery).data;
  const [second, setSecond] = useState(false);
  const enter = async (field: Field) => {
    const code = field("code").replaceAll(" ", "");
    const body = { email: field("email"), password: field("password"), ...(code && { code }) };
    try {
      return await answer(api.POST("/api/auth/login", { body }));
    } catch (error) {
      if (wantsCode(error)) setSecond(true);
      throw error;
    }
  };
  const { error, busy, onSubmit } = useEntrance(enter, next);
  const asked = error instanceof ApiError && error.code === "code_required";
  const refused = params.get("error");

  return (
    <Door title="Sign in to your farm">
      <form className="grid gap-4" onSubmit={onSubmit}>
        {refused && !error && <Problem>{loginTrouble(refused)}</Problem>}
        <TextField
          label="E-mail"
          name="email"
          type="email"
          autoComplete="username"
          required
          autoFocus
          readOnly={second}
        />
        <TextField
          label="Password"
          name="password"
          type="password"
          autoComplete="current-password"
          required
          readOnly={second}
        />
        {second && (
          <TextField
            key="code"
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
        )}
        {!asked && <Trouble error={error} />}
        <Button type="submit" look="primary" size="lg" busy={busy}>
          Sign in
        </Button>
      </form>
      {methods?.oidc && (
        <a
          href={`/api/auth/oidc/start?return_to=${encodeURIComponent(next)}`}
          className={`${buttonClass("quiet", "lg")} mt-3 w-full`}
        >
          <LogIn aria-hidden className="size-5" />
          Sign in with {methods.oidc.name}
        </a>
      )}
      <p className="mt-3 text-center">
        <Link href="/forgot" className={buttonClass("ghost", "sm")}>
          Forgot password?
        </Link>
        {methods?.signup && (
          <Link href="/signup" className={buttonClass("ghost", "sm")}>
            Sign up
          </Link>
        )}
      </p>
    </Door>
  );
}
