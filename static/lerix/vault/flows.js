/* What a person does with an account, each as one update that the broker takes whole or not at all.

   A flow sends nothing: it gives an `update`, and what holds once the broker has taken it, `after`. As long as the
   broker has not, the old state holds. Every update replaces the root bundle, whose head is that of the log: a bundle
   and a log that do not end at the same entry are refused.

   For the pages that a password is typed on. What a device does without one is in following.js. */

import { KEY, equal, hex, unhex } from "./bytes.js";
import { RootBundle, openByPassword, openByRecovery, sealBundle } from "./bundle.js";
import { DeviceKeys } from "./device.js";
import { ADD, EPOCH, REKEY, REVOKE, epochInfo } from "./entries.js";
import { refused } from "./errors.js";
import { seal } from "./hpke.js";
import { LogWriter, MAX_DEVICES, MAX_ENTRIES, rekeyDigits, verifyLog } from "./log.js";
import { sealName } from "./names.js";
import { checkNew, stretchNew } from "./password.js";
import { SYSTEM, derivingKey, signingPair } from "./primitives.js";
import { RecoveryKey } from "./recovery.js";
import { MAX_EPOCHS, Workspace, announcement } from "./workspace.js";

/**
 * @typedef {import("./bytes.js").Bytes} Bytes
 * @typedef {import("./log.js").LogState} LogState
 * @typedef {import("./log.js").Known} Known
 * @typedef {import("./password.js").PasswordKeys} PasswordKeys
 * @typedef {import("./primitives.js").Randomness} Randomness
 * @typedef {object} AccountUpdate one compare-and-swap: if the broker's revision is `expected`, this replaces it all
 * @property {Bytes} account
 * @property {number} expected 0 for an account that does not exist yet
 * @property {number} revision
 * @property {import("./bundle.js").SealedBundle} bundle
 * @property {number} position the number of the first of `entries`, which go to the end of the log
 * @property {readonly Bytes[]} entries
 * @property {Bytes} [auth] where it changes
 * @property {import("./recovery.js").RecoveryRecord} [recovery] where it changes
 * @typedef {{update: AccountUpdate, after: Unlocked}} Changed
 */

/** An account whose root bundle is open: whoever holds this can do anything. Keep it for one task, then `wipe` it. */
export class Unlocked {
  /**
   * @param {Bytes} account
   * @param {RootBundle} bundle
   * @param {LogState} log
   * @param {Workspace} workspace the bundle's keys, for the device to keep
   * @param {PasswordKeys | null} keys null after recovery
   */
  constructor(account, bundle, log, workspace, keys) {
    this.account = account;
    this.bundle = bundle;
    this.log = log;
    this.workspace = workspace;
    this.keys = keys;
    Object.freeze(this);
  }

  /** What the device has seen now, for it to keep. @returns {Known} */
  get known() {
    return { n: this.log.n, head: this.log.head, signingKey: this.log.signingKey, revision: this.bundle.revision };
  }

  /** Overwrite the secrets; what came before and after by a flow has the same ones. */
  wipe() {
    this.bundle.wipe();
  }
}

/**
 * Make an account and its first device. As costly as `stretch`.
 * @param {{email: string, password: string, name: string, roles: number}} person
 * @param {Randomness} [random]
 * @param {AbortSignal} [signal]
 */
export async function create({ email, password, name, roles }, random = SYSTEM, signal) {
  const keys = await stretchNew(password, email, random, signal);
  const account = await random.take(16);
  const device = await DeviceKeys.create(random);
  const seed = await random.take(KEY);
  const recoveryKey = await RecoveryKey.create(random);
  const secrets = [await random.take(KEY)];
  const workspace = await Workspace.from(secrets);
  const signing = await signingPair(seed);
  const writer = new LogWriter(account, signing.privateKey);
  await writer.write({ op: REKEY, signingKey: signing.publicKey });
  const sealedName = await sealName(name, workspace, { account, device: device.id }, random);
  await writer.write({ op: ADD, device: device.public, roles, name: sealedName });
  const recipients = new Map([[hex(device.id), device.public.agreement]]);
  await writer.write(await epochEntry(account, secrets, recipients, random));
  const log = writer.finish();
  const { publicKey: recoveryPublic } = await recoveryKey.pair();
  const content = { revision: 1, seed, recoveryPublic, n: log.n, head: log.head, workspace: secrets };
  const bundle = new RootBundle(content, signing);
  /** @type {AccountUpdate} */
  const update = {
    account,
    expected: 0,
    revision: 1,
    bundle: await sealBundle(bundle, keys, account, random),
    position: 0,
    entries: writer.entries,
    auth: keys.auth,
    recovery: await recoveryKey.record(account, signing.publicKey),
  };
  return { update, after: new Unlocked(account, bundle, log, workspace, keys), device, recoveryKey };
}

