import { LoaderCircle } from "lucide-react";
import { type FormEvent, type ReactNode, useCallback, useEffect, useState } from "react";
import { ApiError, sentence } from "../api/errors";
import { Door } from "../shell/door";
import { Button, buttonClass } from "../ui/button";
import { Problem } from "../ui/feedback";
import { TextField } from "../ui/field";
import { AccessPoint } from "./access-point";
import { beginPairing, pairingState, whoAmI } from "./cloud";
import { FoundPrinters } from "./found";
import { deviceOf, secretOf, shown } from "./label";
import { forget, type Memory, type Pairing, remember, takeLabel } from "./memory";
import { OverRadio, type WayProps } from "./over-radio";
import type { Label } from "./pairing";
import { hasRadio } from "./radio";

/** By hand, where a camera cannot read the label. */
function TypeLabel({ onLabel }: { onLabel: (label: string) => void }) {
  const [problem, setProblem] = useState<string>();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const label = String(new FormData(event.currentTarget).get("label"));
    try {
      secretOf(label);
      onLabel(label.toUpperCase().replaceAll(/[\s-]/g, ""));
    } catch (error) {
      setProblem(sentence(error));
    }
  };
  return (
    <Door title="Add a hub">
      <p className="mb-6 text-ink-soft">
        Scan the larger code on the hub's label with your phone's camera. Or type the 26 characters beneath
        it.
      </p>
      <form className="grid gap-4" onSubmit={submit}>
        <TextField
          label="Characters on the label"
          name="label"
          required
          autoFocus
          autoComplete="off"
          autoCapitalize="characters"
          spellCheck={false}
          maxLength={40}
          className="font-mono tracking-wide uppercase"
          error={problem}
          hint="Capitals, dashes and spaces do not matter."
        />
        <Button type="submit" look="primary" size="lg">
          Go on
        </Button>
        <a href="/hubs" className={buttonClass("ghost", "sm")}>
          Back to the dashboard
        </a>
      </form>
    </Door>
  );
}

interface StopProps {
  title: string;
  children: ReactNode;
  action?: string;
  onAction?: () => void;
}

function Stop({ title, children, action, onAction }: StopProps) {
  return (
    <Door title={title}>
      <div role="alert" className="mb-6 text-ink-soft">
        {children}
      </div>
      <div className="grid gap-3">
        {action && (
          <Button look="primary" size="lg" onClick={onAction}>
            {action}
          </Button>
        )}
        <Button
          look="ghost"
          onClick={() => {
            forget();
            window.location.assign("/p");
          }}
        >
          Use another label
        </Button>
      </div>
    </Door>
  );
}

const Waiting = () => (
  <main className="grid min-h-dvh place-items-center text-ink-faint">
    <LoaderCircle aria-label="Loading" className="size-7 animate-spin" />
  </main>
);

type Ready =
  | { at: "loading" }
  | { at: "ready"; label: Label; pairing: Pairing }
  | { at: "refused"; error: unknown }
  | { at: "not_owner"; email: string };

/** A pairing that still has a minute to live is used again: the page may have been reloaded. */
const isFresh = (pairing: Pairing | undefined): pairing is Pairing =>
  pairing !== undefined && Date.parse(pairing.expires_at) - Date.now() > 60_000;

const replaced = (): string | null => new URLSearchParams(window.location.search).get("replaces");

async function prepare(memory: Memory, reset: boolean): Promise<Ready | "login"> {
  const secret = secretOf(memory.label);
  const device = await deviceOf(secret);
  const person = await whoAmI();
  if (!person) return "login";
  if (person.role !== "owner") return { at: "not_owner", email: person.email };
  const replaces = replaced();
  const wish = { device_id: device, ...(replaces && { replaces }), ...(reset && ({ reset } as const)) };
  const pairing = isFresh(memory.pairing) ? memory.pairing : await beginPairing(wish);
  return { at: "ready", label: { secret, device }, pairing };
}

const CLAIM_POLL_MS = 1500;

/** Asks the cloud whether the hub has arrived: the one answer that counts, whichever way the hub was told. */
function useClaim(pairing: Pairing | undefined, onClaimed: (hub: string) => void, onExpired: () => void) {
  useEffect(() => {
    if (!pairing) return;
    const look = async () => {
      // Without a network, as on the hub's own access point, the next look tells.
      const now = await pairingState(pairing.id).catch(() => null);
      if (now?.state === "claimed" && now.hub_id) onClaimed(now.hub_id);
      if (now?.state === "expired") onExpired();
    };
    const timer = setInterval(() => void look(), CLAIM_POLL_MS);
    return () => clearInterval(timer);
  }, [pairing, onClaimed, onExpired]);
}

