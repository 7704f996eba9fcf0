import { answer, api } from "../api/client";
import { Button } from "../ui/button";
import { TextField } from "../ui/field";
import { Door, Incomplete, Trouble, useEntrance, useToken } from "./doors";

export default function Setup() {
  const token = useToken();
  const { error, busy, onSubmit } = useEntrance((field) => {
    const body = { token, name: field("name"), email: field("email"), password: field("password") };
    return answer(api.POST("/api/auth/setup", { body }));
  });
  if (!token)
    return (
      <Incomplete>
        Open the whole set-up link that the server printed in its log when it first started.
      </Incomplete>
    );
  return (
    <Door title="Set up your farm">
      <form className="grid gap-4" onSubmit={onSubmit}>
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
        <Trouble error={error} />
        <Button type="submit" look="primary" size="lg" busy={busy}>
          Create the owner
        </Button>
      </form>
    </Door>
  );
}
