/** What the page asks of the cloud. */

import { call } from "../api/call";
import { ApiError } from "../api/errors";
import type { Pairing } from "./memory";

export interface Person {
  email: string;
  role: "owner" | "operator" | "viewer";
}

/** Who is signed in here; null when nobody is. */
export async function whoAmI(): Promise<Person | null> {
  try {
    return await call<Person>("GET", "/api/auth/me");
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null;
    throw error;
  }
}

interface Wish {
  device_id: string;
  /** A hub whose printers come along. */
  replaces?: string;
  /** The person says that the hub was reset: its claim will show. */
  reset?: true;
}

export const beginPairing = (wish: Wish): Promise<Pairing> => call("POST", "/api/pairings/", wish);

export interface PairingState {
  state: "waiting" | "claimed" | "expired";
  hub_id?: string | null;
}

export const pairingState = (id: string): Promise<PairingState> => call("GET", `/api/pairings/${id}`);

export interface Found {
  serial: string;
  host: string;
  model: string;
  model_name: string;
  name: string;
  firmware: string;
  printer_id: string | null;
}

export const foundPrinters = (hub: string): Promise<{ items: Found[] }> =>
  call("GET", `/api/hubs/${hub}/found`);

export const lookForPrinters = (hub: string): Promise<unknown> => call("POST", `/api/hubs/${hub}/discover`);

interface Place {
  host: string;
  port?: number;
  serial?: string;
  name?: string;
  model?: string;
}

/** Tries the printer through the hub, and only then adds it. */
export async function addPrinter(hub: string, place: Place, accessCode: string): Promise<{ id: string }> {
  const { host, port, serial } = place;
  const tried = await call<{ serial: string; model: string }>("POST", `/api/hubs/${hub}/probe`, {
    host,
    access_code: accessCode,
    ...(port && { port }),
    ...(serial && { serial }),
  });
  const model = tried.model || place.model || "";
  return call("POST", "/api/printers/", {
    name: place.name || `Printer ${tried.serial.slice(-4)}`,
    model,
    ip_address: host,
    serial_number: tried.serial,
    access_code: accessCode,
    hub_id: hub,
    ...(port && { mqtt_port: port }),
  });
}

/** "192.168.1.20" or "192.168.1.20:8883". */
export function placeOf(address: string): { host: string; port?: number } {
  const [host = "", port] = address.trim().split(":");
  return port ? { host, port: Number(port) } : { host };
}
