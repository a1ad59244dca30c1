/* Opening an account at the broker, and changing it: what every flow does with a password. As relay/account/opening.py,
   in the same order. */

import { BrokerError } from "../vault/api-errors.js";
import { pause } from "../vault/api.js";
import { equal, hex } from "../vault/bytes.js";
import { refused, SigningKeyChanged } from "../vault/errors.js";
import { unlock } from "../vault/flows.js";
import { trust } from "../vault/log.js";
import { openName } from "../vault/names.js";
import { stretch } from "../vault/password.js";
import { TRIES } from "./desk.js";
import { DevicesFull, has } from "./errors.js";

/**
 * @typedef {import("../vault/bytes.js").Bytes} Bytes
 * @typedef {import("../vault/log.js").Known} Known
 * @typedef {import("../vault/api-messages.js").AccountState} AccountState
 * @typedef {import("../vault/flows.js").Unlocked} Unlocked
 * @typedef {import("../vault/flows.js").Changed} Changed
 * @typedef {import("./desk.js").Desk} Desk
 * @typedef {object} Access an account that is open: whoever holds this can change it; for one task
 * @property {string} email
 * @property {string} token
 * @property {AccountState} state
 * @property {Unlocked} unlocked
 * @property {() => Promise<string>} again gets a new token when this one has ended
 * @typedef {object} Way
 * @property {Bytes | null} [account] the id that it must have
 * @property {(account: Bytes) => Promise<Known | null>} [known] what this browser has seen of it
 * @property {boolean} [joining] believe a new signing key: the bundle that names it is opened by the password just typed
 */

export const UNREADABLE = "Unnamed device";
/* Milliseconds before a change whose answer was lost is sent again. */
const PAUSE = 400;

/**
 * Log in by a password and open what the broker keeps.
 * @param {Desk} desk
 * @param {string} email
 * @param {string} password
 * @param {Way} [way]
 * @returns {Promise<Access>}
 */
export async function openAccount(desk, email, password, way = {}) {
  desk.tell("asking");
  const answer = await desk.broker.prelogin(email);
  desk.tell("stretching");
  // Refuses suites and salts that this version does not have, before any hashing.
  const keys = await stretch(password, email, answer, desk.signal);
  desk.tell("asking");
  return logIn(desk, email, keys, way);
}

/**
 * The same with keys that were stretched already.
 * @param {Desk} desk
 * @param {string} email
 * @param {import("../vault/password.js").PasswordKeys} keys
 * @param {Way} [way]
 * @returns {Promise<Access>}
 */
export async function logIn(desk, email, keys, { account = null, known = async () => null, joining = false } = {}) {
  const attempt = async () => {
    const opened = await desk.broker.login(email, keys.auth);
    checkState(opened.state, email, account);
    const id = opened.state.account;
    const seen = await known(id);
    const unlocked = await believing(seen, joining, (each) =>
      unlock(opened.copy, opened.entries, keys, { account: id, known: each }),
    );
    const again = async () => {
      const answer = await desk.broker.login(email, keys.auth);
      checkState(answer.state, email, id);
      return answer.unlock;
    };
    return { email, token: opened.unlock, state: opened.state, unlocked, again };
  };
  try {
    return await attempt();
  } catch (error) {
    // The broker may just have taken an update between bundle and log: once more.
    if (!has(error, "bundle-outdated")) throw error;
    return attempt();
  }
}

/**
 * Open an account by what was just typed, which vouches for the signing key that is in force now.
 * @param {Known | null} known
 * @param {boolean} joining
 * @param {(known: Known | null) => Promise<Unlocked>} open
 */
export async function believing(known, joining, open) {
  try {
    return await open(known);
  } catch (error) {
    if (!(error instanceof SigningKeyChanged) || !joining || !known) throw error;
    return open(trust(known, error.signingKey));
  }
}

/**
 * Refuse an answer about another account.
 * @param {AccountState} state
 * @param {string} email
 * @param {Bytes | null} account
 */
export function checkState(state, email, account) {
  if (state.email !== email || (account && !equal(account, state.account))) throw refused("answer-malformed");
}

/**
 * Send a change until it is known whether the broker took it: it takes one update of a revision. Throws
 * "changed-elsewhere" where another change came first, "unsettled" where nobody tells, and other errors where this
 * change was certainly not taken. `before` says that an answer to this very change was lost before.
 * @param {Desk} desk
 * @param {Access} access
 * @param {Changed} changed
 * @param {{lost?: boolean}} [before]
 * @returns {Promise<AccountState>}
 */
