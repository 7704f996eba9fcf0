import { useQuery } from "@tanstack/react-query";
import { useId } from "react";
import { useAction } from "../../api/actions";
import { hubsQuery, queryClient } from "../../api/queries";
import { changeRollout, type Release, type Rollout, releasesQuery, rolloutQuery } from "../../api/releases";
import { Problem } from "../../ui/feedback";
import { inputClass } from "../../ui/field";
import { Section } from "../../ui/section";

const SHARES = [0, 10, 25, 50, 100];
const SHOWN = 5;

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

/** How far a release has come, over all hubs. */
function progress(release: Release): string {
  if (release.halted) return `Stopped: ${release.halted_why}`;
  return [
    release.percentage < 100 && `offered to ${release.percentage} % of all hubs so far`,
    release.under_way > 0 && `${release.under_way} at it`,
    release.good > 0 && `installed on ${release.good}`,
    release.failed > 0 && `failed on ${release.failed}`,
  ]
    .filter(Boolean)
    .join(" · ");
}

/** The newest releases, with the farm's hubs that run each. */
function Releases({ channel }: { channel: Rollout["channel"] }) {
  const releases = useQuery(releasesQuery).data?.items ?? [];
  const hubs = useQuery(hubsQuery).data?.items ?? [];
  const mine = releases.filter((one) => channel === "beta" || one.channel === "stable").slice(0, SHOWN);
  return (
    <ul aria-label="Releases" className="mt-5 divide-y">
      {mine.map((one) => {
        const on = hubs.filter((hub) => hub.firmware === one.version).map((hub) => hub.name);
        return (
          <li key={one.version} className="grid gap-0.5 py-3 text-sm">
            <p className="num flex flex-wrap gap-x-3 text-[0.9375rem]">
              <span className="font-medium">{one.version}</span>
              {one.channel === "beta" && <span className="text-ink-soft">beta</span>}
              <span className={one.halted ? "text-error" : "text-ink-soft"}>{progress(one)}</span>
            </p>
            {one.notes && <p className="break-words">{one.notes}</p>}
            <p className="text-ink-soft">
              {on.length > 0 ? `Runs on ${on.join(", ")}` : "On none of your hubs"}
            </p>
          </li>
        );
      })}
    </ul>
  );
}

/** How the farm's hubs get new firmware; nothing where no releases are published. */
export function Updates() {
  const now = useQuery(rolloutQuery).data;
  if (!now || (Object.keys(now.offered).length === 0 && !now.halted)) return null;
  return (
    <div className="mt-8 max-w-4xl">
      <Section
        title="Firmware updates"
        text="A hub takes a release while no file is on its way to a printer, and goes back by itself when the new one does not work."
      >
        {now.halted && (
          <div className="mb-3">
            <Problem>
              {now.halted_version} was stopped: {now.halted_why}
            </Problem>
          </div>
        )}
        <Choice now={now} />
        <Releases channel={now.channel} />
      </Section>
    </div>
  );
}
