/* The password is lost: the recovery key opens the account, or, where that is lost too, the account is erased. */

import { refused } from "../vault/errors.js";
import { changePassword, recover } from "../vault/flows.js";
import { normaliseName } from "../vault/names.js";
import { normaliseEmail } from "../vault/password.js";
import { RecoveryKey } from "../vault/recovery.js";
import { believing, change, checkState, untilKnown } from "./opening.js";
import { join, seenBefore, settle } from "./joining.js";
import { recall, remember } from "./memory.js";
import { check } from "./strength.js";

/**
 * @typedef {import("./desk.js").Desk} Desk
 * @typedef {import("./opening.js").Access} Access
 * @typedef {{email: string, ticket: string}} Coded what waits for its code
 */

/**
 * Ask for the code that comes before the recovery key, or before the erasure.
 * @param {Desk} desk
 * @param {string} email
 * @param {"recover" | "erase"} purpose
 * @returns {Promise<Coded>}
 */
export async function start(desk, email, purpose) {
  const address = normaliseEmail(email);
  await settle(desk);
  await desk.requireSignedOut();
  desk.tell("asking");
  return { email: address, ticket: await desk.broker.ticket(address, purpose) };
}

/**
 * Open the account by the recovery key that somebody typed; it is checked for typing errors first.
 * @param {Desk} desk
 * @param {Coded} pending
 * @param {string} typed
 * @returns {Promise<Access>}
 */
export async function openByKey(desk, { email, ticket }, typed) {
  const key = await RecoveryKey.parse(typed);
  try {
    desk.tell("asking");
    const auth = await key.auth();
    const opened = await desk.broker.recover(ticket, auth);
    checkState(opened.state, email, null);
    const { anchor, state, copy, entries } = opened;
    if (!anchor) throw refused("answer-malformed");
    const { account } = state;
    const unlocked = await believing(await seenBefore(account), true, (known) =>
      recover(copy, entries, key, { account, anchor, known }),
    );
    const again = async () => {
      const answer = await desk.broker.recover(ticket, auth);
      checkState(answer.state, email, account);
      return answer.unlock;
    };
    return { email, token: opened.unlock, state, unlocked, again };
  } finally {
    key.wipe();
  }
}

/**
 * Seal the account by a new password, then let this browser join. Gives the account, whose password holds from then on,
 * by `held` before it joins: where joining fails, it goes on from there.
 * @param {Desk} desk
 * @param {Access} access
 * @param {{password: string, name: string}} person
 * @param {(access: Access) => void} held
 */
export async function finish(desk, access, { password, name }, held) {
  const deviceName = normaliseName(name);
  await check(password, access.email);
  await settle(desk);
  await desk.requireSignedOut();
  let now = access;
  if (!now.unlocked.keys) {
    desk.tell("stretching");
    const person = { email: now.email, password };
    now = await change(desk, now, (before) => changePassword(before, person, undefined, desk.signal));
    held(now);
  }
  desk.tell("asking");
  await join(desk, now, deviceName, { recovered: true });
  now.unlocked.wipe();
}

/**
 * Erase the account of the confirmed address; what this browser remembers of it goes too. `lost` says that an erasure
 * was sent before, and nobody knows whether the broker carried it out.
 * @param {Desk} desk
 * @param {Coded} pending
 * @param {boolean} lost
 */
export async function erase(desk, { email, ticket }, lost) {
  desk.tell("asking");
  // The broker says again that it is done, where it was.
  await untilKnown(desk, () => desk.broker.erase(ticket), lost);
  if ((await recall()).removed?.email === email) await remember({ removed: null });
}
