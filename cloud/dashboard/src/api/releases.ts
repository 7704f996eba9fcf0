import { queryOptions } from "@tanstack/react-query";
import { call } from "./call";

/** What this farm's hubs are given: /api/hub-rollout. */
export interface Rollout {
  channel: "stable" | "beta";
  /** Of the farm's hubs, that are updated by themselves. */
  percentage: number;
  /** Kind of board -> the newest release for it. */
  offered: Record<string, string>;
  halted: boolean;
  halted_version: string;
  halted_why: string;
  version: number;
}

export const rolloutQuery = queryOptions({
  queryKey: ["hub-rollout"],
  queryFn: () => call<Rollout>("GET", "/api/hub-rollout"),
  staleTime: 60_000,
});

/** A release of the firmware, and how it goes on all hubs of the installation: /api/hub-releases/. */
export interface Release {
  version: string;
  channel: Rollout["channel"];
  percentage: number;
  halted: boolean;
  halted_why: string;
  notes: string;
  under_way: number;
  good: number;
  failed: number;
}

export const releasesQuery = queryOptions({
  queryKey: ["hub-releases"],
  queryFn: () => call<{ items: Release[] }>("GET", "/api/hub-releases/"),
  staleTime: 60_000,
});

export const changeRollout = (
  now: Rollout,
  change: Partial<Pick<Rollout, "channel" | "percentage">>,
): Promise<Rollout> => call("PATCH", "/api/hub-rollout", change, { "If-Match": `"v${now.version}"` });

/** Installs the newest release of the farm's channel, whatever the hub's turn. */
export const updateHub = (id: string): Promise<{ version: string }> =>
  call("POST", `/api/hubs/${id}/update`, {});
