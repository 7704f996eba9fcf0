/**
 * What this tab remembers of a pairing, so that logging in or changing the phone's Wi-Fi does not lose it. The label's
 * secret stands in the address only until this has read it: no server, no log and no history sees it.
 */

import { secretOf } from "./label";

export interface Pairing {
  id: string;
  token: string;
  expires_at: string;
  /** The base URL that the hub is told. */
  cloud: string;
  /** Of the hub itself, for a phone in its access point. */
  page: string;
}

export interface Memory {
  label: string;
  pairing?: Pairing;
  hub?: string;
}

const KEY = "printfarm.pairing";

export function recall(): Memory | null {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "null") as Memory | null;
  } catch {
    return null;
  }
}

export const remember = (memory: Memory): void => sessionStorage.setItem(KEY, JSON.stringify(memory));
export const forget = (): void => sessionStorage.removeItem(KEY);

/** Takes a label from the address, which begins a new pairing; then the address is plain. */
export function takeLabel(): Memory | null {
  const label = window.location.hash.slice(1);
  if (!label) return recall();
  window.history.replaceState(null, "", window.location.pathname + window.location.search);
  try {
    secretOf(label);
  } catch {
    return null;
  }
  const known = recall();
  if (known?.label === label) return known;
  const fresh = { label };
  remember(fresh);
  return fresh;
}
