/**
 * What a label's secret makes, as in shared_protocol/pairing.py and held to the same vectors. The secret never leaves
 * this page; what the cloud sees of it is the device's public id.
 */

export type Bytes = Uint8Array<ArrayBuffer>;

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SECRET_CHARACTERS = 26;
const text = new TextEncoder();

/** RFC 4648 without padding. */
export function base32(data: Bytes): string {
  let [out, bits, held] = ["", 0, 0];
  for (const byte of data) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 5; ) {
      bits -= 5;
      out += LETTERS[(held >> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits ? out + LETTERS[(held << (5 - bits)) & 31] : out;
}

/** The secret in a label's 26 characters, in whatever case and with dashes or spaces; an Error says what is wrong. */
export function secretOf(label: string): Bytes {
  const letters = label.toUpperCase().replaceAll(/[\s-]/g, "");
  if (letters.length !== SECRET_CHARACTERS)
    throw new Error(`A label has ${SECRET_CHARACTERS} characters; these are ${letters.length}.`);
  const out = new Uint8Array(16);
  let [bits, held, count] = [0, 0, 0];
  for (const letter of letters) {
    const place = LETTERS.indexOf(letter);
    if (place < 0) throw new Error(`“${letter}” stands on no label: there are the letters A–Z and 2–7.`);
    held = (held << 5) | place;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      out[count++] = held >> bits;
      held &= (1 << bits) - 1;
    }
  }
  if (held) throw new Error("Not a label: one of the last characters is mistyped.");
  return out;
}

/** RFC 5869 with SHA-256. */
export async function hkdf(secret: Bytes, salt: Bytes, info: string, length: number): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
  const how = { name: "HKDF", hash: "SHA-256", salt, info: text.encode(info) };
  return new Uint8Array(await crypto.subtle.deriveBits(how, key, length * 8));
}

/** The public id of the label's device: 16 characters. */
export async function deviceOf(secret: Bytes): Promise<string> {
  const proof = await hkdf(secret, new Uint8Array(), "pf-hub-id", 32);
  return base32(new Uint8Array(await crypto.subtle.digest("SHA-256", proof))).slice(0, 16);
}

/** A device's id for people: `7K3Q-M2XD`. */
export const shown = (device: string): string => `${device.slice(0, 4)}-${device.slice(4, 8)}`;

/** The name of the hub's own access point, and of the hub in the air. */
export const airName = (device: string): string => `PrintFarm-${device.slice(0, 4)}`;

/** The password of the hub's own access point. */
export const passphraseOf = async (secret: Bytes): Promise<string> =>
  base32(await hkdf(secret, new Uint8Array(), "pf-softap", 8)).slice(0, 12);
