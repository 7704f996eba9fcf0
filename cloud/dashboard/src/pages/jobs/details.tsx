import { useQuery, useQueryClient } from "@tanstack/react-query";
import { RotateCcw } from "lucide-react";
import { type ReactNode, useEffect } from "react";
import { Link } from "wouter";
import { useCanOperate } from "../../api/actions";
import { jobQuery } from "../../api/queries";
import type { JobDetail, JobStep } from "../../api/types";
import { baseName, clock, duration, finishClock, moment, weight } from "../../domain/format";
import { useJob } from "../../live/live";
import type { JobStatus } from "../../live/types";
import { buttonClass } from "../../ui/button";
import { cx } from "../../ui/cx";
import { Dialog } from "../../ui/dialog";
import { Failed, Skeleton } from "../../ui/feedback";
import { Swatch, Words } from "../../ui/filament";
import { useNow } from "../../ui/now";
import { JOB_LOOK, JobBadge, Progress, STATE_LOOK } from "../../ui/state";
import { Thumb } from "../../ui/thumb";
import { JobButtons } from "./buttons";
import { PrinterName } from "./row";

function Step({ step, last }: { step: JobStep; last: boolean }) {
  const look = JOB_LOOK[step.to_status as JobStatus];
  const Icon = look.icon;
  const at = new Date(step.at);
  return (
    <li className="relative flex gap-3 pb-4">
      {!last && <span aria-hidden className="absolute top-7 bottom-0 left-3.5 w-px bg-line" />}
      <span
        className={cx(
          "grid size-7 shrink-0 place-items-center rounded-full",
          STATE_LOOK[look.kind].soft,
          STATE_LOOK[look.kind].text,
        )}
      >
        <Icon aria-hidden className="size-4" />
      </span>
      <div className="min-w-0 grow pt-0.5">
        <p className="flex items-baseline justify-between gap-3">
          <span className="text-sm font-medium">{look.word}</span>
          <time
            dateTime={step.at}
            title={at.toLocaleString()}
            className="num shrink-0 text-[0.8125rem] text-ink-faint"
          >
            {clock(at)}
          </time>
        </p>
        {step.reason && (
          <p className="text-sm text-pretty text-ink-soft">
            <Words text={step.reason} />
          </p>
        )}
      </div>
    </li>
  );
}

const Line = ({ name, children }: { name: string; children: ReactNode }) => (
  <div className="flex justify-between gap-4 border-b py-2 text-sm last:border-0">
    <dt className="shrink-0 text-ink-soft">{name}</dt>
    <dd className="num text-right">{children}</dd>
  </div>
);

function Facts({ job }: { job: JobDetail }) {
  const filaments = (job.filaments ?? []) as {
    slot?: number;
    type?: string;
    color?: string | null;
    grams?: number | null;
  }[];
  return (
    <dl className="mt-5">
      <Line name="Printer">
        {job.printer_id ? <PrinterName id={job.printer_id} /> : <PrinterName id={job.target_printer_id} />}
      </Line>
      {job.estimated_seconds ? <Line name="Estimated">{duration(job.estimated_seconds)}</Line> : null}
      <Line name="Queued">{moment(job.time_submitted)}</Line>
      {job.time_started && <Line name="Started">{moment(job.time_started)}</Line>}
      {job.time_completed && <Line name="Ended">{moment(job.time_completed)}</Line>}
      {job.attempt > 1 && <Line name="Attempt">{job.attempt}</Line>}
      {filaments.length > 0 && (
        <Line name="Filament">
          <span className="flex flex-wrap justify-end gap-x-3 gap-y-1">
            {filaments.map((one) => (
              <span key={one.slot} className="flex items-center gap-1.5">
                <Swatch color={one.color ?? ""} />
                {one.type} {one.grams ? weight(one.grams) : ""}
              </span>
            ))}
          </span>
        </Line>
      )}
    </dl>
  );
}

function Body({ job }: { job: JobDetail }) {
  const live = useJob(job.id);
  const now = useNow();
  const operate = useCanOperate();
  const current = { ...job, ...live } as JobDetail;
  const status = current.status as JobStatus;
  const running = ["uploading", "starting", "printing", "paused"].includes(status);
  const percent = (status === "uploading" ? current.upload_percent : current.progress_percentage) ?? 0;
  const ended = ["completed", "failed", "cancelled"].includes(status);
  return (
    <>
      <div className="flex items-center gap-4">
        <Thumb
          src={job.thumbnail}
          alt={`Plate ${job.plate} of ${baseName(job.file_name)}`}
          className="size-28"
        />
        <div className="min-w-0">
          <JobBadge status={status} held={current.held} />
          <p className="num mt-1.5 text-sm text-ink-soft">
            Plate {job.plate}
            {current.layers && running ? ` · layer ${current.layer ?? 0} of ${current.layers}` : ""}
          </p>
          {running && current.remaining_seconds ? (
            <p className="num text-sm text-ink-soft">
              {duration(current.remaining_seconds)} left · done {finishClock(current.remaining_seconds, now)}
            </p>
          ) : null}
        </div>
      </div>
      {running && (
        <div className="mt-4">
          <Progress value={percent} kind={JOB_LOOK[status].kind} label={JOB_LOOK[status].word} />
        </div>
      )}
      {status === "queued" && current.waiting_reason && (
        <p className="mt-4 rounded-xl bg-well px-3 py-2.5 text-sm text-pretty">
          <Words text={current.waiting_reason} />
        </p>
      )}
      {current.failure_reason && (
        <p className="mt-4 rounded-xl bg-error-soft px-3 py-2.5 text-sm text-pretty text-error">
          <Words text={current.failure_reason} />
        </p>
      )}
      <div className="mt-4 flex flex-wrap gap-2">
        <JobButtons
          job={{
            id: job.id,
            status,
            file_name: job.file_name,
            held: current.held,
            cancel_requested: current.cancel_requested,
          }}
        />
        {ended && operate && job.print_file_id && (
          <Link href={`/files/${job.print_file_id}`} className={buttonClass("quiet")}>
            <RotateCcw aria-hidden className="size-4.5" /> Print again
          </Link>
        )}
      </div>
      <Facts job={current} />
      <h3 className="mt-6 mb-3 text-sm font-semibold text-ink-soft">History</h3>
      <ol>
        {job.history.map((step, index) => (
          <Step key={`${step.at}${step.to_status}`} step={step} last={index === job.history.length - 1} />
        ))}
      </ol>
    </>
  );
}

/** One job with its whole story. */
export default function JobDetails({ id, onClose }: { id: string; onClose: () => void }) {
  const job = useQuery(jobQuery(id));
  const status = useJob(id)?.status;
  const client = useQueryClient();
  // biome-ignore lint/correctness/useExhaustiveDependencies: a move of the job wrote a line of history
  useEffect(() => {
    void client.invalidateQueries({ queryKey: jobQuery(id).queryKey });
  }, [client, id, status]);
  return (
    <Dialog title={job.data ? baseName(job.data.file_name) : "Job"} form="side" onClose={onClose}>
      {job.isPending && <Skeleton className="h-80" />}
      {job.isError && <Failed error={job.error} onRetry={() => void job.refetch()} />}
      {job.data && <Body job={job.data} />}
    </Dialog>
  );
}
