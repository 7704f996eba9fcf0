import { useMutation } from "@tanstack/react-query";
import { Link } from "wouter";
import { answer, api } from "../api/client";
import { Button, buttonClass } from "../ui/button";
import { TextField } from "../ui/field";
import { Door, Trouble } from "./doors";

/** The answer is the same whether there is such a person or not. */
export default function Forgot() {
  const ask = useMutation({
    mutationFn: (email: string) => answer(api.POST("/api/auth/forgot", { body: { email } })),
  });
  if (ask.isSuccess)
    return (
      <Door title="Look at your mail">
        <p role="status" className="mb-6 text-ink-soft">
          If somebody with this address is known here, a link to set a new password is on its way. It is good
          for an hour. When nothing comes, ask an owner of your farm.
        </p>
        <Link href="/login" className={buttonClass("primary")}>
          Back to sign in
        </Link>
      </Door>
    );
  return (
    <Door title="Forgot your password?">
      <form
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          ask.mutate(String(new FormData(event.currentTarget).get("email")));
        }}
      >
        <TextField
          label="E-mail"
          name="email"
          type="email"
          autoComplete="username"
          required
          autoFocus
          hint="We send a link to it that sets a new password."
        />
        <Trouble error={ask.error} />
        <Button type="submit" look="primary" size="lg" busy={ask.isPending}>
          Send the link
        </Button>
        <Link href="/login" className={buttonClass("ghost", "sm")}>
          Back to sign in
        </Link>
      </form>
    </Door>
  );
}
