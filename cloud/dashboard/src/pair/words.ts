/** What went wrong, and what to do about it. */

import { ApiError, sentence } from "../api/errors";
import { shown } from "./label";
import { PairingError, type Step } from "./pairing";

/** Codes of shared_protocol/pairing.py (a test compares), then our own. */
export const FAILURES: Record<string, string> = {
  bad_box: "The hub did not accept this label. Scan the label that sits on this very hub.",
  too_many: "The hub was given a wrong label too often. Wait a minute, then try again.",
  no_network:
    "The hub sees no network of this name. Check the spelling, capitals too. Hubs use 2.4 GHz; a network with 5 GHz only is out of their reach.",
  wrong_password: "The network refuses this password. Type it again.",
  no_address:
    "The hub joined the network but was given no address. Restart the router, or see whether it lets new devices in.",
  no_internet: "The hub joined the network, but the network does not lead to the internet.",
  cloud_unreachable:
    "The hub is on the internet, but cannot reach PrintFarm. A firewall may be in the way; try again in a minute.",
  clock:
    "The hub could not find out the time, so it cannot trust the connection. Is NTP blocked in this network?",
  token_invalid: "This took too long, or the hub was being paired from another screen. Try again.",
  already_owned:
    "This hub belongs to another farm. Its owner can release it; or hold its button for 10 seconds, which makes it forget everything.",
  cloud_refused: "PrintFarm refused the hub.",
  no_bluetooth:
    "Bluetooth is off, or this device has none. Switch it on, or use the hub's own Wi-Fi instead.",
  busy: "The hub is being set up just now, perhaps from another phone. Wait until it is done, then try again.",
  no_contact:
    "The hub does not answer over Bluetooth. Is it plugged in and its light blinking blue? Come closer and try again.",
  lost_contact: "The Bluetooth connection broke off. Stay close to the hub and try again.",
  silent: "The hub has stopped answering. Unplug it, plug it in again, and try again.",
  other_hub: "That is another hub.",
};

export const STEPS: Record<Step, string> = {
  ready: "Handing over the network",
  joining: "Joining the network",
  reaching: "Reaching PrintFarm",
  claiming: "Becoming yours",
  done: "Connected",
};

export function failureText(error: unknown): string {
  if (!(error instanceof PairingError)) return sentence(error);
  if (error.code === "other_hub") return `That is the hub ${shown(error.said)}, not the one on this label.`;
  if (error.code === "cloud_refused" && error.said) return error.said;
  return FAILURES[error.code] ?? error.said ?? "The hub could not be paired.";
}

/** Codes of `probe` in shared_protocol/messages.py (a test compares), then what may happen on the way. */
export const PROBE_FAILURES: Record<string, string> = {
  unreachable: "The printer does not answer. Is it switched on, and in the same network as the hub?",
  not_a_printer: "What answers at this address is no Bambu Lab printer.",
  auth_failed:
    "Wrong access code. It stands on the printer's screen under Settings → LAN Only, and changes when LAN mode is switched.",
  wrong_serial: "Another printer answers at this address: its serial number is a different one.",
  lan_only_off:
    "LAN Only is off. Switch it on at the printer: Settings → LAN Only (on some models Network → LAN mode).",
  developer_mode_off:
    "Developer Mode is off: the printer would not obey. Switch it on at the printer, beside LAN Only.",
  hub_offline: "The hub is not connected just now. Wait until it is back, then try again.",
  no_answer: "The hub did not answer in time. Try again.",
};

export const probeText = (error: unknown): string =>
  error instanceof ApiError ? (PROBE_FAILURES[error.code] ?? error.message) : sentence(error);
