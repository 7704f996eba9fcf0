import type { PrinterView } from "../live/types";

/** The groups a person thinks in; each has one colour, one icon and one word everywhere. */
export type StateKind = "printing" | "clear" | "idle" | "paused" | "error" | "offline";

export const STATE_KINDS: readonly StateKind[] = ["error", "clear", "paused", "printing", "idle", "offline"];

export const STATE_GROUP_WORDS: Record<StateKind, string> = {
  error: "Need help",
  clear: "To clear",
  paused: "Paused",
  printing: "Printing",
  idle: "Ready",
  offline: "Offline",
};

export interface DisplayState {
  kind: StateKind;
  word: string;
  /** The sentence that says what is wrong and what to do, when something is. */
  problem?: string;
}

const READY_STATES = ["idle", "finish", "failed"];
const BUSY_WORDS: Record<string, string> = {
  prepare: "Preparing",
  slicing: "Slicing",
  running: "Printing",
};

/** What the hub's connection to the printer says, when that alone decides. */
function linkState(view: PrinterView): DisplayState | null {
  if (view.connect === false || view.link === "off")
    return {
      kind: "offline",
      word: "Disconnected",
      problem: "Disconnected by a person. Connect it to use it.",
    };
  if (view.hub === "offline" && !view.hub_id)
    return { kind: "offline", word: "No hub", problem: "It has no hub. Edit it, and choose one." };
  if (view.hub === "offline")
    return {
      kind: "offline",
      word: "Hub offline",
      problem: "Its hub is not connected. Check the hub's power and Wi-Fi.",
    };
  switch (view.link) {
    case "auth_failed":
      return {
        kind: "error",
        word: "Wrong access code",
        problem: view.problem || "The printer refused the access code. Enter the one its screen shows.",
      };
    case "wrong_serial":
      return {
        kind: "error",
        word: "Wrong printer",
        problem: view.problem || "Another printer answers at this address. Check the address.",
      };
    case "cert_changed":
      return {
        kind: "error",
        word: "New certificate",
        problem:
          view.problem ||
          "The printer shows another certificate than before. Accept it only if you know why.",
      };
    case "online":
      return null;
    case "offline":
      return {
        kind: "offline",
        word: "Offline",
        problem: view.problem || "The printer does not answer. Is it switched on?",
      };
    default:
      return { kind: "offline", word: "Connecting", problem: view.problem || undefined } as DisplayState;
  }
}

function transferState(view: PrinterView): DisplayState | null {
  if (view.job?.status === "uploading") return { kind: "printing", word: "Sending file" };
  if (view.job?.status === "starting" || view.job?.status === "assigned")
    return { kind: "printing", word: "Starting" };
  return null;
}

function readyState(view: PrinterView): DisplayState {
  if (view.cleared === false) {
    return { kind: "clear", word: view.state === "failed" ? "Stopped, clear bed" : "Finished, clear bed" };
  }
  return { kind: "idle", word: "Ready" };
}

/** One word, colour and sentence for a printer: the most urgent truth about it wins. */
export function displayState(view: PrinterView): DisplayState {
  const link = linkState(view);
  if (link) return link;
  const word = BUSY_WORDS[view.state ?? ""];
  if (word) return { kind: "printing", word };
  if (view.state === "pause") return { kind: "paused", word: "Paused" };
  if (view.control === "locked") {
    return {
      kind: "error",
      word: "Locked",
      problem:
        view.problem ||
        "The printer refuses commands. Turn on Developer Mode on its screen (Settings, LAN Only).",
    };
  }
  if (view.error && !isCancel(view.error)) return { kind: "error", word: "Error" };
  const transfer = transferState(view);
  if (transfer) return transfer;
  if (READY_STATES.includes(view.state ?? "")) return readyState(view);
  return { kind: "offline", word: "Starting up" };
}

/** A print that a person cancelled shows as an error for some seconds; it is none. */
export function isCancel(code: number): boolean {
  return code === 0x0300_400c || code === 0x0500_400e;
}

/** True when a press on "Bed cleared" means something: nothing prints, and the gate is closed. */
export function needsClearing(view: PrinterView): boolean {
  return view.cleared === false && (view.state === undefined || READY_STATES.includes(view.state));
}

/** True while something is on the printer that can be paused or stopped. */
export function isPrinting(view: PrinterView): boolean {
  return view.state === "running" || view.state === "prepare" || view.state === "slicing";
}
