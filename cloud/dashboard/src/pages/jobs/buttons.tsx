import { ArrowUpToLine, type LucideIcon, Pause, Play, Square, X } from "lucide-react";
import { useState } from "react";
import { abandonJob, actOnJob, type JobAction, useAction, useCanOperate } from "../../api/actions";
import { baseName } from "../../domain/format";
import type { JobStatus } from "../../live/types";
import { Button, type ButtonProps, IconButton } from "../../ui/button";
import { Confirm } from "../../ui/dialog";

export interface Controllable {
  id: string;
  status: JobStatus;
  file_name?: string;
  held?: boolean;
  cancel_requested?: boolean;
}

const ON_PRINTER = ["assigned", "uploading", "starting", "printing", "paused"];

function One({ label, compact, ...rest }: ButtonProps & { label: string; compact: boolean }) {
  return compact ? <IconButton label={label} {...rest} /> : <Button {...rest}>{label}</Button>;
}

/** The question before a print is stopped; and before we give up on a printer that does not say it stopped. */
function AskStop({ job, onClose }: { job: Controllable; onClose: () => void }) {
  const giveUp = job.cancel_requested ?? false;
  const stop = useAction(() => (giveUp ? abandonJob(job.id) : actOnJob(job.id, "cancel")), {
    stale: ["jobs"],
    done: onClose,
  });
  const name = baseName(job.file_name ?? "this job");
  return (
    <Confirm
      title={giveUp ? `Give up on ${name}?` : `Stop ${name}?`}
      text={
        giveUp
          ? "The printer has not said that it stopped. Give up only if it will not come back: what it still does, it does unseen."
          : "A stopped print cannot go on; its filament is lost."
      }
      action={giveUp ? "Give up" : "Stop the print"}
      busy={stop.isPending}
      onConfirm={() => stop.mutate()}
      onClose={onClose}
    />
  );
}

/** What can be done with a job right now. What a printer already works on is stopped only after a question. */
export function JobButtons({ job, compact = false }: { job: Controllable; compact?: boolean }) {
  const operate = useCanOperate();
  const [asking, setAsking] = useState(false);
  const act = useAction((action: JobAction) => actOnJob(job.id, action), { stale: ["jobs"] });
  if (!operate) return null;
  const button = (label: string, icon: LucideIcon, action: JobAction) => (
    <One
      compact={compact}
      label={label}
      icon={icon}
      busy={act.isPending && act.variables === action}
      onClick={() => act.mutate(action)}
    />
  );
  return (
    <>
      {job.status === "queued" &&
        button(job.held ? "Release" : "Make it next", job.held ? Play : ArrowUpToLine, "start")}
      {job.status === "queued" && button("Cancel", X, "cancel")}
      {job.status === "printing" && button("Pause", Pause, "pause")}
      {job.status === "paused" && button("Resume", Play, "resume")}
      {ON_PRINTER.includes(job.status) && (
        <One
          compact={compact}
          label={job.cancel_requested ? "Give up" : "Stop"}
          icon={Square}
          onClick={() => setAsking(true)}
        />
      )}
      {asking && <AskStop job={job} onClose={() => setAsking(false)} />}
    </>
  );
}
