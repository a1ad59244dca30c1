/* A new account: all keys are made in this browser, and the broker gets none of them.

   The keys wait in this page while the address is confirmed and the recovery key is copied. They are stored before the
   broker gets the account, so that an account never exists whose first device has lost its keys. */

import { BrokerError } from "../vault/api-errors.js";
import { equal } from "../vault/bytes.js";
import { REMOTE } from "../vault/device.js";
import { create } from "../vault/flows.js";
import { normaliseName } from "../vault/names.js";
import { normaliseEmail } from "../vault/password.js";
import { groupsToRetype } from "../vault/recovery.js";
import { load } from "../vault/store.js";
import { has } from "./errors.js";
import { enter, settle } from "./joining.js";
import { recall } from "./memory.js";
import { checkState, untilKnown } from "./opening.js";
import { check } from "./strength.js";

/**
 * @typedef {import("./desk.js").Desk} Desk
 * @typedef {object} Creating a new account's keys, until it exists
 * @property {string} email
 * @property {string} ticket
 * @property {Awaited<ReturnType<typeof create>>} created
 * @property {readonly number[]} retype which groups of the recovery key are typed again
 */

const CODE = /^[0-9]{8}$/;
const BETWEEN = /[ \t\r\n\u00a0\u2009\u202f-]/g;

/**
 * Make the keys and ask for the code.
 * @param {Desk} desk
 * @param {{email: string, password: string, name: string}} person
 * @returns {Promise<Creating>}
 */
export async function start(desk, { email, password, name }) {
  const address = normaliseEmail(email);
  const deviceName = normaliseName(name);
  await check(password, address);
  await settle(desk);
  await desk.requireSignedOut();
  desk.tell("stretching");
  const person = { email: address, password, name: deviceName, roles: REMOTE };
  const created = await create(person, undefined, desk.signal);
  desk.tell("asking");
  const ticket = await desk.broker.ticket(address, "create");
  return { email: address, ticket, created, retype: await groupsToRetype() };
}

/**
 * Enter the code of a ticket.
 * @param {Desk} desk
 * @param {string} ticket
 * @param {string} code
 */
export async function enterCode(desk, ticket, code) {
  const digits = code.replace(BETWEEN, "");
  if (!CODE.test(digits)) throw new BrokerError("wrong-code");
  desk.tell("asking");
  await desk.broker.confirm(ticket, digits);
}

/**
 * Create it at the broker and keep its keys here.
 * @param {Desk} desk
 * @param {Creating} pending
 * @param {ReadonlyMap<number, string>} typed groups by position
 */
export async function finish(desk, { email, ticket, created, retype }, typed) {
  created.recoveryKey.checkRetyped(new Map(retype.map((position) => [position, typed.get(position) ?? ""])));
  const { update, after, device } = created;
  const { account, workspace, known, log } = after;
  // Where it waits here from an earlier try, the broker may have taken it then.
  const kept = await stored();
  const own = kept !== null && equal(kept.account, account);
  const lost = own && (await recall()).joining;
  if (own && !lost) return; // a second click; the first one did it
  if (!lost) {
    await settle(desk);
    await desk.requireSignedOut();
    await desk.join({ account, email, device, workspace, known }, { recovered: false });
  }
  desk.tell("asking");
  const send = async () => {
    const state = await desk.broker.create(ticket, update);
    checkState(state, email, account);
  };
  try {
    await untilKnown(desk, send, lost);
  } catch (error) {
    if (has(error) && !has(error, "unsettled", "cut-off")) await desk.drop();
    throw error;
  }
  await enter(desk, log.n);
  forgetKeys(created);
}

/**
 * Overwrite what only serves until the account exists.
 * @param {Creating["created"]} created
 */
export function forgetKeys(created) {
  created.after.wipe();
  created.recoveryKey.wipe();
}

async function stored() {
  try {
    return await load();
  } catch (error) {
    if (!has(error, "stored-unreadable")) throw error;
    return null;
  }
}
