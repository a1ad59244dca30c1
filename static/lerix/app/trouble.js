/* The page for a page that could not be had although the Mac is there. */

import { LedAstray } from "./asking.js";
import { make } from "./view.js";

/**
 * What went wrong, in a sentence.
 * @param {unknown} error
 */
export function sentenceOf(error) {
  return error instanceof LedAstray
    ? "Your Mac sent this page to another address, which was not opened. Nothing was lost."
    : "Your Mac did not give this page. Nothing was lost. Try again.";
}

/** Says what happened, and offers to try again. */
export class Trouble {
  /**
   * @param {string} sentence
   * @param {{again: () => void, begin: () => void}} acts
   */
  constructor(sentence, { again, begin }) {
    const button = (/** @type {string} */ name, /** @type {string} */ kind, /** @type {() => void} */ click) =>
      make("button", { type: "button", class: `button ${kind}`, click }, name);
    this.element = make(
      "div",
      { class: "alone", role: "alert" },
      make("h1", {}, "This page was not opened"),
      make("p", {}, sentence),
      make(
        "p",
        { class: "waiting-actions" },
        button("Try again", "button-primary", again),
        button("New chat", "", begin),
      ),
    );
  }
}
