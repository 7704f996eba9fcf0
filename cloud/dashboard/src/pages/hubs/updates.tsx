import { useQuery } from "@tanstack/react-query";
import { useId } from "react";
import { useAction } from "../../api/actions";
import { queryClient } from "../../api/queries";
import { changeRollout, type Rollout, rolloutQuery } from "../../api/releases";
import { Problem } from "../../ui/feedback";
import { inputClass } from "../../ui/field";
import { Section } from "../../ui/section";

const SHARES = [0, 10, 25, 50, 100];

const shareWord = (share: number): string => {
  if (share === 0) return "none by themselves";
  return share === 100 ? "all hubs" : `${share} % of the hubs first`;
};

function Choice({ now }: { now: Rollout }) {
  const id = useId();
  const change = useAction(
    (wish: Partial<Pick<Rollout, "channel" | "percentage">>) => changeRollout(now, wish),
    // At once, with its version: the next change must not be made to the one before.
    { stale: ["hub-rollout"], done: (next) => queryClient.setQueryData(rolloutQuery.queryKey, next) },
  );
  const shares = [...new Set([...SHARES, now.percentage])].sort((a, b) => a - b);
  return (
    <div className="flex flex-wrap gap-3">
      <label htmlFor={`${id}-channel`} className="grid gap-1.5 text-sm font-medium">
        Releases
        <select
          id={`${id}-channel`}
          className={`${inputClass} w-auto! font-normal`}
          value={now.channel}
          disabled={change.isPending}
          onChange={(event) => change.mutate({ channel: event.target.value as Rollout["channel"] })}
        >
          <option value="stable">stable</option>
          <option value="beta">beta: earlier, less tried</option>
        </select>
      </label>
      <label htmlFor={`${id}-share`} className="grid gap-1.5 text-sm font-medium">
        Updated
        <select
          id={`${id}-share`}
          className={`${inputClass} w-auto! font-normal`}
          value={now.percentage}
          disabled={change.isPending}
          onChange={(event) => change.mutate({ percentage: Number(event.target.value) })}
        >
          {shares.map((share) => (
            <option key={share} value={share}>
              {shareWord(share)}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

/** How the farm's hubs get new firmware; nothing where no releases are published. */
export function Updates() {
  const now = useQuery(rolloutQuery).data;
  if (!now || Object.keys(now.offered).length === 0) return null;
  const newest = [...new Set(Object.values(now.offered))].sort().at(-1);
  return (
    <div className="mt-8 max-w-4xl">
      <Section
        title="Firmware updates"
        text={`The newest release is ${newest}. A hub takes it while no file is on its way to a printer, and goes back by itself when the new one does not work.`}
      >
        {now.halted && (
          <div className="mb-3">
            <Problem>
              {now.halted_version} was stopped: {now.halted_why}
            </Problem>
          </div>
        )}
        <Choice now={now} />
      </Section>
    </div>
  );
}
