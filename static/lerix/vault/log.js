/* The device log: the only thing that says which devices belong to an account.

   - n counts from 0, prev is the hash of the entry before, and the signing key in force signed it.
   - Entry 0 is a rekey signed by the key it names. Later rekeys are signed by the key they replace, and bring a key
     that the log has not had.
   - add: an id and two keys that the log has not had, not even on a revoked device.
   - revoke: a device that belongs to the account.
   - epoch: the next number, and a sealed key for exactly the devices that belong to the account.
   - After a revoke or a rekey an epoch must follow before the log ends. The first epoch is 0.
   - An entry of an unknown form or op ends the reading.

   What a device has seen it keeps as `Known`; a log that is shorter, or has another entry at that place, is refused. */

import { ID, KEY, concat, equal, hex, utf8, wipe } from "./bytes.js";
import { ADD, EPOCH, REKEY, REVOKE, decode, digest, encode, epochInfo, isSignedBy, start } from "./entries.js";
import { SigningKeyChanged, refused } from "./errors.js";
import { derivingKey, sha256 } from "./primitives.js";
import { exact } from "./wire.js";
import { MAX_EPOCHS, announcement } from "./workspace.js";

/**
 * @typedef {import("./bytes.js").Bytes} Bytes
 * @typedef {import("./device.js").DeviceKeys} DeviceKeys
 * @typedef {import("./entries.js").Body} Body
 * @typedef {import("./workspace.js").Workspace} Workspace
 * @typedef {object} LogDevice a device as the log has it
 * @property {import("./device.js").DevicePublic} public
 * @property {number} roles
 * @property {Bytes} name sealed, see names.js
 * @property {number} added number of the entry
 * @property {number | null} revoked number of the entry
 * @typedef {object} Known what a device keeps of what it has seen; no secret
 * @property {number} n
 * @property {Bytes} head
 * @property {Bytes} signingKey the one it trusts
 * @property {number} revision of the newest root bundle it has seen
 */

/** At once; an epoch's entry carries a sealed key for each. */
export const MAX_DEVICES = 100;
export const MAX_ENTRIES = 8192;
const MAX_LOG = 8 * 1024 * 1024;

/** What a log that was read to its end says. */
export class LogState {
  /**
   * @param {Bytes} account
   * @param {readonly Bytes[]} heads of every entry
   * @param {readonly Bytes[]} signingKeys in the order in which they were in force
   * @param {ReadonlyMap<string, LogDevice>} devices by id in hex, revoked ones too
   * @param {readonly import("./entries.js").Epoch[]} epochs
   * @param {number} size bytes of all entries
   */
  constructor(account, heads, signingKeys, devices, epochs, size) {
    this.account = account;
    this.heads = heads;
    this.signingKeys = signingKeys;
    this.devices = devices;
    this.epochs = epochs;
    this.size = size;
    Object.freeze(this);
  }

  /** Number of the last entry. */
  get n() {
    return this.heads.length - 1;
  }

  /** Hash of the last entry. */
  get head() {
    return this.heads[this.n];
  }

  /** The account signing key in force. */
  get signingKey() {
    return this.signingKeys[this.signingKeys.length - 1];
  }

  /** The newest epoch. */
  get epoch() {
    return this.epochs.length - 1;
  }

  /** The devices that belong to the account, in the order in which they joined. */
  get active() {
    return [...this.devices.values()].filter((device) => device.revoked === null);
  }

  /**
   * The workspace key that an epoch sealed to this device, as a key that cannot be exported.
   * @param {number} epoch
   * @param {DeviceKeys} device
   */
  async openEpoch(epoch, device) {
    const { check, sealed } = this.epochs[epoch];
    const mine = sealed.find(([id]) => equal(id, device.id));
    const opened = mine && (await device.open(epochInfo(this.account, epoch, device.id), mine[1]));
    if (!opened || opened.length !== KEY) throw refused("key-not-opened");
    const key = await derivingKey(opened);
    wipe(opened);
    if (!equal(await announcement(key, this.account, epoch), check)) throw refused("key-not-opened");
    return key;
  }

  /**
   * Say whether these are the keys of all of the log's epochs.
   * @param {Workspace} workspace
   */
  async confirms(workspace) {
    if (workspace.epoch !== this.epoch) return false;
    const checked = this.epochs.map(({ epoch, check }) => workspace.isAnnounced(this.account, epoch, check));
    return (await Promise.all(checked)).every(Boolean);
  }
}

/**
 * Read a whole log and give what it says, if it is that of the trusted signing key and nothing older than known.
 * @param {readonly Bytes[]} entries
 * @param {{account: Bytes, signingKey: Bytes, known?: Known | null}} trusted
 */
export async function verifyLog(entries, { account, signingKey, known = null }) {
  const replay = new Replay(account);
  for (const entry of entries) await replay.apply(entry);
  const state = replay.finish();
  const had = (/** @type {Bytes} */ key) => state.signingKeys.some((each) => equal(each, key));
  if (!had(signingKey)) throw refused("log-forged");
  if (known) {
    if (known.n > state.n) throw refused("log-rolled-back");
    if (!equal(state.heads[known.n], known.head) || !had(known.signingKey)) throw refused("log-forked");
  }
  if (![signingKey, known?.signingKey ?? signingKey].every((key) => equal(key, state.signingKey))) {
    throw new SigningKeyChanged(state.signingKey, await rekeyDigits(account, state.signingKey));
  }
  return state;
}

/**
 * The log's entry about this device.
 * @param {LogState} state
 * @param {DeviceKeys} device
 */
