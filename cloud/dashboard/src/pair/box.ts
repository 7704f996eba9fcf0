/** The box in which a phone hands a hub its Wi-Fi and its claim token, and the hub's replies. See pairing.py. */

import { type Bytes, hkdf } from "./label";

export const MAX_BOX = 512;
const SALT = 16;
const MAC = 16;

interface Keys {
  cipher: CryptoKey;
  box: CryptoKey;
  reply: CryptoKey;
}

export function joined(...parts: Bytes[]): Bytes {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    out.set(part, place);
    place += part.length;
  }
  return out;
}

async function keysOf(secret: Bytes, nonce: Bytes, salt: Bytes): Promise<Keys> {
  const keys = await hkdf(secret, joined(nonce, salt), "pf-pair-1", 96);
  const mac = (part: Bytes, usage: KeyUsage) =>
    crypto.subtle.importKey("raw", part, { name: "HMAC", hash: "SHA-256" }, false, [usage]);
  return {
    cipher: await crypto.subtle.importKey("raw", keys.slice(0, 32), "AES-CTR", false, ["encrypt"]),
    box: await mac(keys.slice(32, 64), "sign"),
    reply: await mac(keys.slice(64), "sign"),
  };
}

const signed = async (key: CryptoKey, data: Bytes): Promise<Bytes> =>
  new Uint8Array(await crypto.subtle.sign("HMAC", key, data)).slice(0, MAC);

export const newSalt = (): Bytes => crypto.getRandomValues(new Uint8Array(SALT));

/** The box with `content`. `salt` must be random and new: the counter starts at zero. */
export async function seal(secret: Bytes, nonce: Bytes, salt: Bytes, content: Bytes): Promise<Bytes> {
  const keys = await keysOf(secret, nonce, salt);
  const how = { name: "AES-CTR", counter: new Uint8Array(16), length: 128 };
  const cipher = new Uint8Array(await crypto.subtle.encrypt(how, keys.cipher, content));
  return joined(salt, cipher, await signed(keys.box, joined(nonce, salt, cipher)));
}

/** The content of a reply to the box of `salt`; null when it is not from the hub that has the secret. */
export async function readAnswer(
  secret: Bytes,
  nonce: Bytes,
  salt: Bytes,
  reply: Bytes,
): Promise<Bytes | null> {
  if (reply.length < MAC) return null;
  const [content, mac] = [reply.slice(0, -MAC), reply.slice(-MAC)];
  const wanted = await signed((await keysOf(secret, nonce, salt)).reply, joined(nonce, salt, content));
  let different = 0;
  for (let place = 0; place < MAC; place++) different |= (wanted[place] ?? 0) ^ (mac[place] ?? 0);
  return different === 0 ? content : null;
}