function Pairer({ memory, onChange }: { memory: Memory; onChange: (memory: Memory) => void }) {
  const [ready, setReady] = useState<Ready>({ at: "loading" });
  const [label] = useState(memory.label);
  const begin = useCallback(
    (known?: Pairing, reset = false) => {
      setReady({ at: "loading" });
      prepare({ label, ...(known && { pairing: known }) }, reset).then(
        (next) => {
          if (next === "login")
            return window.location.assign(`/login?next=${encodeURIComponent(`/p${window.location.search}`)}`);
          if (next.at === "ready") remember({ label, pairing: next.pairing });
          setReady(next);
        },
        (error: unknown) => setReady({ at: "refused", error }),
      );
    },
    [label],
  );
  const [first] = useState(memory.pairing);
  useEffect(() => begin(first), [begin, first]);
  const claimed = useCallback((hub: string) => onChange({ label, hub }), [label, onChange]);
  const renew = useCallback(() => begin(), [begin]);
  useClaim(ready.at === "ready" ? ready.pairing : undefined, claimed, renew);

  if (ready.at === "loading") return <Waiting />;
  if (ready.at === "not_owner")
    return (
      <Stop title="Only owners add hubs">
        You are signed in as {ready.email}. Ask an owner of your farm to scan this label.
      </Stop>
    );
  if (ready.at === "refused")
    return <Refused error={ready.error} onAgain={renew} onReset={() => begin(undefined, true)} />;
  return (
    <Door title={`Connect ${shown(ready.label.device)}`}>
      <Ways label={ready.label} pairing={ready.pairing} onTokenGone={renew} />
    </Door>
  );
}

/** By Bluetooth where the browser has it; the hub's own access point always works. */
function Ways(way: WayProps) {
  const [radio, setRadio] = useState(hasRadio);
  if (!radio) return <AccessPoint {...way} />;
  return (
    <>
      <OverRadio {...way} />
      <Button look="ghost" size="sm" className="mt-3 w-full" onClick={() => setRadio(false)}>
        Without Bluetooth
      </Button>
    </>
  );
}

interface RefusedProps {
  error: unknown;
  onAgain: () => void;
  onReset: () => void;
}

function Refused({ error, onAgain, onReset }: RefusedProps) {
  if (!(error instanceof ApiError && error.code === "already_owned"))
    return (
      <Stop title="That did not work" action="Try again" onAction={onAgain}>
        <Problem>{sentence(error)}</Problem>
      </Stop>
    );
  const own = typeof error.details.hub_id === "string";
  return (
    <Stop
      title={own ? "This hub is yours already" : "This hub has an owner"}
      action="I have reset it"
      onAction={onReset}
    >
      <p className="mb-3">
        {own
          ? "It is among your hubs, and works on as it is."
          : "Its owner can release it: then scan the label again."}
      </p>
      <p>
        To pair it anew, hold its button for 10 seconds until its light goes out. The hub forgets its Wi-Fi
        and its owner.
      </p>
      {own && (
        <a href="/hubs" className="mt-3 inline-block py-2 underline">
          To your hubs
        </a>
      )}
    </Stop>
  );
}

/** From a scanned label to printers that print. */
export function PairPage() {
  const [memory, setMemory] = useState(takeLabel);
  const change = useCallback((next: Memory) => {
    remember(next);
    setMemory(next);
  }, []);
  useEffect(() => {
    // Another label scanned into the same tab.
    const scanned = () => window.location.hash && window.location.reload();
    window.addEventListener("hashchange", scanned);
    return () => window.removeEventListener("hashchange", scanned);
  }, []);
  if (!window.isSecureContext)
    return (
      <Door title="This page needs HTTPS">
        <p className="text-ink-soft">
          Your browser gives neither encryption nor Bluetooth to a page that was loaded without it. Open
          PrintFarm by its https:// address and scan the label again.
        </p>
      </Door>
    );
  if (!memory) return <TypeLabel onLabel={(label) => change({ label })} />;
  if (memory.hub) return <FoundPrinters hub={memory.hub} />;
  return <Pairer memory={memory} onChange={change} />;
}
