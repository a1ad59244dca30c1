/* The few cryptographic operations everything else is made of, by WebCrypto, with one choice each: HKDF-SHA256 with an
   empty salt and 32 bytes of output, HMAC-SHA256, AES-256-GCM, Ed25519 and X25519. Private keys are CryptoKeys that
   cannot be exported; bytes of secrets are here only where they arrive as bytes. */

import { KEY, concat, fromBase64url, hex, isZero, unhex } from "./bytes.js";

/**
 * @typedef {import("./bytes.js").Bytes} Bytes
 * @typedef {{privateKey: CryptoKey, publicKey: Bytes}} Pair a private key for X25519 or Ed25519, and its public half
 * @typedef {object} Randomness where unpredictable bytes come from; tests have a fixed one
 * @property {(count: number) => Promise<Bytes>} take
 * @property {() => Promise<Pair>} agreementPair for X25519
 * @property {() => Promise<Pair>} signingPair for Ed25519
 */

const subtle = globalThis.crypto?.subtle;
const EMPTY = new Uint8Array();
/* RFC 8410, section 7: a private key is this and its 32 bytes. WebCrypto takes no raw ones. */
const PKCS8 = { X25519: unhex("302e020100300506032b656e04220420"), Ed25519: unhex("302e020100300506032b657004220420") };
/* RFC 7748, section 4.1. */
const BASE_POINT = Uint8Array.from({ length: KEY }, (_, at) => (at === 0 ? 9 : 0));
/* The y of the points of Ed25519 whose order divides 8, and what reduces to one of them, without the sign of x: such a
   key verifies signatures that nobody made (Wycheproof's SmallOrderPublicKey). */
const SMALL_ORDER = new Set([
  ...[0n, 1n],
  ...[-1n, 0n, 1n].map((near) => 2n ** 255n - 19n + near),
  littleEndian(unhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")),
  littleEndian(unhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")),
]);

/**
 * @param {...Uint8Array} parts
 * @returns {Promise<Bytes>}
 */
export async function sha256(...parts) {
  return new Uint8Array(await subtle.digest("SHA-256", concat(...parts)));
}

/**
 * @param {Bytes} key
 * @param {...Uint8Array} parts
 * @returns {Promise<Bytes>}
 */
export async function hmac(key, ...parts) {
  const imported = await subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await subtle.sign("HMAC", imported, concat(...parts)));
}

/**
 * Make secret bytes a key that only derives others and cannot be exported. The caller wipes the bytes.
 * @param {Bytes} secret
 */
export function derivingKey(secret) {
  return subtle.importKey("raw", secret, "HKDF", false, ["deriveBits", "deriveKey"]);
}

/**
 * Derive 32 bytes.
 * @param {CryptoKey} key from `derivingKey`
 * @param {Bytes} info
 * @returns {Promise<Bytes>}
 */
export async function hkdf(key, info) {
  return new Uint8Array(await subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt: EMPTY, info }, key, 8 * KEY));
}

/**
 * Derive a key for `seal` and `unseal`, of which no bytes are ever seen.
 * @param {CryptoKey} key from `derivingKey`
 * @param {Bytes} info
 */
export function hkdfSealing(key, info) {
  const aes = { name: "AES-GCM", length: 8 * KEY };
  const from = { name: "HKDF", hash: "SHA-256", salt: EMPTY, info };
  return subtle.deriveKey(from, key, aes, false, ["encrypt", "decrypt"]);
}

/**
 * @param {Bytes} key 32 bytes, which the caller wipes
 */
export function sealingKey(key) {
  return subtle.importKey("raw", key, "AES-GCM", false, ["encrypt", "decrypt"]);
}

/**
 * Encrypt by AES-256-GCM; `bound` is authenticated with it. The tag follows the ciphertext.
 * @param {CryptoKey} key
 * @param {Bytes} nonce
 * @param {Bytes} plaintext
 * @param {Bytes} bound
 * @returns {Promise<Bytes>}
 */
export async function seal(key, nonce, plaintext, bound) {
  return new Uint8Array(await subtle.encrypt({ name: "AES-GCM", iv: nonce, additionalData: bound }, key, plaintext));
}

/**
 * Decrypt what `seal` made, or give null: for which reason it fails is nobody's business.
 * @param {CryptoKey} key
 * @param {Bytes} nonce
 * @param {Bytes} sealed
 * @param {Bytes} bound
 * @returns {Promise<Bytes | null>}
 */
export async function unseal(key, nonce, sealed, bound) {
  try {
    return new Uint8Array(await subtle.decrypt({ name: "AES-GCM", iv: nonce, additionalData: bound }, key, sealed));
  } catch {
    return null;
  }
}

