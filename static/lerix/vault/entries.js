/* One entry of the device log, as bytes.

       +0   u8   form = 1
       +1   u64  n                     0, 1, 2, …
       +9   32   prev                  SHA-256 of the whole entry before; of "lerix/log-start/1" ‖ account 16 for n = 0
       +41  u8   op                    1 add, 2 revoke, 3 epoch, 4 rekey
       +42  u16  length of body
       +44  body
            64   sig                   Ed25519 by the account signing key over "lerix/log/1" ‖ all that stands before

       add      device 16 ‖ u8 roles (1 host, 2 remote, 3 both) ‖ X25519 32 ‖ Ed25519 32 ‖ sealed name 97
       revoke   device 16
       epoch    u32 epoch ‖ check 32 ‖ u16 count ‖ count × (device 16 ‖ sealed key 80), by device id
       rekey    Ed25519 32             the signing key from here on
       sealed key = HPKE of WK to the device's X25519 key, info "lerix/epoch/1" ‖ account 16 ‖ u32 epoch ‖ device 16 */

import { DIGEST, ID, KEY, Reader, SIGNATURE, concat, hex, uint, utf8 } from "./bytes.js";
import { EVERY_ROLE } from "./device.js";
import { refused } from "./errors.js";
import { OVERHEAD } from "./hpke.js";
import { SEALED_NAME } from "./names.js";
import { canAgree, canSign, isSigned, sha256, sign } from "./primitives.js";
import { exact } from "./wire.js";

/**
 * @typedef {import("./bytes.js").Bytes} Bytes
 * @typedef {{op: 1, device: import("./device.js").DevicePublic, roles: number, name: Bytes}} Add
 * @typedef {{op: 2, device: Bytes}} Revoke
 * @typedef {{op: 3, epoch: number, check: Bytes, sealed: readonly (readonly [Bytes, Bytes])[]}} Epoch
 * @typedef {{op: 4, signingKey: Bytes}} Rekey
 * @typedef {Add | Revoke | Epoch | Rekey} Body
 * @typedef {object} Entry taken apart; nothing of it is true before its signature and its place were checked
 * @property {number} n
 * @property {Bytes} prev
 * @property {Body} body
 * @property {Bytes} signature
 * @property {Bytes} message what the signature is over, without the label
 */

const FORM = 1;
export const MAX_ENTRY = 16 * 1024;
const SEALED_KEY = KEY + OVERHEAD;
const LABEL = utf8("lerix/log/1");

export const ADD = 1;
export const REVOKE = 2;
export const EPOCH = 3;
export const REKEY = 4;

/**
 * What stands in place of an entry before the first: it binds the log to its account.
 * @param {Bytes} account
 */
export function start(account) {
  return sha256(utf8("lerix/log-start/1"), exact(account, ID));
}

/**
 * The hash of a whole entry: `prev` of the next one, or the log's head.
 * @param {Bytes} entry
 */
export function digest(entry) {
  return sha256(entry);
}

/**
 * Write and sign an entry.
 * @param {number} n
 * @param {Bytes} prev
 * @param {Body} body
 * @param {CryptoKey} signingKey the private half of the account signing key
 */
export async function encode(n, prev, body, signingKey) {
  const content = encodeBody(body);
  const message = concat(uint(FORM, 1), uint(n, 8), prev, uint(body.op, 1), uint(content.length, 2), content);
  return concat(message, await sign(signingKey, concat(LABEL, message)));
}

/**
 * Take an entry apart.
 * @param {Bytes} data
 * @returns {Promise<Entry>}
 */
export async function decode(data) {
  const fail = () => refused("log-malformed");
  if (data.length > MAX_ENTRY) throw fail();
  const reader = new Reader(data, fail);
  if (reader.uint(1) !== FORM) throw refused("log-from-newer-lerix");
  const n = reader.uint(8);
  const prev = reader.take(DIGEST);
  const op = reader.uint(1);
  const content = reader.take(reader.uint(2));
  const signature = reader.take(SIGNATURE);
  reader.end();
  const read = READERS[op];
  if (!read) throw refused("log-from-newer-lerix");
  const inner = new Reader(content, fail);
  const body = read(inner);
  inner.end();
  // An agreement is computed to find out, which a reader of fields cannot wait for.
  if (body.op === ADD && !(await canAgree(body.device.agreement))) throw fail();
  return { n, prev, body, signature, message: data.slice(0, -SIGNATURE) };
}

/**
 * Say whether this signing key made an entry.
 * @param {Entry} entry
 * @param {Bytes} signingKey
 */
export function isSignedBy(entry, signingKey) {
  return isSigned(signingKey, entry.signature, concat(LABEL, entry.message));
}

/**
 * What a sealed key is bound to.
 * @param {Bytes} account
 * @param {number} epoch
 * @param {Bytes} device
 */
export function epochInfo(account, epoch, device) {
  return concat(utf8("lerix/epoch/1"), exact(account, ID), uint(epoch, 4), exact(device, ID));
}

/** @param {Body} body */
function encodeBody(body) {
  switch (body.op) {
    case ADD:
      return concat(body.device.id, uint(body.roles, 1), body.device.agreement, body.device.signing, body.name);
    case REVOKE:
      return body.device;
    case EPOCH:
      return concat(uint(body.epoch, 4), body.check, uint(body.sealed.length, 2), ...body.sealed.flat());
    case REKEY:
      return body.signingKey;
  }
}

/** @type {Readonly<Record<number, (reader: Reader) => Body>>} */
const READERS = Object.freeze({
  [ADD]: readAdd,
  [REVOKE]: readRevoke,
  [EPOCH]: readEpoch,
  [REKEY]: readRekey,
});

/**
 * @param {Reader} reader
 * @returns {Add}
 */
function readAdd(reader) {
  const id = reader.take(ID);
  const roles = reader.uint(1);
  const agreement = reader.take(KEY);
  const signing = reader.take(KEY);
  if (roles < 1 || roles > EVERY_ROLE || !canSign(signing)) throw refused("log-malformed");
  return { op: ADD, device: { id, agreement, signing }, roles, name: reader.take(SEALED_NAME) };
}

/**
 * @param {Reader} reader
 * @returns {Revoke}
 */
function readRevoke(reader) {
  return { op: REVOKE, device: reader.take(ID) };
}

/**
 * @param {Reader} reader
 * @returns {Epoch}
 */
function readEpoch(reader) {
  const epoch = reader.uint(4);
  const check = reader.take(DIGEST);
  const count = reader.uint(2);
  /** @type {[Bytes, Bytes][]} */
  const sealed = Array.from({ length: count }, () => [reader.take(ID), reader.take(SEALED_KEY)]);
  const devices = sealed.map(([device]) => hex(device));
  if (devices.some((device, at) => at > 0 && device <= devices[at - 1])) throw refused("log-malformed");
  return { op: EPOCH, epoch, check, sealed };
}

/**
 * @param {Reader} reader
 * @returns {Rekey}
 */
function readRekey(reader) {
  const signingKey = reader.take(KEY);
  if (!canSign(signingKey)) throw refused("log-malformed");
  return { op: REKEY, signingKey };
}
