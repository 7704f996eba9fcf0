import { useQuery } from "@tanstack/react-query";
import { KeyRound, Plus, Trash2 } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { useAction } from "../../api/actions";
import { answer, api } from "../../api/client";
import { sentence } from "../../api/errors";
import type { ApiKey } from "../../api/types";
import { AREAS, type Level, scopesOf, scopeWords } from "../../domain/accounts";
import { moment } from "../../domain/format";
import { Button, IconButton } from "../../ui/button";
import { Confirm, Dialog } from "../../ui/dialog";
import { Empty, Failed, Problem, Skeleton } from "../../ui/feedback";
import { inputClass, Switch, TextField } from "../../ui/field";
import { useNow } from "../../ui/now";
import { Secret, Section } from "../../ui/section";

/** One row an area; writing includes reading. */
function Scopes() {
  return (
    <fieldset>
      <legend className="mb-2 text-sm font-medium">What it may</legend>
      <ul className="divide-y rounded-xl border px-3">
        {Object.entries(AREAS).map(([area, label]) => (
          <li key={area} className="flex items-center justify-between gap-3 py-1.5">
            <label htmlFor={`scope-${area}`} className="text-sm">
              {label}
            </label>
            <select id={`scope-${area}`} name={area} defaultValue="none" className={`${inputClass} w-36!`}>
              <option value="none">nothing</option>
              <option value="read">read</option>
              <option value="write">read and write</option>
            </select>
          </li>
        ))}
      </ul>
    </fieldset>
  );
}

function AddKey({ onClose }: { onClose: () => void }) {
  const form = useId();
  const [nothing, setNothing] = useState(false);
  const add = useAction(
    (body: { name: string; scopes: string[]; old_answers: boolean; expires_at?: string }) =>
      answer(api.POST("/api/api-keys/", { body })),
    { stale: ["api-keys"] },
  );
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const level = (area: string) => String(data.get(area)) as Level;
    const scopes = scopesOf(Object.fromEntries(Object.keys(AREAS).map((area) => [area, level(area)])));
    setNothing(scopes.length === 0);
    const until = String(data.get("until"));
    if (scopes.length)
      add.mutate({
        name: String(data.get("name")).trim(),
        scopes,
        old_answers: data.has("old"),
        ...(until && { expires_at: new Date(`${until}T23:59:59`).toISOString() }),
      });
  };
  if (add.data)
    return (
      <Dialog
        title={`The key “${add.data.name}”`}
        onClose={onClose}
        footer={
          <Button look="primary" onClick={onClose}>
            I have saved it
          </Button>
        }
      >
        <p className="mb-4 text-sm text-ink-soft">
          Send it as “Authorization: Bearer …”. It is shown only now; if it is lost, make a new one.
        </p>
        <Secret text={add.data.key} what="the key" />
      </Dialog>
    );
  return (
    <Dialog
      title="New API key"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" form={form} look="primary" busy={add.isPending}>
            Create key
          </Button>
        </>
      }
    >
      <form id={form} className="grid gap-4 pt-1" onSubmit={submit}>
        <TextField
          label="Name"
          name="name"
          required
          maxLength={100}
          autoComplete="off"
          placeholder="Shop import"
          hint="What uses it, so that you know later which one to end."
        />
        <Scopes />
        <TextField label="Good until" name="until" type="date" hint="Empty: until somebody ends it." />
        <Switch
          label="For a program of the system on the Pi"
          hint="It gets lists and answers in the shape it knows."
          name="old"
        />
        {nothing && <Problem>Choose at least one thing that the key may.</Problem>}
        {add.error && <Problem>{sentence(add.error)}</Problem>}
      </form>
    </Dialog>
  );
}

function EndKey({ apiKey, onClose }: { apiKey: ApiKey; onClose: () => void }) {
  const end = useAction(
    () => answer(api.DELETE("/api/api-keys/{id}", { params: { path: { id: apiKey.id } } })),
    { stale: ["api-keys"], done: onClose },
  );
  return (
    <Confirm
      title={`End the key “${apiKey.name}”?`}
      text="Whatever uses it is shut out at once."
      action="End key"
      busy={end.isPending}
      onConfirm={() => end.mutate()}
      onClose={onClose}
    />
  );
}

export default function ApiKeys() {
  const now = useNow();
  const keys = useQuery({
    queryKey: ["api-keys"],
    queryFn: () => answer(api.GET("/api/api-keys/", { params: { query: { limit: 200 } } })),
  });
  const [adding, setAdding] = useState(false);
  const [ending, setEnding] = useState<ApiKey | null>(null);
  const empty = keys.data?.items.length === 0;
  const add = (
    <Button look="primary" size="sm" icon={Plus} onClick={() => setAdding(true)}>
      New key
    </Button>
  );
  return (
    <Section
      title="API keys"
      text="For programs that act in your name. A key never may more than you."
      actions={!empty && add}
    >
      {keys.isPending && <Skeleton className="h-16" />}
      {keys.isError && <Failed error={keys.error} onRetry={() => void keys.refetch()} />}
      {empty && (
        <Empty icon={KeyRound} title="No API key yet" action={add}>
          Give a shop, a script or a spreadsheet its own key, with only what it needs. You can end each one
          alone.
        </Empty>
      )}
      <ul className="divide-y">
        {keys.data?.items.map((key) => (
          <li key={key.id} data-api-key={key.id} className="flex items-center gap-3 py-3">
            <div className="min-w-0 grow">
              <p className="truncate text-sm font-medium">
                {key.name} <span className="font-mono font-normal text-ink-faint">…{key.hint}</span>
              </p>
              <p className="text-[0.8125rem] text-ink-soft">
                {scopeWords(key.scopes)}
                {key.old_answers && " · answers as on the Pi"}
              </p>
              <p className="num text-[0.8125rem] text-ink-faint">
                {key.last_used_at ? `last used ${moment(key.last_used_at, now)}` : "never used"}
                {key.expires_at && ` · good until ${new Date(key.expires_at).toLocaleDateString()}`}
              </p>
            </div>
            <IconButton label={`End ${key.name}`} icon={Trash2} onClick={() => setEnding(key)} />
          </li>
        ))}
      </ul>
      {adding && <AddKey onClose={() => setAdding(false)} />}
      {ending && <EndKey apiKey={ending} onClose={() => setEnding(null)} />}
    </Section>
  );
}
