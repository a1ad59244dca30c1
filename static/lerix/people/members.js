/* What a browser that is signed in does with its account without the password: look at it, rename devices, sign out. As
   relay/account/{following,leaving}.py, in the same order. */

import { Broker } from "../vault/api.js";
import { equal, hex } from "../vault/bytes.js";
import { SigningKeyChanged, refused } from "../vault/errors.js";
import { follow } from "../vault/following.js";
import { trust as trusting } from "../vault/log.js";
import { sealName } from "../vault/names.js";
import { forget, load } from "../vault/store.js";
import { shout } from "./desk.js";
import { PageError, has } from "./errors.js";
import { settle } from "./joining.js";
import { recall, remember, wipeAll } from "./memory.js";
import { checkState, nameOf } from "./opening.js";

/**
 * @typedef {import("./desk.js").Desk} Desk
 * @typedef {import("../vault/store.js").Kept} Kept
 * @typedef {import("../vault/api-messages.js").AccountState} AccountState
 * @typedef {object} DeviceView
 * @property {string} id in hex
 * @property {string} name
 * @property {boolean} own
 * @property {boolean} host
 * @property {Date | null} joined
 * @property {Date | null} seen
 * @property {boolean} signedOut
 * @typedef {{kind: "added" | "removed", id: string, name: string, when: Date | null, present: boolean}} News
 * @typedef {object} View
 * @property {string} email
 * @property {import("../vault/api-messages.js").Plan} plan
 * @property {readonly DeviceView[]} devices
 * @property {readonly News[]} news
 * @property {number} n the last entry of the log, for `hear`
 * @property {boolean} recovered
 */

/* Milliseconds that the broker may take to hear of a sign-out. */
const PATIENCE = 5000;

/**
 * Look at the account once, and keep what is new. Gives null where nobody is signed in. Throws "device-refused" or
 * "device-revoked" where this browser was removed: its keys are forgotten then.
 * @param {Desk} desk
 * @returns {Promise<View | null>}
 */
export async function look(desk) {
  await settle(desk);
  const kept = await desk.member();
  if (!kept) return null;
  try {
    const { state, entries } = await ask(desk, kept);
    return await take(desk, kept, state, entries);
  } catch (error) {
    if (has(error, "device-refused", "device-revoked")) await removed(desk, kept);
    throw error;
  }
}

/**
 * Take over the new signing key of these digits, or refuse it for good; never another one that came since.
 * @param {Desk} desk
 * @param {SigningKeyChanged} changed
 * @param {boolean} same
 * @returns {Promise<View>}
 */
export async function trust(desk, changed, same) {
  const kept = await desk.requireMember();
  if (!same) {
    await remember({ distrusted: changed.signingKey });
    throw new PageError("codes-differ");
  }
  const { state, entries } = await ask(desk, kept);
  try {
    const view = await take(desk, { ...kept, known: trusting(kept.known, changed.signingKey) }, state, entries);
    await remember({ distrusted: null });
    return view;
  } catch (error) {
    if (error instanceof SigningKeyChanged) throw new PageError("codes-changed");
    throw error;
  }
}

/**
 * A person has heard the news up to this entry of the log.
 * @param {number} n
 */
export async function hear(n) {
  await remember({ told: n });
}

/**
 * Give a device another name.
 * @param {Desk} desk
 * @param {Uint8Array<ArrayBuffer>} device
 * @param {string} name
 */
export async function rename(desk, device, name) {
  const kept = await desk.requireMember();
  const sealed = await sealName(name, kept.workspace, { account: kept.account, device });
  desk.tell("asking");
  await desk.broker.rename(await desk.broker.session(kept.account, kept.device), device, sealed);
  shout("changed");
}

/**
 * Erase the account here, also what is left of one that was removed; then tell the broker. Whoever signs out may have a
 * reason to hurry, and a broker that does not answer must not hold the keys here: `wiped` is called before it is asked.
 * @param {() => void} wiped
 */
