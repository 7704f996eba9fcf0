import { ArrowUpToLine, Pause, Play, X } from "lucide-react";
import { useState } from "react";
import { actOnJob, type JobAction, useAction, useCanOperate } from "../../api/actions";
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

/** What can be done with a job right now. What a printer already works on is stopped only after a question. */
export function JobButtons({ job, compact = false }: { job: Controllable; compact?: boolean }) {
  const operate = useCanOperate();
  const [asking, setAsking] = useState(false);
  const act = useAction((action: JobAction) => actOnJob(job.id, action), {
    stale: ["jobs"],
    done: () => setAsking(false),
  });
  const busyWith = act.isPending ? act.variables : null;
  if (!operate) return null;
  const running = ON_PRINTER.includes(job.status);
  const name = baseName(job.file_name ?? "this job");
  return (
    <>
      {job.status === "queued" && (
        <One
          compact={compact}
          label={job.held ? "Release" : "Make it next"}
          icon={job.held ? Play : ArrowUpToLine}
          busy={busyWith === "start"}
          onClick={() => act.mutate("start")}
        />
      )}
      {job.status === "printing" && (
        <One
          compact={compact}
          label="Pause"
          icon={Pause}
          busy={busyWith === "pause"}
          onClick={() => act.mutate("pause")}
        />
      )}
      {job.status === "paused" && (
        <One
          compact={compact}
          label="Resume"
          icon={Play}
          busy={busyWith === "resume"}
          onClick={() => act.mutate("resume")}
        />
      )}
      {(running || job.status === "queued") && (
        <One
          compact={compact}
          label={running ? "Stop" : "Cancel"}
          icon={X}
          busy={busyWith === "cancel" && !asking}
          disabled={job.cancel_requested ?? false}
          onClick={() => (running ? setAsking(true) : act.mutate("cancel"))}
        />
      )}
      {asking && (
        <Confirm
          title={`Stop ${name}?`}
          text="A stopped print cannot go on; its filament is lost."
          action="Stop the print"
          busy={act.isPending}
          onConfirm={() => act.mutate("cancel")}
          onClose={() => setAsking(false)}
        />
      )}
    </>
  );
}
