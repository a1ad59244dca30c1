/* What goes wrong between this browser and the account broker, each with a sentence ready to show. The codes are those
   of the app on a Mac (relay/account/errors.py and refusals.py), and so are the sentences, but where a Mac and a browser
   differ. Nothing here is the broker's own text. */

/** @type {Readonly<Record<string, string>>} */
const SENTENCES = Object.freeze({
  "wrong-login": "The e-mail address and the password do not belong together. Nothing was changed. Check both.",
  "wrong-code":
    "This is not the code that was sent last, or it is too old. Nothing was changed. Check it, or have a new one sent.",
  "wrong-recovery-key":
    "This recovery key does not belong to the e-mail address. Nothing was changed. Check both: a newer key may have " +
    "replaced it.",
  "ticket-ended": "The code was entered too long ago. Nothing was changed. Start again to get a new one.",
  "token-ended":
    "This took too long, so the account broker wants the password again. Nothing was changed. Start again.",
  "device-refused":
    "The account broker does not accept this browser any more: it was removed, or the account was deleted. Chats on " +
    "your Mac are kept. Sign in again to add it.",
  "proof-not-accepted":
    "The account broker did not accept the proof of this browser. Nothing was changed, and nothing here is lost. If " +
    "it stays so, ask whoever runs the broker to check its clock, and that its proxy passes on the Host header.",
  "not-found": "The account broker does not know this any more. Nothing was changed. Reload the page.",
  "changed-elsewhere":
    "The account was changed on another device at the same time. Nothing was changed from here. Try again.",
  "update-refused":
    "The account broker did not take the change. Nothing was changed. Reload the page, then try again.",
  "sign-up-closed": "This account broker takes no new accounts. Nothing was changed. Use another one.",
  "slow-down": "There were too many tries. Nothing was changed. Wait a little, then try again.",
  "broker-unavailable": "The account broker cannot do this at the moment. Nothing was changed. Try again later.",
  "request-refused":
    "The account broker does not understand this page. Nothing was changed. Reload the page, then try again.",
  "devices-full":
    "The plan has no room for another device. This browser was not added. Remove one, or choose another plan.",
  "broker-unreachable":
    "The account broker could not be reached. Nothing was changed. Check the network and try again.",
  "broker-answer-lost":
    "The account broker stopped answering in the middle, so it is not known whether it did what was asked. Nothing " +
    "here is lost. Try again in a moment.",
  unsettled:
    "The account broker stopped answering in the middle, so it is not known yet whether the change was made. Nothing " +
    "is lost: either the old state holds or the new one. Try again when the broker can be reached.",
  "cut-off":
    "This was broken off because somebody signed out here, so it is not known whether the account broker has done " +
    "it. Sign in again to see what holds.",
  "broker-unexpected":
    "What answers at this address is not an account broker that this page knows. Nothing was changed. Reload the page.",
});

/** Base of what goes wrong at the broker. It never holds a secret. */
export class BrokerError extends Error {
  /**
   * @param {string} code
   * @param {{sentence?: string, retryAfter?: number | null}} [more] `retryAfter` in seconds
   */
  constructor(code, { sentence, retryAfter = null } = {}) {
    super(sentence ?? SENTENCES[code] ?? SENTENCES["broker-unexpected"]);
    this.name = "BrokerError";
    this.code = code;
    this.retryAfter = retryAfter;
  }

  /** The sentence to show. */
  get sentence() {
    return this.message;
  }
}

/**
 * Too many tries.
 * @param {number | null} retryAfter in seconds
 */
export function slowDown(retryAfter) {
  if (!retryAfter) return new BrokerError("slow-down");
  const sentence = `There were too many tries. Nothing was changed. Wait ${spoken(retryAfter)}, then try again.`;
  return new BrokerError("slow-down", { sentence, retryAfter });
}

/**
 * A time to wait, rounded up, as people say it.
 * @param {number} seconds
 */
function spoken(seconds) {
  if (seconds > 3600) return `${Math.ceil(seconds / 3600)} hours`;
  if (seconds > 60) return `${Math.ceil(seconds / 60)} minutes`;
  return seconds > 1 ? "a minute" : "a second";
}
