import { ChevronRight } from "lucide-react";
import type { ReactNode } from "react";
import { Link, useSearch } from "wouter";
import type { Job } from "../../api/types";
import { baseName, duration, finishClock, moment } from "../../domain/format";
import { useJob, usePrinter } from "../../live/live";
import type { JobStatus, JobView } from "../../live/types";
import { Words } from "../../ui/filament";
import { useNow } from "../../ui/now";
import { JOB_LOOK, JobBadge, Progress } from "../../ui/state";
import { Thumb } from "../../ui/thumb";
import { JobButtons } from "./buttons";

export function PrinterName({ id }: { id: string | null | undefined }) {
  const view = usePrinter(id ?? "");
  if (!id) return <>any that fits</>;
  return <>{view?.name ?? "a removed printer"}</>;
}

interface RowProps {
  id: string;
  name: string;
  plate: number | undefined;
  thumbnail: string | null | undefined;
  badge: ReactNode;
  facts: ReactNode;
  children?: ReactNode;
  actions?: ReactNode;
}

function Row({ id, name, plate, thumbnail, badge, facts, children, actions }: RowProps) {
  const search = useSearch();
  return (
    <li
      data-job={id}
      className="relative flex flex-wrap items-center gap-x-3.5 rounded-2xl border bg-sheet p-3 shadow-card transition-colors hover:border-line-strong sm:flex-nowrap sm:gap-4"
    >
      <Thumb src={thumbnail} alt="" className="size-16 self-start sm:self-center" />
      <div className="min-w-0 flex-1">
        <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <Link
            href={`/jobs/${id}${search ? `?${search}` : ""}`}
            className="min-w-0 truncate rounded-md font-medium after:absolute after:inset-0 after:rounded-2xl focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:outline-focus"
          >
            {baseName(name)}
            {plate !== undefined && plate > 1 && (
              <span className="font-normal text-ink-faint"> · plate {plate}</span>
            )}
          </Link>
          {badge}
        </div>
        <p className="num mt-0.5 text-sm text-ink-soft">{facts}</p>
        {children}
      </div>
      {actions && (
        <div className="relative z-10 -mb-1.5 flex w-full shrink-0 justify-end gap-1 sm:mb-0 sm:w-auto">
          {actions}
        </div>
      )}
      <ChevronRight aria-hidden className="hidden size-4.5 shrink-0 text-ink-faint sm:block" />
    </li>
  );
}

function facts(job: JobView, now: Date): ReactNode {
  if (job.status === "queued") {
    return (
      <>
        for <PrinterName id={job.target_printer_id} />
        {job.estimated_seconds ? ` · ${duration(job.estimated_seconds)}` : ""}
        {job.time_submitted ? ` · queued ${moment(job.time_submitted, now)}` : ""}
      </>
    );
  }
  const left = job.status === "printing" || job.status === "paused" ? job.remaining_seconds : null;
  return (
    <>
      on <PrinterName id={job.printer_id} />
      {left ? ` · ${duration(left)} left · done ${finishClock(left, now)}` : ""}
    </>
  );
}

const percent = (job: JobView): number =>
  (job.status === "uploading" ? job.upload_percent : job.progress_percentage) ?? 0;

export function LiveJobRow({ id }: { id: string }) {
  const job = useJob(id);
  const now = useNow();
  if (!job) return null;
  const running = job.status !== "queued";
  return (
    <Row
      id={id}
      name={job.file_name ?? "Job"}
      plate={job.plate}
      thumbnail={job.thumbnail}
      badge={<JobBadge status={job.status} held={job.held ?? false} />}
      facts={facts(job, now)}
      actions={<JobButtons job={job} compact />}
    >
      {running && (
        <div className="mt-2 flex max-w-lg items-center gap-3">
          <div className="grow">
            <Progress
              value={percent(job)}
              kind={JOB_LOOK[job.status].kind}
              label={`${JOB_LOOK[job.status].word}: ${baseName(job.file_name ?? "")}`}
            />
          </div>
          <span className="num w-10 text-right text-sm font-medium">{Math.round(percent(job))} %</span>
        </div>
      )}
      {!running && job.waiting_reason && (
        <p className="mt-0.5 text-sm text-pretty text-ink-soft">
          <Words text={job.waiting_reason} />
        </p>
      )}
      {job.cancel_requested && <p className="mt-0.5 text-sm text-ink-soft">Being cancelled…</p>}
    </Row>
  );
}

export function HistoryRow({ job }: { job: Job }) {
  const now = useNow();
  const took =
    job.time_started && job.time_completed
      ? (Date.parse(job.time_completed) - Date.parse(job.time_started)) / 1000
      : null;
  return (
    <Row
      id={job.id}
      name={job.file_name}
      plate={job.plate}
      thumbnail={job.thumbnail}
      badge={<JobBadge status={job.status as JobStatus} />}
      facts={
        <>
          {job.printer_id ? (
            <>
              on <PrinterName id={job.printer_id} /> ·{" "}
            </>
          ) : null}
          {moment(job.time_completed ?? job.time_submitted, now)}
          {took ? ` · took ${duration(took)}` : ""}
        </>
      }
    >
      {job.failure_reason && (
        <p className="mt-0.5 text-sm text-pretty text-ink-soft">
          <Words text={job.failure_reason} />
        </p>
      )}
    </Row>
  );
}
