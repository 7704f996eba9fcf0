import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useAction } from "../../api/actions";
import { answer, api } from "../../api/client";
import { meQuery } from "../../api/queries";
import type { Person } from "../../api/types";
import { ROLES, type Role } from "../../domain/accounts";
import { moment } from "../../domain/format";
import { Button } from "../../ui/button";
import { Confirm } from "../../ui/dialog";
import { Failed, Skeleton } from "../../ui/feedback";
import { inputClass } from "../../ui/field";
import { useNow } from "../../ui/now";
import { Section } from "../../ui/section";
import { Invitations } from "./invitations";

type What = "off" | "remove" | "sessions" | "two-factor";

const QUESTIONS: Record<What, { title: (name: string) => string; text: string; action: string }> = {
  off: {
    title: (name) => `Switch ${name} off?`,
    text: "Signed out at once, and cannot sign in until an owner switches the account on again.",
    action: "Switch off",
  },
  remove: {
    title: (name) => `Remove ${name}?`,
    text: "The account and its API keys are gone. What this person did stays in the histories.",
    action: "Remove",
  },
  sessions: {
    title: (name) => `Sign ${name} out everywhere?`,
    text: "Every device must sign in again.",
    action: "Sign out",
  },
  "two-factor": {
    title: (name) => `Reset two-factor of ${name}?`,
    text: "For a lost phone: signing in takes the password only, until it is set up again. All logins end.",
    action: "Reset two-factor",
  },
};

function act(person: Person, what: What): Promise<unknown> {
  const params = { path: { id: person.id }, header: { "If-Match": `"v${person.version}"` } };
  if (what === "off") return answer(api.PATCH("/api/users/{id}", { params, body: { is_active: false } }));
  if (what === "remove") return answer(api.DELETE("/api/users/{id}", { params }));
  const path = { path: { id: person.id } };
  if (what === "sessions") return answer(api.DELETE("/api/users/{id}/sessions", { params: path }));
  return answer(api.POST("/api/users/{id}/two-factor/reset", { params: path }));
}

function PersonRow({ person, self }: { person: Person; self: boolean }) {
  const now = useNow();
  const [asked, setAsked] = useState<What | null>(null);
  const name = person.name || person.email || "this person";
  const change = useAction(
    (body: { role?: Role; is_active?: boolean }) =>
      answer(
        api.PATCH("/api/users/{id}", {
          params: { path: { id: person.id }, header: { "If-Match": `"v${person.version}"` } },
          body,
        }),
      ),
    { stale: ["people"] },
  );
  const confirm = useAction((what: What) => act(person, what), {
    stale: ["people"],
    done: () => setAsked(null),
  });
  return (
    <li data-person={person.id} className="grid gap-2 py-3.5">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <div className="min-w-0 grow">
          <p className="truncate text-sm font-medium">
            {name}
            {self && <span className="font-normal text-ink-faint"> (you)</span>}
            {!person.is_active && <span className="font-normal text-ink-faint"> · switched off</span>}
          </p>
          <p className="num truncate text-[0.8125rem] text-ink-faint">
            {person.email}
            {person.two_factor && " · two-factor"} ·{" "}
            {person.last_login_at ? `last signed in ${moment(person.last_login_at, now)}` : "never signed in"}
          </p>
        </div>
        <select
          aria-label={`Role of ${name}`}
          className={`${inputClass} w-32!`}
          value={person.role}
          disabled={self || change.isPending}
          onChange={(event) => change.mutate({ role: event.target.value as Role })}
        >
          {ROLES.map((role) => (
            <option key={role} value={role}>
              {role}
            </option>
          ))}
        </select>
      </div>
      {!self && (
        <div className="-ml-3 flex flex-wrap">
          {person.is_active ? (
            <Button look="ghost" size="sm" onClick={() => setAsked("off")}>
              Switch off
            </Button>
          ) : (
            <Button
              look="ghost"
              size="sm"
              busy={change.isPending}
              onClick={() => change.mutate({ is_active: true })}
            >
              Switch on
            </Button>
          )}
          <Button look="ghost" size="sm" onClick={() => setAsked("sessions")}>
            Sign out everywhere
          </Button>
          {person.two_factor && (
            <Button look="ghost" size="sm" onClick={() => setAsked("two-factor")}>
              Reset two-factor
            </Button>
          )}
          <Button look="ghost" size="sm" onClick={() => setAsked("remove")}>
            Remove
          </Button>
        </div>
      )}
      {asked && (
        <Confirm
          title={QUESTIONS[asked].title(name)}
          text={QUESTIONS[asked].text}
          action={QUESTIONS[asked].action}
          busy={confirm.isPending}
          onConfirm={() => confirm.mutate(asked)}
          onClose={() => setAsked(null)}
        />
      )}
    </li>
  );
}

export default function People() {
  const me = useQuery(meQuery).data;
  const people = useQuery({
    queryKey: ["people"],
    queryFn: () => answer(api.GET("/api/users/", { params: { query: { limit: 200 } } })),
  });
  return (
    <>
      <Section
        title="People"
        text="Owners do everything. Operators print, and change printers, files and products. Viewers look."
      >
        {people.isPending && <Skeleton className="h-20" />}
        {people.isError && <Failed error={people.error} onRetry={() => void people.refetch()} />}
        <ul className="divide-y">
          {people.data?.items.map((person) => (
            <PersonRow key={person.id} person={person} self={person.id === me?.id} />
          ))}
        </ul>
      </Section>
      <Invitations />
    </>
  );
}
