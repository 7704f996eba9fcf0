import { useQuery } from "@tanstack/react-query";
import {
  ArrowRightLeft,
  Bug,
  Download,
  KeyRound,
  Lightbulb,
  LogOut,
  type LucideIcon,
  Pencil,
  RotateCw,
  ScrollText,
  Trash2,
  TriangleAlert,
  Undo2,
  Wifi,
} from "lucide-react";
import { type ReactNode, useState } from "react";
import { toast } from "sonner";
import { Link } from "wouter";
import { useAction, useCanOperate, useIsOwner } from "../../api/actions";
import { answer, api } from "../../api/client";
import { printersQuery } from "../../api/queries";
import { rolloutQuery, updateHub } from "../../api/releases";
import type { Hub } from "../../api/types";
import { duration, moment, size } from "../../domain/format";
import {
  isUpdating,
  resetWord,
  signalWord,
  standing,
  updateTrouble,
  updateWord,
  worries,
} from "../../domain/hubs";
import { FoundList } from "../../pair/found";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { useNow } from "../../ui/now";
import { StateBadge } from "../../ui/state";
import { MovePrinters, ReleaseHub, RenameHub, ReplaceHub } from "./handing-over";
import { RemoveHub, RenewKey } from "./keys";
import { Crashes, HubLogs } from "./printed";
import { HubWifi } from "./wifi";

const DIALOGS = {
  rename: RenameHub,
  wifi: HubWifi,
  logs: HubLogs,
  crashes: Crashes,
  move: MovePrinters,
  replace: ReplaceHub,
  release: ReleaseHub,
  key: RenewKey,
  remove: RemoveHub,
} as const;
type Asked = keyof typeof DIALOGS;

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="flex items-baseline justify-between gap-4 py-1.5">
      <dt className="text-sm text-ink-soft">{name}</dt>
      <dd className="num min-w-0 text-right text-sm break-words">{children}</dd>
    </div>
  );
}

/** How it is, as it said last; what its board cannot tell is left out. */
function Health({ hub }: { hub: Hub }) {
  const now = useNow();
  const told = hub.telemetry;
  const facts: [string, ReactNode][] = [
    ["Firmware", hub.firmware && `${hub.firmware}${hub.board ? ` on ${hub.board}` : ""}`],
    ["MicroPython", hub.image],
    ["Update", hub.update && `${hub.update.version}: ${updateWord(hub.update)}`],
    ["Last start", hub.reset && resetWord(hub.reset)],
    ["Running for", hub.online && told && duration(told.uptime_ms / 1000)],
    ["Wi-Fi", told?.ssid],
    ["Signal", told?.rssi != null && `${signalWord(told.rssi)} (${told.rssi} dBm)`],
    ["Address", told?.ip],
    ["Temperature", told?.temperature != null && `${told.temperature} °C`],
    ["Least free memory", told?.heap_low != null && size(told.heap_low)],
    ["Longest standstill", told?.stall_ms != null && `${told.stall_ms} ms`],
    ["Cloud lost", told?.cloud_drops != null && `${told.cloud_drops} times`],
    ["Wi-Fi lost", told?.wifi_drops != null && `${told.wifi_drops} times`],
    ["Label", hub.device_id && `${hub.device_id.slice(0, 4)}-${hub.device_id.slice(4, 8)}`],
    ["Last seen", !hub.online && (hub.last_seen_at ? moment(hub.last_seen_at, now) : "never")],
  ];
  return (
    <section>
      <h3 className="mb-1 font-semibold">How it is</h3>
      {worries(hub).map((worry) => (
        <p key={worry} className="mb-1 flex gap-2 rounded-xl bg-paused-soft px-3 py-2 text-sm text-paused">
          <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
          {worry}
        </p>
      ))}
      {hub.update?.message && (
        <p className="mb-1 rounded-xl bg-error-soft px-3 py-2 text-sm text-error">
          {updateTrouble(hub.update)}
        </p>
      )}
      <dl className="divide-y">
        {facts.map(([name, fact]) =>
          fact ? (
            <Fact key={name} name={name}>
              {fact}
            </Fact>
          ) : null,
        )}
      </dl>
    </section>
  );
}

const COMMANDS = {
  identify: (id: string) =>
    answer(api.POST("/api/hubs/{id}/identify", { params: { path: { id } }, body: { seconds: 20 } })),
  restart: (id: string) => answer(api.POST("/api/hubs/{id}/restart", { params: { path: { id } } })),
} as const;

/** To the newest release for its board; nothing when it runs that, or is at it. */
function Update({ hub }: { hub: Hub }) {
  const offered = useQuery(rolloutQuery).data?.offered[hub.target];
  const update = useAction(() => updateHub(hub.id), {
    stale: ["hubs"],
    done: ({ version }) => toast.success(`${hub.name} fetches ${version} and starts anew with it.`),
  });
  if (!offered || offered === hub.firmware || (hub.update && isUpdating(hub.update.state))) return null;
  return (
    <Button
      look="primary"
      icon={Download}
      disabled={!hub.online}
      busy={update.isPending}
      onClick={() => update.mutate()}
    >
      Update to {offered}
    </Button>
  );
}

