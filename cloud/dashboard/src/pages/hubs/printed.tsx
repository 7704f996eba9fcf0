import { useQuery } from "@tanstack/react-query";
import { RotateCw } from "lucide-react";
import { answer, api } from "../../api/client";
import { sentence } from "../../api/errors";
import type { Hub } from "../../api/types";
import { moment } from "../../domain/format";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { Failed, Problem, Skeleton } from "../../ui/feedback";
import { useNow } from "../../ui/now";

interface OfHub {
  hub: Hub;
  onClose: () => void;
}

const Lines = ({ label, children }: { label: string; children: string }) => (
  <section
    aria-label={label}
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    tabIndex={0}
    className="max-h-[50dvh] overflow-auto rounded-xl bg-well p-3"
  >
    <pre className="font-mono text-[0.8125rem] leading-relaxed whitespace-pre-wrap">{children}</pre>
  </section>
);

/** What the hub printed lately, fetched from it now. */
export function HubLogs({ hub, onClose }: OfHub) {
  const logs = useQuery({
    queryKey: ["hubs", hub.id, "logs"],
    queryFn: () => answer(api.GET("/api/hubs/{id}/logs", { params: { path: { id: hub.id } } })),
    staleTime: 0,
  });
  return (
    <Dialog
      title={`Log of ${hub.name}`}
      onClose={onClose}
      footer={
        logs.data && (
          <Button icon={RotateCw} busy={logs.isFetching} onClick={() => void logs.refetch()}>
            Fetch again
          </Button>
        )
      }
    >
      {logs.isPending && <Skeleton className="h-48" />}
      {logs.isLoadingError && <Failed error={logs.error} onRetry={() => void logs.refetch()} />}
      {logs.data && (
        <div className="grid gap-3">
          {logs.isError && <Problem>{sentence(logs.error)}</Problem>}
          <Lines label="Log">{logs.data.lines.join("\n") || "Nothing was printed yet."}</Lines>
        </div>
      )}
    </Dialog>
  );
}

export const crashesQuery = (id: string) => ({
  queryKey: ["hubs", id, "crashes"],
  queryFn: () => answer(api.GET("/api/hubs/{id}/crashes", { params: { path: { id } } })),
});

/** What the hub said when it fell. */
export function Crashes({ hub, onClose }: OfHub) {
  const now = useNow();
  const crashes = useQuery(crashesQuery(hub.id));
  return (
    <Dialog title={`Crashes of ${hub.name}`} onClose={onClose}>
      {crashes.isPending && <Skeleton className="h-48" />}
      {crashes.isError && <Failed error={crashes.error} onRetry={() => void crashes.refetch()} />}
      {crashes.data?.items.length === 0 && <p className="py-8 text-center text-ink-soft">It never fell.</p>}
      <ul className="grid gap-4">
        {crashes.data?.items.map((crash) => (
          <li key={crash.id}>
            <h3 className="mb-1 text-sm font-medium">
              {crash.part || "the whole program"} · {moment(crash.received_at, now)}
            </h3>
            <Lines label={`Crash of ${crash.part}`}>{crash.text}</Lines>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
