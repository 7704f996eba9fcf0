import { type KeyedStore, mergeChanges } from "./store";
import type { Changes, JobView, PrinterView, ServerMessage } from "./types";

/** At most ten times a second something is drawn, however many messages come. */
export const FLUSH_MS = 100;

export interface Timers {
  now(): number;
  later(callback: () => void, ms: number): unknown;
  cancel(handle: unknown): void;
}

export const realTimers: Timers = {
  now: () => performance.now(),
  later: (callback, ms) => setTimeout(callback, ms),
  cancel: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
};

/**
 * Takes the server's messages in order, watches their sequence numbers, and brings the changes to the stores in batches.
 * `receive` answers "resync" when a message was missed: what is shown is then kept until a new snapshot replaces it.
 */
export class Feed {
  #printers: Record<string, Changes | null> = {};
  #jobs: Record<string, Changes | null> = {};
  #hubs: Record<string, Changes | null> = {};
  #seq: number | null = null;
  #timer: unknown = null;
  #lastFlush = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly printers: KeyedStore<PrinterView>,
    private readonly jobs: KeyedStore<JobView>,
    private readonly tellHubs: (changes: Record<string, Changes | null>) => void,
    private readonly timers: Timers = realTimers,
  ) {}

  /** A new connection: nothing counts before its snapshot. */
  restart(): void {
    this.#seq = null;
    this.#drop();
  }

  receive(message: ServerMessage): "ok" | "resync" {
    if (message.type === "snapshot") {
      this.#drop();
      this.#seq = message.seq;
      this.printers.replace(message.printers);
      this.jobs.replace(message.jobs ?? {});
      this.#lastFlush = this.timers.now();
    } else if (message.type === "delta") {
      if (this.#seq === null) return "ok"; // a snapshot is already on its way
      if (message.seq !== this.#seq + 1) {
        this.#seq = null;
        return "resync";
      }
      this.#seq = message.seq;
      mergeChanges(this.#printers, message.printers ?? {});
      mergeChanges(this.#jobs, message.jobs ?? {});
      mergeChanges(this.#hubs, message.hubs ?? {});
      this.#schedule();
    }
    return "ok";
  }

  flush(): void {
    const [printers, jobs, hubs] = [this.#printers, this.#jobs, this.#hubs];
    this.#drop();
    this.#lastFlush = this.timers.now();
    this.jobs.apply(jobs);
    this.printers.apply(printers);
    if (Object.keys(hubs).length > 0) this.tellHubs(hubs);
  }

  #schedule(): void {
    if (this.#timer !== null) return;
    const wait = Math.max(0, this.#lastFlush + FLUSH_MS - this.timers.now());
    this.#timer = this.timers.later(() => {
      this.#timer = null;
      this.flush();
    }, wait);
  }

  #drop(): void {
    this.#printers = {};
    this.#jobs = {};
    this.#hubs = {};
    if (this.#timer !== null) this.timers.cancel(this.#timer);
    this.#timer = null;
  }
}
