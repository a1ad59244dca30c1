/* What this browser keeps of its account, in IndexedDB: keys that cannot be exported, and what it has seen. It is one
   record, replaced whole; an older state never replaces a newer one, whichever tab comes last. */

import { DIGEST, ID, KEY, equal } from "./bytes.js";
import { inStore } from "./database.js";
import { DeviceKeys } from "./device.js";
import { refused } from "./errors.js";
import { Workspace } from "./workspace.js";

/**
 * @typedef {import("./bytes.js").Bytes} Bytes
 * @typedef {object} Kept
 * @property {Bytes} account
 * @property {string} email
 * @property {DeviceKeys} device
 * @property {Workspace} workspace
 * @property {import("./log.js").Known} known
 */

const PLACE = { database: "lerix-vault", store: "account" };
const RECORD = "own";
const FORM = 1;

/**
 * What is kept, or null. Throws "stored-unreadable" for what is damaged, "storage-unusable".
 * @returns {Promise<Kept | null>}
 */
export async function load() {
  const record = await inStore(PLACE, "readonly", (store) => store.get(RECORD));
  return record === undefined ? null : read(record);
}

/**
 * Keep a state, and give what is kept now: where another tab has kept a newer one of the same device, that stays. Throws
 * "log-forked" where it is of another history.
 * @param {Kept} kept
 * @returns {Promise<Kept>}
 */
export async function save({ account, email, device, workspace, known }) {
  const { id, agreement, signing } = device;
  const record = { form: FORM, account, email, device: { id, agreement, signing }, workspace: workspace.keys, known };
  /** @type {any} */
  let now;
  await inStore(PLACE, "readwrite", (store) => {
    const asked = store.get(RECORD);
    asked.onsuccess = () => {
      now = newer(asked.result, record);
      if (now) store.put(now, RECORD);
    };
    return asked;
  });
  if (!now) throw refused("log-forked");
  return read(now);
}

/** Forget everything: signed out, or removed from the account. */
export async function forget() {
  await inStore(PLACE, "readwrite", (store) => store.clear());
}

/**
 * Which of two records says more; null where they contradict each other. The newest root bundle that either has seen
 * counts, whichever it is.
 * @param {any} old
 * @param {any} record
 */
function newer(old, record) {
  try {
    if (!old || !equal(old.account, record.account) || !equal(old.device.id, record.device.id)) return record;
    const [was, is] = [old.known, record.known];
    if (was.n === is.n && !equal(was.head, is.head)) return null;
    const last = was.n > is.n ? old : record;
    return { ...last, known: { ...last.known, revision: Math.max(was.revision, is.revision) } };
  } catch {
    return record; // a damaged one stands in nobody's way
  }
}

/**
 * @param {any} record
 * @returns {Kept}
 */
function read(record) {
  const isBytes = (/** @type {any} */ value, /** @type {number} */ length) =>
    value instanceof Uint8Array && value.length === length;
  const isCount = (/** @type {any} */ value) => Number.isSafeInteger(value) && value >= 0;
  const isKey = (/** @type {any} */ value, /** @type {string} */ name) =>
    value instanceof CryptoKey && value.algorithm.name === name && !value.extractable;
  const isPair = (/** @type {any} */ value, /** @type {string} */ name) =>
    isKey(value.privateKey, name) && isBytes(value.publicKey, KEY);
  try {
    const { form, account, email, device, workspace, known } = record;
    const whole =
      form === FORM &&
      isBytes(account, ID) &&
      typeof email === "string" &&
      isBytes(device.id, ID) &&
      isPair(device.agreement, "X25519") &&
      isPair(device.signing, "Ed25519") &&
      workspace.every((/** @type {any} */ key) => isKey(key, "HKDF")) &&
      isCount(known.n) &&
      isBytes(known.head, DIGEST) &&
      isBytes(known.signingKey, KEY) &&
      isCount(known.revision);
    if (!whole) throw new TypeError("record");
    const keys = new DeviceKeys(device.id, device.agreement, device.signing);
    return { account, email, device: keys, workspace: new Workspace(workspace), known };
  } catch {
    throw refused("stored-unreadable");
  }
}
