/* Why a Mac is away, in words. */

import { CODE } from "../vault/link.js";
import { moment } from "./view.js";

/**
 * @typedef {{phase: string, code?: number | null, since?: number | null, why?: string | null}} State
 */

/**
 * @typedef {{heading: string, sentence: string, signIn: boolean}} Final
 */

/* Reasons that nobody waits out: what to do comes first. @type {ReadonlyMap<number, Final>} */
const FINAL = new Map([
  [
    /** @type {number} */ (CODE.REVOKED),
    {
      heading: "Sign in again",
      sentence: "This browser was removed from the account. Chats on your Mac are kept. Sign in again to add it.",
      signIn: true,
    },
  ],
  [
    CODE.NO_PLAN,
    {
      heading: "Codex Relay needs Pro",
      sentence: "This account does not have the Pro plan now. Nothing was lost. Ask whoever runs the account broker.",
      signIn: false,
    },
  ],
]);
/* A cut is mended before anybody reads of it, if it takes no longer. */
const PATIENCE_MS = 1500;

/**
 * Why it is no use to wait, or null.
 * @param {State} state
 */
export function finalReason(state) {
  return FINAL.get(state.code ?? 0) ?? null;
}

/** What the line above a page says of the Mac: nothing of cuts that nobody needs to know of. */
export class Patience {
  #since = 0;

  /**
   * @param {string} name
   * @param {State} state
   * @returns {{text: string, again: number}} `again` is when to ask anew, in ms; 0 for not
   */
  words(name, state) {
    if (state.phase === "ready") {
      this.#since = 0;
      return { text: "", again: 0 };
    }
    this.#since ||= performance.now();
    const left = PATIENCE_MS - (performance.now() - this.#since);
    const unsaid = state.phase === "connecting" || (state.code === null && !state.why);
    if (unsaid && left > 0) return { text: "", again: left };
    const final = finalReason(state);
    return { text: final?.sentence ?? `${reason(name, state)} What you write is kept and sent once.`, again: 0 };
  }
}

/**
 * One sentence: what is with the Mac.
 * @param {string} name
 * @param {State} state
 */
export function reason(name, state) {
  if (state.phase === "ready") return `${name} is there.`;
  if (!navigator.onLine) return "This device is not connected to the internet.";
  if (state.code === CODE.SUPERSEDED) return "Lerix is used in another tab or window of this browser now.";
  if (state.phase === "connecting") return `Reaching ${name}.`;
  const at = state.since ? ` ${moment(state.since, "at")}` : "";
  const since = state.since ? ` ${moment(state.since, "since")}` : "";
  switch (state.why) {
    case "off":
      return `Codex Relay was switched off on ${name}${at}.`;
    case "closed":
      return `Lerix was quit on ${name}${at}.`;
    case "asleep":
      return `${name} went to sleep${at}.`;
    case "restarting":
      return "The account broker restarts.";
    case "signed-out":
      return `${name} was signed out of the account${at}.`;
    case "lost":
      return `${name} cannot be reached${since}. It may be asleep or without a network.`;
    default:
      return `${name} cannot be reached${since}.`;
  }
}

/**
 * The one step that brings it back.
 * @param {string} name
 * @param {State} state
 */
export function nextStep(name, state) {
  if (!navigator.onLine || state.phase !== "away") return "Lerix goes on as soon as it is there.";
  if (state.code === CODE.SUPERSEDED) return "Come back to this one, and it goes on here.";
  if (state.why === "off") return `Switch it on there, in Settings, Connections. Lerix goes on here by itself.`;
  if (state.why === "signed-out") return `Sign in there, in Settings, Account. Lerix goes on here by itself.`;
  if (state.why === "closed") return "Open it there. Lerix goes on here by itself.";
  return "Wake it up or open it. Lerix goes on here by itself.";
}
