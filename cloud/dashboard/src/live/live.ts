import { useCallback, useSyncExternalStore } from "react";
import { queryClient } from "../api/queries";
import { session } from "../api/session";
import { displayState } from "../domain/state";
import { Feed } from "./feed";
import { tellHubs } from "./hubs";
import { LiveSocket } from "./socket";
import { KeyedStore } from "./store";
import type { JobView, PrinterView } from "./types";

/** What lists of printers filter, count and sort by. */
function printerKey(view: PrinterView): string {
  const trays = (view.trays ?? []).map((tray) => `${tray.loaded ? tray.type : ""}${tray.color}`);
  return JSON.stringify([
    view.name,
    view.model,
    view.location,
    view.sort_order,
    displayState(view).kind,
    Math.round((view.remaining ?? 0) / 60),
    view.job?.id,
    trays,
  ]);
}

function jobKey(view: JobView): string {
  return JSON.stringify([
    view.status,
    view.printer_id,
    view.target_printer_id,
    view.rank,
    view.priority,
    view.waiting_reason,
  ]);
}

export const printers = new KeyedStore<PrinterView>(printerKey);
export const jobs = new KeyedStore<JobView>(jobKey);

const address = new URL("/api/v1/ws", window.location.href);
address.protocol = address.protocol.replace("http", "ws");
const feed = new Feed(printers, jobs, (changes) => tellHubs(queryClient, changes));
export const socket = new LiveSocket(address.href, feed, () => session.renew(Date.now()));

export function usePrinter(id: string): PrinterView | undefined {
  const subscribe = useCallback((listener: () => void) => printers.subscribe(id, listener), [id]);
  return useSyncExternalStore(subscribe, () => printers.get(id));
}

export function useJob(id: string): JobView | undefined {
  const subscribe = useCallback((listener: () => void) => jobs.subscribe(id, listener), [id]);
  return useSyncExternalStore(subscribe, () => jobs.get(id));
}

export const usePrinterIndex = () => useSyncExternalStore(printers.subscribeIndex, printers.index);
export const useJobIndex = () => useSyncExternalStore(jobs.subscribeIndex, jobs.index);
export const useLoaded = () => useSyncExternalStore(printers.subscribeIndex, printers.loaded);
export const useLink = () => useSyncExternalStore(socket.subscribe, socket.view);
