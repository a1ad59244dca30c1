/* HPKE in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM, one message for each key (RFC 9180).
   It says nothing about who sealed: what is opened counts as much as the signature around it.

       sealed = the sender's one-time X25519 key 32 ‖ ciphertext ‖ tag 16 */

import { KEY, NONCE, TAG, concat, uint, utf8, wipe } from "./bytes.js";
import { agree, hmac, seal as sealBy, sealingKey, unseal } from "./primitives.js";

/**
 * @typedef {import("./bytes.js").Bytes} Bytes
 * @typedef {import("./primitives.js").Pair} Pair
 * @typedef {import("./primitives.js").Randomness} Randomness
 */

/** What HPKE adds to a message. */
export const OVERHEAD = KEY + TAG;

const VERSION = utf8("HPKE-v1");
const KEM = concat(utf8("KEM"), uint(0x20, 2));
const SUITE = concat(utf8("HPKE"), uint(0x20, 2), uint(1, 2), uint(2, 2));
const EMPTY = new Uint8Array();

/**
 * Seal to an X25519 public key. Throws RangeError for one that cannot be agreed with.
 * @param {Bytes} publicKey
 * @param {Bytes} info
 * @param {Bytes} plaintext
 * @param {Randomness} random
 */
export async function seal(publicKey, info, plaintext, random) {
  const once = await random.agreementPair();
  const agreed = await agree(once.privateKey, publicKey);
  if (!agreed) throw new RangeError("no public key");
  const { key, nonce } = await schedule(agreed, concat(once.publicKey, publicKey), info);
  const sealing = await sealingKey(key);
  wipe(agreed, key);
  return concat(once.publicKey, await sealBy(sealing, nonce, plaintext, EMPTY));
}

/**
 * Open what was sealed to this pair's public key, or give null.
 * @param {Pair} pair
 * @param {Bytes} info
 * @param {Bytes} sealed
 */
export async function open(pair, info, sealed) {
  const once = sealed.slice(0, KEY);
  const agreed = sealed.length < OVERHEAD ? null : await agree(pair.privateKey, once);
  if (!agreed) return null;
  const { key, nonce } = await schedule(agreed, concat(once, pair.publicKey), info);
  const sealing = await sealingKey(key);
  wipe(agreed, key);
  return unseal(sealing, nonce, sealed.slice(KEY), EMPTY);
}

/**
 * Sections 4.1 and 5.1: the key and the first nonce from what X25519 agreed on.
 * @param {Bytes} agreed
 * @param {Bytes} kemContext the one-time public key ‖ the receiver's
 * @param {Bytes} info
 */
export async function schedule(agreed, kemContext, info) {
  const shared = await expand(KEM, await extract(KEM, EMPTY, "eae_prk", agreed), "shared_secret", kemContext, KEY);
  const pskId = await extract(SUITE, EMPTY, "psk_id_hash", EMPTY);
  const context = concat(uint(0, 1), pskId, await extract(SUITE, EMPTY, "info_hash", info));
  const secret = await extract(SUITE, shared, "secret", EMPTY);
  const key = await expand(SUITE, secret, "key", context, KEY);
  const nonce = await expand(SUITE, secret, "base_nonce", context, NONCE);
  wipe(shared, secret);
  return { key, nonce };
}

/**
 * @param {Bytes} suite
 * @param {Bytes} salt
 * @param {string} label
 * @param {Bytes} material
 */
function extract(suite, salt, label, material) {
  return hmac(salt.length ? salt : new Uint8Array(KEY), VERSION, suite, utf8(label), material);
}

/**
 * One block of HKDF-Expand, which is enough for 32 bytes.
 * @param {Bytes} suite
 * @param {Bytes} key
 * @param {string} label
 * @param {Bytes} info
 * @param {number} length
 */
async function expand(suite, key, label, info, length) {
  const block = await hmac(key, uint(length, 2), VERSION, suite, utf8(label), info, uint(1, 1));
  return block.slice(0, length);
}