/**
 * The shared secret of a private and a public X25519 key, or null for what is no key or a point of small order, which
 * would give zero (RFC 7748, section 6.1). WebCrypto shall refuse zero itself; an older one may not.
 * @param {CryptoKey} privateKey
 * @param {Uint8Array} publicKey
 * @returns {Promise<Bytes | null>}
 */
export async function agree(privateKey, publicKey) {
  try {
    const theirs = await subtle.importKey("raw", /** @type {Bytes} */ (publicKey), "X25519", false, []);
    const secret = await subtle.deriveBits({ name: "X25519", public: theirs }, privateKey, 8 * KEY);
    const bytes = new Uint8Array(secret);
    return isZero(bytes) ? null : bytes;
  } catch {
    return null;
  }
}

/**
 * Take a private X25519 key of 32 bytes; the caller wipes them.
 * @param {Bytes} bytes
 * @returns {Promise<Pair>}
 */
export async function agreementPair(bytes) {
  const privateKey = await importPrivate("X25519", bytes, false, ["deriveBits"]);
  const publicKey = await agree(privateKey, BASE_POINT);
  if (!publicKey) throw new RangeError("no private key");
  return { privateKey, publicKey };
}

/** Whoever knows this private key knows nothing; what agrees with it agrees with any. */
const PROBE = new Uint8Array(KEY).fill(0x40);

/**
 * Say whether an X25519 public key gives secrets.
 * @param {Bytes} publicKey
 */
export async function canAgree(publicKey) {
  const known = await importPrivate("X25519", PROBE, false, ["deriveBits"]);
  return (await agree(known, publicKey)) !== null;
}

/**
 * Take an Ed25519 seed of 32 bytes; the caller wipes it. WebCrypto tells the public half only in a JWK, so for a moment
 * the seed is in a text as well: where it is bytes already, which is while a password is worked on.
 * @param {Bytes} seed
 * @returns {Promise<Pair>}
 */
export async function signingPair(seed) {
  const privateKey = await importPrivate("Ed25519", seed, false, ["sign"]);
  const jwk = await subtle.exportKey("jwk", await importPrivate("Ed25519", seed, true, ["sign"]));
  return { privateKey, publicKey: fromBase64url(/** @type {string} */ (jwk.x), { exactly: KEY }) };
}

/**
 * Sign by Ed25519; deterministic.
 * @param {CryptoKey} privateKey
 * @param {Bytes} message
 * @returns {Promise<Bytes>}
 */
export async function sign(privateKey, message) {
  return new Uint8Array(await subtle.sign("Ed25519", privateKey, message));
}

/**
 * Say whether an Ed25519 public key is worth verifying with: not at a point of small order.
 * @param {Uint8Array} publicKey
 */
export function canSign(publicKey) {
  return publicKey.length === KEY && !SMALL_ORDER.has(littleEndian(publicKey) & (2n ** 255n - 1n));
}

/**
 * @param {Uint8Array} bytes
 * @returns {bigint}
 */
function littleEndian(bytes) {
  return BigInt(`0x${hex(bytes.slice().reverse())}`);
}

/**
 * Say whether the signature holds; under a key of small order none does.
 * @param {Bytes} publicKey
 * @param {Bytes} signature
 * @param {Bytes} message
 */
export async function isSigned(publicKey, signature, message) {
  if (!canSign(publicKey)) return false;
  try {
    const key = await subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
    return await subtle.verify("Ed25519", key, signature, message);
  } catch {
    return false;
  }
}

/**
 * @param {"X25519" | "Ed25519"} name
 * @param {Bytes} bytes
 * @param {boolean} extractable
 * @param {KeyUsage[]} usages
 */
async function importPrivate(name, bytes, extractable, usages) {
  if (bytes.length !== KEY) throw new RangeError("no private key");
  const wrapped = concat(PKCS8[name], bytes);
  const key = await subtle.importKey("pkcs8", wrapped, name, extractable, usages);
  wrapped.fill(0);
  return key;
}

/**
 * @param {"X25519" | "Ed25519"} name
 * @param {KeyUsage[]} usages
 * @returns {Promise<Pair>}
 */
async function newPair(name, usages) {
  const pair = /** @type {CryptoKeyPair} */ (await subtle.generateKey({ name }, false, usages));
  return { privateKey: pair.privateKey, publicKey: new Uint8Array(await subtle.exportKey("raw", pair.publicKey)) };
}

/** The browser's own randomness; private keys are made where nothing can read them. @type {Randomness} */
export const SYSTEM = Object.freeze({
  take: async (/** @type {number} */ count) => crypto.getRandomValues(new Uint8Array(count)),
  agreementPair: () => newPair("X25519", ["deriveBits"]),
  signingPair: () => newPair("Ed25519", ["sign"]),
});