/**
 * Open the copy sealed by the password, and read the whole log by what is in it. `known` is what this device has seen.
 * "bundle-outdated" may only mean that the broker took an update between the two answers.
 * @param {Bytes} copy
 * @param {readonly Bytes[]} entries
 * @param {PasswordKeys} keys
 * @param {{account: Bytes, known?: Known | null}} of
 */
export async function unlock(copy, entries, keys, { account, known = null }) {
  return read(await openByPassword(copy, keys, account), entries, { account, known }, keys);
}

/**
 * The same by the recovery key; `changePassword` comes next.
 * @param {Bytes} copy
 * @param {readonly Bytes[]} entries
 * @param {RecoveryKey} key
 * @param {{account: Bytes, anchor: Bytes, known?: Known | null}} of
 */
export async function recover(copy, entries, key, { account, anchor, known = null }) {
  return read(await openByRecovery(copy, key, account, anchor), entries, { account, known }, null);
}

/**
 * Let this device join.
 * @param {Unlocked} before
 * @param {string} name
 * @param {number} roles
 * @param {Randomness} [random]
 */
export async function addDevice(before, name, roles, random = SYSTEM) {
  if (before.log.active.length >= MAX_DEVICES) throw refused("too-many-devices");
  const device = await DeviceKeys.create(random);
  const writer = writerOf(before, 1);
  const whose = { account: before.account, device: device.id };
  const sealedName = await sealName(name, before.workspace, whose, random);
  await writer.write({ op: ADD, device: device.public, roles, name: sealedName });
  return { ...(await change(before, {}, writer, random)), device };
}

/**
 * Let devices leave and begin an epoch that they know nothing of.
 * @param {Unlocked} before
 * @param {readonly Bytes[]} devices
 * @param {Randomness} [random]
 */
export async function revokeDevices(before, devices, random = SYSTEM) {
  const leaving = new Set(devices.map(hex));
  const writer = writerOf(before, leaving.size + 1);
  await revoke(writer, before.log, leaving);
  const workspace = await nextEpoch(before, writer, leaving, random);
  return change(before, { workspace }, writer, random);
}

/**
 * Seal the account by another password, or for another e-mail address. As costly as `stretch`.
 * @param {Unlocked} before
 * @param {{email: string, password: string}} person
 * @param {Randomness} [random]
 * @param {AbortSignal} [signal]
 */
export async function changePassword(before, { email, password }, random = SYSTEM, signal) {
  const keys = await stretchNew(password, email, random, signal);
  return change(withKeys(before, keys), {}, writerOf(before, 0), random, { auth: keys.auth });
}

/**
 * Replace the recovery key; the old one opens nothing any more.
 * @param {Unlocked} before
 * @param {Randomness} [random]
 */
export async function renewRecoveryKey(before, random = SYSTEM) {
  const recoveryKey = await RecoveryKey.create(random);
  const recovery = await recoveryKey.record(before.account, before.log.signingKey);
  const replaced = { recoveryPublic: recovery.publicKey };
  return { ...(await change(before, replaced, writerOf(before, 0), random, { recovery })), recoveryKey };
}

/**
 * Replace everything that somebody may have got hold of; only the devices `keep` stay. As costly as `stretch`.
 * @param {Unlocked} before
 * @param {{email: string, password: string}} person
 * @param {readonly Bytes[]} keep
 * @param {Randomness} [random]
 * @param {AbortSignal} [signal]
 */
export async function rekey(before, { email, password }, keep, random = SYSTEM, signal) {
  checkNew(password);
  const active = new Set(before.log.active.map((device) => hex(device.public.id)));
  const staying = new Set(keep.map(hex));
  if ([...staying].some((id) => !active.has(id))) throw refused("device-not-listed");
  const leaving = new Set([...active].filter((id) => !staying.has(id)));
  const writer = writerOf(before, leaving.size + 2);
  const seed = await random.take(KEY);
  const recoveryKey = await RecoveryKey.create(random);
  const signing = await signingPair(seed);
  await revoke(writer, before.log, leaving);
  await writer.write({ op: REKEY, signingKey: signing.publicKey });
  writer.signWith(signing.privateKey);
  const workspace = await nextEpoch(before, writer, leaving, random);
  const keys = await stretchNew(password, email, random, signal);
  const recovery = await recoveryKey.record(before.account, signing.publicKey);
  const replaced = { seed, recoveryPublic: recovery.publicKey, workspace };
  const changed = await change(withKeys(before, keys), replaced, writer, random, { auth: keys.auth, recovery });
  return { ...changed, recoveryKey, digits: await rekeyDigits(before.account, signing.publicKey) };
}

