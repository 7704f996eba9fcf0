import { refused } from "./errors";
import { queryClient } from "./queries";
import { session } from "./session";
import type { PrintFile } from "./types";

/** One file on its way to the cloud, as the panel shows it. */
export interface Upload {
  key: number;
  name: string;
  size: number;
  sent: number;
  phase: "waiting" | "sending" | "reading" | "done" | "failed";
  error?: string;
  /** False when the file itself is wrong: sending it again would change nothing. */
  retryable?: boolean;
  file?: PrintFile;
}

const AT_ONCE = 2;
export const MAX_BYTES = 1 << 30;

type Pending = Upload & { blob: File; request?: XMLHttpRequest };

/** Sends files two at a time. fetch cannot tell upload progress, hence XMLHttpRequest. */
export class Uploads {
  #entries: Pending[] = [];
  #shown: readonly Upload[] = [];
  #next = 1;
  readonly #listeners = new Set<() => void>();

  list = (): readonly Upload[] => this.#shown;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  add(files: Iterable<File>): void {
    for (const blob of files) {
      const entry: Pending = {
        key: this.#next++,
        name: blob.name,
        size: blob.size,
        sent: 0,
        phase: "waiting",
        blob,
      };
      const problem = refusal(blob);
      if (problem) Object.assign(entry, { phase: "failed", error: problem, retryable: false });
      this.#entries.push(entry);
    }
    this.#pump();
  }

  cancel(key: number): void {
    const entry = this.#entries.find((one) => one.key === key);
    this.#entries = this.#entries.filter((one) => one !== entry);
    entry?.request?.abort();
    this.#pump();
  }

  retry(key: number): void {
    const entry = this.#entries.find((one) => one.key === key);
    if (entry) this.#set(entry, { phase: "waiting", sent: 0 });
    this.#pump();
  }

  clearSettled(): void {
    this.#entries = this.#entries.filter((one) => one.phase !== "done" && one.phase !== "failed");
    this.#show();
  }

  #pump(): void {
    const busy = this.#entries.filter((one) => one.phase === "sending" || one.phase === "reading").length;
    for (const entry of this.#entries.filter((one) => one.phase === "waiting").slice(0, AT_ONCE - busy))
      this.#send(entry);
    this.#show();
  }

  #send(entry: Pending, again = false): void {
    const began = Date.now();
    const request = new XMLHttpRequest();
    const form = new FormData();
    form.append("file", entry.blob, entry.name);
    request.open("POST", "/api/files/upload");
    request.responseType = "json";
    request.upload.onprogress = (event) => {
      const sent = Math.min(entry.size, event.loaded);
      this.#set(entry, { sent, phase: sent >= entry.size ? "reading" : "sending" });
    };
    request.onload = () => {
      if (request.status === 401 && !again) void this.#renewed(entry, began);
      else this.#settled(entry, request);
    };
    request.onerror = () => this.#fail(entry, refused(0, null).message, true);
    entry.request = request;
    entry.phase = "sending";
    request.send(form);
  }

  /** The login was too old when the file had arrived: renew it, and send once more. */
  async #renewed(entry: Pending, began: number): Promise<void> {
    if (await session.renew(began).catch(() => false)) this.#send(entry, true);
    else this.#fail(entry, "You are signed out. Sign in again, then send the file again.", true);
  }

  #settled(entry: Pending, request: XMLHttpRequest): void {
    if (request.status < 200 || request.status >= 300) {
      this.#fail(entry, refused(request.status, request.response).message, request.status >= 500);
      return;
    }
    this.#set(entry, { phase: "done", sent: entry.size, file: request.response as PrintFile });
    void queryClient.invalidateQueries({ queryKey: ["files"] });
    this.#pump();
  }

  #fail(entry: Pending, error: string, retryable: boolean): void {
    this.#set(entry, { phase: "failed", error, retryable });
    this.#pump();
  }

  #set(entry: Pending, changes: Partial<Upload>): void {
    Object.assign(entry, changes);
    this.#show();
  }

  #show(): void {
    this.#shown = this.#entries.map(({ blob: _blob, request: _request, ...upload }) => upload);
    for (const listener of this.#listeners) listener();
  }
}

/** What can be told without sending a byte. The cloud reads and judges the content. */
function refusal(file: File): string | null {
  if (!/\.3mf$/i.test(file.name))
    return "Only sliced files can be printed (.gcode.3mf). Export the sliced plate from your slicer.";
  if (file.size === 0) return "The file is empty.";
  if (file.size > MAX_BYTES) return "The file is larger than 1 GB, more than a printer takes.";
  return null;
}

export const uploads = new Uploads();
