/* What goes wrong on these pages: the errors of the keys and of the broker, and the few that are about this browser. */

import { BrokerError } from "../vault/api-errors.js";
import { KeysError } from "../vault/errors.js";

/** @type {Readonly<Record<string, string>>} */
const SENTENCES = Object.freeze({
  "already-signed-in":
    "This browser is signed in already. Nothing was changed. Sign out first to use another account.",
  "not-signed-in": "This browser is not signed in. Nothing was changed. Sign in first.",
  "this-device": "This is the browser that you are using. Nothing was changed. Use Sign out instead.",
  "wrong-password": "This is not the password of the account. Nothing was changed. Type it again.",
  "recovery-key-unused":
    "The account was changed on another device meanwhile, so the recovery key just shown does not count. Throw that " +
    "copy away; the old one still works. Start again.",
  "codes-differ":
    "The codes were not equal, so the new signing key is not used and this browser stays at what it knew. Somebody " +
    "else may know your keys. Sign out here, and ask whoever runs the broker.",
  "codes-changed":
    "Another code has come since the one that you compared, so nothing was trusted and nothing was changed. Compare " +
    "the code that is shown now.",
  "strength-missing":
    "The part of this page that judges passwords could not be loaded. Nothing was sent. Check the network, then " +
    "reload the page.",
  unforeseen: "Something went wrong in this page. Nothing more was done. Reload the page, then try again.",
});

/** Where to look in a form; "new" is the password where there is no other. @type {readonly [string, readonly string[]][]} */
const FIELDS = [
  ["new", ["password-too-short", "password-weak"]],
  ["email", ["email-unusable"]],
  ["password", ["password-unusable", "wrong-login", "wrong-password"]],
  ["name", ["device-name-unusable"]],
  ["code", ["wrong-code"]],
  [
    "key",
    [
      "recovery-key-length",
      "recovery-key-character",
      "recovery-key-mistyped",
      "recovery-key-version",
      "wrong-recovery-key",
      "retype-differs",
    ],
  ],
];

/** What these pages refuse by themselves. */
export class PageError extends Error {
  /**
   * @param {string} code
   * @param {string} [sentence]
   */
  constructor(code, sentence) {
    super(sentence ?? SENTENCES[code]);
    this.name = "PageError";
    this.code = code;
  }

  get sentence() {
    return this.message;
  }
}

/** The plan, or Lerix, has no room for another device; `devices` are those that could be removed. */
export class DevicesFull extends PageError {
  /**
   * @param {readonly {id: string, name: string, seen: Date | null}[]} devices
   * @param {number | null} most
   */
  constructor(devices, most) {
    const room = most ? `The plan has room for ${most} device${most === 1 ? "" : "s"}` : "There is no more room";
    const rest = "This browser was not added. Choose devices to remove, or another plan.";
    super("devices-full", `${room}, and this would be one more. ${rest}`);
    this.devices = devices;
  }
}

/**
 * Whether an error is one of ours, and of one of the codes where any are given.
 * @param {any} error
 * @param {...string} codes
 */
export function has(error, ...codes) {
  const ours = error instanceof KeysError || error instanceof BrokerError || error instanceof PageError;
  return ours && (!codes.length || codes.includes(error.code));
}

/**
 * What to show of an error, and at which field, "" for the whole form; of one that is not ours nothing but that it is.
 * @param {any} error
 */
export function told(error) {
  if (!has(error)) return { sentence: SENTENCES.unforeseen, field: "" };
  const field = FIELDS.find(([, codes]) => codes.includes(error.code))?.[0] ?? "";
  return { sentence: /** @type {string} */ (error.sentence), field };
}
