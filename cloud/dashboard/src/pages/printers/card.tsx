import { CalendarClock, Layers2, Thermometer, TriangleAlert } from "lucide-react";
import { memo, type ReactNode } from "react";
import { Link, useSearch } from "wouter";
import { useCanOperate } from "../../api/actions";
import { errorCode, errorText } from "../../domain/errors";
import { baseName, clock, degrees, duration, finishClock } from "../../domain/format";
import { modelName } from "../../domain/models";
import { type DisplayState, displayState, isCancel, needsClearing } from "../../domain/state";
import { usePrinter } from "../../live/live";
import type { JobView, PrinterView } from "../../live/types";
import { cx } from "../../ui/cx";
import { Skeleton } from "../../ui/feedback";
import { TrayStrip } from "../../ui/filament";
import { useNow } from "../../ui/now";
import { Progress, STATE_LOOK, StateBadge } from "../../ui/state";
import { Thumb } from "../../ui/thumb";
import { BedCleared } from "./bed-cleared";

const FRAME =
  "card-visibility relative flex min-h-52 flex-col md:min-h-76 rounded-2xl border bg-sheet shadow-card";

/** What is printed: ours with its picture, or what the printer calls it. */
export function jobName(view: PrinterView): string {
  if (view.job) return baseName(view.job.file_name);
  return baseName(view.task || view.file || "A print from elsewhere");
}

export function percentOf(view: PrinterView): number {
  if (view.job?.status === "uploading") return view.job.upload_percent ?? 0;
  return view.percent ?? view.job?.progress ?? 0;
}

function timeLeft(view: PrinterView, now: Date): ReactNode {
  if (view.job?.status === "uploading") return "Sending the file to the printer";
  if (view.state === "prepare") return "Getting ready";
  if (!view.remaining) return "Time left not known yet";
  return (
    <>
      {duration(view.remaining)} left ·{" "}
      <span className="text-ink">done {finishClock(view.remaining, now)}</span>
    </>
  );
}

function RunningJob({ view, state }: { view: PrinterView; state: DisplayState }) {
  const now = useNow();
  const percent = percentOf(view);
  return (
    <div className="grid gap-2.5">
      <div className="flex gap-3">
        <Thumb src={view.job?.thumbnail} alt="" className="size-16" />
        <div className="min-w-0 grow">
          <p className="truncate font-medium" title={view.job?.file_name ?? view.task}>
            {jobName(view)}
          </p>
          <p className="flex items-baseline justify-between gap-2">
            <span className="num text-2xl leading-9 font-semibold tracking-tight">
              {Math.round(percent)}
              <span className="text-base font-medium text-ink-faint"> %</span>
            </span>
            {view.layers ? (
              <span className="num flex items-center gap-1.5 text-sm text-ink-soft">
                <Layers2 aria-hidden className="size-4 text-ink-faint" />
                <span className="sr-only">Layer </span>
                {view.layer ?? 0}/{view.layers}
              </span>
            ) : null}
          </p>
        </div>
      </div>
      <Progress
        value={percent}
        kind={state.kind === "paused" ? "paused" : "printing"}
        label={`${state.word}: ${jobName(view)}`}
      />
      <p className="num text-sm text-ink-soft">{timeLeft(view, now)}</p>
    </div>
  );
}

function RestingJob({ state, next }: { state: DisplayState; next: JobView | undefined }) {
  const text: Record<string, string> = {
    clear: "Take the print off the bed, then press the button. The next job starts by itself.",
    idle: next ? "Starts its next job when it fits." : "Takes the next job that fits.",
    offline: state.word === "Connecting" ? "The hub is calling the printer." : "",
  };
  const sentence = text[state.kind];
  return sentence ? <p className="text-[0.9375rem] text-pretty text-ink-soft">{sentence}</p> : null;
}

/** The sentence about what is wrong, with the maker's code when there is one. */
export function ProblemNote({ view, state }: { view: PrinterView; state: DisplayState }) {
  const failed = view.error && !isCancel(view.error) ? view.error : null;
  const text = state.problem ?? (failed ? errorText(failed) : null);
  if (!text) return null;
  const calm = state.kind === "offline";
  return (
    <p
      className={cx(
        "flex gap-2 rounded-xl px-3 py-2 text-sm text-pretty",
        calm ? "bg-well text-ink-soft" : "bg-error-soft text-error",
      )}
    >
      <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
      <span>
        {text}
        {failed && !state.problem && <span className="num ml-1.5 text-[0.8125rem]">{errorCode(failed)}</span>}
      </span>
    </p>
  );
}

