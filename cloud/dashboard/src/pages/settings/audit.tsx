import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useSearchParams } from "wouter";
import { answer, api } from "../../api/client";
import type { AuditEntry } from "../../api/types";
import { actionWords, detailLines } from "../../domain/accounts";
import { Button, buttonClass } from "../../ui/button";
import { Failed, Skeleton } from "../../ui/feedback";
import { SelectField, TextField } from "../../ui/field";
import { Section } from "../../ui/section";

const PAGE = 50;
const FILTERS = ["actor", "action", "object_type", "from", "to"] as const;

const startOf = (day: string, plus = 0): string => {
  const at = new Date(`${day}T00:00:00`);
  at.setDate(at.getDate() + plus);
  return at.toISOString();
};

/** What the address's filters ask of the API; the last day counts whole. */
function asked(params: URLSearchParams): Record<string, string> {
  const query: Record<string, string> = {};
  for (const name of ["actor", "action", "object_type"]) {
    const value = params.get(name);
    if (value) query[name] = value;
  }
  const [from, to] = [params.get("from"), params.get("to")];
  if (from) query.at_from = startOf(from);
  if (to) query.at_to = startOf(to, 1);
  return query;
}

function Entry({ entry }: { entry: AuditEntry }) {
  const lines = detailLines(entry.details);
  return (
    <li className="py-2.5">
      <details>
        <summary className="flex min-h-11 cursor-pointer flex-wrap content-center items-center gap-x-3 gap-y-0.5 md:min-h-9">
          <time dateTime={entry.at} className="num w-full shrink-0 sm:w-40 text-[0.8125rem] text-ink-faint">
            {new Date(entry.at).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}
          </time>
          <span className="text-sm font-medium">{actionWords(entry.action)}</span>
          <span className="text-sm text-ink-soft">by {entry.actor_name || entry.actor}</span>
        </summary>
        <dl className="mt-1 grid grid-cols-[auto_1fr] gap-x-4 gap-y-1 rounded-xl bg-well p-3 text-[0.8125rem]">
          {entry.object_id && (
            <>
              <dt className="text-ink-soft">{entry.object_type || "object"}</dt>
              <dd className="font-mono break-all">{entry.object_id}</dd>
            </>
          )}
          {lines.map(([name, value]) => (
            <div key={name} className="contents">
              <dt className="text-ink-soft">{name}</dt>
              <dd className="min-w-0 break-words">{value}</dd>
            </div>
          ))}
          <dt className="text-ink-soft">from</dt>
          <dd>{entry.address || "the server itself"}</dd>
          <dt className="text-ink-soft">request</dt>
          <dd className="font-mono break-all">{entry.request_id || "–"}</dd>
        </dl>
      </details>
    </li>
  );
}

function Filters() {
  const [params, setParams] = useSearchParams();
  const people = useQuery({
    queryKey: ["people"],
    queryFn: () => answer(api.GET("/api/users/", { params: { query: { limit: 200 } } })),
  });
  const set = (name: string, value: string) =>
    setParams(
      (now) => {
        const next = new URLSearchParams(now);
        next.delete("page");
        if (value) next.set(name, value);
        else next.delete(name);
        return next;
      },
      { replace: true },
    );
  const field = (name: (typeof FILTERS)[number]) => ({
    value: params.get(name) ?? "",
    onChange: (event: { target: { value: string } }) => set(name, event.target.value),
  });
  return (
    <div className="grid grid-cols-2 gap-3 sm:grid-cols-3 lg:grid-cols-5">
      <SelectField label="Person" {...field("actor")}>
        <option value="">everybody</option>
        {people.data?.items.map((person) => (
          <option key={person.id} value={person.id}>
            {person.name || person.email}
          </option>
        ))}
      </SelectField>
      <TextField label="Action" {...field("action")} placeholder="auth_login" maxLength={64} />
      <TextField label="Kind of object" {...field("object_type")} placeholder="printer" maxLength={64} />
      <TextField label="From" type="date" {...field("from")} />
      <TextField label="To" type="date" {...field("to")} />
    </div>
  );
}

export default function Audit() {
  const [params, setParams] = useSearchParams();
  const query = asked(params);
  const page = Math.max(0, Number(params.get("page") ?? 0) || 0);
  const entries = useQuery({
    queryKey: ["audit", query, page],
    queryFn: () =>
      answer(
        api.GET("/api/audit-log/", { params: { query: { ...query, limit: PAGE, offset: page * PAGE } } }),
      ),
    placeholderData: keepPreviousData,
  });
  const total = entries.data?.total ?? 0;
  const turn = (to: number) =>
    setParams((now) => {
      const next = new URLSearchParams(now);
      next.set("page", String(to));
      return next;
    });
  return (
    <Section
      title="Audit log"
      text="Who did what, when, and from where. Nobody can change it."
      actions={
        <a
          className={buttonClass("quiet", "sm")}
          href={`/api/audit-log/export.csv?${new URLSearchParams(query)}`}
          download
        >
          <Download aria-hidden className="size-4.5" />
          CSV
        </a>
      }
    >
      <Filters />
      {entries.isPending && <Skeleton className="mt-4 h-64" />}
      {entries.isError && <Failed error={entries.error} onRetry={() => void entries.refetch()} />}
      {entries.data && total === 0 && (
        <p className="py-10 text-center text-ink-soft">Nothing matches. Widen the filters.</p>
      )}
      <ul className="mt-3 divide-y">
        {entries.data?.items.map((entry) => (
          <Entry key={entry.id} entry={entry} />
        ))}
      </ul>
      {total > PAGE && (
        <nav aria-label="Pages" className="num mt-3 flex items-center justify-between text-sm text-ink-soft">
          <Button size="sm" disabled={page === 0} onClick={() => turn(page - 1)}>
            Newer
          </Button>
          <span role="status">
            {page * PAGE + 1}–{Math.min(total, (page + 1) * PAGE)} of {total}
          </span>
          <Button size="sm" disabled={(page + 1) * PAGE >= total} onClick={() => turn(page + 1)}>
            Older
          </Button>
        </nav>
      )}
    </Section>
  );
}
