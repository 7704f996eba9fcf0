import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { answer, api } from "../api/client";
import { sentence } from "../api/errors";
import { ROLE_MEANS } from "../domain/accounts";
import { Button, buttonClass } from "../ui/button";
import { Skeleton } from "../ui/feedback";
import { TextField } from "../ui/field";
import { Door, Incomplete, Trouble, useEntrance, useToken } from "./doors";

export default function Invite() {
  const token = useToken();
  // The token is no part of the key: keys may be shown by tools.
  const invited = useQuery({
    queryKey: ["invited"],
    queryFn: () => answer(api.POST("/api/auth/invitation", { body: { token } })),
    enabled: !!token,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  const { error, busy, onSubmit } = useEntrance((field) =>
    answer(
      api.POST("/api/auth/accept", { body: { token, name: field("name"), password: field("password") } }),
    ),
  );
  if (!token) return <Incomplete>Open the whole link from the invitation.</Incomplete>;
  if (invited.error)
    return (
      <Door title="This invitation cannot be used">
        <p role="alert" className="mb-6 text-ink-soft">
          {sentence(invited.error)}
        </p>
        <Link href="/login" className={buttonClass("primary")}>
          Sign in instead
        </Link>
      </Door>
    );
  if (!invited.data)
    return (
      <Door title="You are invited">
        <Skeleton className="h-72 rounded-2xl" />
      </Door>
    );
  const { farm, email, name, role, makes_farm } = invited.data;
  return (
    <Door title={makes_farm ? `Start ${farm}` : `Join ${farm}`}>
      <p className="mb-6 text-ink-soft">
        {makes_farm
          ? "You become the owner of this new farm."
          : `You come in as ${role}: ${ROLE_MEANS[role]}.`}
      </p>
      <form className="grid gap-4" onSubmit={onSubmit}>
        <TextField label="E-mail" type="email" autoComplete="username" value={email} readOnly />
        <TextField
          label="Your name"
          name="name"
          autoComplete="name"
          required
          autoFocus
          maxLength={100}
          defaultValue={name}
        />
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
          {makes_farm ? "Start the farm" : "Join the farm"}
        </Button>
      </form>
    </Door>
  );
}
