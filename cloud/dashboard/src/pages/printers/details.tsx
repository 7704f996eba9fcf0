import {
  Cable,
  KeyRound,
  Lightbulb,
  LightbulbOff,
  Pause,
  Pencil,
  Play,
  ShieldCheck,
  Square,
  Unplug,
} from "lucide-react";
import { lazy, type ReactNode, Suspense, useState } from "react";
import { Link } from "wouter";
import { actOnPrinter, controlPrint, useAction, useCanOperate } from "../../api/actions";
import { answer, api } from "../../api/client";
import { errorCode, hmsCode, hmsSeverity, hmsText } from "../../domain/errors";
import { degrees, duration, finishClock, moment } from "../../domain/format";
import { modelName } from "../../domain/models";
import { displayState, isPrinting, needsClearing } from "../../domain/state";
import { useLoaded, usePrinter } from "../../live/live";
import type { PrinterView } from "../../live/types";
import { Button } from "../../ui/button";
import { cx } from "../../ui/cx";
import { Confirm, Dialog } from "../../ui/dialog";
import { Skeleton } from "../../ui/feedback";
import { TrayTable } from "../../ui/filament";
import { useNow } from "../../ui/now";
import { Progress, StateBadge } from "../../ui/state";
import { Thumb } from "../../ui/thumb";
import { BedCleared } from "./bed-cleared";
import { Camera } from "./camera";
import { jobName, ProblemNote, percentOf } from "./card";

const EditPrinter = lazy(() => import("./form").then((module) => ({ default: module.EditPrinter })));

const SPEEDS = ["Silent", "Standard", "Sport", "Ludicrous"];

export function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="mt-6">
      <h3 className="mb-2 text-sm font-semibold text-ink-soft">{title}</h3>
      {children}
    </section>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="rounded-xl bg-well px-3 py-2">
      <dt className="text-[0.8125rem] text-ink-soft">{name}</dt>
      <dd className="num truncate font-medium">{children}</dd>
    </div>
  );
}

const pair = (now: number | undefined, target: number | undefined): string =>
  target ? `${degrees(now)} / ${degrees(target)}` : degrees(now);

function Facts({ view }: { view: PrinterView }) {
  const facts: [string, string | null][] = [
    ["Nozzle", pair(view.nozzle, view.nozzle_target)],
    ["Bed", pair(view.bed, view.bed_target)],
    ["Chamber", view.chamber === undefined ? null : degrees(view.chamber)],
    ["Nozzle size", view.nozzle_diameter ? `${view.nozzle_diameter} mm` : null],
    ["Part fan", view.fan_part === undefined ? null : `${view.fan_part} %`],
    ["Wi-Fi", view.wifi === undefined ? null : `${view.wifi} dBm`],
    ["Storage", view.storage && view.storage !== "ok" && view.storage !== "unknown" ? view.storage : null],
    ["Firmware", view.firmware || null],
  ];
  return (
    <dl className="grid grid-cols-2 gap-2 sm:grid-cols-3">
      {facts.map(
        ([name, value]) =>
          value !== null && (
            <Fact key={name} name={name}>
              {value}
            </Fact>
          ),
      )}
    </dl>
  );
}

function CurrentPrint({ view }: { view: PrinterView }) {
  const now = useNow();
  const state = displayState(view);
  if (state.kind !== "printing" && state.kind !== "paused") return null;
  const percent = percentOf(view);
  return (
    <div className="rounded-2xl border p-3.5">
      <div className="mb-3 flex items-center gap-3.5">
        <Thumb src={view.job?.thumbnail} alt="" className="size-20" />
        <div className="min-w-0">
          <p className="truncate font-medium">
            {view.job ? (
              <Link
                href={`/jobs/${view.job.id}`}
                className="underline decoration-line-strong underline-offset-3 hover:decoration-current"
              >
                {jobName(view)}
              </Link>
            ) : (
              jobName(view)
            )}
          </p>
          <p className="num text-sm text-ink-soft">
            {Math.round(percent)} %{view.layers ? ` · layer ${view.layer ?? 0} of ${view.layers}` : ""}
          </p>
          {view.remaining ? (
            <p className="num text-sm text-ink-soft">
              {duration(view.remaining)} left · done {finishClock(view.remaining, now)}
            </p>
          ) : null}
        </div>
      </div>
      <Progress value={percent} kind={state.kind} label={`${state.word}: ${jobName(view)}`} />
    </div>
  );
}

