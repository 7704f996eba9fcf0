import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { answer, api } from "../api/client";
import { methodsQuery } from "../api/methods";
import { Button, buttonClass } from "../ui/button";
import { TextField } from "../ui/field";
import { Door, Trouble } from "./doors";

const BackToLogin = () => (
  <Link href="/login" className={buttonClass("ghost", "sm")}>
    Back to sign in
  </Link>
);

/** The answer is the same whether the address is known here already or not. */
export default function Signup() {
  const methods = useQuery(methodsQuery).data;
  const ask = useMutation({
    mutationFn: (body: { email: string; farm_name: string }) =>
      answer(api.POST("/api/auth/signup", { body })),
  });
  if (methods && !methods.signup)
    return (
      <Door title="You need an invitation">
        <p className="mb-6 text-ink-soft">
          Nobody can sign up here alone. Ask an owner of your farm to invite you.
        </p>
        <BackToLogin />
      </Door>
    );
  if (ask.isSuccess)
    return (
      <Door title="Look at your mail">
        <p role="status" className="mb-6 text-ink-soft">
          A link that starts your farm is on its way to {ask.variables.email}. It is good for a day.
        </p>
        <BackToLogin />
      </Door>
    );
  return (
    <Door title="Start your own farm">
      <form
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          const data = new FormData(event.currentTarget);
          ask.mutate({ email: String(data.get("email")), farm_name: String(data.get("farm")).trim() });
        }}
      >
        <TextField
          label="Farm"
          name="farm"
          autoComplete="organization"
          required
          autoFocus
          maxLength={100}
          hint="The name of your shop or workshop."
        />
        <TextField
          label="E-mail"
          name="email"
          type="email"
          autoComplete="username"
          required
          hint="We send a link to it; there you choose your password."
        />
        <Trouble error={ask.error} />
        <Button type="submit" look="primary" size="lg" busy={ask.isPending}>
          Send the link
        </Button>
        <BackToLogin />
      </form>
    </Door>
  );
}
