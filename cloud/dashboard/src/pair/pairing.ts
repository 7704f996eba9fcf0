/** One pairing over whatever channel there is: hand over the box, then ask until the hub is done or says why not. */

import { newSalt, readAnswer, seal } from "./box";
import type { Bytes } from "./label";

export interface Info {
  v: number;
  id: string;
  nonce: string;
  state: string;
  firmware: string;
}

/** A way to speak with the hub in the room. Every call may throw when it breaks; the next one opens it again. */
export interface Channel {
  info(): Promise<Info>;
  deliver(box: Bytes): Promise<void>;
  /** The last reply, empty before the first. */
  reply(): Promise<Bytes>;
  /** Called when there may be a new reply. */
  onHint(hint: () => void): void;
  close(): void;
}

export interface Content {
  ssid: string;
  psk: string;
  url: string;
  t: string;
  tz?: string;
}

export type Step = "ready" | "joining" | "reaching" | "claiming" | "done";

/** The hub, or the way to it, said no. `code` is one of pairing.CODES, or of ours: see words.ts. */
export class PairingError extends Error {
  constructor(
    readonly code: string,
    readonly said = "",
  ) {
    super(code);
    this.name = "PairingError";
  }
}

/** States in which a hub takes a box. */
const READY = new Set(["ready", "failed"]);
const POLL_MS = 400;
/** A hub that says nothing new for so long hangs: joining and looking for a network are given 30 s by the hub. */
const SILENCE_MS = 75_000;
/** Reads that may fail one after the other: a hub that joins a network leaves the air for a moment. */
const BREAKS = 20;

interface Reply {
  state: string;
  code?: string;
  message?: string;
}

const parsed = (data: Bytes): Reply | null => {
  try {
    return JSON.parse(new TextDecoder().decode(data)) as Reply;
  } catch {
    return null;
  }
};

/** Asks for the reply to one box. */
function reader(channel: Channel, secret: Bytes, nonce: Bytes, salt: Bytes): () => Promise<Reply | null> {
  let failed = false;
  return async () => {
    const content = await readAnswer(secret, nonce, salt, await channel.reply());
    if (content) return parsed(content);
    // A box that did not open cannot be answered under its key: what everybody may read tells. Read once, it may
    // still be the failure before this box.
    const again = failed;
    failed = (await channel.info()).state === "failed";
    return failed && again ? { state: "failed", code: "bad_box" } : null;
  };
}

const unhex = (hex: string): Bytes =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

/** Waits for a hint or the time to ask again; throws when the person went on. */
function pause(channel: Channel, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, POLL_MS);
    channel.onHint(() => {
      clearTimeout(timer);
      resolve();
    });
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}

export interface Label {
  secret: Bytes;
  device: string;
}

/** Delivers the box; returns how to ask for the reply to it: null when there is none yet, an Error when the way broke. */
async function handOver(channel: Channel, { secret, device }: Label, content: Content) {
  const info = await channel.info().catch(() => {
    throw new PairingError("no_contact");
  });
  if (info.id !== device) throw new PairingError("other_hub", info.id);
  if (!READY.has(info.state)) throw new PairingError("busy");
  const [nonce, salt] = [unhex(info.nonce), newSalt()];
  const plain = new TextEncoder().encode(JSON.stringify(content));
  await channel.deliver(await seal(secret, nonce, salt, plain)).catch((error) => {
    throw error instanceof DOMException ? new PairingError("no_contact") : error;
  });
  return reader(channel, secret, nonce, salt);
}

/** Throws when the way was broken, or the hub silent, for too long. */
class Patience {
  #breaks = 0;
  #heard = Date.now();

  heard(): void {
    this.#heard = Date.now();
  }
  asked(broken: boolean): void {
    this.#breaks = broken ? this.#breaks + 1 : 0;
    if (this.#breaks > BREAKS) throw new PairingError("lost_contact");
    if (Date.now() - this.#heard > SILENCE_MS) throw new PairingError("silent");
  }
}

/** Hands the content over and follows the hub to its end. Throws PairingError, or the signal's reason. */
export async function pair(
  channel: Channel,
  label: Label,
  content: Content,
  onStep: (step: Step) => void,
  signal: AbortSignal,
): Promise<void> {
  const ask = await handOver(channel, label, content);
  const patience = new Patience();
  let last = "";
  for (;;) {
    signal.throwIfAborted();
    const reply = await ask().catch((error: Error) => error);
    patience.asked(reply instanceof Error);
    if (reply && !(reply instanceof Error) && reply.state !== last) {
      if (reply.state === "failed") throw new PairingError(reply.code ?? "cloud_refused", reply.message);
      last = reply.state;
      patience.heard();
      onStep(reply.state as Step);
      if (reply.state === "done") return;
    }
    await pause(channel, signal);
  }
}