export async function commit(desk, access, changed, before = {}) {
  let { token } = access;
  let lost = before.lost ?? false;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    try {
      const state = await desk.broker.update(token, changed.update);
      checkState(state, access.email, changed.update.account);
      return state;
    } catch (error) {
      if (has(error, "cut-off")) throw error;
      if (has(error, "broker-answer-lost", "broker-unexpected")) {
        lost = true;
      } else {
        const taken = lost ? await isTaken(desk, access, changed) : null;
        if (taken) return taken;
        if (!has(error, "token-ended")) throw error;
        // It may have ended by this very change: a new password ends all that the old one gave.
        token = await access.again();
        continue;
      }
    }
    await pause(PAUSE, attempt, desk.signal);
  }
  throw new BrokerError(lost ? "unsettled" : "token-ended");
}

/**
 * Send what does no harm when it is sent again, until it is known what came of it. Once an answer was lost, no refusal
 * says that the broker has not done it. `lost`: an answer was already.
 * @template Result
 * @param {Desk} desk
 * @param {() => Promise<Result>} send
 * @param {boolean} lost
 * @returns {Promise<Result>}
 */
export async function untilKnown(desk, send, lost) {
  let gone = lost;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    try {
      return await send();
    } catch (error) {
      if (has(error, "cut-off")) throw error;
      if (has(error, "broker-answer-lost", "broker-unexpected")) gone = true;
      else if (gone && has(error)) throw new BrokerError("unsettled");
      else throw error;
    }
    await pause(PAUSE, attempt, desk.signal);
  }
  throw new BrokerError("unsettled");
}

/**
 * Make a change and commit it, a few times where other changes come first; null says that there is nothing to change.
 * @param {Desk} desk
 * @param {Access} access
 * @param {(before: Unlocked) => Promise<Changed | null>} make
 * @returns {Promise<Access>}
 */
export async function change(desk, access, make) {
  let now = access;
  for (let attempt = 1; ; attempt++) {
    const changed = await make(now.unlocked);
    if (!changed) return now;
    try {
      const state = await commit(desk, now, changed);
      return { ...now, unlocked: changed.after, state };
    } catch (error) {
      if (!has(error, "changed-elsewhere") || !now.unlocked.keys || attempt === TRIES) throw error;
      now = await reopened(desk, now);
    }
  }
}

/**
 * The same account as it is now, which must not be older than it was.
 * @param {Desk} desk
 * @param {Access} access
 */
export function reopened(desk, access) {
  const { unlocked, email } = access;
  const keys = /** @type {import("../vault/password.js").PasswordKeys} */ (unlocked.keys);
  return logIn(desk, email, keys, { account: unlocked.account, known: async () => unlocked.known });
}

/**
 * The error for an account without room, with the devices that could be removed.
 * @param {Access} access
 * @param {any} error
 */
export async function devicesFull({ state, unlocked }, error) {
  const facts = new Map(state.devices.map((device) => [hex(device.id), device]));
  const devices = [];
  for (const device of unlocked.log.active) {
    const id = hex(device.public.id);
    if (facts.get(id)?.signedOut) continue;
    const name = await nameOf(device, unlocked.account, unlocked.workspace, state);
    devices.push({ id, name, seen: facts.get(id)?.seen ?? null });
  }
  return new DevicesFull(devices, error instanceof BrokerError ? state.plan.devices : null);
}

/**
 * A device's newest name that can be read: the one the broker keeps, else that of the log.
 * @param {import("../vault/log.js").LogDevice} device
 * @param {Bytes} account
 * @param {import("../vault/workspace.js").Workspace} workspace
 * @param {AccountState | null} state
 */
export async function nameOf(device, account, workspace, state) {
  const { id } = device.public;
  const renamed = state?.devices.find((each) => equal(each.id, id))?.name;
  for (const sealed of [renamed, device.name]) {
    try {
      if (sealed) return await openName(sealed, workspace, { account, device: id });
    } catch (error) {
      if (!has(error)) throw error;
    }
  }
  return UNREADABLE;
}

/**
 * The account if it holds what was made, null where it certainly does not. Throws "unsettled" else.
 * @param {Desk} desk
 * @param {Access} access
 * @param {Changed} changed
 */
async function isTaken(desk, access, { update, after }) {
  let found;
  try {
    if (!after.keys) throw new BrokerError("unsettled");
    found = await logIn(desk, access.email, after.keys, { account: after.account });
  } catch (error) {
    if (has(error, "wrong-login") && update.auth) return null; // the new password does not hold
    if (!has(error) || has(error, "cut-off")) throw error;
    throw new BrokerError("unsettled");
  }
  const { log, bundle } = found.unlocked;
  const holds =
    bundle.revision >= update.revision &&
    log.n >= after.log.n &&
    equal(log.heads[after.log.n], after.log.head) &&
    equal(bundle.recoveryPublic, after.bundle.recoveryPublic);
  return holds ? found.state : null;
}