/** What the printer complains about; hints of no weight are left out. */
function Complaints({ view }: { view: PrinterView }) {
  const serious = (view.hms ?? []).filter((one) => hmsSeverity(one) <= 3);
  if (serious.length === 0) return null;
  return (
    <Section title="The printer reports">
      <ul className="grid gap-2">
        {serious.map((one) => (
          <li
            key={hmsCode(one)}
            className={cx(
              "rounded-xl px-3 py-2 text-sm",
              hmsSeverity(one) <= 2 ? "bg-error-soft text-error" : "bg-well",
            )}
          >
            {hmsText(one)} <span className="num text-[0.8125rem]">{hmsCode(one)}</span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function PrintControls({ view }: { view: PrinterView }) {
  const [stopping, setStopping] = useState(false);
  const control = useAction((action: "pause" | "resume" | "stop") => controlPrint(view, action), {
    stale: ["jobs"],
    done: () => setStopping(false),
  });
  const paused = view.state === "pause";
  const transfer = view.job && ["assigned", "uploading", "starting"].includes(view.job.status);
  if (!isPrinting(view) && !paused && !transfer) return null;
  return (
    <div className="grid grid-cols-2 gap-2">
      {paused ? (
        <Button look="primary" icon={Play} busy={control.isPending} onClick={() => control.mutate("resume")}>
          Resume
        </Button>
      ) : (
        <Button
          icon={Pause}
          disabled={!isPrinting(view)}
          busy={control.isPending && !stopping}
          onClick={() => control.mutate("pause")}
        >
          Pause
        </Button>
      )}
      <Button icon={Square} className="text-error!" onClick={() => setStopping(true)}>
        Stop
      </Button>
      {stopping && (
        <Confirm
          title={`Stop the print on ${view.name}?`}
          text={`“${jobName(view)}” is at ${Math.round(percentOf(view))} %. A stopped print cannot go on; its filament is lost.`}
          action="Stop the print"
          busy={control.isPending}
          onConfirm={() => control.mutate("stop")}
          onClose={() => setStopping(false)}
        />
      )}
    </div>
  );
}

function Speed({ view }: { view: PrinterView }) {
  const speed = useAction((level: number) =>
    answer(api.POST("/api/printers/{id}/speed", { params: { path: { id: view.id } }, body: { level } })),
  );
  return (
    <fieldset disabled={speed.isPending}>
      <legend className="mb-1.5 text-[0.8125rem] text-ink-soft">Speed</legend>
      <div className="grid grid-cols-4 rounded-xl bg-well p-1">
        {SPEEDS.map((name, index) => (
          <label
            key={name}
            className={cx(
              "grid h-10 place-items-center rounded-lg text-[0.8125rem] has-focus-visible:outline-2 has-focus-visible:outline-focus md:h-8",
              view.speed === index + 1
                ? "bg-sheet font-medium text-ink shadow-sm"
                : "text-ink-soft hover:text-ink",
            )}
          >
            <input
              type="radio"
              name="speed"
              className="sr-only"
              checked={view.speed === index + 1}
              onChange={() => speed.mutate(index + 1)}
            />
            {name}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

function Light({ view }: { view: PrinterView }) {
  const light = useAction((on: boolean) =>
    answer(api.POST("/api/printers/{id}/light", { params: { path: { id: view.id } }, body: { on } })),
  );
  return (
    <Button
      icon={view.light ? Lightbulb : LightbulbOff}
      aria-pressed={view.light ?? false}
      busy={light.isPending}
      onClick={() => light.mutate(!view.light)}
    >
      Light {view.light ? "on" : "off"}
    </Button>
  );
}

function Connection({ view, onEdit }: { view: PrinterView; onEdit: () => void }) {
  const connect = useAction((action: "connect" | "disconnect" | "trust") => actOnPrinter(view.id, action), {
    stale: ["printers"],
  });
  const off = view.connect === false;
  return (
    <div className="flex flex-wrap gap-2">
      {view.link === "cert_changed" && (
        <Button
          look="primary"
          icon={ShieldCheck}
          busy={connect.isPending}
          onClick={() => connect.mutate("trust")}
        >
          Accept the new certificate
        </Button>
      )}
      {off ? (
        <Button icon={Cable} busy={connect.isPending} onClick={() => connect.mutate("connect")}>
          Connect
        </Button>
      ) : (
        <Button icon={Unplug} busy={connect.isPending} onClick={() => connect.mutate("disconnect")}>
          Disconnect
        </Button>
      )}
      <Button icon={Pencil} onClick={onEdit}>
        Edit
      </Button>
    </div>
  );
}

function Body({ view, onEdit }: { view: PrinterView; onEdit: () => void }) {
  const operate = useCanOperate();
  const state = displayState(view);
  const reachable = view.link === "online" && view.hub !== "offline";
  return (
    <>
      <div className="grid gap-3">
        <ProblemNote view={view} state={state} />
        {view.link === "auth_failed" && operate && (
          <Button look="primary" icon={KeyRound} onClick={onEdit}>
            Enter the access code
          </Button>
        )}
        {needsClearing(view) && operate && <BedCleared id={view.id} name={view.name} />}
        <CurrentPrint view={view} />
        {operate && reachable && <PrintControls view={view} />}
      </div>
      {reachable && (
        <Section title="Camera">
          <Camera id={view.id} name={view.name} />
        </Section>
      )}
      <Complaints view={view} />
      {operate && reachable && (
        <Section title="Controls">
          <div className="grid gap-3">
            <Speed view={view} />
            <div>
              <Light view={view} />
            </div>
          </div>
        </Section>
      )}
      <Section title="Readings">
        <Facts view={view} />
      </Section>
      <Section title="Filament">
        <TrayTable trays={view.trays ?? []} ams={view.ams ?? []} active={view.tray} />
      </Section>
      {operate && (
        <Section title="Connection">
          <Connection view={view} onEdit={onEdit} />
          {view.seen_at && (
            <p className="num mt-2 text-[0.8125rem] text-ink-faint">Last heard {moment(view.seen_at)}</p>
          )}
        </Section>
      )}
    </>
  );
}

/** Everything about one printer, at the side of the grid. */
export default function Details({ id, onClose }: { id: string; onClose: () => void }) {
  const view = usePrinter(id);
  const loaded = useLoaded();
  const [editing, setEditing] = useState(false);
  if (!view) {
    return (
      <Dialog title={loaded ? "No such printer" : "Printer"} form="side" onClose={onClose}>
        {loaded ? (
          <p className="text-ink-soft">It was removed, or the address is wrong.</p>
        ) : (
          <Skeleton className="h-72" />
        )}
      </Dialog>
    );
  }
  const state = displayState(view);
  const code = view.error ? errorCode(view.error) : null;
  return (
    <Dialog
      form="side"
      title={view.name}
      onClose={onClose}
      subtitle={
        <span className="flex flex-wrap items-center gap-x-3 gap-y-1.5">
          <StateBadge kind={state.kind} word={state.word} />
          <span>{modelName(view.model)}</span>
          {view.location && <span>{view.location}</span>}
          {code && state.kind === "paused" && <span className="num">{code}</span>}
        </span>
      }
    >
      <Body view={view} onEdit={() => setEditing(true)} />
      <Suspense>
        {editing && <EditPrinter id={id} onClose={() => setEditing(false)} onGone={onClose} />}
      </Suspense>
    </Dialog>
  );
}
