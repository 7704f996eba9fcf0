import { useMutation, useQuery } from "@tanstack/react-query";
import { MonitorSmartphone } from "lucide-react";
import { type FormEvent, useState } from "react";
import { toast } from "sonner";
import { useAction } from "../../api/actions";
import { answer, api } from "../../api/client";
import { sentence } from "../../api/errors";
import { meQuery, queryClient } from "../../api/queries";
import type { Login } from "../../api/types";
import { device } from "../../domain/accounts";
import { moment } from "../../domain/format";
import { Button } from "../../ui/button";
import { Confirm } from "../../ui/dialog";
import { Failed, Problem, Skeleton } from "../../ui/feedback";
import { TextField } from "../../ui/field";
import { useNow } from "../../ui/now";
import { Section } from "../../ui/section";
import { TwoFactor } from "./two-factor";

function Name() {
  const me = useQuery(meQuery).data;
  const save = useAction((name: string) => answer(api.PATCH("/api/auth/me", { body: { name } })), {
    done: (user) => {
      queryClient.setQueryData(meQuery.queryKey, user);
      toast.success("Your name is saved");
    },
    stale: ["people"],
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    save.mutate(String(new FormData(event.currentTarget).get("name")).trim());
  };
  return (
    <Section title="You" text={me && `${me.email}, ${me.role}`}>
      <form className="flex max-w-md items-end gap-2" onSubmit={submit}>
        <div className="grow">
          <TextField
            label="Name"
            name="name"
            autoComplete="name"
            required
            maxLength={100}
            defaultValue={me?.name}
          />
        </div>
        <Button type="submit" busy={save.isPending}>
          Save
        </Button>
      </form>
    </Section>
  );
}

function Password() {
  const change = useMutation({
    mutationFn: ({ data }: { data: FormData; form: HTMLFormElement }) =>
      answer(
        api.POST("/api/auth/password", {
          body: { current_password: String(data.get("current")), new_password: String(data.get("new")) },
        }),
      ),
    onSuccess: (_, { form }) => {
      form.reset();
      toast.success("Your password is changed; you are signed out everywhere else");
      void queryClient.invalidateQueries({ queryKey: ["logins"] });
    },
  });
  return (
    <Section title="Password">
      <form
        className="grid max-w-md gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate({ data: new FormData(event.currentTarget), form: event.currentTarget });
        }}
      >
        <TextField
          label="Present password"
          name="current"
          type="password"
          autoComplete="current-password"
          required
        />
        <TextField
          label="New password"
          name="new"
          type="password"
          autoComplete="new-password"
          required
          minLength={8}
          hint="At least 8 characters."
        />
        {change.error && <Problem>{sentence(change.error)}</Problem>}
        <Button type="submit" className="justify-self-start" busy={change.isPending}>
          Change password
        </Button>
      </form>
    </Section>
  );
}

function LoginRow({ login }: { login: Login }) {
  const now = useNow();
  const end = useAction(
    () => answer(api.DELETE("/api/sessions/{id}", { params: { path: { id: login.id } } })),
    { stale: ["logins"] },
  );
  const name = device(login.user_agent);
  return (
    <li className="flex items-center gap-3 py-3">
      <MonitorSmartphone aria-hidden className="size-5 shrink-0 text-ink-faint" />
      <div className="min-w-0 grow">
        <p className="text-sm font-medium">{name}</p>
        <p className="num text-[0.8125rem] text-ink-faint">
          {login.address} · last used {moment(login.last_used_at ?? login.created_at, now)}
        </p>
      </div>
      {login.current ? (
        <span className="rounded-full bg-well px-2.5 py-1 text-[0.8125rem] text-ink-soft">This one</span>
      ) : (
        <Button
          size="sm"
          busy={end.isPending}
          aria-label={`Sign out ${name}, ${login.address}`}
          onClick={() => end.mutate()}
        >
          Sign out
        </Button>
      )}
    </li>
  );
}

function Logins() {
  const logins = useQuery({ queryKey: ["logins"], queryFn: () => answer(api.GET("/api/sessions/")) });
  const [asking, setAsking] = useState(false);
  const endOthers = useAction(() => answer(api.POST("/api/sessions/revoke-others")), {
    stale: ["logins"],
    done: () => setAsking(false),
  });
  const several = (logins.data?.total ?? 0) > 1;
  return (
    <Section
      title="Where you are signed in"
      text="If you do not know one of these, sign it out and change your password."
      actions={
        several && (
          <Button size="sm" onClick={() => setAsking(true)}>
            Sign out all others
          </Button>
        )
      }
    >
      {logins.isPending && <Skeleton className="h-16" />}
      {logins.isError && <Failed error={logins.error} onRetry={() => void logins.refetch()} />}
      <ul className="divide-y">
        {logins.data?.items.map((login) => (
          <LoginRow key={login.id} login={login} />
        ))}
      </ul>
      {asking && (
        <Confirm
          title="Sign out everywhere else?"
          text="Every other device must sign in again."
          action="Sign out all others"
          busy={endOthers.isPending}
          onConfirm={() => endOthers.mutate()}
          onClose={() => setAsking(false)}
        />
      )}
    </Section>
  );
}

export default function Profile() {
  return (
    <>
      <Name />
      <Password />
      <TwoFactor />
      <Logins />
    </>
  );
}
