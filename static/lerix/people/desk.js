/* What every flow works with: the broker, what is stored here, and the lock that lets one page of this browser at a time
   change the account. Signing out goes before everything else: it breaks off what other pages do. */

import { BrokerError } from "../vault/api-errors.js";
import { Broker } from "../vault/api.js";
import { forget, load, save } from "../vault/store.js";
import { PageError, has } from "./errors.js";
import { recall, remember } from "./memory.js";

/** @typedef {import("../vault/store.js").Kept} Kept */

/** How often something is tried where another change comes first, or where an answer is lost. */
export const TRIES = 3;

const LOCK = "lerix-account";
const OTHERS = "lerix-account";
/* Milliseconds that the page which holds the lock has to end; one that sleeps does not. */
const PATIENCE = 3000;
/* What is said by one object is not heard by the same. */
const channel = new BroadcastChannel(OTHERS);

/** One flow's desk; after `signal` nothing is stored any more. */
export class Desk {
  #tell;

  /**
   * @param {AbortSignal} signal
   * @param {(doing: string) => void} tell
   */
  constructor(signal, tell) {
    this.signal = signal;
    this.broker = new Broker({ signal });
    this.#tell = tell;
  }

  /**
   * Say what takes so long.
   * @param {string} doing
   */
  tell(doing) {
    this.signal.throwIfAborted();
    this.#tell(doing);
  }

  /** Who is signed in here, null for nobody. Throws "stored-unreadable", "storage-unusable". */
  async member() {
    return (await recall()).joining ? null : load();
  }

  async requireMember() {
    const kept = await this.member();
    if (!kept) throw new PageError("not-signed-in");
    return kept;
  }

  /** What cannot be read is no account: whoever signs in replaces it. */
  async requireSignedOut() {
    let kept = null;
    try {
      kept = await this.member();
    } catch (error) {
      if (!has(error, "stored-unreadable")) throw error;
    }
    if (kept) throw new PageError("already-signed-in");
  }

  /**
   * Keep a member's state.
   * @param {Kept} kept
   */
  async keep(kept) {
    this.signal.throwIfAborted();
    await save(kept);
  }

  /**
   * Store the keys of a device that is about to join.
   * @param {Kept} kept
   * @param {{recovered: boolean}} how
   */
  async join(kept, { recovered }) {
    this.signal.throwIfAborted();
    await remember({ joining: true, recovered });
    this.signal.throwIfAborted();
    await save(kept);
  }

  /** Forget the keys of a device that the broker certainly does not have. */
  async drop() {
    this.signal.throwIfAborted();
    await forget();
    await remember({ joining: false, recovered: false });
  }
}

/**
 * Run one flow. Throws "cut-off" where somebody signs out meanwhile.
 * @template Result
 * @param {(desk: Desk) => Promise<Result>} work
 * @param {(doing: string) => void} [tell]
 * @returns {Promise<Result>}
 */
export async function act(work, tell = () => {}) {
  const controller = new AbortController();
  const cut = () => controller.abort(new BrokerError("cut-off"));
  const others = new BroadcastChannel(OTHERS);
  others.onmessage = ({ data }) => {
    if (data === "leaving") cut();
  };
  try {
    return await navigator.locks.request(LOCK, async () => {
      controller.signal.throwIfAborted();
      return work(new Desk(controller.signal, tell));
    });
  } catch (error) {
    if (!(error instanceof DOMException) || error.name !== "AbortError") throw error;
    cut(); // the lock was taken away
    throw controller.signal.reason;
  } finally {
    others.close();
  }
}

/**
 * The same before all others, which are broken off.
 * @template Result
 * @param {(desk: Desk) => Promise<Result>} work
 * @returns {Promise<Result>}
 */
export async function actFirst(work) {
  shout("leaving");
  const run = () => work(new Desk(new AbortController().signal, () => {}));
  try {
    return await navigator.locks.request(LOCK, { signal: AbortSignal.timeout(PATIENCE) }, run);
  } catch (error) {
    if (!(error instanceof DOMException) || !["TimeoutError", "AbortError"].includes(error.name)) throw error;
    return navigator.locks.request(LOCK, { steal: true }, run);
  }
}

/**
 * Tell the other pages of this browser.
 * @param {"leaving" | "changed"} word
 */
export function shout(word) {
  channel.postMessage(word);
}

/**
 * Do something when another page has changed what is stored here.
 * @param {() => void} work
 */
export function onChanged(work) {
  channel.onmessage = ({ data }) => {
    if (data === "changed") work();
  };
}