function Temperature({
  name,
  now,
  target,
}: {
  name: string;
  now: number | undefined;
  target: number | undefined;
}) {
  return (
    <span className="num whitespace-nowrap">
      <span className="text-ink-faint">{name} </span>
      {degrees(now)}
      {target ? <span className="text-ink-faint">/{Math.round(target)}°</span> : null}
    </span>
  );
}

function Foot({ view, next, stale }: { view: PrinterView; next: JobView | undefined; stale: boolean }) {
  return (
    <div className="mt-auto grid gap-3 border-t pt-3">
      <div className="flex items-center gap-4 text-sm text-ink-soft">
        <Thermometer aria-hidden className="-mr-2 size-4 shrink-0 text-ink-faint" />
        <Temperature name="Nozzle" now={view.nozzle} target={view.nozzle_target} />
        <Temperature name="Bed" now={view.bed} target={view.bed_target} />
        {stale && view.seen_at && (
          <span className="num ml-auto text-[0.8125rem] text-ink-faint">
            as of {clock(new Date(view.seen_at))}
          </span>
        )}
      </div>
      <TrayStrip trays={view.trays ?? []} active={view.tray} />
      {next && (
        <p className="flex items-center gap-2 text-sm text-ink-soft">
          <CalendarClock aria-hidden className="size-4 shrink-0 text-ink-faint" />
          <span className="truncate">
            Next: <span className="text-ink">{baseName(next.file_name ?? "")}</span>
          </span>
        </p>
      )}
    </div>
  );
}

export const PrinterCard = memo(function PrinterCard({
  id,
  next,
}: {
  id: string;
  next: JobView | undefined;
}) {
  const view = usePrinter(id);
  const search = useSearch();
  const operate = useCanOperate();
  if (!view) return null;
  const state = displayState(view);
  const working = state.kind === "printing" || state.kind === "paused";
  const stale = state.kind === "offline";
  const clearing = needsClearing(view);
  return (
    <article
      data-printer={id}
      data-state={state.kind}
      aria-labelledby={`name-${id}`}
      className={cx(
        FRAME,
        "transition-[border-color,box-shadow] hover:border-line-strong",
        state.kind === "clear" && "animate-breathe border-clear-fill!",
      )}
    >
      <header className="flex items-start justify-between gap-2 px-4 pt-3.5">
        <div className="min-w-0">
          <h2 id={`name-${id}`} className="truncate text-[1.0625rem] leading-6 font-semibold">
            <Link
              href={`/printers/${id}${search ? `?${search}` : ""}`}
              className="rounded-md after:absolute after:inset-0 after:rounded-2xl focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:outline-offset-2 focus-visible:after:outline-focus"
            >
              {view.name}
            </Link>
          </h2>
          <p className="truncate text-[0.8125rem] text-ink-faint">
            {modelName(view.model)}
            {view.location && ` · ${view.location}`}
          </p>
        </div>
        <StateBadge kind={state.kind} word={state.word} />
      </header>
      <div className={cx("flex grow flex-col gap-3 px-4 pt-3.5 pb-4", stale && "grayscale-75")}>
        <ProblemNote view={view} state={state} />
        {working ? <RunningJob view={view} state={state} /> : <RestingJob state={state} next={next} />}
        {clearing && operate && <BedCleared id={id} name={view.name} />}
        <Foot view={view} next={next} stale={stale} />
      </div>
      <span
        aria-hidden
        className={cx("absolute inset-x-4 top-0 h-0.75 rounded-b-full", STATE_LOOK[state.kind].bar)}
      />
    </article>
  );
});

export const CardSkeleton = () => (
  <div className={cx(FRAME, "gap-4 p-4")}>
    <div className="flex justify-between">
      <Skeleton className="h-6 w-28" />
      <Skeleton className="h-7 w-24 rounded-full" />
    </div>
    <div className="flex gap-3">
      <Skeleton className="size-16 rounded-xl" />
      <div className="grow space-y-2">
        <Skeleton className="h-5 w-3/4" />
        <Skeleton className="h-8 w-20" />
      </div>
    </div>
    <Skeleton className="h-2" />
    <Skeleton className="h-4 w-44" />
    <Skeleton className="mt-auto h-5 w-52" />
    <Skeleton className="h-6 w-40" />
  </div>
);
