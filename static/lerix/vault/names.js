/* Names of devices, which the broker keeps but cannot read.

       +0   u32  epoch e
       +4   12   nonce
       +16  65   ciphertext of: u8 length ‖ name in UTF-8 ‖ zeros, in all 65
       +81  16   tag
       bound = "lerix/device-name/1" ‖ account 16 ‖ device 16 ‖ u32 e */

import { ID, NONCE, Reader, TAG, concat, fromUtf8, isZero, uint, utf8 } from "./bytes.js";
import { refused } from "./errors.js";
import { SYSTEM, seal, unseal } from "./primitives.js";
import { exact } from "./wire.js";

/**
 * @typedef {import("./bytes.js").Bytes} Bytes
 * @typedef {import("./workspace.js").Workspace} Workspace
 */

/** Bytes of UTF-8. Every sealed name has the same length. */
export const MAX_NAME = 64;
export const SEALED_NAME = 4 + NONCE + 1 + MAX_NAME + TAG;

/* Controls, format characters, halves of characters, ends of lines: what cannot be seen, or moves what is beside it. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
/* What the app on a Mac takes for blanks, which is a little more and a little less than `trim` does. */
const BLANK = "[\\t-\\r\\x1c- \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+";
const AROUND = new RegExp(`^${BLANK}|${BLANK}$`, "g");

/**
 * The name in NFC, without blanks around it.
 * @param {string} name
 */
export function normaliseName(name) {
  const text = name.normalize("NFC").replace(AROUND, "");
  const length = utf8(text).length;
  if (HIDDEN.test(text) || !length || length > MAX_NAME) throw refused("device-name-unusable");
  return text;
}

/**
 * Seal a device's name by the newest epoch's key; 97 bytes.
 * @param {string} name
 * @param {Workspace} keys
 * @param {{account: Bytes, device: Bytes}} whose
 * @param {import("./primitives.js").Randomness} [random]
 */
export async function sealName(name, keys, { account, device }, random = SYSTEM) {
  const data = utf8(normaliseName(name));
  const plain = concat(uint(data.length, 1), data, new Uint8Array(MAX_NAME - data.length));
  const nonce = await random.take(NONCE);
  const key = await keys.nameKey(keys.epoch, device);
  return concat(uint(keys.epoch, 4), nonce, await seal(key, nonce, plain, bound(account, device, keys.epoch)));
}

/**
 * The name of a device, as `normaliseName` gives it: what could not be given is refused, since any device of the
 * account can seal one.
 * @param {Bytes} sealed
 * @param {Workspace} keys
 * @param {{account: Bytes, device: Bytes}} whose
 */
export async function openName(sealed, keys, { account, device }) {
  const fail = () => refused("name-not-opened");
  const reader = new Reader(sealed, fail);
  const epoch = reader.uint(4);
  const nonce = reader.take(NONCE);
  if (epoch > keys.epoch) throw fail();
  const plain = await unseal(await keys.nameKey(epoch, device), nonce, reader.rest(), bound(account, device, epoch));
  if (!plain) throw fail();
  const opened = new Reader(plain, fail);
  const name = opened.take(opened.uint(1));
  if (plain.length !== 1 + MAX_NAME || !isZero(opened.rest())) throw fail();
  try {
    const text = fromUtf8(name);
    if (normaliseName(text) === text) return text;
  } catch {
    // not text, or no name
  }
  throw fail();
}

/**
 * @param {Bytes} account
 * @param {Bytes} device
 * @param {number} epoch
 */
function bound(account, device, epoch) {
  return concat(utf8("lerix/device-name/1"), exact(account, ID), exact(device, ID), uint(epoch, 4));
}
