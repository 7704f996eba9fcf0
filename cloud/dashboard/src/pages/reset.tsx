import { answer, api } from "../api/client";
import { Button } from "../ui/button";
import { TextField } from "../ui/field";
import { CodeField, Door, Incomplete, isAsked, Trouble, useEntrance, useSecondStep, useToken } from "./doors";

export default function Reset() {
  const token = useToken();
  const { due, withCode } = useSecondStep();
  const { error, busy, onSubmit } = useEntrance((field) =>
    withCode(field, (code) =>
      answer(api.POST("/api/auth/reset", { body: { token, password: field("password"), ...code } })),
    ),
  );
  if (!token) return <Incomplete>Open the whole link from the mail, or ask for a new one.</Incomplete>;
  return (
    <Door title="Choose a new password">
      <form className="grid gap-4" onSubmit={onSubmit}>
        <TextField
          label="New password"
          name="password"
          type="password"
          autoComplete="new-password"
          required
          autoFocus
          minLength={8}
          hint="At least 8 characters. You are signed out everywhere else."
        />
        {due && <CodeField />}
        {!isAsked(error) && <Trouble error={error} />}
        <Button type="submit" look="primary" size="lg" busy={busy}>
          Set the password
        </Button>
      </form>
    </Door>
  );
}
