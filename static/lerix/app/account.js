/* The account as this browser has it: itself, and the Macs that the verified log names. */

import { Broker } from "../vault/api.js";
import { hex } from "../vault/bytes.js";
import { HOST } from "../vault/device.js";
import { follow } from "../vault/following.js";
import { openName } from "../vault/names.js";
import { load, save } from "../vault/store.js";

/**
 * @typedef {{id: string, name: string, device: import("../vault/log.js").LogDevice}} Mac
 */

/**
 * What is known now; null where nobody is signed in. Throws KeysError and BrokerError, which have a sentence.
 * @returns {Promise<Account | null>}
 */
export async function openAccount() {
  const member = await load();
  if (!member) return null;
  const account = new Account(member);
  await account.learn();
  return account;
}

/** A signed-in device and its account. */
export class Account {
  /** @type {Mac[]} */
  macs = [];
  #broker = new Broker();

  /** @param {import("../vault/store.js").Kept} member */
  constructor(member) {
    this.member = member;
  }

  /** Read the log anew, and keep what it says. */
  async learn() {
    const session = await this.#broker.session(this.member.account, this.member.device);
    const followed = await follow(await this.#broker.log(session), this.member);
    this.member = { ...this.member, workspace: followed.workspace, known: followed.known };
    await save(this.member);
    const hosts = [...followed.log.devices.values()].filter(({ roles, revoked }) => revoked === null && roles & HOST);
    this.macs = await Promise.all(hosts.map(async (device) => ({ ...(await this.#named(device)), device })));
  }

  /**
   * For a channel that heard of a newer log.
   * @param {string} id of the Mac
   */
  async refresh(id) {
    await this.learn();
    const mac = this.macs.find((each) => each.id === id);
    return mac ? { member: this.member, host: mac.device } : null;
  }

  /** @param {import("../vault/log.js").LogDevice} device */
  async #named({ public: own, name }) {
    const whose = { account: this.member.account, device: own.id };
    const text = await openName(name, this.member.workspace, whose).catch(() => "Your Mac");
    return { id: hex(own.id), name: text };
  }
}
