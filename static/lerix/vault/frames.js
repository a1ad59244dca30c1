/* What is inside one encrypted message: one frame, padded, so that its length tells little.

       +0    u8   kind
       +1    u8   flags = 0
       +2    u32  stream         0 for what concerns the session
       +6    u64  seq            number of this frame; 2^64-1 for a frame that is not sent again when it is lost
       +14   u64  ack            the number expected next from the other side: all before it have arrived
       +22   u16  length of the payload
       +24   payload, at most 16,384 bytes
             zeros, up to 256, 1,024, 4,096 or 16,416 bytes in all

   CONFIRM, ACK, PING and PONG are not sent again; CONFIRM, ACK, PING, PONG and GOAWAY speak of the whole session, and
   WINDOW does on stream 0. */

import { Reader, isZero } from "./bytes.js";
import { broken } from "./protocol-errors.js";

/**
 * @typedef {import("./bytes.js").Bytes} Bytes
 * @typedef {{kind: number, stream: number, seq: number, ack: number, payload: Bytes}} Frame
 */

export const CONFIRM = 0;
export const HEADERS = 1;
export const DATA = 2;
export const END = 3;
export const RESET = 4;
export const WINDOW = 5;
export const ACK = 6;
export const PING = 7;
export const PONG = 8;
export const GOAWAY = 9;

/** The `seq` of frames that nobody waits for. */
export const UNNUMBERED = -1;
export const MAX_PAYLOAD = 16 * 1024;
const HEAD = 24;
const SIZES = [256, 1024, 4096, MAX_PAYLOAD + 32];
/* The payload's length by kind; null where it may be any. */
const LENGTHS = [0, null, null, 0, 2, 4, 0, 8, 8, 6];
const FLEETING = new Set([CONFIRM, ACK, PING, PONG]);
const OF_SESSION = new Set([...FLEETING, GOAWAY]);

/**
 * The padded frame. Throws FrameMalformed for a payload that is too long.
 * @param {Frame} frame
 * @returns {Bytes}
 */
export function encodeFrame({ kind, stream, seq, ack, payload }) {
  const end = HEAD + payload.length;
  const size = SIZES.find((each) => each >= end);
  if (size === undefined || payload.length > MAX_PAYLOAD) throw broken("FrameMalformed");
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, kind);
  view.setUint32(2, stream);
  view.setBigUint64(6, BigInt.asUintN(64, BigInt(seq)));
  view.setBigUint64(14, BigInt(ack));
  view.setUint16(22, payload.length);
  bytes.set(payload, HEAD);
  return bytes;
}

/**
 * Read a frame; every frame has one encoding. Throws FrameMalformed.
 * @param {Bytes} data
 * @returns {Frame}
 */
export function decodeFrame(data) {
  const fail = () => broken("FrameMalformed");
  if (!SIZES.includes(data.length)) throw fail();
  const reader = new Reader(data, fail);
  const [kind, flags] = [reader.uint(1), reader.uint(1)];
  const stream = reader.uint(4);
  const [seq, ack] = [reader.take(8), reader.take(8)].map(number);
  const length = reader.uint(2);
  const end = HEAD + length;
  if (!(kind in LENGTHS) || flags || length > MAX_PAYLOAD || (LENGTHS[kind] ?? length) !== length) throw fail();
  const payload = reader.take(length);
  // The smallest size that holds it, and nothing hidden behind.
  if (SIZES.find((size) => size >= end) !== data.length || !isZero(reader.rest())) throw fail();
  if (FLEETING.has(kind) !== (seq === UNNUMBERED) || ack === UNNUMBERED) throw fail();
  if ((stream === 0) !== OF_SESSION.has(kind) && kind !== WINDOW) throw fail();
  return { kind, stream, seq, ack, payload };
}

/**
 * A frame's number: Infinity above 2^53 - 1, which no session comes to.
 * @param {Bytes} bytes
 */
function number(bytes) {
  if (bytes.every((byte) => byte === 0xff)) return UNNUMBERED;
  return new Reader(bytes, () => broken("FrameMalformed")).uint(8);
}