export function checkMember(state, device) {
  const listed = state.devices.get(hex(device.id));
  const own = device.public;
  const same = listed && equal(listed.public.agreement, own.agreement) && equal(listed.public.signing, own.signing);
  if (!same) throw refused("log-rule-broken");
  if (listed.revoked !== null) throw refused("device-revoked");
  return listed;
}

/**
 * What a device knows, with another signing key, after a person has compared the digits of `SigningKeyChanged`.
 * @param {Known} known
 * @param {Bytes} signingKey
 * @returns {Known}
 */
export function trust(known, signingKey) {
  return { ...known, signingKey: exact(signingKey, KEY) };
}

/**
 * Six groups of five digits to compare: each is five bytes of SHA-256("lerix/rekey-digits/1" ‖ account 16 ‖ signing
 * key 32), from the left, modulo 100,000.
 * @param {Bytes} account
 * @param {Bytes} signingKey
 */
export async function rekeyDigits(account, signingKey) {
  const digested = await sha256(utf8("lerix/rekey-digits/1"), exact(account, ID), exact(signingKey, KEY));
  return [0, 5, 10, 15, 20, 25]
    .map((at) => digested.slice(at, at + 5).reduce((sum, byte) => sum * 256 + byte, 0) % 100_000)
    .map((group) => String(group).padStart(5, "0"))
    .join(" ");
}

/** Writes entries at the end of a log, by the same rules that read them. */
export class LogWriter {
  #replay;
  #signingKey;
  /** @type {Bytes[]} */
  entries = [];

  /**
   * @param {Bytes} account
   * @param {CryptoKey} signingKey the private half of the account signing key
   * @param {LogState} [state]
   */
  constructor(account, signingKey, state) {
    this.#replay = new Replay(account, state);
    this.#signingKey = signingKey;
  }

  /**
   * Sign and add an entry.
   * @param {Body} body
   */
  async write(body) {
    const replay = this.#replay;
    const entry = await encode(replay.heads.length, await replay.prev(), body, this.#signingKey);
    await replay.apply(entry);
    this.entries.push(entry);
  }

  /**
   * Go on with another signing key, which a rekey just named.
   * @param {CryptoKey} signingKey
   */
  signWith(signingKey) {
    this.#signingKey = signingKey;
  }

  /** What the log says with the new entries. */
  finish() {
    return this.#replay.finish();
  }
}

/** A log while it is read; after an error it must not be used again. */
class Replay {
  /**
   * @param {Bytes} account
   * @param {LogState} [state]
   */
  constructor(account, state) {
    this.account = exact(account, ID);
    this.heads = [...(state?.heads ?? [])];
    this.signingKeys = [...(state?.signingKeys ?? [])];
    /** @type {Map<string, LogDevice>} */
    this.devices = new Map(state?.devices);
    this.epochs = [...(state?.epochs ?? [])];
    this.size = state?.size ?? 0;
    this.active = new Set([...this.devices].filter(([, device]) => device.revoked === null).map(([id]) => id));
    this.keys = new Set([...this.devices.values()].flatMap(keysOf));
    // A revoke or rekey waits for the epoch that belongs to it.
    this.epochDue = !state;
  }

  async prev() {
    return this.heads.length ? this.heads[this.heads.length - 1] : start(this.account);
  }

  /** @param {Bytes} data */
  async apply(data) {
    this.size += data.length;
    if (this.heads.length >= MAX_ENTRIES || this.size > MAX_LOG) throw refused("log-too-large");
    const entry = await decode(data);
    if (entry.n !== this.heads.length || !equal(entry.prev, await this.prev())) throw refused("log-broken");
    if (!(await isSignedBy(entry, this.#signer(entry.body)))) throw refused("log-forged");
    if (!this.#follows(entry.n, entry.body)) throw refused("log-rule-broken");
    this.heads.push(await digest(data));
  }

  finish() {
    if (this.epochDue) throw refused("log-incomplete");
    return new LogState(this.account, this.heads, this.signingKeys, this.devices, this.epochs, this.size);
  }

  /** @param {Body} body */
  #signer(body) {
    if (this.signingKeys.length) return this.signingKeys[this.signingKeys.length - 1];
    if (body.op !== REKEY) throw refused("log-rule-broken");
    return body.signingKey;
  }

  /**
   * Take what an entry says. Gives false if it must not say that here.
   * @param {number} n
   * @param {Body} body
   */
  #follows(n, body) {
    switch (body.op) {
      case ADD: {
        const { device, roles, name } = body;
        const [id, listed] = [hex(device.id), { public: device, roles, name, added: n, revoked: null }];
        const again = keysOf(listed).some((key) => this.keys.has(key)) || this.devices.has(id);
        if (again || this.active.size >= MAX_DEVICES) return false;
        this.devices.set(id, listed);
        this.active.add(id);
        for (const key of keysOf(listed)) this.keys.add(key);
        return true;
      }
      case REVOKE: {
        const id = hex(body.device);
        const listed = this.devices.get(id);
        if (!listed || !this.active.delete(id)) return false;
        this.devices.set(id, { ...listed, revoked: n });
        this.epochDue = true;
        return true;
      }
      case EPOCH: {
        const recipients = body.sealed.map(([device]) => hex(device));
        const all = [...this.active].sort();
        if (body.epoch !== this.epochs.length || body.epoch >= MAX_EPOCHS) return false;
        if (recipients.length !== all.length || recipients.some((id, at) => id !== all[at])) return false;
        this.epochs.push(body);
        this.epochDue = false;
        return true;
      }
      case REKEY:
        if (this.signingKeys.some((key) => equal(key, body.signingKey))) return false;
        this.signingKeys.push(body.signingKey);
        this.epochDue = true;
        return true;
    }
  }
}

/** @param {LogDevice} device */
function keysOf({ public: { agreement, signing } }) {
  return [hex(agreement), hex(signing)];
}
