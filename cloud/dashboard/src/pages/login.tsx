import { useQuery } from "@tanstack/react-query";
import { LogIn } from "lucide-react";
import { Link, useSearchParams } from "wouter";
import { answer, api } from "../api/client";
import { methodsQuery } from "../api/methods";
import { loginTrouble } from "../domain/accounts";
import { Button, buttonClass } from "../ui/button";
import { Problem } from "../ui/feedback";
import { TextField } from "../ui/field";
import { CodeField, Door, type Field, isAsked, safeNext, Trouble, useEntrance, useSecondStep } from "./doors";

export default function Login() {
  const [params] = useSearchParams();
  const next = safeNext(params.get("next"));
  const methods = useQuery(methodsQuery).data;
  const { due: second, withCode } = useSecondStep();
  const enter = (field: Field) =>
    withCode(field, (code) =>
      answer(
        api.POST("/api/auth/login", {
          body: { email: field("email"), password: field("password"), ...code },
        }),
      ),
    );
  const { error, busy, onSubmit } = useEntrance(enter, next);
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
        {second && <CodeField />}
        {!isAsked(error) && <Trouble error={error} />}
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
