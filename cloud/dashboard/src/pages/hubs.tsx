import { useQuery } from "@tanstack/react-query";
import { Check, Copy, KeyRound, Plus, Router, Trash2 } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { useAction, useIsOwner } from "../api/actions";
import { answer, api } from "../api/client";
import { hubsQuery } from "../api/queries";
import type { Hub } from "../api/types";
import { moment, plural } from "../domain/format";
import { Button, IconButton } from "../ui/button";
import { cx } from "../ui/cx";
import { Confirm, Dialog } from "../ui/dialog";
import { Empty, Failed, PageTitle, Skeleton } from "../ui/feedback";
import { TextField } from "../ui/field";
import { useNow } from "../ui/now";
import { StateBadge } from "../ui/state";

/** The key is shown this once: afterwards only its hash is known. */
function NewKey({ name, hubKey, onClose }: { name: string; hubKey: string; onClose: () => void }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(hubKey);
    setCopied(true);
  };
  return (
    <Dialog
      title={`The key of ${name}`}
      onClose={onClose}
      footer={
        <Button look="primary" onClick={onClose}>
          I have saved it
        </Button>
      }
    >
      <p className="text-sm text-ink-soft">
        Give it to the hub when you flash it. It is shown only now; if it is lost, make a new hub.
      </p>
      <div className="mt-4 flex items-center gap-2 rounded-xl bg-well p-3">
        <code className="min-w-0 grow text-sm break-all select-all">{hubKey}</code>
        <IconButton label="Copy the key" icon={copied ? Check : Copy} onClick={() => void copy()} />
      </div>
    </Dialog>
  );
}

function AddHub({ onClose }: { onClose: () => void }) {
  const form = useId();
  const add = useAction((name: string) => answer(api.POST("/api/hubs/", { body: { name } })), {
    stale: ["hubs"],
  });
  if (add.data) return <NewKey name={add.data.name} hubKey={add.data.key} onClose={onClose} />;
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    add.mutate(String(new FormData(event.currentTarget).get("name")).trim());
  };
  return (
    <Dialog
      title="Add a hub"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" form={form} look="primary" busy={add.isPending}>
            Create its key
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={submit} className="pt-1">
        <TextField
          label="Name"
          name="name"
          required
          maxLength={64}
          placeholder="Workshop"
          autoComplete="off"
          hint="Where it stands, so that you find it."
        />
      </form>
    </Dialog>
  );
}

function RemoveHub({ hub, onClose }: { hub: Hub; onClose: () => void }) {
  const remove = useAction(() => answer(api.DELETE("/api/hubs/{id}", { params: { path: { id: hub.id } } })), {
    stale: ["hubs"],
    done: onClose,
  });
  return (
    <Confirm
      title={`Remove ${hub.name}?`}
      text="Its key stops working at once. Printers behind it can no longer be reached until they are given to another hub."
      action="Remove hub"
      busy={remove.isPending}
      onConfirm={() => remove.mutate()}
      onClose={onClose}
    />
  );
}

/** For a hub that is flashed anew, or whose key may have been seen by others. */
function RenewKey({ hub, onClose }: { hub: Hub; onClose: () => void }) {
  const renew = useAction(
    () => answer(api.POST("/api/hubs/{id}/key", { params: { path: { id: hub.id } } })),
    {
      stale: ["hubs"],
    },
  );
  if (renew.data) return <NewKey name={hub.name} hubKey={renew.data.key} onClose={onClose} />;
  return (
    <Confirm
      title={`Make a new key for ${hub.name}?`}
      text="The present key stops working at once: the hub is offline until it has the new one."
      action="Make a new key"
      busy={renew.isPending}
      onConfirm={() => renew.mutate()}
      onClose={onClose}
    />
  );
}

type Asked = { hub: Hub; what: "remove" | "key" };

function HubRow({ hub, onAsk }: { hub: Hub; onAsk: (asked: Asked) => void }) {
  const owner = useIsOwner();
  const now = useNow();
  const seen = hub.last_seen_at ? `last seen ${moment(hub.last_seen_at, now)}` : "never connected";
  return (
    <li
      data-hub={hub.id}
      className="flex flex-wrap items-center gap-x-4 gap-y-2 rounded-2xl border bg-sheet p-4 shadow-card"
    >
      <span
        className={cx("grid size-12 place-items-center rounded-xl bg-well", !hub.online && "text-ink-faint")}
      >
        <Router aria-hidden className="size-6" strokeWidth={1.6} />
      </span>
      <div className="min-w-0 grow">
        <h2 className="truncate font-semibold">{hub.name}</h2>
        <p className="num text-sm text-ink-soft">
          {plural(hub.printers, "printer")}
          {hub.max_printers ? ` of ${hub.max_printers}` : ""}
          {hub.board ? ` · ${hub.board}` : ""}
          {hub.firmware ? ` · firmware ${hub.firmware}` : ""}
          {hub.online ? "" : ` · ${seen}`}
        </p>
      </div>
      <StateBadge
        kind={hub.online ? "idle" : "offline"}
        word={hub.online ? "Online" : hub.revoked ? "Locked out" : "Offline"}
      />
      {owner && (
        <div className="flex">
          <IconButton
            label={`New key for ${hub.name}`}
            icon={KeyRound}
            onClick={() => onAsk({ hub, what: "key" })}
          />
          <IconButton
            label={`Remove ${hub.name}`}
            icon={Trash2}
            onClick={() => onAsk({ hub, what: "remove" })}
          />
        </div>
      )}
    </li>
  );
}

export default function Hubs() {
  const hubs = useQuery(hubsQuery);
  const owner = useIsOwner();
  const [adding, setAdding] = useState(false);
  const [asked, setAsked] = useState<Asked | null>(null);
  const add = owner && (
    <Button
      look={hubs.data?.items.length === 0 ? "primary" : "quiet"}
      icon={Plus}
      onClick={() => setAdding(true)}
    >
      Add hub
    </Button>
  );
  const empty = hubs.data?.items.length === 0;
  return (
    <>
      <PageTitle actions={!empty && add}>Hubs</PageTitle>
      {hubs.isPending && <Skeleton className="h-20 rounded-2xl" />}
      {hubs.isError && <Failed error={hubs.error} onRetry={() => void hubs.refetch()} />}
      {empty && (
        <Empty icon={Router} title="No hub yet" action={add}>
          A hub is a small board on your printers' network. It connects them with PrintFarm and needs nothing
          but power and Wi-Fi.
        </Empty>
      )}
      <ul className="grid max-w-4xl gap-3">
        {hubs.data?.items.map((hub) => (
          <HubRow key={hub.id} hub={hub} onAsk={setAsked} />
        ))}
      </ul>
      {adding && <AddHub onClose={() => setAdding(false)} />}
      {asked?.what === "remove" && <RemoveHub hub={asked.hub} onClose={() => setAsked(null)} />}
      {asked?.what === "key" && <RenewKey hub={asked.hub} onClose={() => setAsked(null)} />}
    </>
  );
}
