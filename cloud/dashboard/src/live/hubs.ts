import type { QueryClient } from "@tanstack/react-query";
import type { Hub } from "../api/types";
import type { Changes } from "./types";

/** Where the list of hubs is kept (hubsQuery). */
const queryKey = ["hubs"];

/** What a hub tells every minute; besides, the list holds what only the server can work out, and is asked for again. */
const TOLD_OFTEN = new Set(["telemetry", "telemetry_at", "found", "found_at", "last_seen_at"]);

function changed(hub: Hub, changes: Changes | null | undefined): Hub {
  const known = Object.entries(changes ?? {}).filter(([name]) => name in hub);
  return known.length ? ({ ...hub, ...Object.fromEntries(known) } as Hub) : hub;
}

/** Brings what the server tells of hubs to the list that pages show; a null is a hub that is gone. */
export function tellHubs(client: QueryClient, changes: Record<string, Changes | null>): void {
  client.setQueryData<{ items: Hub[] }>(queryKey, (list) => {
    if (!list) return list;
    const items = list.items
      .filter((hub) => changes[hub.id] !== null)
      .map((hub) => changed(hub, changes[hub.id]));
    return { ...list, items };
  });
  const named = Object.values(changes).flatMap((one) => Object.keys(one ?? { gone: true }));
  // Only the list: an open log is not fetched again from a hub that has just gone.
  if (named.some((name) => !TOLD_OFTEN.has(name))) void client.invalidateQueries({ queryKey, exact: true });
}
