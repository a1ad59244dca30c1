/* This browser joins an account as a device: its keys are stored first, then the broker is told, then it is signed in.

   Where that breaks off, the stored keys are those of a device that the account lists, or of one it never heard of.
   `settle` finds out which, by proving the keys to the broker; as long as it does not answer, they are kept. */

import { BrokerError } from "../vault/api-errors.js";
import { equal, hex, unhex } from "../vault/bytes.js";
import { REMOTE } from "../vault/device.js";
import { addDevice, revokeDevices } from "../vault/flows.js";
import { follow } from "../vault/following.js";
import { normaliseName } from "../vault/names.js";
import { normaliseEmail } from "../vault/password.js";
import { load } from "../vault/store.js";
import { TRIES, shout } from "./desk.js";
import { has } from "./errors.js";
import { recall, remember } from "./memory.js";
import { change, checkState, commit, devicesFull, openAccount, reopened } from "./opening.js";

/**
 * @typedef {import("../vault/bytes.js").Bytes} Bytes
 * @typedef {import("./desk.js").Desk} Desk
 * @typedef {import("./opening.js").Access} Access
 */

/**
 * Open the account by its password, and let this browser join. `remove` are devices that make room, in hex.
 * @param {Desk} desk
 * @param {{email: string, password: string, name: string, remove: readonly string[]}} person
 */
export async function signIn(desk, { email, password, name, remove }) {
  const address = normaliseEmail(email);
  const deviceName = normaliseName(name);
  const waiting = (await recall()).joining;
  await settle(desk);
  const member = waiting ? await desk.member() : null;
  if (member?.email === address) return; // the sign-in that broke off had come through
  await desk.requireSignedOut();
  let access = await openAccount(desk, address, password, { known: seenBefore, joining: true });
  try {
    if (remove.length) {
      const leaving = leavingOf(access, new Set(remove));
      access = await change(desk, access, (before) => without(before, leaving));
    }
    await join(desk, access, deviceName, { recovered: false });
  } finally {
    access.unlocked.wipe();
  }
}

/**
 * Add this browser to an account that is open. Throws DevicesFull, and what `commit` does.
 * @param {Desk} desk
 * @param {Access} access
 * @param {string} name
 * @param {{recovered: boolean}} how
 */
export async function join(desk, access, name, how) {
  let now = access;
  for (let attempt = 1; ; attempt++) {
    let joined;
    try {
      joined = await addDevice(now.unlocked, name, REMOTE);
    } catch (error) {
      if (!has(error, "too-many-devices")) throw error;
      throw await devicesFull(now, error);
    }
    const { account, workspace, known, log } = joined.after;
    await desk.join({ account, email: now.email, device: joined.device, workspace, known }, how);
    try {
      await commit(desk, now, joined);
    } catch (error) {
      if (!has(error) || has(error, "unsettled", "cut-off")) throw error;
      await desk.drop();
      if (has(error, "devices-full")) throw await devicesFull(now, error);
      if (!has(error, "changed-elsewhere") || attempt === TRIES || !now.unlocked.keys) throw error;
      now = await reopened(desk, now);
      continue;
    }
    await enter(desk, log.n);
    return;
  }
}

/**
 * The broker has this device: from here on this browser is signed in.
 * @param {Desk} desk
 * @param {number} n
 */
export async function enter(desk, n) {
  desk.signal.throwIfAborted();
  try {
    await remember({ joining: false, removed: null, told: n, distrusted: null });
  } catch (error) {
    if (!has(error)) throw error;
    throw new BrokerError("unsettled"); // the keys stay, and `settle` finds that the broker has the device
  }
  shout("changed");
}

/**
 * Find out about a device that was joining when something broke off. Throws where nobody tells.
 * @param {Desk} desk
 */
export async function settle(desk) {
  if (!(await recall()).joining) return;
  let kept = null;
  try {
    kept = await load();
  } catch (error) {
    if (!has(error, "stored-unreadable")) throw error;
  }
  if (!kept) {
    await desk.drop();
    return;
  }
  let followed;
  try {
    const token = await desk.broker.session(kept.account, kept.device);
    const state = await desk.broker.account(token);
    checkState(state, kept.email, kept.account);
    followed = await follow(await desk.broker.log(token), kept);
  } catch (error) {
    if (!has(error, "device-refused", "device-revoked")) throw error;
    await desk.drop(); // the broker never took it, or it was removed since
    return;
  }
  await desk.keep({ ...kept, workspace: followed.workspace, known: followed.known });
  await enter(desk, followed.log.n);
}

/**
 * What this browser saw of the account before it was removed, if it was.
 * @param {Bytes} account
 */
export async function seenBefore(account) {
  const { removed } = await recall();
  return removed && equal(removed.account, account) ? removed.known : null;
}

/**
 * The devices to remove, with those that signed out by themselves, but not this one.
 * @param {Access} access
 * @param {ReadonlySet<string>} devices in hex
 * @param {Bytes} [own]
 */
export function leavingOf({ state }, devices, own) {
  const gone = state.devices.filter((each) => each.signedOut).map((each) => hex(each.id));
  const leaving = new Set([...devices, ...gone]);
  if (own) leaving.delete(hex(own));
  return leaving;
}

/**
 * Remove those of the devices that still belong to the account; null where none does.
 * @param {import("../vault/flows.js").Unlocked} before
 * @param {ReadonlySet<string>} devices in hex
 */
export async function without(before, devices) {
  const there = before.log.active.map((device) => hex(device.public.id)).filter((id) => devices.has(id));
  return there.length ? revokeDevices(before, there.map((id) => unhex(id))) : null;
}
