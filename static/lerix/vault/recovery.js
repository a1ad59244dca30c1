/* The recovery key: 160 random bits on paper, which open the account when the password is lost.

       LRX1-XXXX-XXXX-XXXX-XXXX-XXXX-XXXX-XXXX-XXXX-CCCC

   X: the 160 bits, five per character, from the left, in Crockford's base 32. C: the first 20 bits of
   SHA-256("lerix/recovery-check/1" ‖ 20 bytes). Of RK, the 20 bytes:

       recAuth = HKDF(RK, "lerix/recovery-auth/1")          sent to the broker
       RPK     = X25519 pair of the private key HKDF(RK, "lerix/recovery-x25519/1")
       anchor  = HMAC-SHA256(HKDF(RK, "lerix/recovery-anchor/1"), "lerix/recovery-anchor/1" ‖ account 16 ‖ ASK 32)

   Anybody can seal to RPK, the broker too; the anchor, which it keeps, only the recovery key could have made. */

import { ID, KEY, concat, utf8, wipe } from "./bytes.js";
import { refused } from "./errors.js";
import { open } from "./hpke.js";
import { SYSTEM, agreementPair, derivingKey, hkdf, hmac, sha256 } from "./primitives.js";
import { exact } from "./wire.js";

/**
 * @typedef {import("./bytes.js").Bytes} Bytes
 * @typedef {{auth: Bytes, publicKey: Bytes, anchor: Bytes}} RecoveryRecord what the broker keeps, `auth` as an HMAC
 */

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const RANDOM = 20;
const GROUP = 4;
/** After the prefix: eight of the key, one of the check. */
export const GROUPS = 9;
/* What people put between groups, and what is easily mistaken for another when copied by hand. */
const BETWEEN = /[ \t\r\n\u00a0\u2010\u2011\u2012\u2013\u2014\u2212_.-]/g;
/** @type {Readonly<Record<string, string>>} */
const SAME = Object.freeze({ I: "1", L: "1", O: "0" });
/* How the prefix reads once L is a 1. */
const TYPED_PREFIX = "1RX1";

/** The key itself; make one by `create` or `parse`. */
export class RecoveryKey {
  #bytes;
  #characters;

  /**
   * @param {Bytes} bytes
   * @param {string} characters all of them, the check too
   */
  constructor(bytes, characters) {
    this.#bytes = bytes;
    this.#characters = characters;
  }

  /**
   * Make a key that nobody has.
   * @param {import("./primitives.js").Randomness} [random]
   */
  static async create(random = SYSTEM) {
    const bytes = await random.take(RANDOM);
    return new RecoveryKey(bytes, base32(bytes) + (await check(bytes)));
  }

  /**
   * Read what a person typed: any case, blanks and dashes anywhere, I and L for 1, O for 0, prefix or not.
   * @param {string} typed
   */
  static async parse(typed) {
    let characters = loose(typed);
    if (characters.includes(" ")) throw refused("recovery-key-character");
    if (characters.length === GROUP * (GROUPS + 1)) {
      if (!characters.startsWith(TYPED_PREFIX)) throw refused("recovery-key-version");
      characters = characters.slice(GROUP);
    }
    if (characters.length !== GROUP * GROUPS) throw refused("recovery-key-length");
    const bits = Array.from(characters.slice(0, -GROUP), (character) =>
      ALPHABET.indexOf(character).toString(2).padStart(5, "0"),
    ).join("");
    const bytes = Uint8Array.from({ length: RANDOM }, (_, at) => parseInt(bits.slice(8 * at, 8 * at + 8), 2));
    if ((await check(bytes)) !== characters.slice(-GROUP)) throw refused("recovery-key-mistyped");
    return new RecoveryKey(bytes, characters);
  }

  /** The key as it is shown once, in groups. */
  text() {
    return ["LRX1", ...this.#groups()].join("-");
  }

  /** What proves the key to the broker. */
  auth() {
    return this.#derive("lerix/recovery-auth/1");
  }

  /** RPK and its private half, to which the second copy of the root bundle is sealed. */
  async pair() {
    const privateBytes = await this.#derive("lerix/recovery-x25519/1");
    const pair = await agreementPair(privateBytes);
    wipe(privateBytes);
    return pair;
  }

  /**
   * Open what was sealed to RPK, or give null; says nothing about who sealed it.
   * @param {Bytes} info
   * @param {Bytes} sealed
   */
  async open(info, sealed) {
    return open(await this.pair(), info, sealed);
  }

  /**
   * Vouch for an account's signing key.
   * @param {Bytes} account
   * @param {Bytes} signingKey
   */
  async anchor(account, signingKey) {
    const label = utf8("lerix/recovery-anchor/1");
    return hmac(await this.#derive("lerix/recovery-anchor/1"), label, exact(account, ID), exact(signingKey, KEY));
  }

  /**
   * What the broker shall keep.
   * @param {Bytes} account
   * @param {Bytes} signingKey
   * @returns {Promise<RecoveryRecord>}
   */
  async record(account, signingKey) {
    const { publicKey } = await this.pair();
    return { auth: await this.auth(), publicKey, anchor: await this.anchor(account, signingKey) };
  }

  /**
   * Compare groups that a person typed again, by their position from 0.
   * @param {ReadonlyMap<number, string>} typed
   */
  checkRetyped(typed) {
    const groups = this.#groups();
    const same = Array.from(typed, ([at, text]) => loose(text) === groups[at]);
    if (!same.length || !same.every(Boolean)) throw refused("retype-differs");
  }

  /** Overwrite the key, once it has served. */
  wipe() {
    wipe(this.#bytes);
    this.#characters = "";
  }

  /** @param {string} info */
  async #derive(info) {
    return hkdf(await derivingKey(this.#bytes), utf8(info));
  }

  #groups() {
    return this.#characters.match(/.{4}/g) ?? [];
  }
}

/**
 * Choose which groups a person types again: distinct positions from 0, in order.
 * @param {number} [count]
 */
export async function groupsToRetype(count = 3) {
  const left = Array.from({ length: GROUPS }, (_, at) => at);
  const chosen = [];
  for (const byte of await SYSTEM.take(count)) chosen.push(...left.splice(byte % left.length, 1));
  return chosen.sort((one, other) => one - other);
}

/** @param {Bytes} bytes whose bits are a multiple of five */
function base32(bytes) {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("");
  return (bits.match(/.{5}/g) ?? []).map((five) => ALPHABET[parseInt(five, 2)]).join("");
}

/** @param {Bytes} bytes */
async function check(bytes) {
  const digest = await sha256(concat(utf8("lerix/recovery-check/1"), bytes));
  return base32(digest.slice(0, 5)).slice(0, GROUP);
}

/**
 * The characters that were meant; what cannot be in a key becomes a blank.
 * @param {string} typed
 */
function loose(typed) {
  const folded = typed.replace(BETWEEN, "").toUpperCase();
  return Array.from(folded, (character) => SAME[character] ?? (ALPHABET.includes(character) ? character : " ")).join(
    "",
  );
}
