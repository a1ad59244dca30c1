/* One Mac as the vault sees it: its channel, the messages on their way to it, and how a page's request is done. */

import { openChannel } from "../vault/channel.js";
import { CODE } from "../vault/link.js";
import { ask } from "./asking.js";
import { Drafts } from "./drafts.js";
import { Outbox } from "./outbox.js";
import { GONE } from "./serving.js";

/* How long a request that only reads waits for a Mac that is away, so that it is answered the moment it is back. Less
   than the pages wait for an answer (30 s): they ask again by themselves, without taking it for a fault. */
const HOLD_MS = 25_000;
/* Bytes of what a page that is left may still say; more is given up with it. */
const LAST_WORDS = 64 * 1024;
/* Another tab of this browser has taken the link. */
const ELSEWHERE = Object.freeze({ phase: "away", code: CODE.SUPERSEDED, since: null, why: null });

/**
 * @typedef {import("./asking.js").Request} Request
 * @typedef {import("./asking.js").Answer} Answer
 * @typedef {object} Tell
 * @property {() => void} changed
 * @property {(message: import("./drafts.js").Message, address: string | null) => void} delivered
 */

/** A Mac that is used. The outbox and the pages speak to this, whichever channel there is below. */
export class MacLink {
  #account;
  #device;
  #tell;
  #channel = /** @type {ReturnType<typeof openChannel> | null} */ (null);
  #waiting = /** @type {Set<() => void>} */ (new Set());

  /**
   * @param {import("./account.js").Account} account
   * @param {import("./account.js").Mac} mac
   * @param {import("./drafts.js").Drafts} drafts
   * @param {Tell} tell
   */
  constructor(account, { id, name, device }, drafts, tell) {
    this.#account = account;
    this.#device = device;
    this.#tell = tell;
    this.id = id;
    this.name = name;
    this.drafts = drafts;
    this.outbox = new Outbox(this, drafts, tell);
    this.#open();
  }

  /**
   * @param {import("./account.js").Account} account
   * @param {import("./account.js").Mac} mac
   * @param {Tell} tell
   */
  static async open(account, mac, tell) {
    return new MacLink(account, mac, await Drafts.open(account.member, mac.id), tell);
  }

  /** @returns {import("./words.js").State} */
  get state() {
    return this.#channel?.state ?? ELSEWHERE;
  }

  /** Whether another Mac of the account is on line. @param {string} id */
  isOnline(id) {
    return this.#channel?.presence.get(id)?.online === true;
  }

  /** Somebody looks at this tab, or the network is another one. */
  wake() {
    if (this.#channel) this.#channel.wake();
    else this.#open();
  }

  close() {
    this.outbox.close();
    this.#drop();
  }

  /** @param {Parameters<ReturnType<typeof openChannel>["request"]>[0]} request */
  async request(request) {
    if (!this.#channel) throw new TypeError("used elsewhere");
    return this.#channel.request(request);
  }

  #open() {
    const { member } = this.#account;
    const refresh = () => this.#account.refresh(this.id);
    const channel = openChannel({ origin: location.origin, member, host: this.#device, refresh });
    this.#channel = channel;
    channel.onchange = () => this.#changed(channel.state);
    this.#tell.changed();
  }

  #drop() {
    if (!this.#channel) return;
    this.#channel.onchange = () => {};
    this.#channel.close();
    this.#channel = null;
  }

  /** @param {import("./words.js").State} state */
  #changed(state) {
    // A device has one link. Tabs that took it from each other by turns would have none: this one waits to be used.
    if (state.code === CODE.SUPERSEDED) this.#drop();
    for (const look of [...this.#waiting]) look();
    this.#tell.changed();
    if (this.state.phase === "ready") void this.outbox.deliver();
  }

  /**
   * Do what a page asks. A message is kept until the Mac has it; the event stream waits for the Mac to be back.
   * @param {Request} request
   * @returns {Promise<Answer>}
   */
  async fetch(request) {
    const message = Outbox.messageOf(request);
    if (message) return this.outbox.send(message, request);
    const reads = request.headers.some(([name, value]) => name === "accept" && value.includes("text/event-stream"));
    if (reads && this.state.phase !== "ready") await this.#ready(request.signal);
    return ask(this, request.method === "POST" ? toItsEnd(request) : request);
  }

  /** @param {AbortSignal} [signal] */
  #ready(signal) {
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(late);
        this.#waiting.delete(look);
        signal?.removeEventListener("abort", stop);
      };
      const look = () => {
        if (this.state.phase !== "ready") return;
        end();
        resolve(undefined);
      };
      const stop = () => {
        end();
        reject(signal?.reason ?? new TypeError("away"));
      };
      const late = setTimeout(stop, HOLD_MS);
      signal?.addEventListener("abort", stop);
      this.#waiting.add(look);
    });
  }
}

/**
 * What a page says as it goes is said to its end, as browsers do for what is short.
 * @param {Request} request
 * @returns {Request}
 */
function toItsEnd(request) {
  const { signal, body } = request;
  if (!signal || signal.aborted || (body?.length ?? 0) > LAST_WORDS) return request;
  const cut = new AbortController();
  signal.addEventListener("abort", () => signal.reason !== GONE && cut.abort(signal.reason), { once: true });
  return { ...request, signal: cut.signal };
}
