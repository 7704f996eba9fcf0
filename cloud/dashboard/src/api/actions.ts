import { useMutation, useQuery } from "@tanstack/react-query";
import { useRef } from "react";
import { toast } from "sonner";
import type { PrinterView } from "../live/types";
import { answer, api } from "./client";
import { sentence } from "./errors";
import { meQuery, queryClient } from "./queries";

/** Whether this person may act, not only look. */
export function useCanOperate(): boolean {
  const role = useQuery(meQuery).data?.role;
  return role === "owner" || role === "operator";
}

/** Whether this person runs the place: hubs and their keys. */
export const useIsOwner = (): boolean => useQuery(meQuery).data?.role === "owner";

interface ActionOptions<In, Out> {
  /** Query keys that the action makes stale. */
  stale?: string[];
  done?: (result: Out, input: In) => void;
}

/** A form makes its values anew at each press: they are the same when they say the same. A file is only itself. */
const sameness = (input: unknown): unknown => (input instanceof Blob ? input : JSON.stringify(input));

/**
 * A mutation that says what went wrong in a toast and refreshes what it changed. The same is not done again while it is
 * under way: the second click of a double click comes before the button is drawn as busy.
 */
export function useAction<In = void, Out = unknown>(
  run: (input: In) => Promise<Out>,
  options: ActionOptions<In, Out> = {},
) {
  const underWay = useRef(new Set<unknown>());
  const mutation = useMutation({
    mutationFn: run,
    onError: (error) => toast.error(sentence(error)),
    onSuccess: (result, input) => options.done?.(result, input),
    onSettled: (_result, _error, input) => {
      underWay.current.delete(sameness(input));
      for (const key of options.stale ?? []) void queryClient.invalidateQueries({ queryKey: [key] });
    },
  });
  const mutate: typeof mutation.mutate = (...given) => {
    const input = sameness(given[0]);
    if (underWay.current.has(input)) return;
    underWay.current.add(input);
    mutation.mutate(...given);
  };
  return { ...mutation, mutate };
}

export const printerActions = ["clear", "connect", "disconnect", "trust", "pause", "resume", "stop"] as const;
export type PrinterAction = (typeof printerActions)[number];

export const actOnPrinter = (id: string, action: PrinterAction) =>
  answer(api.POST(`/api/printers/{id}/${action}`, { params: { path: { id } } }));

export type JobAction = "start" | "pause" | "resume" | "cancel";

/** Give up on a job whose printer will not come back. What the printer still does, it does unseen. */
export const abandonJob = (id: string) =>
  answer(api.POST("/api/print-jobs/{id}/cancel", { params: { path: { id }, query: { force: true } } }));

export const actOnJob = (id: string, action: JobAction) =>
  answer(api.POST(`/api/print-jobs/{id}/${action}`, { params: { path: { id } } }));

/** Pause, resume or stop what a printer prints: through our job when it is ours, else the printer itself. */
export function controlPrint(view: PrinterView, action: "pause" | "resume" | "stop"): Promise<unknown> {
  if (view.job) return actOnJob(view.job.id, action === "stop" ? "cancel" : action);
  return actOnPrinter(view.id, action);
}
