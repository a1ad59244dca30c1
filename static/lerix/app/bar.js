/* The line above the Mac's page: there while something is to be said, or several Macs are to be chosen from. */

import { letters } from "./letters.js";
import { make } from "./view.js";

/**
 * @typedef {object} Said
 * @property {string} text "" for nothing
 * @property {readonly import("./drafts.js").Message[]} messages that wait
 * @property {readonly {id: string, name: string}[]} macs all, where there are several
 * @property {string} host the one that is shown
 */

/** Draws the line. */
export class Bar {
  #element;
  #acts;
  #last = "";
  /* Stays the same element, so that a change of its words is read out. */
  #text = make("p", { class: "bar-text", role: "status" });

  /**
   * @param {HTMLElement} element
   * @param {{use: (id: string) => void, takeBack: (id: string) => void}} acts
   */
  constructor(element, acts) {
    this.#element = element;
    this.#acts = acts;
  }

  /** @param {Said} said */
  update({ text, messages, macs, host }) {
    const key = JSON.stringify([text, messages, macs, host]);
    if (key === this.#last) return;
    this.#last = key;
    const parts = [];
    if (macs.length > 1) parts.push(this.#chooser(macs, host));
    if (this.#text.textContent !== text) this.#text.textContent = text;
    if (text || macs.length > 1) parts.push(this.#text);
    if (messages.length) parts.push(this.#waiting(messages));
    const open = this.#element.querySelector("details")?.open ?? false;
    this.#element.replaceChildren(...parts);
    const details = this.#element.querySelector("details");
    if (details) details.open = open;
    this.#element.hidden = parts.length === 0;
  }

  /**
   * @param {readonly {id: string, name: string}[]} macs
   * @param {string} host
   */
  #chooser(macs, host) {
    const options = macs.map(({ id, name }) => make("option", { value: id, selected: id === host }, name));
    const change = (/** @type {Event} */ event) =>
      this.#acts.use(/** @type {HTMLSelectElement} */ (event.target).value);
    return make(
      "label",
      { class: "bar-macs" },
      make("span", { class: "unseen" }, "Mac"),
      make("select", { change }, ...options),
    );
  }

  /** @param {readonly import("./drafts.js").Message[]} messages */
  #waiting(messages) {
    const count = messages.length === 1 ? "1 message waits" : `${messages.length} messages wait`;
    return make(
      "details",
      { class: "bar-letters" },
      make("summary", {}, count),
      letters(messages, this.#acts.takeBack),
    );
  }
}
