import type { JobView, PrinterView } from "../live/types";
import { modelName } from "./models";
import { displayState, STATE_KINDS, type StateKind } from "./state";

/** What a list of printers is narrowed and ordered by; lives in the address. */
export interface FarmQuery {
  state: StateKind | null;
  text: string;
  sort: SortKey;
}

export const SORTS = {
  order: "Own order",
  attention: "What needs you",
  name: "Name",
  finish: "Finish time",
  model: "Model",
} as const;
export type SortKey = keyof typeof SORTS;

export const isSort = (value: string | null): value is SortKey => value !== null && value in SORTS;
export const isKind = (value: string | null): value is StateKind => STATE_KINDS.includes(value as StateKind);

function haystack(view: PrinterView): string {
  const trays = (view.trays ?? []).filter((tray) => tray.loaded).map((tray) => tray.type);
  return [
    view.name,
    modelName(view.model),
    view.location ?? "",
    displayState(view).word,
    view.job?.file_name ?? "",
    ...trays,
  ]
    .join(" ")
    .toLowerCase();
}

const byOrder = (a: PrinterView, b: PrinterView): number =>
  (a.sort_order ?? 0) - (b.sort_order ?? 0) || a.name.localeCompare(b.name, undefined, { numeric: true });

const rank = (view: PrinterView): number => STATE_KINDS.indexOf(displayState(view).kind);
const finish = (view: PrinterView): number =>
  displayState(view).kind === "printing" && view.remaining ? view.remaining : Number.MAX_SAFE_INTEGER;

const COMPARE: Record<SortKey, (a: PrinterView, b: PrinterView) => number> = {
  order: byOrder,
  attention: (a, b) => rank(a) - rank(b) || byOrder(a, b),
  name: (a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }),
  finish: (a, b) => finish(a) - finish(b) || byOrder(a, b),
  model: (a, b) => modelName(a.model).localeCompare(modelName(b.model)) || byOrder(a, b),
};

export function selectPrinters(all: readonly PrinterView[], query: FarmQuery): PrinterView[] {
  const words = query.text.toLowerCase().split(/\s+/).filter(Boolean);
  return all
    .filter((view) => !query.state || displayState(view).kind === query.state)
    .filter((view) => words.every((word) => haystack(view).includes(word)))
    .sort(COMPARE[query.sort]);
}

export function countStates(all: readonly PrinterView[]): Record<StateKind, number> {
  const counts: Record<StateKind, number> = {
    error: 0,
    clear: 0,
    paused: 0,
    printing: 0,
    idle: 0,
    offline: 0,
  };
  for (const view of all) counts[displayState(view).kind]++;
  return counts;
}

/** The printer that is free first, when all that could be busy are. */
export function nextFree(all: readonly PrinterView[]): PrinterView | null {
  if (all.some((view) => displayState(view).kind === "idle")) return null;
  const printing = all.filter((view) => finish(view) !== Number.MAX_SAFE_INTEGER);
  return printing.sort((a, b) => finish(a) - finish(b))[0] ?? null;
}

/** Queued jobs in the order they will run. */
export function inQueueOrder<T extends Pick<JobView, "priority" | "rank" | "time_submitted">>(
  jobs: readonly T[],
): T[] {
  return [...jobs].sort(
    (a, b) =>
      (b.priority ?? 0) - (a.priority ?? 0) ||
      (a.rank ?? 0) - (b.rank ?? 0) ||
      (a.time_submitted ?? "").localeCompare(b.time_submitted ?? ""),
  );
}

/** For each printer, the first queued job that names it. Jobs for "any that fits" are nobody's until they are given. */
export function nextJobs(jobs: readonly JobView[]): Map<string, JobView> {
  const next = new Map<string, JobView>();
  for (const job of inQueueOrder(jobs.filter((one) => one.status === "queued"))) {
    const target = job.target_printer_id;
    if (target && !next.has(target)) next.set(target, job);
  }
  return next;
}
