import { beforeEach, describe, expect, it } from "vitest";
import { Feed, FLUSH_MS, type Timers } from "./feed";
import { KeyedStore } from "./store";
import type { JobView, PrinterView, ServerMessage } from "./types";

/** A clock that only moves when it is told to. */
class Clock implements Timers {
  time = 1000;
  #queue = new Map<number, { at: number; callback: () => void }>();
  #next = 1;
  now = () => this.time;
  later = (callback: () => void, ms: number) => {
    this.#queue.set(this.#next, { at: this.time + ms, callback });
    return this.#next++;
  };
  cancel = (handle: unknown) => void this.#queue.delete(handle as number);
  advance(ms: number): void {
    this.time += ms;
    for (const [handle, { at, callback }] of [...this.#queue]) {
      if (at > this.time) continue;
      this.#queue.delete(handle);
      callback();
    }
  }
}

const view = (id: string, nozzle: number): PrinterView => ({ id, name: id, nozzle });
const delta = (seq: number, nozzle: number): ServerMessage => ({
  type: "delta",
  seq,
  printers: { a: { nozzle } },
});

describe("Feed", () => {
  let clock: Clock;
  let printers: KeyedStore<PrinterView>;
  let jobs: KeyedStore<JobView>;
  let feed: Feed;
  let draws: number;
  let hubs: object[];

  beforeEach(() => {
    clock = new Clock();
    printers = new KeyedStore<PrinterView>((one) => one.name);
    jobs = new KeyedStore<JobView>((one) => one.status);
    hubs = [];
    feed = new Feed(printers, jobs, (changes) => hubs.push(changes), clock);
    draws = 0;
    feed.restart();
    feed.receive({
      type: "snapshot",
      seq: 7,
      printers: { a: view("a", 20) },
      jobs: { j: { id: "j", status: "queued" } },
    });
    printers.subscribe("a", () => draws++);
  });

  it("tells of hubs in batches, as of printers, and only when there is news of one", () => {
    clock.advance(FLUSH_MS);
    feed.receive(delta(8, 21));
    clock.advance(FLUSH_MS);
    expect(hubs).toEqual([]);
    feed.receive({ type: "delta", seq: 9, hubs: { h: { online: false } } });
    feed.receive({ type: "delta", seq: 10, hubs: { h: { safe: true } } });
    clock.advance(FLUSH_MS);
    expect(hubs).toEqual([{ h: { online: false, safe: true } }]);
  });

  it("shows a snapshot at once", () => {
    expect(printers.get("a")?.nozzle).toBe(20);
    expect(jobs.get("j")?.status).toBe("queued");
  });

  it("draws at most ten times a second, and always the newest", () => {
    clock.advance(FLUSH_MS);
    for (let message = 0; message < 500; message++) {
      expect(feed.receive(delta(8 + message, message))).toBe("ok");
      clock.advance(2); // 500 messages in a second
    }
    clock.advance(FLUSH_MS);
    expect(draws).toBeLessThanOrEqual(11);
    expect(draws).toBeGreaterThanOrEqual(9);
    expect(printers.get("a")?.nozzle).toBe(499);
  });

  it("shows a lone change without delay", () => {
    clock.advance(5000);
    feed.receive(delta(8, 33));
    clock.advance(0);
    expect(printers.get("a")?.nozzle).toBe(33);
  });

  it("asks for a snapshot when a message was missed, and shows nothing of the broken sequence", () => {
    clock.advance(FLUSH_MS);
    expect(feed.receive(delta(9, 50))).toBe("resync");
    expect(feed.receive(delta(10, 51))).toBe("ok"); // asked once, not for every message
    clock.advance(FLUSH_MS * 2);
    expect(printers.get("a")?.nozzle).toBe(20);
    feed.receive({ type: "snapshot", seq: 30, printers: { a: view("a", 60) } });
    expect(printers.get("a")?.nozzle).toBe(60);
    expect(feed.receive(delta(31, 61))).toBe("ok");
    clock.advance(FLUSH_MS);
    expect(printers.get("a")?.nozzle).toBe(61);
  });

  it("does not draw what waited when a snapshot replaced it", () => {
    feed.receive(delta(8, 21));
    feed.receive({ type: "snapshot", seq: 1, printers: { a: view("a", 70) } });
    clock.advance(FLUSH_MS * 2);
    expect(printers.get("a")?.nozzle).toBe(70);
  });

  it("ignores deltas of a new connection before its snapshot, and keeps what is shown", () => {
    feed.restart();
    expect(feed.receive(delta(2, 99))).toBe("ok");
    clock.advance(FLUSH_MS);
    expect(printers.get("a")?.nozzle).toBe(20);
  });

  it("removes a printer that is gone", () => {
    clock.advance(FLUSH_MS);
    feed.receive({ type: "delta", seq: 8, printers: { a: null } });
    clock.advance(FLUSH_MS);
    expect(printers.get("a")).toBeUndefined();
    expect(printers.index()).toEqual([]);
  });
});
