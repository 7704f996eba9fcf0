import {
  CircleCheck,
  CircleDashed,
  CirclePause,
  CirclePlay,
  CircleX,
  Clock,
  Hand,
  type LucideIcon,
  OctagonAlert,
  Printer,
  Send,
} from "lucide-react";
import type { StateKind } from "../domain/state";
import type { JobStatus } from "../live/types";
import { cx } from "./cx";

/** Each state has one colour and one icon, everywhere. */
export const STATE_LOOK: Record<StateKind, { icon: LucideIcon; text: string; soft: string; bar: string }> = {
  printing: { icon: Printer, text: "text-printing", soft: "bg-printing-soft", bar: "bg-printing" },
  clear: { icon: Hand, text: "text-clear", soft: "bg-clear-soft", bar: "bg-clear-fill" },
  idle: { icon: CircleCheck, text: "text-idle", soft: "bg-idle-soft", bar: "bg-idle" },
  paused: { icon: CirclePause, text: "text-paused", soft: "bg-paused-soft", bar: "bg-paused-fill" },
  error: { icon: OctagonAlert, text: "text-error", soft: "bg-error-soft", bar: "bg-error" },
  offline: { icon: CircleDashed, text: "text-offline", soft: "bg-offline-soft", bar: "bg-offline" },
};

export function StateBadge({ kind, word }: { kind: StateKind; word: string }) {
  const { icon: Icon, text, soft } = STATE_LOOK[kind];
  return (
    <span
      className={cx(
        "inline-flex h-7 shrink-0 items-center gap-1.5 rounded-full px-2.5 text-sm font-semibold whitespace-nowrap",
        text,
        soft,
      )}
    >
      <Icon aria-hidden className="size-4 shrink-0" strokeWidth={2.25} />
      {word}
    </span>
  );
}

export const JOB_LOOK: Record<JobStatus, { word: string; kind: StateKind; icon: LucideIcon }> = {
  queued: { word: "Waiting", kind: "offline", icon: Clock },
  assigned: { word: "Reserved", kind: "printing", icon: CirclePlay },
  uploading: { word: "Sending file", kind: "printing", icon: Send },
  starting: { word: "Starting", kind: "printing", icon: CirclePlay },
  printing: { word: "Printing", kind: "printing", icon: Printer },
  paused: { word: "Paused", kind: "paused", icon: CirclePause },
  completed: { word: "Completed", kind: "idle", icon: CircleCheck },
  failed: { word: "Failed", kind: "error", icon: OctagonAlert },
  cancelled: { word: "Cancelled", kind: "offline", icon: CircleX },
};

export function JobBadge({ status, held }: { status: JobStatus; held?: boolean }) {
  const { word, kind, icon: Icon } = JOB_LOOK[status];
  const { text, soft } = STATE_LOOK[kind];
  return (
    <span
      className={cx(
        "inline-flex h-6 shrink-0 items-center gap-1.5 rounded-full px-2 text-[0.8125rem] font-medium whitespace-nowrap",
        text,
        soft,
      )}
    >
      <Icon aria-hidden className="size-3.5 shrink-0" strokeWidth={2.25} />
      {status === "queued" && held ? "On hold" : word}
    </span>
  );
}

export function Progress({ value, kind, label }: { value: number; kind: StateKind; label: string }) {
  const percent = Math.max(0, Math.min(100, value));
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(percent)}
      className="h-2 overflow-hidden rounded-full bg-well"
    >
      <div
        className={cx("h-full rounded-full transition-transform duration-500", STATE_LOOK[kind].bar)}
        style={{ transform: `translateX(${percent - 100}%)` }}
      />
    </div>
  );
}
