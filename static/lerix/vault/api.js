/* The account broker's interface, as relay/api describes it: each call checked, limited and timed, each failure a
   BrokerError.

   A request whose answer was lost is sent again by itself only where that changes nothing: reading, asking for a nonce,
   naming a device. A browser does not tell whether a request that failed had been sent, so for all others that is
   "broker-answer-lost", and the caller finds out what became of it. */

import { BrokerError, slowDown } from "./api-errors.js";
import {
  readAccount,
  readEntries,
  readInfo,
  readNonce,
  readOpened,
  readPrelogin,
  readProblem,
  readToken,
  writeUpdate,
} from "./api-messages.js";
import { base64url, hex } from "./bytes.js";
import { REMOTE } from "./device.js";

/**
 * @typedef {import("./bytes.js").Bytes} Bytes
 * @typedef {import("./api-messages.js").AccountState} AccountState
 * @typedef {import("./api-messages.js").Opened} Opened
 * @typedef {object} Ask
 * @property {any} [body]
 * @property {string} [token]
 */

const PREFIX = "/api/1/";
/* Bytes: a whole log in base64, and some more; of a refusal only its code is read. */
const MAX_ANSWER = 12 * 1024 * 1024;
const MAX_PROBLEM = 4096;
const WHOLE_MS = 45_000;
const RETRIES = 2;
const PAUSE_MS = 300;
/* Seconds. Whatever the broker says, nobody is told to wait longer than a day. */
const LONGEST_WAIT = 86_400;

/** The error codes of the interface, and what they are here. @type {ReadonlyMap<string, string>} */
const PROBLEMS = new Map([
  ["malformed", "request-refused"],
  ["too-large", "request-refused"],
  ["wrong-login", "wrong-login"],
  ["wrong-code", "wrong-code"],
  ["wrong-recovery", "wrong-recovery-key"],
  ["ticket-ended", "ticket-ended"],
  ["token-ended", "token-ended"],
  ["device-refused", "device-refused"],
  ["proof-refused", "proof-not-accepted"],
  ["not-found", "not-found"],
  ["conflict", "changed-elsewhere"],
  ["update-refused", "update-refused"],
  ["plan-devices", "devices-full"],
  ["sign-up-closed", "sign-up-closed"],
  ["unavailable", "broker-unavailable"],
]);

/** One account broker; `signal` breaks everything off, with its reason. Every call throws BrokerError. */
export class Broker {
  #origin;
  #signal;

  /** @param {{origin?: string, signal?: AbortSignal}} [of] */
  constructor({ origin = location.origin, signal } = {}) {
    this.#origin = origin;
    this.#signal = signal;
  }

  /** What it is. */
  info() {
    return this.#again("GET", "info", readInfo);
  }

  /**
   * Have a code sent by e-mail.
   * @param {string} email
   * @param {"create" | "recover" | "erase"} purpose
   */
  ticket(email, purpose) {
    return this.#ask("POST", "tickets", readToken("ticket"), { body: { email, purpose } });
  }

  /**
   * Enter the code: eight digits.
   * @param {string} ticket
   * @param {string} code
   */
  confirm(ticket, code) {
    return this.#ask("POST", "confirm", nothing, { body: { ticket, code } });
  }

  /**
   * Create an account; the same creation may be sent again.
   * @param {string} ticket
   * @param {import("./flows.js").AccountUpdate} update
   */
  create(ticket, update) {
    return this.#ask("POST", "accounts", readAccount, { body: { ticket, update: writeUpdate(update) } });
  }

  /**
   * What a password is stretched with; `stretch` judges it.
   * @param {string} email
   */
  prelogin(email) {
    return this.#again("POST", "prelogin", readPrelogin, { body: { email } });
  }

  /**
   * Log in by the key made from the password.
   * @param {string} email
   * @param {Bytes} auth
   */
  login(email, auth) {
    return this.#again("POST", "login", readOpened, { body: { email, auth: base64url(auth) } });
  }

  /**
   * Log in by the key made from the recovery key, after the code.
   * @param {string} ticket
   * @param {Bytes} auth
   */
  recover(ticket, auth) {
    return this.#ask("POST", "recover", readOpened, { body: { ticket, auth: base64url(auth) } });
  }

  /**
   * Erase the account of a confirmed address.
   * @param {string} ticket
   */
  erase(ticket) {
    return this.#ask("POST", "erase", nothing, { body: { ticket } });
  }

  /**
   * One compare-and-swap.
   * @param {string} unlock
   * @param {import("./flows.js").AccountUpdate} update
   */
  update(unlock, update) {
    return this.#ask("POST", "update", readAccount, { body: writeUpdate(update), token: unlock });
  }

  /**
   * Prove this browser's key, and get a session by it. Throws "device-refused", "proof-not-accepted" and others.
   * @param {Bytes} account
   * @param {import("./device.js").DeviceKeys} device
   * @returns {Promise<string>}
   */
  async session(account, device) {
    try {
      return await this.#prove(account, device);
    } catch (error) {
      // The nonce may have grown too old on the way, as where the computer slept: once more with another one.
      if (!is(error, "proof-not-accepted")) throw error;
      return this.#prove(account, device);
    }
  }

  /**
   * What the broker says of the account.
   * @param {string} token of either kind
   */
  account(token) {
    return this.#again("GET", "account", readAccount, { token });
  }

  /**
   * The whole device log, unverified.
   * @param {string} token of either kind
   */
  log(token) {
    return this.#again("GET", "log", readEntries, { token });
  }

