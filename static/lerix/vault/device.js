/* The keys of this browser as a device of an account, made by WebCrypto so that nothing can export them, and how it
   proves them to the broker.

       proof = Ed25519 signature over
           "lerix/broker-auth/1" ‖ nonce 32 ‖ account 16 ‖ device 16 ‖ u8 role ‖ u16 length ‖ host name in ASCII */

import { ID, concat, uint, utf8 } from "./bytes.js";
import { refused } from "./errors.js";
import { open } from "./hpke.js";
import { SYSTEM, sign } from "./primitives.js";
import { exact } from "./wire.js";

/**
 * @typedef {import("./bytes.js").Bytes} Bytes
 * @typedef {import("./primitives.js").Pair} Pair
 * @typedef {{id: Bytes, agreement: Bytes, signing: Bytes}} DevicePublic X25519 for the relay and new epochs, Ed25519
 */

/** What a device may be: a host serves its pages and models to others, a remote asks a host. A browser is a remote. */
export const HOST = 1;
export const REMOTE = 2;
export const EVERY_ROLE = HOST | REMOTE;
const MAX_HOST = 253;

/** The private keys of this device. */
export class DeviceKeys {
  /**
   * @param {Bytes} id
   * @param {Pair} agreement
   * @param {Pair} signing
   */
  constructor(id, agreement, signing) {
    this.id = id;
    this.agreement = agreement;
    this.signing = signing;
    Object.freeze(this);
  }

  /**
   * Make the keys of a device, with an id that nobody has.
   * @param {import("./primitives.js").Randomness} [random]
   */
  static async create(random = SYSTEM) {
    const id = await random.take(ID);
    const agreement = await random.agreementPair();
    return new DeviceKeys(id, agreement, await random.signingPair());
  }

  /** The public half. @returns {DevicePublic} */
  get public() {
    return { id: this.id, agreement: this.agreement.publicKey, signing: this.signing.publicKey };
  }

  /**
   * Open what was sealed to the X25519 key, or give null; says nothing about who sealed it.
   * @param {Bytes} info
   * @param {Bytes} sealed
   */
  open(info, sealed) {
    return open(this.agreement, info, sealed);
  }

  /**
   * Sign the broker's nonce for one link or session in one role; `host` is the name that was dialled.
   * @param {{nonce: Bytes, account: Bytes, role: number, host: string}} claim
   */
  prove({ nonce, account, role, host }) {
    // eslint-disable-next-line no-control-regex
    if ((role !== HOST && role !== REMOTE) || !/^[\0-\x7f]+$/.test(host) || host.length > MAX_HOST) {
      throw refused("answer-malformed");
    }
    const name = utf8(host.toLowerCase());
    const ids = concat(exact(nonce, 32), exact(account, ID), this.id);
    const claim = concat(utf8("lerix/broker-auth/1"), ids, uint(role, 1), uint(name.length, 2), name);
    return sign(this.signing.privateKey, claim);
  }
}
