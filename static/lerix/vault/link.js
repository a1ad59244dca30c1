/* What a device and the broker say to each other around a route: one binary WebSocket message for each of these.

       +0  u8   type
       +1  u8   0
       +2  u32  route          0 for what concerns the link; a device numbers its own routes
       +6  payload             the whole message is at most 32,768 bytes

       type          from      payload
       01 HELLO      broker    nonce 32
       02 AUTH       device    account 16 ‖ device 16 ‖ u8 role ‖ signature 64      see device.js
       03 READY      broker    u64 link epoch ‖ u32 credit a route begins with
       10 OPEN       remote    host 16 ‖ u32 epoch of the workspace key
       11 INCOMING   broker    remote 16 ‖ u32 epoch                                to a host
       12 OPENED     broker    u32 credit                                           to the remote
       13 CLOSE      both      u16 code ‖ reason in UTF-8, at most 120 bytes
       20 DATA       both      one message of a route
       21 CREDIT     both      u32 bytes that the other side may send besides
       30 PING, 31 PONG        both      8 bytes
       40 EVENT      broker    JSON

   Credit counts the payloads of DATA. It is the receiver's own: the broker passes it on and holds senders to it. */

import { Reader, concat, fromUtf8, uint } from "./bytes.js";
import { broken } from "./protocol-errors.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

/** Where the broker takes links, below its own address. */
export const PATH = "/relay/1/link";
const HEAD = 6;
const MAX_MESSAGE = 32 * 1024;
export const MAX_DATA = MAX_MESSAGE - HEAD;
const MAX_REASON = 120;
/** Bytes that may be under way in one direction of a route before the receiver grants more. */
export const FIRST_CREDIT = 1024 * 1024;
const MOST_CREDIT = 2 ** 31 - 1;

export const TYPE = Object.freeze({
  HELLO: 0x01,
  AUTH: 0x02,
  READY: 0x03,
  OPEN: 0x10,
  INCOMING: 0x11,
  OPENED: 0x12,
  CLOSE: 0x13,
  DATA: 0x20,
  CREDIT: 0x21,
  PING: 0x30,
  PONG: 0x31,
  EVENT: 0x40,
});

/** Why a route or a link ends, in CLOSE and as the WebSocket's own code. */
export const CODE = Object.freeze({
  DONE: 4000,
  MALFORMED: 4400,
  REFUSED: 4403,
  NO_HOST: 4404,
  SUPERSEDED: 4409,
  OTHER_EPOCH: 4412,
  TOO_MANY: 4428,
  CREDIT_EXCEEDED: 4429,
  RESTARTING: 4430,
  REVOKED: 4431,
  RELAY_OFF: 4432,
  NO_PLAN: 4433,
  CLOSED: 4434,
  ASLEEP: 4435,
  SIGNED_OUT: 4436,
});

/** @type {ReadonlyMap<number, number | null>} */
const LENGTHS = new Map([
  [TYPE.HELLO, 32],
  [TYPE.AUTH, 16 + 16 + 1 + 64],
  [TYPE.READY, 8 + 4],
  [TYPE.OPEN, 16 + 4],
  [TYPE.INCOMING, 16 + 4],
  [TYPE.OPENED, 4],
  [TYPE.CLOSE, null],
  [TYPE.DATA, null],
  [TYPE.CREDIT, 4],
  [TYPE.PING, 8],
  [TYPE.PONG, 8],
  [TYPE.EVENT, null],
]);
/** @type {ReadonlySet<number>} */
const OF_LINK = new Set([TYPE.HELLO, TYPE.AUTH, TYPE.READY, TYPE.PING, TYPE.PONG, TYPE.EVENT]);

/**
 * Write a message. Throws FrameMalformed for a payload that is too long.
 * @param {number} type
 * @param {number} route
 * @param {Bytes} payload
 */
export function encodeMessage(type, route, payload) {
  if (payload.length > MAX_DATA) throw broken("FrameMalformed");
  return concat(uint(type, 1), uint(0, 1), uint(route, 4), payload);
}

/**
 * Read a message. Throws FrameMalformed.
 * @param {Bytes} data
 */
export function decodeMessage(data) {
  const fail = () => broken("FrameMalformed");
  if (data.length > MAX_MESSAGE) throw fail();
  const reader = new Reader(data, fail);
  const [type, zero] = [reader.uint(1), reader.uint(1)];
  const route = reader.uint(4);
  const payload = reader.rest();
  const length = LENGTHS.get(type);
  if (length === undefined || zero || (length ?? payload.length) !== payload.length) throw fail();
  if ((route === 0) !== OF_LINK.has(type) && type !== TYPE.CLOSE) throw fail();
  return { type, route, payload };
}

/**
 * Write a CLOSE.
 * @param {number} route
 * @param {number} code
 */
export function encodeClose(route, code) {
  return encodeMessage(TYPE.CLOSE, route, uint(code, 2));
}

/**
 * Read the code of a CLOSE; its reason was written by whoever closed, and is shown to nobody. Throws FrameMalformed.
 * @param {Bytes} payload
 */
export function readClose(payload) {
  if (payload.length < 2 || payload.length > 2 + MAX_REASON) throw broken("FrameMalformed");
  return payload[0] * 256 + payload[1];
}

/**
 * Read an EVENT. Throws FrameMalformed.
 * @param {Bytes} payload
 * @returns {Record<string, unknown>}
 */
export function readEvent(payload) {
  let value;
  try {
    value = JSON.parse(fromUtf8(payload));
  } catch {
    throw broken("FrameMalformed");
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw broken("FrameMalformed");
  return value;
}

/** How much may be sent in one direction of a route, kept by the sender. */
export class Credit {
  #left = FIRST_CREDIT;

  /** Bytes that may be sent now. */
  get left() {
    return this.#left;
  }

  /**
   * Take `count` bytes. Gives false, and takes nothing, if there are fewer.
   * @param {number} count
   */
  spend(count) {
    if (count > this.#left) return false;
    this.#left -= count;
    return true;
  }

  /**
   * Add what a CREDIT says. Throws FrameMalformed for nothing, or for more than any receiver has.
   * @param {Bytes} payload
   */
  grant(payload) {
    const count = new Reader(payload, () => broken("FrameMalformed")).uint(4);
    if (count === 0 || this.#left + count > MOST_CREDIT) throw broken("FrameMalformed");
    this.#left += count;
  }
}
