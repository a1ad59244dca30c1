/* The workspace keys WK_0 … WK_e, one for each epoch, and what is derived from them. Each is kept as a key that derives
   others and cannot be exported.

       relay psk   = HKDF(WK_e, "lerix/relay-psk/1")
       item key    = HKDF(WK_e, "lerix/item/1" ‖ item 16 ‖ version u64 ‖ author 16)
       announced   = HKDF(WK_e, "lerix/epoch-check/1" ‖ account 16 ‖ epoch u32)      public, in the device log */

import { ID, KEY, concat, equal, uint, utf8 } from "./bytes.js";
import { derivingKey, hkdf, hkdfSealing } from "./primitives.js";
import { exact } from "./wire.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

/** With one revocation a week, twenty years. */
export const MAX_EPOCHS = 1024;

/** The keys of all epochs so far, at least one. Throws RangeError for none or too many. */
export class Workspace {
  /** @param {readonly CryptoKey[]} keys */
  constructor(keys) {
    if (keys.length < 1 || keys.length > MAX_EPOCHS) throw new RangeError("epochs");
    this.keys = Object.freeze([...keys]);
    Object.freeze(this);
  }

  /**
   * Take the bytes of the keys; the caller wipes them.
   * @param {readonly Bytes[]} secrets
   */
  static async from(secrets) {
    return new Workspace(await Promise.all(secrets.map((secret) => derivingKey(exact(secret, KEY)))));
  }

  /** The newest epoch. */
  get epoch() {
    return this.keys.length - 1;
  }

  /**
   * These keys and that of the next epoch.
   * @param {CryptoKey} key
   */
  plus(key) {
    return new Workspace([...this.keys, key]);
  }

  /**
   * The pre-shared key of handshakes in an epoch, as bytes: Noise mixes it in as data, for which WebCrypto has no way
   * without them. They are made for one handshake and wiped after it; the key they come from stays where it is.
   * @param {number} epoch
   */
  relayPsk(epoch) {
    return hkdf(this.#key(epoch), utf8("lerix/relay-psk/1"));
  }

  /**
   * The key that seals one version of an item by one author.
   * @param {number} epoch
   * @param {{item: Bytes, version: number, author: Bytes}} of
   */
  itemKey(epoch, { item, version, author }) {
    const info = concat(utf8("lerix/item/1"), exact(item, ID), uint(version, 8), exact(author, ID));
    return hkdfSealing(this.#key(epoch), info);
  }

  /**
   * The key that seals the names of a device.
   * @param {number} epoch
   * @param {Bytes} device
   */
  nameKey(epoch, device) {
    return hkdfSealing(this.#key(epoch), concat(utf8("lerix/device-name/1"), exact(device, ID)));
  }

  /**
   * Say whether the key of an epoch is the one that the device log means.
   * @param {Bytes} account
   * @param {number} epoch
   * @param {Bytes} check
   */
  async isAnnounced(account, epoch, check) {
    return equal(await announcement(this.#key(epoch), account, epoch), check);
  }

  /** @param {number} epoch */
  #key(epoch) {
    if (!(epoch in this.keys)) throw new RangeError(`no key of epoch ${epoch}`);
    return this.keys[epoch];
  }
}

/**
 * What the device log says about an epoch's key: enough to recognise it, nothing to make it from.
 * @param {CryptoKey} key
 * @param {Bytes} account
 * @param {number} epoch
 */
export function announcement(key, account, epoch) {
  return hkdf(key, concat(utf8("lerix/epoch-check/1"), exact(account, ID), uint(epoch, 4)));
}
