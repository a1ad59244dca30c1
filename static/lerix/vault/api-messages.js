/* What the account broker answers, taken apart: JSON with bytes in base64url, times in whole seconds since 1970, see
   relay/api. What does not fit is refused, whatever it is; nothing is believed here beyond its form. */

import { ID, KEY, base64url, fromBase64url } from "./bytes.js";
import { BrokerError } from "./api-errors.js";
import { MAX_BUNDLE } from "./bundle.js";
import { MAX_ENTRY } from "./entries.js";
import { MAX_DEVICES, MAX_ENTRIES } from "./log.js";
import { SEALED_NAME } from "./names.js";

/**
 * @typedef {import("./bytes.js").Bytes} Bytes
 * @typedef {object} Plan
 * @property {string} code
 * @property {string} name the broker's text
 * @property {boolean} relay
 * @property {number} devices signed in at once
 * @typedef {object} DeviceState what the broker says about a device; who belongs to the account, only the log says
 * @property {Bytes} id
 * @property {Date} created
 * @property {Date | null} seen
 * @property {Date | null} signedOut
 * @property {Bytes | null} name sealed, where it was renamed since it joined
 * @typedef {object} AccountState what the broker says about an account
 * @property {Bytes} account
 * @property {string} email
 * @property {number} revision
 * @property {number} n number of the log's last entry
 * @property {Plan} plan
 * @property {readonly DeviceState[]} devices
 * @typedef {object} Opened the answer to a log-in or a recovery
 * @property {string} unlock a token by which the account may be changed
 * @property {AccountState} state
 * @property {Bytes} copy of the root bundle, for that way in
 * @property {readonly Bytes[]} entries
 * @property {Bytes | null} anchor after a recovery only
 * @typedef {{version: string, embedded: boolean, signUp: boolean}} Info
 */

const API = 1;
const TOKEN = 32;
const MAX_EMAIL = 254;
const MAX_PLANS = 20;
/* A revoked device stays in the account's history. */
const MOST_DEVICES = 10 * MAX_DEVICES;
/* The last second that a JavaScript date and Python's calendar both have. */
const LAST_SECOND = 253402300799;

/** Reads the fields of one JSON object; everything that does not fit throws "broker-unexpected". */
class Fields {
  #value;

