import { useQuery } from "@tanstack/react-query";
import { FileBox, History, ListOrdered } from "lucide-react";
import { lazy, Suspense, useMemo } from "react";
import { Link, useLocation, useParams, useSearch, useSearchParams } from "wouter";
import { jobsQuery } from "../../api/queries";
import { inQueueOrder } from "../../domain/farm";
import { useJobIndex, useLoaded, usePrinterIndex } from "../../live/live";
import type { JobStatus } from "../../live/types";
import { buttonClass } from "../../ui/button";
import { cx } from "../../ui/cx";
import { Empty, Failed, PageTitle, Skeleton } from "../../ui/feedback";
import { inputClass } from "../../ui/field";
import { Pager } from "../../ui/pager";
import { HistoryRow, LiveJobRow } from "./row";

const JobDetails = lazy(() => import("./details"));

const PAGE = 25;
const ACTIVE = ["assigned", "uploading", "starting", "printing", "paused"];
const OUTCOMES = {
  "": "All outcomes",
  completed: "Completed",
  failed: "Failed",
  cancelled: "Cancelled",
} as const;
const FINISHED: JobStatus[] = ["completed", "failed", "cancelled"];

function Tabs({ history }: { history: boolean }) {
  const tab = (active: boolean) =>
    cx(
      "flex h-11 items-center gap-2 rounded-xl px-4 text-sm md:h-10",
      active ? "bg-well font-medium" : "text-ink-soft hover:bg-well",
    );
  return (
    <nav aria-label="Jobs" className="flex gap-1">
      <Link href="/jobs" className={tab(!history)} aria-current={history ? undefined : "page"}>
        <ListOrdered aria-hidden className="size-4.5" /> Queue
      </Link>
      <Link href="/jobs?view=history" className={tab(history)} aria-current={history ? "page" : undefined}>
        <History aria-hidden className="size-4.5" /> History
      </Link>
    </nav>
  );
}

const Rows = ({ label }: { label: string }) => (
  <div className="grid gap-2" role="status" aria-label={label}>
    {["a", "b", "c"].map((key) => (
      <Skeleton key={key} className="h-22 rounded-2xl" />
    ))}
  </div>
);

/** What prints and what waits, live and in the order it will run. */
function Queue() {
  const jobs = useJobIndex();
  const loaded = useLoaded();
  const active = useMemo(() => inQueueOrder(jobs.filter((job) => ACTIVE.includes(job.status))), [jobs]);
  const queued = useMemo(() => inQueueOrder(jobs.filter((job) => job.status === "queued")), [jobs]);
  if (!loaded) return <Rows label="Loading jobs" />;
  if (active.length + queued.length === 0) {
    return (
      <Empty
        icon={ListOrdered}
        title="Nothing is queued"
        action={
          <Link href="/files" className={buttonClass("primary")}>
            <FileBox aria-hidden className="size-4.5" /> Choose a file to print
          </Link>
        }
      >
        Queue a file, and the first printer that fits and has a cleared bed takes it.
      </Empty>
    );
  }
  return (
    <div className="grid gap-8">
      {active.length > 0 && (
        <section>
          <h2 className="mb-2.5 text-sm font-semibold text-ink-soft">On printers ({active.length})</h2>
          <ul className="grid gap-2">
            {active.map((job) => (
              <LiveJobRow key={job.id} id={job.id} />
            ))}
          </ul>
        </section>
      )}
      <section>
        <h2 className="mb-2.5 text-sm font-semibold text-ink-soft">Waiting ({queued.length})</h2>
        {queued.length === 0 && <p className="text-sm text-ink-faint">No job waits.</p>}
        <ul className="grid gap-2">
          {queued.map((job) => (
            <LiveJobRow key={job.id} id={job.id} />
          ))}
        </ul>
      </section>
    </div>
  );
}

function Past() {
  const [params, setParams] = useSearchParams();
  const printers = usePrinterIndex();
  const live = useJobIndex();
  const outcome = params.get("status") ?? "";
  const printerId = params.get("printer") ?? "";
  const offset = Math.max(0, Number(params.get("from")) || 0);
  // A job that just ended belongs into this list: the count of ended ones is part of the question.
  const ended = live.filter((job) => FINISHED.includes(job.status)).length;
  const list = useQuery(
    jobsQuery({
      status: FINISHED.filter((status) => !outcome || status === outcome),
      printerId,
      limit: PAGE,
      offset,
      ended,
    }),
  );
  const move = (changes: Record<string, string>) => {
    const next = { view: "history", status: outcome, printer: printerId, ...changes };
    setParams(new URLSearchParams(Object.entries(next).filter(([, value]) => value)));
  };
  return (
    <>
      <search className="mb-4 flex flex-wrap gap-2">
        <select
          aria-label="Outcome"
          className={cx(inputClass, "w-auto! max-w-full")}
          value={outcome}
          onChange={(event) => move({ status: event.target.value })}
        >
          {Object.entries(OUTCOMES).map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
        <select
          aria-label="Printer"
          className={cx(inputClass, "w-auto! max-w-full")}
          value={printerId}
          onChange={(event) => move({ printer: event.target.value })}
        >
          <option value="">All printers</option>
          {printers.map((view) => (
            <option key={view.id} value={view.id}>
              {view.name}
            </option>
          ))}
        </select>
      </search>
      {list.isPending && <Rows label="Loading history" />}
      {list.isError && <Failed error={list.error} onRetry={() => void list.refetch()} />}
      {list.data?.items.length === 0 && (
        <Empty icon={History} title="No finished job here">
          Finished, failed and cancelled jobs are kept here, each with its history.
        </Empty>
      )}
      <ul className="grid gap-2">
        {list.data?.items.map((job) => (
          <HistoryRow key={job.id} job={job} />
        ))}
      </ul>
      {list.data && (
        <Pager
          size={PAGE}
          words={["Newer", "Older"]}
          offset={offset}
          total={list.data.total}
          onMove={(from) => move({ from: from ? String(from) : "" })}
        />
      )}
    </>
  );
}

export default function Jobs() {
  const { id } = useParams<{ id?: string }>();
  const [, navigate] = useLocation();
  const search = useSearch();
  const history = new URLSearchParams(search).get("view") === "history";
  return (
    <>
      <PageTitle actions={<Tabs history={history} />}>Jobs</PageTitle>
      {history ? <Past /> : <Queue />}
      <Suspense>
        {id && <JobDetails id={id} onClose={() => navigate(`/jobs${search ? `?${search}` : ""}`)} />}
      </Suspense>
    </>
  );
}