/**
 * @param {RootBundle} bundle
 * @param {readonly Bytes[]} entries
 * @param {{account: Bytes, known: Known | null}} of
 * @param {PasswordKeys | null} keys
 */
async function read(bundle, entries, { account, known }, keys) {
  try {
    if (known && bundle.revision < known.revision) throw refused("bundle-rolled-back");
    const log = await verifyLog(entries, { account, signingKey: bundle.signingKey, known });
    if (bundle.n > log.n) throw refused("log-incomplete");
    if (!equal(log.heads[bundle.n], bundle.head)) throw refused("log-forked");
    if (bundle.n < log.n) throw refused("bundle-outdated");
    const workspace = await Workspace.from(bundle.workspace);
    if (!(await log.confirms(workspace))) throw refused("bundle-not-opened");
    return new Unlocked(account, bundle, log, workspace, keys);
  } catch (error) {
    bundle.wipe();
    throw error;
  }
}

/**
 * @param {Unlocked} before
 * @param {PasswordKeys} keys
 */
function withKeys({ account, bundle, log, workspace }, keys) {
  return new Unlocked(account, bundle, log, workspace, keys);
}

/**
 * @param {Unlocked} before
 * @param {number} entries
 */
function writerOf(before, entries) {
  if (before.log.n + entries >= MAX_ENTRIES) throw refused("too-many-epochs");
  return new LogWriter(before.account, before.bundle.signing.privateKey, before.log);
}

/**
 * @param {LogWriter} writer
 * @param {LogState} log
 * @param {ReadonlySet<string>} leaving
 */
async function revoke(writer, log, leaving) {
  const active = new Set(log.active.map((device) => hex(device.public.id)));
  if ([...leaving].some((id) => !active.has(id))) throw refused("device-not-listed");
  for (const id of [...leaving].sort()) await writer.write({ op: REVOKE, device: unhex(id) });
}

/**
 * @param {Unlocked} before
 * @param {LogWriter} writer
 * @param {ReadonlySet<string>} leaving
 * @param {Randomness} random
 */
async function nextEpoch(before, writer, leaving, random) {
  if (before.bundle.workspace.length >= MAX_EPOCHS) throw refused("too-many-epochs");
  const secrets = [...before.bundle.workspace, await random.take(KEY)];
  const staying = before.log.active
    .map((device) => /** @type {const} */ ([hex(device.public.id), device.public.agreement]))
    .filter(([id]) => !leaving.has(id));
  await writer.write(await epochEntry(before.account, secrets, new Map(staying), random));
  return secrets;
}

/**
 * @param {Bytes} account
 * @param {readonly Bytes[]} secrets of all epochs
 * @param {ReadonlyMap<string, Bytes>} recipients X25519 keys by device id in hex
 * @param {Randomness} random
 * @returns {Promise<import("./entries.js").Epoch>}
 */
async function epochEntry(account, secrets, recipients, random) {
  const epoch = secrets.length - 1;
  /** @type {[Bytes, Bytes][]} */
  const sealed = [];
  for (const id of [...recipients.keys()].sort()) {
    const device = unhex(id);
    const info = epochInfo(account, epoch, device);
    sealed.push([device, await seal(/** @type {Bytes} */ (recipients.get(id)), info, secrets[epoch], random)]);
  }
  return { op: EPOCH, epoch, check: await announcement(await derivingKey(secrets[epoch]), account, epoch), sealed };
}

/**
 * Close the account again, one revision later, with what the writer wrote.
 * @param {Unlocked} before
 * @param {{seed?: Bytes, recoveryPublic?: Bytes, workspace?: readonly Bytes[]}} replaced
 * @param {LogWriter} writer
 * @param {Randomness} random
 * @param {{auth?: Bytes, recovery?: import("./recovery.js").RecoveryRecord}} [changed]
 * @returns {Promise<Changed>}
 */
async function change(before, replaced, writer, random, changed = {}) {
  if (!before.keys) throw refused("password-needed");
  const log = writer.finish();
  const { seed, recoveryPublic, workspace } = { ...before.bundle, ...replaced };
  const revision = before.bundle.revision + 1;
  const content = { revision, seed, recoveryPublic, n: log.n, head: log.head, workspace };
  const bundle = replaced.seed ? await RootBundle.of(content) : new RootBundle(content, before.bundle.signing);
  /** @type {AccountUpdate} */
  const update = {
    account: before.account,
    expected: before.bundle.revision,
    revision,
    bundle: await sealBundle(bundle, before.keys, before.account, random),
    position: before.log.n + 1,
    entries: writer.entries,
    ...changed,
  };
  const keys = workspace === before.bundle.workspace ? before.workspace : await Workspace.from(workspace);
  return { update, after: new Unlocked(before.account, bundle, log, keys, before.keys) };
}
