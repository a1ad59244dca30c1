/* The page that stands in for the Mac's while the Mac is away: which Mac, since when and why, and a field to write
   in. */

import { letters } from "./letters.js";
import { make } from "./view.js";
import { finalReason, nextStep, reason } from "./words.js";

/**
 * @typedef {object} Scene what the page shows
 * @property {string} name
 * @property {import("./words.js").State} state
 * @property {readonly import("./drafts.js").Message[]} messages
 * @property {readonly {id: string, name: string, online: boolean}[]} others
 * @typedef {object} Acts
 * @property {(text: string) => void} write
 * @property {(id: string) => Promise<string | null>} takeBack
 * @property {(id: string) => void} use
 * @property {(text: string) => void} typed
 */

/** The waiting page; made once for each time it is shown, so that what is typed stays. */
export class WaitingPage {
  #acts;
  #heading = make("h1");
  #reason = make("p", { role: "status" });
  #step = make("p", { class: "soft" });
  #letters = make("div");
  #others = make("p", { class: "waiting-actions" });
  #said = make("p", { class: "soft", role: "status" });
  #field = /** @type {HTMLTextAreaElement} */ (
    make("textarea", {
      id: "message",
      class: "field",
      rows: 3,
      maxlength: 400000,
      placeholder: "Ask anything",
      autocomplete: "off",
    })
  );
  #form;

  /** @param {Acts} acts */
  constructor(acts) {
    this.#acts = acts;
    const send = make("button", { type: "submit", class: "button button-primary" }, "Send when it is back");
    this.#form = make(
      "form",
      { class: "waiting-form", submit: (/** @type {Event} */ event) => this.#submit(event) },
      make("label", { for: "message" }, "Message"),
      this.#field,
      make("div", { class: "waiting-actions" }, send),
    );
    this.#field.addEventListener("input", () => acts.typed(this.#field.value));
    this.#field.addEventListener("keydown", (event) => {
      const plain = event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229;
      if (plain) this.#submit(event);
    });
    const head = [this.#heading, this.#reason, this.#step];
    this.element = make(
      "div",
      { class: "alone waiting" },
      ...head,
      this.#others,
      this.#form,
      this.#said,
      this.#letters,
    );
    this.element.hidden = true;
  }

  /** @param {Scene} scene */
  update({ name, state, messages, others }) {
    const final = finalReason(state);
    if (final || state.phase === "away") this.appear();
    const here = state.phase === "ready";
    this.#heading.textContent = final ? final.heading : state.phase === "away" ? `${name} is away` : name;
    set(this.#reason, final?.sentence ?? reason(name, state));
    set(this.#step, final || here ? "" : nextStep(name, state));
    this.#step.hidden = Boolean(final) || state.phase !== "away";
    this.#form.hidden = Boolean(final) || here;
    const use = others
      .filter(({ online }) => online)
      .map(({ id, name: other }) =>
        make("button", { type: "button", class: "button", click: () => this.#acts.use(id) }, `Use ${other}`),
      );
    const signIn = final?.signIn ? [make("a", { class: "button button-primary", href: "/sign-in/" }, "Sign in")] : [];
    this.#others.replaceChildren(...signIn, ...use);
    this.#others.hidden = this.#others.childElementCount === 0;
    const list = messages.length ? [letters(messages, (id) => this.#takeBack(id))] : [];
    this.#letters.replaceChildren(...list);
  }

  /** Put text back that was typed before. @param {string} text */
  fill(text) {
    const now = this.#field.value.trim() === "" ? "" : `\n\n${this.#field.value}`;
    this.#field.value = text + now;
    this.#acts.typed(this.#field.value);
  }

  /** Be seen. Before, there may be hope that a page comes at once. */
  appear() {
    if (!this.element.hidden) return;
    this.element.hidden = false;
    this.#focus();
  }

  #focus() {
    if (!matchMedia("(pointer: coarse)").matches) this.#field.focus();
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const text = this.#field.value;
    if (text.trim() === "") return;
    this.#field.value = "";
    this.#acts.typed("");
    set(this.#said, "Kept. It is sent once, as soon as your Mac is back.");
    this.#acts.write(text);
  }

  /** @param {string} id */
  async #takeBack(id) {
    const text = await this.#acts.takeBack(id);
    set(
      this.#said,
      text === null ? "It is too late to take this message back: it was sent a moment ago." : "Taken back.",
    );
    if (text !== null) this.fill(text);
    this.#focus();
  }
}

/**
 * Change a text that is read out when it changes, and only then.
 * @param {HTMLElement} element
 * @param {string} text
 */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
