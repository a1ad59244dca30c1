/* From e-mail and password to the key for the broker and the key for the root bundle.

       MK      = Argon2id(NFKC(password) in UTF-8, salt, suite)
       authKey = HKDF(MK, "lerix/auth/1" ‖ e-mail)          bytes, sent at log-in
       wrapKey = HKDF(MK, "lerix/wrap/1")                   a CryptoKey that cannot be exported

   The hashing is done in a worker: about a second on a computer, several on a phone, and 64 MiB. How far it is nobody
   can tell: the library works in one go. */

import { fromUtf8, utf8 } from "./bytes.js";
import { refused } from "./errors.js";
import { SYSTEM } from "./primitives.js";
import { NEWEST, findSuite } from "./suites.js";

/**
 * @typedef {import("./bytes.js").Bytes} Bytes
 * @typedef {object} PasswordKeys what a password gives under one suite and salt; `auth` alone may be sent
 * @property {Bytes} auth
 * @property {CryptoKey} wrap
 * @property {number} suite
 * @property {Bytes} salt
 */

/** Characters after NFKC that a new password has at least; old passwords are taken as they are. */
export const MIN_PASSWORD = 12;
/** Bytes of UTF-8. */
export const MAX_PASSWORD = 1024;
const MAX_EMAIL = 254;
/* What the slowest phone takes, several times over. */
const LONGEST_MS = 180_000;

const WORKER = new URL("./password-worker.js", import.meta.url).href;
const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const ATOM = "[a-z0-9!#$%&'*+/=?^_`{|}~-]+";
const EMAIL = new RegExp(`^(?=[^@]{1,64}@)${ATOM}(?:\\.${ATOM})*@${LABEL}(?:\\.${LABEL})*$`);

/**
 * The one spelling of an address: NFKC, without blanks around it, in lower case, ASCII only.
 * @param {string} text
 */
export function normaliseEmail(text) {
  const address = text.normalize("NFKC").replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, "");
  // eslint-disable-next-line no-control-regex
  if (!/^[\0-\x7f]*$/.test(address) || address.length > MAX_EMAIL || !EMAIL.test(address.toLowerCase())) {
    throw refused("email-unusable");
  }
  return address.toLowerCase();
}

/**
 * What is hashed, so that composed and decomposed letters are the same password.
 * @param {string} password
 */
export function passwordBytes(password) {
  const text = password.normalize("NFKC");
  const bytes = utf8(text);
  // Half a surrogate pair comes back as another character.
  if (!bytes.length || bytes.length > MAX_PASSWORD || fromUtf8(bytes) !== text) throw refused("password-unusable");
  return bytes;
}

/**
 * Refuse a new password that is unusable or too short; how guessable it is, is judged elsewhere.
 * @param {string} password
 */
export function checkNew(password) {
  if ([...fromUtf8(passwordBytes(password))].length < MIN_PASSWORD) throw refused("password-too-short");
}

/**
 * Derive both keys under what the broker answered to prelogin; everything is refused before any hashing.
 * @param {string} password
 * @param {string} email
 * @param {{suite: number, salt: Bytes}} prelogin
 * @param {AbortSignal} [signal] ends it early, with its reason
 * @returns {Promise<PasswordKeys>}
 */
export async function stretch(password, email, { suite, salt }, signal) {
  findSuite(suite, salt);
  const address = normaliseEmail(email);
  const answer = await inWorker({ password: passwordBytes(password), address, suite, salt }, signal);
  return { ...answer, suite, salt };
}

/**
 * Derive both keys of a new password, with a new salt and the newest suite; as costly as `stretch`.
 * @param {string} password
 * @param {string} email
 * @param {import("./primitives.js").Randomness} [random]
 * @param {AbortSignal} [signal]
 */
export async function stretchNew(password, email, random = SYSTEM, signal) {
  checkNew(password);
  return stretch(password, email, { suite: NEWEST, salt: await random.take(16) }, signal);
}

/**
 * @param {{password: Bytes, address: string, suite: number, salt: Bytes}} task
 * @param {AbortSignal} [signal]
 * @returns {Promise<{auth: Bytes, wrap: CryptoKey}>}
 */
async function inWorker(task, signal) {
  signal?.throwIfAborted();
  const worker = new Worker(workerAddress(), { type: "module" });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let clock;
  let stop = () => {};
  try {
    return await new Promise((resolve, reject) => {
      const failed = () => reject(refused("stretching-failed"));
      stop = () => reject(signal?.reason);
      signal?.addEventListener("abort", stop);
      worker.onmessage = ({ data }) => resolve(data);
      worker.onmessageerror = failed;
      worker.onerror = (event) => {
        event.preventDefault(); // it says nothing that a console needs
        failed();
      };
      clock = setTimeout(failed, LONGEST_MS);
      // Transferred, so that this page has the password's bytes no longer.
      worker.postMessage(task, [task.password.buffer]);
    });
  } finally {
    clearTimeout(clock);
    signal?.removeEventListener("abort", stop);
    worker.terminate();
  }
}

/** @type {any} */
let policy = null;

/** The worker's address. A page under `require-trusted-types-for 'script'` names this policy, which lets it through. */
function workerAddress() {
  policy ??= /** @type {any} */ (globalThis).trustedTypes?.createPolicy("lerix-password", {
    createScriptURL: (/** @type {string} */ url) => {
      if (url !== WORKER) throw new TypeError("not the worker for passwords");
      return url;
    },
  });
  return policy ? policy.createScriptURL(WORKER) : WORKER;
}
