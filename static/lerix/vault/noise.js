/* Noise_IKpsk2_25519_AESGCM_SHA256 (Noise Protocol Framework, revision 34), the initiator's side, and nothing else.

       <- s                     the initiator knows the responder's static key
       ...
       -> e, es, s, ss          message 1: 32 ‖ 48 ‖ payload + 16 bytes
       <- e, ee, se, psk        message 2: 32 ‖ payload + 16 bytes

   The static and the one-time key are CryptoKeys that cannot be exported. What they agree on is bytes for a moment, as
   the pre-shared key is: Noise mixes them into its chain as data. The keys of what follows are CryptoKeys again. */

import { KEY, TAG, concat, uint, utf8, wipe } from "./bytes.js";
import { SYSTEM, agree, hmac, seal, sealingKey, sha256, unseal } from "./primitives.js";
import { broken } from "./protocol-errors.js";

/**
 * @typedef {import("./bytes.js").Bytes} Bytes
 * @typedef {import("./primitives.js").Pair} Pair
 */

const NAME = utf8("Noise_IKpsk2_25519_AESGCM_SHA256");
const EMPTY = new Uint8Array();
/** Bytes that message 2 is longer than its payload, and what no Noise message is longer than. */
const SECOND_OVERHEAD = KEY + TAG;
const MAX_MESSAGE = 65535;
/* Far from where AES-GCM becomes weak; a route is renewed within the hour anyway. */
const MOST_MESSAGES = 2 ** 32;

/** One direction after the handshake. Every message has the next number, taken when a method is called. */
export class Cipher {
  #key;
  #number = 0;
  #most;

  /**
   * @param {CryptoKey} key
   * @param {number} [most]
   */
  constructor(key, most = MOST_MESSAGES) {
    this.#key = key;
    this.#most = most;
  }