  /** @param {any} value */
  constructor(value) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw unexpected();
    this.#value = value;
  }

  /**
   * @param {string} name
   * @param {number} [longest]
   * @returns {string}
   */
  text(name, longest = 1000) {
    const found = this.#own(name);
    if (typeof found !== "string" || found.length > longest || found.includes("\0")) throw unexpected();
    return found;
  }

  /**
   * @param {string} name
   * @param {number} [low]
   * @param {number} [high]
   * @returns {number}
   */
  number(name, low = 0, high = Number.MAX_SAFE_INTEGER) {
    const found = this.#own(name);
    if (!Number.isSafeInteger(found) || found < low || found > high) throw unexpected();
    return found;
  }

  /**
   * @param {string} name
   * @returns {boolean}
   */
  flag(name) {
    const found = this.#own(name);
    if (typeof found !== "boolean") throw unexpected();
    return found;
  }

  /**
   * @param {string} name
   * @param {{exactly?: number, atMost?: number}} [limits]
   */
  raw(name, limits) {
    return raw(this.#own(name), limits);
  }

  /** @param {string} name */
  isNull(name) {
    return (this.#own(name) ?? null) === null;
  }

  /** @param {string} name */
  time(name) {
    return new Date(this.number(name, 0, LAST_SECOND) * 1000);
  }

  /** @param {string} name */
  timeOrNull(name) {
    return this.isNull(name) ? null : this.time(name);
  }

  /**
   * @param {string} name
   * @param {number} longest
   * @returns {any[]}
   */
  items(name, longest) {
    const found = this.#own(name);
    if (!Array.isArray(found) || found.length > longest) throw unexpected();
    return found;
  }

  /** @param {string} name */
  part(name) {
    return new Fields(this.#own(name));
  }

  /** @param {string} name */
  #own(name) {
    return Object.hasOwn(this.#value, name) ? this.#value[name] : undefined;
  }
}

/**
 * @param {any} value
 * @returns {Info}
 */
export function readInfo(value) {
  const fields = new Fields(value);
  if (fields.text("broker", 20) !== "Lerix" || fields.number("api") !== API) throw unexpected();
  fields.items("plans", MAX_PLANS);
  return { version: fields.text("version", 40), embedded: fields.flag("embedded"), signUp: fields.flag("sign_up") };
}

/**
 * A ticket or token: 32 random bytes as text.
 * @param {string} name
 * @returns {(value: any) => string}
 */
export function readToken(name) {
  return (value) => token(new Fields(value), name);
}

/** @param {any} value */
export function readPrelogin(value) {
  const fields = new Fields(value);
  return { suite: fields.number("suite", 0, 255), salt: fields.raw("salt", { atMost: 64 }) };
}

/** @param {any} value */
export function readNonce(value) {
  return new Fields(value).raw("nonce", { exactly: 32 });
}

/** @param {any} value */
export function readEntries(value) {
  return new Fields(value).items("entries", MAX_ENTRIES).map((entry) => raw(entry, { atMost: MAX_ENTRY }));
}

/**
 * @param {any} value
 * @returns {AccountState}
 */
export function readAccount(value) {
  return readState(new Fields(value));
}

/**
 * @param {any} value
 * @returns {Opened}
 */
export function readOpened(value) {
  const fields = new Fields(value);
  return {
    unlock: token(fields, "unlock"),
    state: readState(fields.part("state")),
    copy: fields.raw("copy", { atMost: MAX_BUNDLE }),
    entries: readEntries(value),
    anchor: fields.isNull("anchor") ? null : fields.raw("anchor", { exactly: KEY }),
  };
}

/**
 * What a refusal says: a code, and two numbers; null for what is none.
 * @param {any} value
 * @returns {{problem: string, retryAfter: number | null} | null}
 */
export function readProblem(value) {
  try {
    const fields = new Fields(value);
    const problem = fields.text("error", 40);
    return { problem, retryAfter: fields.isNull("retry_after") ? null : fields.number("retry_after") };
  } catch {
    return null;
  }
}

/**
 * Write one compare-and-swap.
 * @param {import("./flows.js").AccountUpdate} update
 */
export function writeUpdate({ account, expected, revision, bundle, position, entries, auth, recovery }) {
  return {
    account: base64url(account),
    expected,
    revision,
    by_password: base64url(bundle.byPassword),
    by_recovery: base64url(bundle.byRecovery),
    position,
    entries: entries.map(base64url),
    ...(auth && { auth: base64url(auth) }),
    ...(recovery && {
      recovery: {
        auth: base64url(recovery.auth),
        public: base64url(recovery.publicKey),
        anchor: base64url(recovery.anchor),
      },
    }),
  };
}

/**
 * @param {Fields} fields
 * @returns {AccountState}
 */
function readState(fields) {
  const plan = fields.part("plan");
  return {
    account: fields.raw("account", { exactly: ID }),
    email: fields.text("email", MAX_EMAIL),
    revision: fields.number("revision", 1),
    n: fields.number("n", 0, MAX_ENTRIES),
    plan: {
      code: plan.text("code", 20),
      name: plan.text("name", 40),
      relay: plan.flag("relay"),
      devices: plan.number("devices", 0, MAX_DEVICES),
    },
    devices: fields.items("devices", MOST_DEVICES).map((item) => {
      const device = new Fields(item);
      return {
        id: device.raw("id", { exactly: ID }),
        created: device.time("created"),
        seen: device.timeOrNull("seen"),
        signedOut: device.timeOrNull("signed_out"),
        name: device.isNull("name") ? null : device.raw("name", { exactly: SEALED_NAME }),
      };
    }),
  };
}

/**
 * @param {Fields} fields
 * @param {string} name
 */
function token(fields, name) {
  fields.raw(name, { exactly: TOKEN });
  return fields.text(name, 43);
}

/**
 * @param {any} value
 * @param {{exactly?: number, atMost?: number}} [limits]
 */
function raw(value, limits) {
  try {
    return fromBase64url(value, limits);
  } catch {
    throw unexpected();
  }
}

function unexpected() {
  return new BrokerError("broker-unexpected");
}