  /**
   * Keep another sealed name of a device. Throws "unsettled" where an answer was lost.
   * @param {string} session
   * @param {Bytes} device
   * @param {Bytes} name
   */
  async rename(session, device, name) {
    const ask = { body: { name: base64url(name) }, token: session };
    await this.#again("PUT", `devices/${hex(device)}/name`, nothing, ask, { changes: true });
  }

  /**
   * Say that this browser holds no keys any more.
   * @param {string} session
   */
  signOut(session) {
    return this.#ask("POST", "sign-out", nothing, { token: session });
  }

  /**
   * @param {Bytes} account
   * @param {import("./device.js").DeviceKeys} device
   */
  async #prove(account, device) {
    const own = { account: base64url(account), device: base64url(device.id) };
    const nonce = await this.#again("POST", "nonces", readNonce, { body: own });
    const host = new URL(this.#origin).hostname.replace(/^\[|\]$/g, "");
    const proof = base64url(await device.prove({ nonce, account, role: REMOTE, host }));
    const body = { ...own, nonce: base64url(nonce), role: REMOTE, proof };
    return this.#ask("POST", "sessions", readToken("token"), { body });
  }

  /**
   * As `#ask`, a few times where no answer comes: for what may be done twice. Where it `changes` something, a refusal
   * after a lost answer says nothing of what was done before.
   * @template Result
   * @param {string} method
   * @param {string} path
   * @param {(value: any) => Result} read
   * @param {Ask} [ask]
   * @param {{changes?: boolean}} [how]
   * @returns {Promise<Result>}
   */
  async #again(method, path, read, ask, { changes = false } = {}) {
    let lost = false;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#ask(method, path, read, ask);
      } catch (error) {
        if (!is(error, "broker-answer-lost")) {
          if (!changes || !lost || is(error, "token-ended") || is(error, "cut-off")) throw error;
          throw new BrokerError("unsettled");
        }
        lost = true;
        if (attempt === RETRIES) throw new BrokerError(changes ? "unsettled" : "broker-unreachable");
      }
      await pause(PAUSE_MS, attempt, this.#signal);
    }
  }

  /**
   * @template Result
   * @param {string} method
   * @param {string} path
   * @param {(value: any) => Result} read
   * @param {Ask} [ask]
   * @returns {Promise<Result>}
   */
  async #ask(method, path, read, { body, token } = {}) {
    const timeout = AbortSignal.timeout(WHOLE_MS);
    const signal = this.#signal ? either(this.#signal, timeout) : timeout;
    /** @type {Response} */
    let response;
    let content;
    try {
      response = await fetch(this.#origin + PREFIX + path, {
        method,
        body: body === undefined ? undefined : JSON.stringify(body),
        headers: {
          accept: "application/json",
          ...(body !== undefined && { "content-type": "application/json" }),
          ...(token && { authorization: `Bearer ${token}` }),
        },
        cache: "no-store",
        credentials: "omit", // no cookie means anything here
        redirect: "error",
        referrerPolicy: "no-referrer",
        signal,
      });
      content = await received(response, response.ok ? MAX_ANSWER : MAX_PROBLEM);
    } catch (error) {
      this.#signal?.throwIfAborted();
      throw error instanceof BrokerError ? error : new BrokerError("broker-answer-lost");
    }
    if (!response.ok) throw refusal(response.status, content);
    return read(decoded(content));
  }
}

/**
 * Whether an error is the broker's of this code.
 * @param {unknown} error
 * @param {...string} codes
 */
export function is(error, ...codes) {
  return error instanceof BrokerError && codes.includes(error.code);
}

/**
 * Wait before something is sent again: longer each time, and spread.
 * @param {number} first milliseconds
 * @param {number} attempt from 0
 * @param {AbortSignal} [signal]
 */
export async function pause(first, attempt, signal) {
  const long = first * 2 ** attempt * (0.7 + 0.6 * Math.random()); // spreads retries, hides nothing
  await new Promise((resolve) => setTimeout(resolve, long));
  signal?.throwIfAborted();
}

function nothing() {}

/**
 * `AbortSignal.any`, which Safari 17.0 lacks.
 * @param {AbortSignal} one
 * @param {AbortSignal} other
 */
function either(one, other) {
  const controller = new AbortController();
  for (const each of [one, other]) {
    if (each.aborted) controller.abort(each.reason);
    each.addEventListener("abort", () => controller.abort(each.reason), { once: true, signal: controller.signal });
  }
  return controller.signal;
}

/**
 * The whole body, as far as it may go.
 * @param {Response} response
 * @param {number} most bytes
 */
async function received(response, most) {
  if (!response.body) return "";
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  const parts = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > most) {
      await reader.cancel();
      throw refusal(response.status, "");
    }
    parts.push(decoder.decode(value, { stream: true }));
  }
  return parts.join("") + decoder.decode();
}

/** @param {string} content */
function decoded(content) {
  try {
    return content ? JSON.parse(content) : null;
  } catch {
    throw new BrokerError("broker-unexpected");
  }
}

/**
 * The error for an answer that is not 2xx. Of its content only a known code and a number are used.
 * @param {number} status
 * @param {string} content
 */
function refusal(status, content) {
  let found = null;
  try {
    found = readProblem(JSON.parse(content));
  } catch {
    // no answer of the interface
  }
  const wait = found?.retryAfter ? Math.min(found.retryAfter, LONGEST_WAIT) : null;
  if (found?.problem === "slow-down") return slowDown(wait ?? 1);
  const code = PROBLEMS.get(found?.problem ?? "");
  if (code) return new BrokerError(code, { retryAfter: wait });
  // A proxy in front of a broker that is restarted has pages of its own, and so has a broker that fails half-way: what
  // was asked may have been done.
  return new BrokerError(status >= 500 ? "broker-answer-lost" : "broker-unexpected");
}