export async function signOut(wiped) {
  let kept = null;
  try {
    kept = await load();
  } catch (error) {
    if (!has(error)) throw error; // what cannot be read is erased all the same
  }
  await forget();
  await wipeAll();
  shout("changed");
  wiped();
  if (!kept) return;
  const broker = new Broker({ signal: AbortSignal.timeout(PATIENCE) });
  try {
    await broker.signOut(await broker.session(kept.account, kept.device));
  } catch {
    // It hears nothing from this browser again, which it shows by the time it was last seen.
  }
}

/**
 * @param {Desk} desk
 * @param {Kept} kept
 */
async function ask(desk, kept) {
  const token = await desk.broker.session(kept.account, kept.device);
  return { state: await desk.broker.account(token), entries: await desk.broker.log(token) };
}

/**
 * Believe what the broker says, or throw and leave everything as it was.
 * @param {Desk} desk
 * @param {Kept} kept
 * @param {AccountState} state
 * @param {readonly Uint8Array<ArrayBuffer>[]} entries
 * @returns {Promise<View>}
 */
async function take(desk, kept, state, entries) {
  checkState(state, kept.email, kept.account);
  if (state.n < kept.known.n) throw refused("log-rolled-back");
  if (state.revision < kept.known.revision) throw refused("bundle-rolled-back");
  if (entries.length <= state.n) throw refused("log-incomplete");
  const memory = await recall();
  let followed;
  try {
    followed = await follow(entries, kept);
  } catch (error) {
    const distrusted = memory.distrusted;
    if (error instanceof SigningKeyChanged && distrusted && equal(distrusted, error.signingKey)) {
      throw new PageError("codes-differ");
    }
    throw error;
  }
  const { log, workspace, known } = followed;
  await desk.keep({ ...kept, workspace, known });
  return {
    email: kept.email,
    plan: state.plan,
    devices: await devicesOf(kept, followed, state),
    news: await newsOf(kept, followed, state, memory.told),
    n: log.n,
    recovered: memory.recovered,
  };
}

/**
 * @param {Kept} kept
 * @param {{log: import("../vault/log.js").LogState, workspace: import("../vault/workspace.js").Workspace}} followed
 * @param {AccountState} state
 * @returns {Promise<DeviceView[]>}
 */
async function devicesOf(kept, { log, workspace }, state) {
  const facts = new Map(state.devices.map((device) => [hex(device.id), device]));
  const shown = log.active.map(async (device) => {
    const id = hex(device.public.id);
    const known = facts.get(id);
    return {
      id,
      name: await nameOf(device, kept.account, workspace, state),
      own: equal(device.public.id, kept.device.id),
      host: (device.roles & 1) !== 0,
      joined: known?.created ?? null,
      seen: known?.seen ?? null,
      signedOut: Boolean(known?.signedOut),
    };
  });
  return Promise.all(shown);
}

/**
 * What a person should hear of; a device that came and went between two looks is told of twice.
 * @param {Kept} kept
 * @param {{log: import("../vault/log.js").LogState, workspace: import("../vault/workspace.js").Workspace}} followed
 * @param {AccountState} state
 * @param {number} after number of the last entry that was told of
 * @returns {Promise<News[]>}
 */
async function newsOf(kept, { log, workspace }, state, after) {
  const created = new Map(state.devices.map((device) => [hex(device.id), device.created]));
  const news = [];
  for (const device of log.devices.values()) {
    const id = hex(device.public.id);
    if (equal(device.public.id, kept.device.id)) continue;
    const of = { id, name: await nameOf(device, kept.account, workspace, state), present: device.revoked === null };
    if (device.added > after) news.push({ ...of, kind: /** @type {const} */ ("added"), when: created.get(id) ?? null });
    if (device.revoked !== null && device.revoked > after) {
      news.push({ ...of, kind: /** @type {const} */ ("removed"), when: null });
    }
  }
  return news;
}

/**
 * The account does not list this browser any more: its keys go, what it has seen stays.
 * @param {Desk} desk
 * @param {Kept} kept
 */
async function removed(desk, { account, email, known }) {
  desk.signal.throwIfAborted();
  await remember({ removed: { account, email, known }, distrusted: null, recovered: false });
  await forget();
  shout("changed");
}