const SAID = {
  identify: "Its light blinks for 20 seconds.",
  restart: "It starts anew. Its printers go on printing.",
} as const;

function Commands({ hub, ask }: { hub: Hub; ask: (what: Asked) => void }) {
  const [operate, owner] = [useCanOperate(), useIsOwner()];
  const tell = useAction((what: keyof typeof COMMANDS) => COMMANDS[what](hub.id), {
    stale: ["hubs"],
    done: (_, what) => toast.success(SAID[what]),
  });
  if (!operate) return null;
  const busy = (what: keyof typeof COMMANDS) => tell.isPending && tell.variables === what;
  const off = !hub.online;
  const open = (what: Asked, label: string, icon: LucideIcon, disabled = false) => (
    <Button key={what} icon={icon} disabled={disabled} onClick={() => ask(what)}>
      {label}
    </Button>
  );
  return (
    <div className="flex flex-wrap gap-2">
      <Update hub={hub} />
      <Button icon={Lightbulb} disabled={off} busy={busy("identify")} onClick={() => tell.mutate("identify")}>
        Blink
      </Button>
      <Button icon={RotateCw} disabled={off} busy={busy("restart")} onClick={() => tell.mutate("restart")}>
        Restart
      </Button>
      {open("logs", "Log", ScrollText, off)}
      {open("crashes", "Crashes", Bug)}
      {owner && open("wifi", "Wi-Fi", Wifi, off)}
      {owner && open("rename", "Rename", Pencil)}
    </div>
  );
}

function Printers({ hub, ask }: { hub: Hub; ask: (what: Asked) => void }) {
  const operate = useCanOperate();
  const [looking, setLooking] = useState(false);
  const printers = useQuery(printersQuery).data?.items.filter((one) => one.hub_id === hub.id) ?? [];
  return (
    <section>
      <h3 className="mb-1 font-semibold">Printers</h3>
      {printers.length === 0 && <p className="text-sm text-ink-soft">None yet.</p>}
      <ul className="divide-y">
        {printers.map((one) => (
          <li key={one.id}>
            <Link href={`/printers/${one.id}`} className="flex min-h-11 items-center justify-between gap-3">
              <span className="truncate">{one.name}</span>
              <span className="num text-sm text-ink-faint">{one.ip_address}</span>
            </Link>
          </li>
        ))}
      </ul>
      {operate && (
        <div className="mt-2 flex flex-wrap gap-2">
          {hub.online && (
            <Button size="sm" aria-expanded={looking} onClick={() => setLooking(!looking)}>
              Find printers
            </Button>
          )}
          {printers.length > 0 && (
            <Button size="sm" icon={ArrowRightLeft} onClick={() => ask("move")}>
              Move printers
            </Button>
          )}
        </div>
      )}
      {looking && (
        <div className="mt-3">
          <FoundList hub={hub.id} />
        </div>
      )}
    </section>
  );
}

/** Everything about one hub, and what an owner does with it in its life. */
export default function HubSheet({ hub, onClose }: { hub: Hub; onClose: () => void }) {
  const owner = useIsOwner();
  const [asked, setAsked] = useState<Asked | null>(null);
  const Asking = asked && DIALOGS[asked];
  const { kind, word } = standing(hub);
  return (
    <Dialog title={hub.name} subtitle={<StateBadge kind={kind} word={word} />} onClose={onClose} form="side">
      <div className="grid gap-7">
        {hub.taken_over_at && (
          <p role="alert" className="rounded-xl bg-error-soft px-3 py-2 text-sm text-error">
            Somebody reset this hub by its button and paired it with another farm. Replace it, or remove it.
          </p>
        )}
        <Commands hub={hub} ask={setAsked} />
        <Health hub={hub} />
        <Printers hub={hub} ask={setAsked} />
        {owner && (
          <section>
            <h3 className="mb-2 font-semibold">Hand over</h3>
            <div className="flex flex-wrap gap-2">
              <Button icon={Undo2} onClick={() => setAsked("replace")}>
                Replace
              </Button>
              {hub.device_id && (
                <Button icon={LogOut} disabled={!hub.online} onClick={() => setAsked("release")}>
                  Release
                </Button>
              )}
              <Button icon={KeyRound} onClick={() => setAsked("key")}>
                New key
              </Button>
              <Button icon={Trash2} className="text-error!" onClick={() => setAsked("remove")}>
                Remove
              </Button>
            </div>
          </section>
        )}
      </div>
      {Asking && <Asking hub={hub} onClose={() => setAsked(null)} />}
    </Dialog>
  );
}
