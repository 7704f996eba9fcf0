import { queryOptions, useQuery } from "@tanstack/react-query";
import { Trash2 } from "lucide-react";
import { useState } from "react";
import { useAction } from "../../api/actions";
import { answer, api } from "../../api/client";
import { queryClient } from "../../api/queries";
import { networkWord } from "../../domain/hubs";
import { Button, IconButton } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { Failed, Skeleton } from "../../ui/feedback";
import { TextField } from "../../ui/field";
import { Frame, type OfHub } from "./handing-over";

const MOST = 4;
const FULL = `It keeps ${MOST} at most: remove one to add another.`;

/** Without a password: it stays as the hub knows it. */
interface Wanted {
  ssid: string;
  password?: string;
}

function useNetworks(hub: string) {
  const path = { params: { path: { id: hub } } };
  const query = queryOptions({
    queryKey: ["hubs", hub, "wifi"],
    queryFn: () => answer(api.GET("/api/hubs/{id}/wifi", path)),
    staleTime: 0,
  });
  const known = useQuery(query);
  /** From what the hub knows now, not from what it knew when the dialog was opened: so two people both have their way. */
  const change = async (wish: (now: Wanted[]) => Wanted[]) => {
    const now = (await queryClient.fetchQuery(query)).networks;
    const networks = wish(now.map(({ ssid }) => ({ ssid })));
    if (networks.length > MOST) throw new Error(FULL);
    return answer(api.PUT("/api/hubs/{id}/wifi", { ...path, body: { networks } }));
  };
  return { known, networks: known.data?.networks ?? [], change };
}

/** Added before the others, so that the hub tries it first; the others stay, should it not lead here. */
function AddNetwork({ hub, onClose }: OfHub) {
  const { change } = useNetworks(hub.id);
  const add = useAction(
    (wanted: Wanted) => change((now) => [wanted, ...now.filter(({ ssid }) => ssid !== wanted.ssid)]),
    { stale: ["hubs"], done: onClose },
  );
  return (
    <Frame
      title="Add a network"
      action="Add network"
      busy={add.isPending}
      error={add.error}
      onSubmit={(data) =>
        add.mutate({ ssid: String(data.get("ssid")), password: String(data.get("password")) })
      }
      onClose={onClose}
    >
      <TextField
        label="Wi-Fi name"
        name="ssid"
        required
        maxLength={32}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
      />
      <TextField
        label="Wi-Fi password"
        name="password"
        type="password"
        minLength={8}
        maxLength={64}
        autoComplete="off"
        hint="Leave it empty for an open network."
      />
    </Frame>
  );
}

/** The networks that a hub knows and what became of each; it is left at least the one that it is in. */
export function HubWifi({ hub, onClose }: OfHub) {
  const { known, networks, change } = useNetworks(hub.id);
  const [adding, setAdding] = useState(false);
  const remove = useAction((gone: string) => change((now) => now.filter(({ ssid }) => ssid !== gone)), {
    stale: ["hubs"],
  });
  const full = networks.length >= MOST;
  return (
    <Dialog
      title={`Wi-Fi of ${hub.name}`}
      onClose={onClose}
      footer={
        <Button look="primary" disabled={!known.data || full} onClick={() => setAdding(true)}>
          Add network
        </Button>
      }
    >
      {known.isPending && <Skeleton className="h-32" />}
      {known.isError && <Failed error={known.error} onRetry={() => void known.refetch()} />}
      {known.data && (
        <p className="mb-2 text-sm text-ink-soft">
          The hub tries those in range from the top. It changes when the present one is lost, or at a restart.
          {full && ` ${FULL}`}
        </p>
      )}
      <ul aria-label="Known networks" className="divide-y">
        {networks.map(({ ssid, state }) => (
          <li key={ssid} className="flex min-h-14 items-center gap-3">
            <span className="min-w-0 grow">
              <span className="block truncate font-medium">{ssid}</span>
              <span className={`text-sm ${state === "wrong_password" ? "text-error" : "text-ink-soft"}`}>
                {networkWord(state)}
              </span>
            </span>
            {state !== "joined" && networks.length > 1 && (
              <IconButton
                label={`Remove ${ssid}`}
                icon={Trash2}
                disabled={remove.isPending}
                onClick={() => remove.mutate(ssid)}
              />
            )}
          </li>
        ))}
      </ul>
      {adding && <AddNetwork hub={hub} onClose={() => setAdding(false)} />}
    </Dialog>
  );
}