  /**
   * The next message. Throws KeyUsedUp.
   * @param {Bytes} plaintext
   */
  async encrypt(plaintext) {
    return seal(this.#key, this.#nonce(), plaintext, EMPTY);
  }

  /**
   * Open the next message. Throws MessageForged for anything else, KeyUsedUp.
   * @param {Bytes} message
   */
  async decrypt(message) {
    const plaintext = await unseal(this.#key, this.#nonce(), message, EMPTY);
    if (!plaintext) throw broken("MessageForged");
    return plaintext;
  }

  #nonce() {
    if (this.#number >= this.#most) throw broken("KeyUsedUp");
    return uint(this.#number++, 12);
  }
}

/** The chaining key, the hash of all that was said, and the cipher of the handshake itself. */
class Symmetric {
  // The name has exactly 32 bytes: it is its own hash (section 5.2).
  #hash = NAME;
  #chain = NAME.slice();
  /** @type {CryptoKey | null} */
  #key = null;
  #number = 0;

  /** @param {Bytes} data */
  async mixHash(data) {
    this.#hash = await sha256(this.#hash, data);
  }

  /** @param {Bytes | null} material wiped here; null for keys that do not agree */
  async mixKey(material) {
    if (!material) throw broken("HandshakeFailed");
    const [chain, key] = await derive(this.#chain, material, 2);
    await this.#next(chain, key, material);
  }

  /** @param {Bytes} psk wiped here */
  async mixPsk(psk) {
    const [chain, spoken, key] = await derive(this.#chain, psk, 3);
    await this.mixHash(spoken);
    await this.#next(chain, key, psk);
  }

  /** @param {Bytes} plaintext */
  async encrypt(plaintext) {
    const sealed = await seal(this.#cipher(), uint(this.#number++, 12), plaintext, this.#hash);
    await this.mixHash(sealed);
    return sealed;
  }

  /** @param {Bytes} sealed */
  async decrypt(sealed) {
    const plaintext = await unseal(this.#cipher(), uint(this.#number++, 12), sealed, this.#hash);
    if (!plaintext) throw broken("HandshakeFailed");
    await this.mixHash(sealed);
    return plaintext;
  }

  /** The two ciphers: the initiator's messages, the responder's. @returns {Promise<[Cipher, Cipher]>} */
  async split() {
    const [first, second] = await derive(this.#chain, EMPTY, 2);
    const ciphers = await Promise.all([sealingKey(first), sealingKey(second)]);
    wipe(first, second, this.#chain);
    return [new Cipher(ciphers[0]), new Cipher(ciphers[1])];
  }

  /**
   * @param {Bytes} chain
   * @param {Bytes} key
   * @param {Bytes} material
   */
  async #next(chain, key, material) {
    wipe(this.#chain, material);
    this.#chain = chain;
    this.#key = await sealingKey(key);
    this.#number = 0;
    wipe(key);
  }

  #cipher() {
    if (!this.#key) throw broken("HandshakeFailed"); // no message of this pattern comes before its first key
    return this.#key;
  }
}

/** The device that asks. Use `first`, then `second`, once each; after any error throw it away. */
export class Initiator {
  #static;
  #host;
  #psk;
  #prologue;
  #random;
  #state = new Symmetric();
  /** @type {Pair | null} */
  #ephemeral = null;

  /**
   * @param {object} terms
   * @param {Pair} terms.static this device's X25519 keys
   * @param {Bytes} terms.host the responder's public key
   * @param {Bytes} terms.psk the epoch's, 32 bytes, wiped by the handshake
   * @param {Bytes} terms.prologue
   * @param {import("./primitives.js").Randomness} [terms.random]
   */
  constructor({ static: own, host, psk, prologue, random = SYSTEM }) {
    this.#static = own;
    this.#host = host;
    this.#psk = psk;
    this.#prologue = prologue;
    this.#random = random;
  }

  /**
   * Message 1. Throws HandshakeFailed for a key of the host that cannot be agreed with.
   * @param {Bytes} payload
   */
  async first(payload) {
    const state = this.#state;
    const ephemeral = (this.#ephemeral = await this.#random.agreementPair());
    await state.mixHash(this.#prologue);
    await state.mixHash(this.#host);
    await state.mixHash(ephemeral.publicKey);
    await state.mixKey(ephemeral.publicKey.slice()); // e, because there is a psk (section 9.2)
    await state.mixKey(await agree(ephemeral.privateKey, this.#host)); // es
    const sealed = await state.encrypt(this.#static.publicKey); // s
    await state.mixKey(await agree(this.#static.privateKey, this.#host)); // ss
    return concat(ephemeral.publicKey, sealed, await state.encrypt(payload));
  }

  /**
   * Open message 2: its payload, and the ciphers to send and to receive with. Throws HandshakeFailed.
   * @param {Bytes} message
   */
  async second(message) {
    const state = this.#state;
    const ephemeral = this.#ephemeral;
    if (!ephemeral || message.length < SECOND_OVERHEAD || message.length > MAX_MESSAGE) throw broken("HandshakeFailed");
    this.#ephemeral = null;
    const theirs = message.slice(0, KEY);
    await state.mixHash(theirs);
    await state.mixKey(theirs.slice());
    await state.mixKey(await agree(ephemeral.privateKey, theirs)); // ee
    await state.mixKey(await agree(this.#static.privateKey, theirs)); // se
    await state.mixPsk(this.#psk);
    const payload = await state.decrypt(message.slice(KEY));
    const [send, receive] = await state.split();
    return { payload, send, receive };
  }
}

/**
 * HKDF as section 4.3 has it: so many outputs of 32 bytes.
 * @param {Bytes} chain
 * @param {Bytes} material
 * @param {number} count
 */
async function derive(chain, material, count) {
  const secret = await hmac(chain, material);
  const outputs = [];
  let output = EMPTY;
  for (let number = 1; number <= count; number++) {
    output = await hmac(secret, output, uint(number, 1));
    outputs.push(output);
  }
  wipe(secret);
  return outputs;
}
