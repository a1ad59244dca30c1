/* Bytes: joining, numbers, texts, comparing, and taking messages apart. Integers are big-endian. */

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/* Lengths of what has a fixed one. Ids are random and made by the device that needs one. */
export const ID = 16;
export const KEY = 32;
export const DIGEST = 32;
export const NONCE = 12;
export const TAG = 16;
export const SIGNATURE = 64;

const encoder = new TextEncoder();
const BASE64URL = /^[A-Za-z0-9_-]*$/;

/**
 * Join bytes without anything between.
 * @param {...Uint8Array} parts
 * @returns {Bytes}
 */
export function concat(...parts) {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/**
 * An unsigned integer of `width` bytes. Throws RangeError if it does not fit, or is no longer exact as a number.
 * @param {number} value
 * @param {number} width
 * @returns {Bytes}
 */
export function uint(value, width) {
  const bytes = new Uint8Array(width);
  let left = value;
  for (let at = width - 1; at >= 0; at--) {
    bytes[at] = left % 256;
    left = Math.floor(left / 256);
  }
  if (!Number.isSafeInteger(value) || value < 0 || left) throw new RangeError("does not fit");
  return bytes;
}

/**
 * Write text as UTF-8; what is no Unicode is for the caller to refuse before.
 * @param {string} text
 * @returns {Bytes}
 */
export function utf8(text) {
  return encoder.encode(text);
}

/**
 * Read UTF-8, a byte order mark as the character that it is. Throws TypeError for anything else.
 * @param {Uint8Array} bytes
 */
export function fromUtf8(bytes) {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}

/**
 * @param {Uint8Array} bytes
 * @returns {string}
 */
export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Read lower-case hexadecimal digits. Throws RangeError for anything else, and for another number of bytes.
 * @param {string} text
 * @param {number} [exactly]
 * @returns {Bytes}
 */
export function unhex(text, exactly) {
  if (!/^(?:[0-9a-f]{2})*$/.test(text) || (exactly !== undefined && text.length !== 2 * exactly)) {
    throw new RangeError("not hexadecimal");
  }
  return Uint8Array.from({ length: text.length / 2 }, (_, at) => parseInt(text.slice(2 * at, 2 * at + 2), 16));
}

/**
 * Write bytes as base64url without padding, which is how they travel in JSON.
 * @param {Uint8Array} bytes
 */
export function base64url(bytes) {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 0x2000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x2000));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * Read what `base64url` wrote, which has one spelling only. Throws RangeError for anything else.
 * @param {string} text
 * @param {{exactly?: number, atMost?: number}} [limits]
 * @returns {Bytes}
 */
export function fromBase64url(text, { exactly, atMost = 2 ** 21 } = {}) {
  if (
    typeof text !== "string" ||
    text.length > (atMost * 4) / 3 + 4 ||
    !BASE64URL.test(text) ||
    text.length % 4 === 1
  ) {
    throw new RangeError("not base64url");
  }
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  const fits = bytes.length <= atMost && (exactly === undefined || bytes.length === exactly);
  if (!fits || base64url(bytes) !== text) throw new RangeError("not base64url");
  return bytes;
}

/**
 * Say whether two byte strings are the same, in a time that does not depend on where they differ.
 * @param {Uint8Array} one
 * @param {Uint8Array} other
 */
export function equal(one, other) {
  let difference = one.length ^ other.length;
  for (let at = 0; at < one.length; at++) difference |= one[at] ^ (other[at] ?? 0);
  return difference === 0;
}

/** @param {Uint8Array} bytes */
export function isZero(bytes) {
  return bytes.every((byte) => byte === 0);
}

/**
 * Overwrite secrets. The engine may have moved them before, so this makes their time short and promises no more.
 * @param {...Uint8Array} secrets
 */
export function wipe(...secrets) {
  for (const secret of secrets) secret.fill(0);
}

/** Takes a message apart from the left; whatever does not fit throws what `fail` makes. */
export class Reader {
  #data;
  #at = 0;
  #fail;

  /**
   * @param {Uint8Array} data
   * @param {() => Error} fail
   */
  constructor(data, fail) {
    this.#data = data;
    this.#fail = fail;
  }

  /**
   * The next `count` bytes, a copy.
   * @param {number} count
   * @returns {Bytes}
   */
  take(count) {
    const end = this.#at + count;
    if (end > this.#data.length) throw this.#fail();
    const taken = this.#data.slice(this.#at, end);
    this.#at = end;
    return /** @type {Bytes} */ (taken);
  }

  /**
   * The next `width` bytes as an unsigned integer; Infinity above 2^53 - 1: more than anything here ever counts.
   * @param {number} width
   */
  uint(width) {
    const value = this.take(width).reduce((sum, byte) => sum * 256 + byte, 0);
    return Number.isSafeInteger(value) ? value : Infinity;
  }

  /** All that is left. */
  rest() {
    return this.take(this.#data.length - this.#at);
  }

  /** Refuse what follows the last field. */
  end() {
    if (this.#at !== this.#data.length) throw this.#fail();
  }
}
