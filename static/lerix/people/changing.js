/* What a browser that is signed in changes by the password of its account: the devices, the password, the recovery key.
   As relay/account/changing.py, in the same order. */

import { hex } from "../vault/bytes.js";
import { refused } from "../vault/errors.js";
import { changePassword, renewRecoveryKey } from "../vault/flows.js";
import { groupsToRetype } from "../vault/recovery.js";
import { shout } from "./desk.js";
import { PageError, has } from "./errors.js";
import { leavingOf, without } from "./joining.js";
import { remember } from "./memory.js";
import { change, commit, openAccount } from "./opening.js";
import { check } from "./strength.js";

/**
 * @typedef {import("./desk.js").Desk} Desk
 * @typedef {import("./opening.js").Access} Access
 * @typedef {import("../vault/store.js").Kept} Kept
 * @typedef {object} Renewing a recovery key that counts for nothing until its copy was checked
 * @property {string} email
 * @property {Access} access
 * @property {Awaited<ReturnType<typeof renewRecoveryKey>>} changed
 * @property {import("../vault/recovery.js").RecoveryKey} recoveryKey
 * @property {readonly number[]} retype
 * @property {boolean} lost it was sent already, and nobody knows whether the broker took it
 */

/**
 * Remove a device from the account, and those that signed out by themselves.
 * @param {Desk} desk
 * @param {string} password
 * @param {string} device in hex
 */
export async function remove(desk, password, device) {
  const kept = await desk.requireMember();
  if (device === hex(kept.device.id)) throw new PageError("this-device");
  let access = await openMember(desk, kept, password);
  try {
    if (!access.unlocked.log.active.some((each) => hex(each.public.id) === device)) throw refused("device-not-listed");
    const leaving = leavingOf(access, new Set([device]), kept.device.id);
    access = await change(desk, access, (before) => without(before, leaving));
    await keep(desk, kept, access);
    await remember({ told: access.unlocked.log.n });
  } finally {
    access.unlocked.wipe();
  }
}

/**
 * Seal the account by another password.
 * @param {Desk} desk
 * @param {string} old
 * @param {string} password
 */
export async function renewPassword(desk, old, password) {
  const kept = await desk.requireMember();
  const { email } = kept;
  await check(password, email);
  let access = await openMember(desk, kept, old);
  try {
    desk.tell("stretching");
    access = await change(desk, access, (before) => changePassword(before, { email, password }, undefined, desk.signal));
    await keep(desk, kept, access);
  } finally {
    access.unlocked.wipe();
  }
}

/**
 * Make a new recovery key.
 * @param {Desk} desk
 * @param {string} password
 * @returns {Promise<Renewing>}
 */
export async function startRecoveryKey(desk, password) {
  const kept = await desk.requireMember();
  const access = await openMember(desk, kept, password);
  const changed = await renewRecoveryKey(access.unlocked);
  const { recoveryKey } = changed;
  return { email: kept.email, access, changed, recoveryKey, retype: await groupsToRetype(), lost: false };
}

/**
 * Let it count.
 * @param {Desk} desk
 * @param {Renewing} pending
 * @param {ReadonlyMap<number, string>} typed groups by position
 */
export async function finishRecoveryKey(desk, pending, typed) {
  const { access, changed, recoveryKey, retype } = pending;
  recoveryKey.checkRetyped(new Map(retype.map((position) => [position, typed.get(position) ?? ""])));
  const kept = await desk.requireMember();
  if (hex(kept.account) !== hex(changed.update.account)) throw new PageError("not-signed-in");
  desk.tell("asking");
  try {
    await commit(desk, access, changed, { lost: pending.lost });
  } catch (error) {
    // It may count already, so it must not be called void the next time.
    if (has(error, "unsettled")) pending.lost = true;
    // Another change came first; "wrong-login", where that was a new password.
    if (has(error, "changed-elsewhere", "wrong-login")) throw new PageError("recovery-key-unused");
    throw error;
  }
  await keep(desk, kept, { ...access, unlocked: changed.after });
  await remember({ recovered: false });
  drop(pending);
}

/**
 * Overwrite what only serves until it counts.
 * @param {Renewing} pending
 */
export function drop({ access, changed, recoveryKey }) {
  access.unlocked.wipe();
  changed.after.wipe();
  recoveryKey.wipe();
}

/**
 * Open the account of this browser by its password.
 * @param {Desk} desk
 * @param {Kept} kept
 * @param {string} password
 */
async function openMember(desk, { account, email, known }, password) {
  try {
    return await openAccount(desk, email, password, { account, known: async () => known });
  } catch (error) {
    if (has(error, "wrong-login")) throw new PageError("wrong-password");
    throw error;
  }
}

/**
 * @param {Desk} desk
 * @param {Kept} kept
 * @param {Access} access
 */
async function keep(desk, kept, { unlocked }) {
  await desk.keep({ ...kept, workspace: unlocked.workspace, known: unlocked.known });
  shout("changed");
}
