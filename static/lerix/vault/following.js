/* What a device that belongs to an account learns from the log, without a password. */

import { equal } from "./bytes.js";
import { refused } from "./errors.js";
import { checkMember, verifyLog } from "./log.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

/**
 * Read the whole log on a device that belongs to the account, and open the epochs that are new to it. `added` and
 * `revoked` are the other devices that are new to it.
 * @param {readonly Bytes[]} entries
 * @param {object} own
 * @param {Bytes} own.account
 * @param {import("./device.js").DeviceKeys} own.device
 * @param {import("./workspace.js").Workspace} own.workspace
 * @param {import("./log.js").Known} own.known
 */
export async function follow(entries, { account, device, workspace, known }) {
  const log = await verifyLog(entries, { account, signingKey: known.signingKey, known });
  checkMember(log, device);
  let keys = workspace;
  for (let epoch = keys.epoch + 1; epoch <= log.epoch; epoch++) keys = keys.plus(await log.openEpoch(epoch, device));
  if (!(await log.confirms(keys))) throw refused("key-not-opened");
  const others = [...log.devices.values()].filter((listed) => !equal(listed.public.id, device.id));
  return {
    log,
    workspace: keys,
    known: { ...known, n: log.n, head: log.head },
    added: others.filter((other) => other.added > known.n),
    revoked: others.filter((other) => other.revoked !== null && other.revoked > known.n),
  };
}
