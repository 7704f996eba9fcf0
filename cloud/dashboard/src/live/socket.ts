import { type Feed, realTimers, type Timers } from "./feed";
import type { ServerMessage } from "./types";

const PING_MS = 10_000;
/** No frame for so long, not even an answer to our ping: the connection is dead whatever the browser thinks. */
const DEAD_MS = 25_000;
const RETRY_FIRST_MS = 500;
const RETRY_MOST_MS = 15_000;
/** A tab nobody sees asks for news this seldom. */
const HIDDEN_PACE_MS = 5_000;
const VISIBLE_PACE_MS = 100;
/** What the server closes with when the session is over; connecting again would only be refused again. */
const SIGNED_OUT = 4401;

export interface LinkView {
  phase: "connecting" | "live" | "lost" | "signed_out";
  /** When the connection was lost, milliseconds since the epoch; null while it stands. */
  lostAt: number | null;
}

/** How long to wait before try number `attempt` (0, 1, …): doubling, with jitter so that a farm of tabs spreads out. */
export function retryDelay(attempt: number, random: () => number = Math.random): number {
  const most = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** attempt);
  return most * (0.5 + random() / 2);
}

/** A server that restarts says when to come back, another moment to each browser: `retry_ms=1500`. */
export function askedDelay(reason: string): number | null {
  const match = /^retry_ms=(\d{1,6})$/.exec(reason);
  return match ? Math.min(Number(match[1]), RETRY_MOST_MS) : null;
}

/** The one WebSocket of this tab. It reconnects by itself until `stop`. */
export class LiveSocket {
  #socket: WebSocket | null = null;
  #attempt = 0;
  #retry: unknown = null;
  #beat: unknown = null;
  #heardAt = 0;
  #stopped = true;
  #view: LinkView = { phase: "connecting", lostAt: null };
  readonly #listeners = new Set<() => void>();

  constructor(
    private readonly url: string,
    private readonly feed: Feed,
    /** Whether a login that the server calls over goes on after all. */
    private readonly renew: () => Promise<boolean> = () => Promise.resolve(false),
    private readonly timers: Timers = realTimers,
  ) {}

  view = (): LinkView => this.#view;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#attempt = 0;
    document.addEventListener("visibilitychange", this.#visibility);
    window.addEventListener("online", this.#wake);
    window.addEventListener("offline", this.#networkGone);
    this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    document.removeEventListener("visibilitychange", this.#visibility);
    window.removeEventListener("online", this.#wake);
    window.removeEventListener("offline", this.#networkGone);
    this.#hangUp();
    this.#show({ phase: "connecting", lostAt: null });
  }

  #connect(): void {
    this.#hangUp();
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    this.#heardAt = this.timers.now();
    socket.onopen = () => {
      this.feed.restart();
      this.#heardAt = this.timers.now();
      this.#send({ type: "watch" });
      if (document.hidden) this.#send({ type: "pace", ms: HIDDEN_PACE_MS });
    };
    socket.onmessage = (event) => this.#receive(String(event.data));
    socket.onclose = (event) => this.#lost(event.code, event.reason);
    this.#watchPulse();
  }

  #receive(text: string): void {
    this.#heardAt = this.timers.now();
    const message = JSON.parse(text) as ServerMessage;
    if (this.feed.receive(message) === "resync") this.#send({ type: "watch" });
    if (message.type === "snapshot") {
      this.#attempt = 0;
      this.#show({ phase: "live", lostAt: null });
    }
  }

  #lost(code: number, reason = ""): void {
    this.#hangUp();
    if (this.#stopped) return;
    const lostAt = this.#view.lostAt ?? Date.now();
    if (code === SIGNED_OUT) {
      void this.#signedOut(lostAt);
      return;
    }
    this.#show({ phase: this.#view.phase === "connecting" ? "connecting" : "lost", lostAt });
    this.#retry = this.timers.later(() => this.#connect(), askedDelay(reason) ?? retryDelay(this.#attempt++));
  }

  /** The access token may only have been too old: then the login is renewed, and all goes on. */
  async #signedOut(lostAt: number): Promise<void> {
    const goesOn = await this.renew().catch(() => null);
    if (this.#stopped) return;
    if (goesOn === false) this.#show({ phase: "signed_out", lostAt });
    else this.#retry = this.timers.later(() => this.#connect(), goesOn ? 0 : retryDelay(this.#attempt++));
  }

  #watchPulse(): void {
    this.#beat = this.timers.later(() => {
      if (this.timers.now() - this.#heardAt > DEAD_MS) {
        this.#lost(1006);
        return;
      }
      this.#send({ type: "ping" });
      this.#watchPulse();
    }, PING_MS);
  }

  #hangUp(): void {
    for (const handle of [this.#retry, this.#beat]) if (handle !== null) this.timers.cancel(handle);
    this.#retry = null;
    this.#beat = null;
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #send(message: object): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #visibility = (): void => {
    this.#send({ type: "pace", ms: document.hidden ? HIDDEN_PACE_MS : VISIBLE_PACE_MS });
    if (!document.hidden) this.#wake();
  };

  /** The user is back or the network is: do not wait for the rest of the back-off. */
  #wake = (): void => {
    if (this.#stopped || this.#retry === null) return;
    this.#attempt = 0;
    this.#connect();
  };

  #networkGone = (): void => {
    if (!this.#stopped && this.#socket) this.#lost(1006);
  };

  #show(view: LinkView): void {
    this.#view = view;
    for (const listener of this.#listeners) listener();
  }
}
