import { useQuery } from "@tanstack/react-query";
import { Check, Copy, Plus, Router, Trash2 } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { useAction, useCanOperate } from "../api/actions";
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

function HubRow({ hub, onRemove }: { hub: Hub; onRemove: () => void }) {
  const operate = useCanOperate();
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
      <StateBadge kind={hub.online ? "idle" : "offline"} word={hub.online ? "Online" : "Offline"} />
      {operate && <IconButton label={`Remove ${hub.name}`} icon={Trash2} onClick={onRemove} />}
    </li>
  );
}

export default function Hubs() {
  const hubs = useQuery(hubsQuery);
  const operate = useCanOperate();
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Hub | null>(null);
  const add = operate && (
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
          <HubRow key={hub.id} hub={hub} onRemove={() => setRemoving(hub)} />
        ))}
      </ul>
      {adding && <AddHub onClose={() => setAdding(false)} />}
      {removing && <RemoveHub hub={removing} onClose={() => setRemoving(null)} />}
    </>
  );
}
