import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readAnswer, seal } from "./box";
import { airName, type Bytes, base32, deviceOf, passphraseOf, secretOf, shown } from "./label";
import { type Channel, PairingError, pair } from "./pairing";

interface Vector {
  name: string;
  label: string;
  nonce: string;
  device: string;
  shown: string;
  passphrase: string;
  content: string;
  box: string;
  opens: boolean;
  answer: string;
  reply: string;
}

const VECTORS = JSON.parse(
  readFileSync(new URL("../../../../shared_protocol/vectors/pairing.json", import.meta.url), "utf8"),
) as Vector[];
const bytes = (hex: string): Bytes =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const utf8 = new TextEncoder();

describe.each(VECTORS)("$name", (vector) => {
  const secret = secretOf(vector.label);
  const [nonce, box] = [bytes(vector.nonce), bytes(vector.box)];
  const salt = box.slice(0, 16);

  it("has the device's id and its access point", async () => {
    const device = await deviceOf(secret);
    expect([device, shown(device), await passphraseOf(secret)]).toEqual([
      vector.device,
      vector.shown,
      vector.passphrase,
    ]);
    expect(airName(device)).toBe(`PrintFarm-${vector.device.slice(0, 4)}`);
  });
  it("is sealed to the same bytes, unless it was spoilt", async () => {
    const sealed = await seal(secret, nonce, salt, utf8.encode(vector.content));
    if (vector.opens) expect(sealed).toEqual(box);
    else expect(sealed).not.toEqual(box);
  });
  it("has its reply read, and no spoilt one", async () => {
    const reply = bytes(vector.reply);
    const read = await readAnswer(secret, nonce, salt, reply);
    if (!vector.opens && read === null) return; // the reply of another box
    expect(read && new TextDecoder().decode(read)).toBe(vector.answer);
    for (const place of [0, reply.length - 1]) {
      const spoilt = reply.slice();
      spoilt[place] = (spoilt[place] ?? 0) ^ 1;
      expect(await readAnswer(secret, nonce, salt, spoilt)).toBeNull();
    }
    expect(await readAnswer(secret, nonce, salt, new Uint8Array())).toBeNull();
  });
});

describe("a label's characters", () => {
  it("are read in whatever case, with dashes and spaces", () => {
    const plain = "5C6BMPEC53QYOMZIRR6UVRRW3M";
    expect(secretOf(" 5c6b-mpec 53qy-omzi rr6u-vrrw-3m")).toEqual(secretOf(plain));
    expect(base32(secretOf(plain))).toBe(plain);
  });
  it.each([
    ["5C6B", /26 characters; these are 4/],
    ["5C6BMPEC53QYOMZIRR6UVRRW30", /“0” stands on no label/],
    ["5C6BMPEC53QYOMZIRR6UVRRW3B", /mistyped/],
  ])("of %s are refused", (label, problem) => expect(() => secretOf(label)).toThrow(problem));
});

describe("a hub that was given a box", () => {
  const secret = secretOf("5C6BMPEC53QYOMZIRR6UVRRW3M");
  const content = { ssid: "Farm", psk: "secret123", url: "https://farm.example", t: "token" };

  /** Its states as everybody may read them, the first before the box, and no reply; then the way breaks. */
  async function follow(...states: string[]): Promise<unknown> {
    const device = await deviceOf(secret);
    const channel: Channel = {
      info: async () => {
        const state = states.shift();
        if (state === undefined) throw new PairingError("lost_contact");
        return { v: 1, id: device, nonce: "00".repeat(16), state, firmware: "1.0.0" };
      },
      deliver: async () => {},
      reply: async () => new Uint8Array(),
      onHint: (hint) => queueMicrotask(hint),
      close: () => {},
    };
    const never = new AbortController().signal;
    return pair(channel, { secret, device }, content, () => {}, never).catch(
      (error: PairingError) => error.code,
    );
  }

  it("cannot open it when it says so twice", async () => {
    expect(await follow("ready", "failed", "failed")).toBe("bad_box");
  });
  it("may still show the failure of the try before", async () => {
    expect(await follow("failed", "failed", "joining", "joining")).toBe("lost_contact");
  });
});
