import { Check, ChevronRight, LoaderCircle, Printer, Search } from "lucide-react";
import { type FormEvent, type ReactNode, useEffect, useState } from "react";
import { Door } from "../shell/door";
import { Button, buttonClass } from "../ui/button";
import { Problem } from "../ui/feedback";
import { TextField } from "../ui/field";
import { addPrinter, type Found, foundPrinters, lookForPrinters, placeOf } from "./cloud";
import { forget } from "./memory";
import { probeText } from "./words";

const POLL_MS = 2500;

/** What the hub found, looked at again and again; null before the first answer. */
export function useFound(hub: string): { found: Found[] | null; refresh: () => void } {
  const [found, setFound] = useState<Found[] | null>(null);
  const [turn, setTurn] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new turn asks at once
  useEffect(() => {
    const look = () =>
      foundPrinters(hub).then(
        (answer) => setFound(answer.items),
        () => undefined, // the next look tells
      );
    void look();
    const timer = setInterval(() => void look(), POLL_MS);
    return () => clearInterval(timer);
  }, [hub, turn]);
  useEffect(() => void lookForPrinters(hub).catch(() => undefined), [hub]);
  return { found, refresh: () => setTurn((now) => now + 1) };
}

interface CodeFormProps {
  /** Takes the fields; throws what is to be told. */
  onSend: (field: (name: string) => string) => Promise<void>;
  children?: ReactNode;
}

function CodeForm({ onSend, children }: CodeFormProps) {
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    setBusy(true);
    setError(null);
    try {
      await onSend((name) => String(data.get(name) ?? "").trim());
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="grid gap-3 border-t p-4" onSubmit={(event) => void submit(event)}>
      {children}
      <TextField
        label="Access code"
        name="code"
        required
        autoFocus={!children}
        maxLength={64}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        hint="On the printer's screen: Settings → LAN Only."
      />
      {error ? <Problem>{probeText(error)}</Problem> : null}
      <p role="status" className="text-sm text-ink-soft empty:hidden">
        {busy && "The hub tries the printer. This takes up to half a minute."}
      </p>
      <Button type="submit" look="primary" busy={busy}>
        Add printer
      </Button>
    </form>
  );
}

const Added = () => (
  <span className="flex items-center gap-1.5 text-sm font-medium text-idle">
    <Check aria-hidden className="size-4.5" /> Added
  </span>
);

function Row({ hub, one, onAdded }: { hub: string; one: Found; onAdded: () => void }) {
  const [open, setOpen] = useState(false);
  const name = one.name || one.model_name || one.serial;
  const add = async (field: (name: string) => string) => {
    await addPrinter(hub, { ...one, name }, field("code"));
    setOpen(false);
    onAdded();
  };
  const about = (
    <>
      <Printer aria-hidden className="size-6 shrink-0 text-ink-soft" strokeWidth={1.6} />
      <span className="min-w-0 grow text-left">
        <span className="block truncate font-medium">{name}</span>
        <span className="num block truncate text-sm text-ink-soft">
          {[one.model_name, one.host].filter(Boolean).join(" · ")}
        </span>
      </span>
    </>
  );
  return (
    <li data-found={one.serial} className="overflow-hidden rounded-2xl border bg-sheet shadow-card">
      {one.printer_id ? (
        <div className="flex min-h-16 items-center gap-3 px-4">
          {about}
          <Added />
        </div>
      ) : (
        <button
          type="button"
          aria-expanded={open}
          className="flex min-h-16 w-full items-center gap-3 px-4"
          onClick={() => setOpen(!open)}
        >
          {about}
          <ChevronRight aria-hidden className={`size-5 text-ink-faint ${open ? "rotate-90" : ""}`} />
        </button>
      )}
      {open && !one.printer_id && <CodeForm onSend={add} />}
    </li>
  );
}

/** A printer in another part of the network does not announce itself: it is named by its address. */
function ByAddress({ hub, onAdded }: { hub: string; onAdded: () => void }) {
  const [open, setOpen] = useState(false);
  const [added, setAdded] = useState("");
  const add = async (field: (name: string) => string) => {
    await addPrinter(hub, { ...placeOf(field("address")), name: field("name") }, field("code"));
    setAdded(field("name") || field("address"));
    setOpen(false);
    onAdded();
  };
  return (
    <div className="mt-3">
      {added && (
        <p role="status" className="mb-2 flex items-center justify-between gap-3 px-1">
          {added} <Added />
        </p>
      )}
      <Button look="ghost" size="sm" icon={Search} aria-expanded={open} onClick={() => setOpen(!open)}>
        A printer is not in the list
      </Button>
      {open && (
        <div className="mt-2 rounded-2xl border bg-sheet shadow-card">
          <CodeForm onSend={add}>
            <TextField
              label="Address"
              name="address"
              required
              autoFocus
              inputMode="decimal"
              autoComplete="off"
              pattern="[0-9.]+(:[0-9]+)?"
              placeholder="192.168.1.20"
              hint="On the printer's screen: Settings → Network."
            />
            <TextField label="Name" name="name" maxLength={64} autoComplete="off" />
          </CodeForm>
        </div>
      )}
    </div>
  );
}

/** Printers that announce themselves to the hub, to be added with a tap and their access code. */
export function FoundList({ hub }: { hub: string }) {
  const { found, refresh } = useFound(hub);
  return (
    <>
      {!found?.length && (
        <p role="status" className="flex items-center gap-2 py-3 text-ink-soft">
          <LoaderCircle aria-hidden className="size-5 shrink-0 animate-spin" />
          Looking for printers. They must be switched on, with LAN Only and Developer Mode on.
        </p>
      )}
      <ul className="grid gap-3">
        {found?.map((one) => (
          <Row key={one.serial} hub={hub} one={one} onAdded={refresh} />
        ))}
      </ul>
      <ByAddress hub={hub} onAdded={refresh} />
    </>
  );
}

export function FoundPrinters({ hub }: { hub: string }) {
  return (
    <Door title="The hub is connected">
      <p className="mb-4 text-ink-soft">Printers on its network. Tap one and type its access code.</p>
      <FoundList hub={hub} />
      <a href="/" onClick={forget} className={`${buttonClass("primary", "lg")} mt-6 w-full`}>
        See them live
      </a>
    </Door>
  );
}
