import { QrCode } from "lucide-react";
import { type FormEvent, useId } from "react";
import { useAction } from "../../api/actions";
import { answer, api } from "../../api/client";
import type { Hub } from "../../api/types";
import { Button, buttonClass } from "../../ui/button";
import { Confirm, Dialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { Secret } from "../../ui/section";

/** The key is shown this once: afterwards only its hash is known. */
function NewKey({ name, hubKey, onClose }: { name: string; hubKey: string; onClose: () => void }) {
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
      <p className="mb-4 text-sm text-ink-soft">
        Give it to the hub when you flash it. It is shown only now; if it is lost, make a new hub.
      </p>
      <Secret text={hubKey} what="the key" />
    </Dialog>
  );
}

/** The usual way is the label; a key by hand is for those who run the firmware themselves. */
export function AddHub({ onClose }: { onClose: () => void }) {
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
    <Dialog title="Add a hub" onClose={onClose}>
      <p className="mb-4 text-[0.9375rem] text-ink-soft">
        Plug the hub in and scan the larger code on its label with your phone's camera. This computer can do
        it too when it has Bluetooth: type the characters beneath the code.
      </p>
      <a href="/p" className={`${buttonClass("primary", "lg")} w-full`}>
        <QrCode aria-hidden className="size-5" />
        Type the label
      </a>
      <details className="mt-5 border-t pt-4">
        <summary className="cursor-pointer py-1 text-sm font-medium">Set up by hand, with a key</summary>
        <form id={form} onSubmit={submit} className="grid gap-3 pt-3">
          <TextField
            label="Name"
            name="name"
            required
            maxLength={64}
            placeholder="Workshop"
            autoComplete="off"
            hint="Where it stands, so that you find it."
          />
          <Button type="submit" busy={add.isPending}>
            Create its key
          </Button>
        </form>
      </details>
    </Dialog>
  );
}

interface OfHub {
  hub: Hub;
  onClose: () => void;
}

export function RemoveHub({ hub, onClose }: OfHub) {
  const remove = useAction(() => answer(api.DELETE("/api/hubs/{id}", { params: { path: { id: hub.id } } })), {
    stale: ["hubs", "printers"],
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
export function RenewKey({ hub, onClose }: OfHub) {
  const renew = useAction(
    () => answer(api.POST("/api/hubs/{id}/key", { params: { path: { id: hub.id } } })),
    { stale: ["hubs"] },
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
