/** How a hub is, in words. */

import type { StateKind } from "./state";

/** A Wi-Fi signal, dBm. A hub works down to about -80; below that it drops out. */
export function signalWord(rssi: number): string {
  if (rssi >= -60) return "strong";
  if (rssi >= -70) return "good";
  return rssi >= -80 ? "weak" : "too weak";
}

const RESETS: Record<string, string> = {
  power: "power was switched on",
  start: "it was started",
  brownout: "the power supply is too weak",
  watchdog: "it hung, and was started anew",
  crash: "its program failed, and was started anew",
  restart: "it was told to restart",
  paired: "it was paired",
  wifi: "no Wi-Fi could be joined for long",
  update: "it was updated",
  reset: "somebody pressed reset",
  sleep: "it woke up",
  soft: "it started over by itself",
  unknown: "the board does not tell why",
};

/** Why a hub started last. */
export const resetWord = (reset: string): string => RESETS[reset] ?? reset.replaceAll("_", " ");

/** Starts that nobody asked for. */
export const isBadReset = (reset: string): boolean => ["brownout", "watchdog", "crash"].includes(reset);

const UPDATES: Record<string, string> = {
  fetching: "fetching",
  testing: "trying out",
  good: "installed",
  failed: "failed",
  rolled_back: "rolled back",
};

const needsCable = (update: { code: string }): boolean => update.code === "needs_cable";
export const updateWord = (update: { state: string; code: string }): string =>
  needsCable(update) ? "needs the cable" : (UPDATES[update.state] ?? update.state);
/** Why an update did not come about: no fault of it where only a cable would have helped. */
export const updateTrouble = (update: { code: string; message: string }): string =>
  needsCable(update) ? update.message : `The update failed: ${update.message}`;
export const isUpdating = (state: string): boolean => state === "fetching" || state === "testing";

const NETWORKS: Record<string, string> = {
  joined: "In use",
  untried: "Not tried yet",
  no_network: "Not in range when it looked last",
  wrong_password: "Refuses the password: remove it and add it with the right one",
  no_address: "Gave the hub no address",
};

/** What became of a network that a hub knows. */
export const networkWord = (state: string): string => NETWORKS[state] ?? state.replaceAll("_", " ");

interface Standing {
  online: boolean;
  revoked: boolean;
  safe: boolean;
  releasing: boolean;
  taken_over_at: string | null;
}

export function standing(hub: Standing): { kind: StateKind; word: string } {
  if (hub.taken_over_at) return { kind: "error", word: "Taken over" };
  if (hub.releasing) return { kind: "paused", word: "Being released" };
  if (hub.revoked) return { kind: "offline", word: "Locked out" };
  if (!hub.online) return { kind: "offline", word: "Offline" };
  return hub.safe ? { kind: "error", word: "Safe mode" } : { kind: "idle", word: "Online" };
}

interface Health {
  heap_low?: number | null;
  rssi?: number | null;
  temperature?: number | null;
  stall_ms?: number | null;
}

/** What wants to be looked after; empty when all is well. The chip's own limits are 80 °C and 20 kB. */
export function worries(hub: {
  reset: string;
  telemetry: Health | null;
  image: string;
  image_by_cable: string;
}): string[] {
  const { rssi, temperature, heap_low, stall_ms } = hub.telemetry ?? {};
  return [
    rssi != null && rssi < -75 && "Its Wi-Fi is weak: move it closer to the router.",
    temperature != null && temperature > 80 && "It is too hot: give it air.",
    heap_low != null && heap_low < 20_000 && "It is short of memory: give some printers to another hub.",
    stall_ms != null && stall_ms > 1000 && `It stood still for ${(stall_ms / 1000).toFixed(1)} s.`,
    hub.image_by_cable !== "" &&
      `Its release is made for MicroPython ${hub.image_by_cable}, and only the cable brings it (make flash); it works with ${hub.image} meanwhile.`,
    isBadReset(hub.reset) && `It started unasked: ${resetWord(hub.reset)}.`,
  ].filter((one) => one !== false);
}
