import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";
import { useAction } from "../../api/actions";
import { answer, api } from "../../api/client";
import { sentence } from "../../api/errors";
import { hubsQuery, printersQuery } from "../../api/queries";
import type { Hub } from "../../api/types";
import { plural } from "../../domain/format";
import { Button, buttonClass } from "../../ui/button";
import { Confirm, Dialog } from "../../ui/dialog";
import { Problem } from "../../ui/feedback";
import { SelectField, TextField } from "../../ui/field";

export interface OfHub {
  hub: Hub;
  onClose: () => void;
}

/** A form in a dialog, with what went wrong beneath. */
export function Frame({
  title,
  action,
  busy,
  error,
  onSubmit,
  onClose,
  children,
}: {
  title: string;
  action: string;
  busy: boolean;
  error: unknown;
  onSubmit: (data: FormData) => void;
  onClose: () => void;
  children: React.ReactNode;
}) {
  const form = useId();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    onSubmit(new FormData(event.currentTarget));
  };
  return (
    <Dialog
      title={title}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" form={form} look="primary" busy={busy}>
            {action}
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={submit} className="grid gap-4 pt-1">
        {children}
        {error ? <Problem>{sentence(error)}</Problem> : null}
      </form>
    </Dialog>
  );
}

export function RenameHub({ hub, onClose }: OfHub) {
  const save = useAction(
    (name: string) =>
      answer(api.PATCH("/api/hubs/{id}", { params: { path: { id: hub.id } }, body: { name } })),
    { stale: ["hubs"], done: onClose },
  );
  return (
    <Frame
      title={`Rename ${hub.name}`}
      action="Save"
      busy={save.isPending}
      error={save.error}
      onSubmit={(data) => save.mutate(String(data.get("name")).trim())}
      onClose={onClose}
    >
      <TextField
        label="Name"
        name="name"
        required
        maxLength={64}
        defaultValue={hub.name}
        autoComplete="off"
      />
    </Frame>
  );
}

/** Owners of hubs that are handed over or sold: the hub forgets everything of this farm. */
export function ReleaseHub({ hub, onClose }: OfHub) {
  const release = useAction(
    () => answer(api.POST("/api/hubs/{id}/release", { params: { path: { id: hub.id } } })),
    { stale: ["hubs", "printers"], done: onClose },
  );
  return (
    <Confirm
      title={`Release ${hub.name}?`}
      text="It forgets this farm, its printers and its Wi-Fi. Whoever holds it can pair it then. Its printers stay here, without a hub."
      action="Release hub"
      busy={release.isPending}
      onConfirm={() => release.mutate()}
      onClose={onClose}
    />
  );
}

function OtherHubs({ hub, label }: { hub: Hub; label: string }) {
  const others = useQuery(hubsQuery).data?.items.filter((one) => one.id !== hub.id) ?? [];
  return (
    <SelectField label={label} name="to" required>
      {others.map((one) => (
        <option key={one.id} value={one.id}>
          {one.name} ({plural(one.printers, "printer")})
        </option>
      ))}
    </SelectField>
  );
}

/** A hub that died: another takes its place, with its printers and their jobs. */
export function ReplaceHub({ hub, onClose }: OfHub) {
  const others = useQuery(hubsQuery).data?.items.filter((one) => one.id !== hub.id) ?? [];
  const replace = useAction(
    (to: string) =>
      answer(api.POST("/api/hubs/{id}/replace", { params: { path: { id: hub.id } }, body: { hub_id: to } })),
    { stale: ["hubs", "printers"], done: onClose },
  );
  const isNew = (
    <a href={`/p?replaces=${hub.id}`} className={`${buttonClass("primary", "lg")} w-full`}>
      Pair a new hub in its place
    </a>
  );
  if (others.length === 0)
    return (
      <Dialog title={`Replace ${hub.name}`} onClose={onClose}>
        <p className="mb-4 text-[0.9375rem] text-ink-soft">Its printers come along, with their jobs.</p>
        {isNew}
      </Dialog>
    );
  return (
    <Frame
      title={`Replace ${hub.name}`}
      action="Replace hub"
      busy={replace.isPending}
      error={replace.error}
      onSubmit={(data) => replace.mutate(String(data.get("to")))}
      onClose={onClose}
    >
      <p className="text-[0.9375rem] text-ink-soft">
        Its printers come along, with their jobs, and {hub.name} is removed.
      </p>
      {isNew}
      <OtherHubs hub={hub} label="Or a hub that is here already" />
    </Frame>
  );
}

export function MovePrinters({ hub, onClose }: OfHub) {
  const printers = useQuery(printersQuery).data?.items.filter((one) => one.hub_id === hub.id) ?? [];
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  const chosen = printers.filter((one) => !left.has(one.id));
  const move = useAction(
    async (to: string) => {
      // One after the other: the first that is refused says why, and the rest stay.
      for (const one of chosen)
        await answer(
          api.PATCH("/api/printers/{id}", { params: { path: { id: one.id } }, body: { hub_id: to } }),
        );
    },
    { stale: ["hubs", "printers"], done: onClose },
  );
  const toggle = (id: string) =>
    setLeft((now) => {
      const next = new Set(now);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  return (
    <Frame
      title={`Move printers from ${hub.name}`}
      action={`Move ${plural(chosen.length, "printer")}`}
      busy={move.isPending}
      error={move.error}
      onSubmit={(data) => chosen.length > 0 && move.mutate(String(data.get("to")))}
      onClose={onClose}
    >
      <fieldset>
        <legend className="mb-1 text-sm font-medium">Printers</legend>
        {printers.map((one) => (
          <label key={one.id} className="flex min-h-11 items-center gap-3 text-[0.9375rem]">
            <input
              type="checkbox"
              className="size-5 accent-primary"
              checked={!left.has(one.id)}
              onChange={() => toggle(one.id)}
            />
            {one.name}
          </label>
        ))}
      </fieldset>
      <OtherHubs hub={hub} label="To" />
    </Frame>
  );
}
