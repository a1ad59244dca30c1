/* What goes wrong with the keys of an account, each with a sentence ready to show. The codes are those of the app on a
   Mac, and so are the sentences, but for the last ones: those are about this browser. */

/** @type {Readonly<Record<string, string>>} */
const SENTENCES = Object.freeze({
  "email-unusable": "This is not an e-mail address that Lerix can use. Nothing was sent. Check it: name@example.com.",
  "password-unusable": "This password cannot be used: it is empty or too long. Nothing was sent. Type another one.",
  "password-too-short": "The password is shorter than 12 characters. Nothing was changed. Choose a longer one.",
  "device-name-unusable":
    "This name cannot be used: it is empty, too long, or has hidden characters. Choose another one.",
  "recovery-key-length":
    "This recovery key is not complete: it is LRX1 and nine groups of four characters. Nothing was sent. Compare " +
    "it with your copy.",
  "recovery-key-character":
    "This recovery key has a character that no recovery key has. Nothing was sent. Compare it with your copy: " +
    "digits, and letters without I, L, O and U.",
  "recovery-key-mistyped":
    "The recovery key has a typing error: its check characters do not fit. Nothing was sent. Compare it with your" +
    " copy group by group.",
  "recovery-key-version":
    "This is not a recovery key of this Lerix: those begin with LRX1. Nothing was sent. Update Lerix.",
  "retype-differs":
    "This is another group than in your recovery key. The key is unchanged. Look at your copy, type again.",
  "device-not-listed":
    "This device does not belong to the account any more. Nothing was changed. Reload the list of devices.",
  "too-many-devices":
    "The account has as many devices as it can have. Nothing was changed. Revoke a device you no longer use.",
  "too-many-epochs": "The account's keys were renewed as often as possible. Nothing was changed. Create a new account.",
  "password-needed": "The account was opened with the recovery key. Nothing was changed. Choose a new password first.",
  "answer-malformed":
    "The account broker sent something that Lerix cannot read, so it was refused. Nothing on this device was " +
    "changed. Check the broker address, or update Lerix.",
  "suite-unknown":
    "The account broker asked for password settings that this version of Lerix does not have, so your password " +
    "was not used. Nothing was sent. Check the broker address, or update Lerix.",
  "salt-malformed":
    "The account broker sent damaged password settings, so your password was not used. Nothing was sent. Check " +
    "the broker address, and ask whoever runs the broker.",
  "bundle-malformed":
    "The account broker sent something that Lerix cannot read, so it was refused. Nothing on this device was " +
    "changed. Check the broker address, or update Lerix.",
  "bundle-not-opened":
    "What the account broker sent cannot be opened with what you typed, so it was refused. Nothing on this device" +
    " was changed. Check what you typed and the broker address, then try again.",
  "bundle-not-anchored":
    "The account broker sent keys that your recovery key does not vouch for, so they were refused. Nothing on " +
    "this device was changed. Do not use this broker before whoever runs it has explained it.",
  "bundle-rolled-back":
    "The account broker sent an older state of the account than this device has seen, so it was refused. Nothing " +
    "on this device was changed. Ask whoever runs the broker whether a backup was restored.",
  "bundle-outdated":
    "The account broker sent keys and a list of devices that do not fit together, so they were refused. Nothing " +
    "on this device was changed. Try again; if it stays, ask whoever runs the broker.",
  "log-malformed":
    "The account broker sent a damaged or incomplete list of devices, so it was refused. Nothing on this device " +
    "was changed. Try again; if it stays, ask whoever runs the broker.",
  "log-from-newer-lerix": "A newer Lerix wrote the list of devices. Nothing on this device was changed. Update Lerix.",
  "log-too-large":
    "The account broker sent a damaged or incomplete list of devices, so it was refused. Nothing on this device " +
    "was changed. Try again; if it stays, ask whoever runs the broker.",
  "log-broken":
    "The account broker sent a list of devices with gaps or changes, so it was refused. Nothing on this device " +
    "was changed. Ask whoever runs the broker.",
  "log-forged":
    "The account broker sent a list of devices that your account did not sign, so it was refused. Nothing on this" +
    " device was changed. Do not use this broker before whoever runs it has explained it.",
  "log-rule-broken":
    "The account broker sent a list of devices that was not made by this account, so it was refused. Nothing on " +
    "this device was changed. Check the broker address, and ask whoever runs the broker.",
  "log-incomplete":
    "The account broker sent a damaged or incomplete list of devices, so it was refused. Nothing on this device " +
    "was changed. Try again; if it stays, ask whoever runs the broker.",
  "log-rolled-back":
    "The account broker sent an older state of the account than this device has seen, so it was refused. Nothing " +
    "on this device was changed. Ask whoever runs the broker whether a backup was restored.",
  "log-forked":
    "The account broker shows this device another history of the account than before, so it was refused. Nothing " +
    "on this device was changed. Do not use this broker before whoever runs it has explained it.",
  "signing-key-changed":
    "The account's signing key was replaced on another device. Nothing on this device was changed. Compare the " +
    "code with the one shown there, and confirm only if they are equal.",
  "key-not-opened":
    "This device could not open the account's new key. Its older data is unchanged. Sign out and sign in again on" +
    " this device.",
  "name-not-opened": "The name of a device could not be read. The device itself is unaffected. Give it a new name.",
  "proof-refused":
    "The device could not prove that it belongs to the account, so the connection was refused. Nothing was " +
    "changed. Sign in again on that device.",
  "device-revoked": "This browser was removed from the account. Chats on your Mac are kept. Sign in again to add it.",
  "stored-unreadable":
    "What this browser had stored of the account cannot be read. Chats on your Mac are kept. Sign in again.",
  "storage-unusable":
    "This browser does not keep data for this page, so it cannot be signed in. Nothing was sent. Allow site data " +
    "for this address, or leave the private window.",
  "stretching-failed":
    "This browser could not work on your password: it ran out of memory or of time. Nothing was sent. Close other" +
    " tabs, then try again.",
  "keys-failed": "The account's keys could not be used. Nothing was changed. Try again.",
});

/** Base of what these modules throw on purpose. It never holds a secret. */
export class KeysError extends Error {
  /** @param {string} code */
  constructor(code) {
    super(SENTENCES[code] ?? SENTENCES["keys-failed"]);
    this.name = "KeysError";
    this.code = code;
  }

  /** The sentence to show. */
  get sentence() {
    return this.message;
  }
}

/**
 * The signing key that this device trusts was replaced after a compromise. Whoever had the old key could have done it
 * too, so a person compares `digits` with the device that replaced it; then `trust` in log.js goes on.
 */
export class SigningKeyChanged extends KeysError {
  /**
   * @param {import("./bytes.js").Bytes} signingKey
   * @param {string} digits
   */
  constructor(signingKey, digits) {
    super("signing-key-changed");
    this.signingKey = signingKey;
    this.digits = digits;
  }
}

/**
 * Make an error; in an arrow function what a `Reader` fails with.
 * @param {string} code
 */
export function refused(code) {
  return new KeysError(code);
}

/** Every code, for the test that compares them with the app's. */
export const CODES = SENTENCES;
