/* Says how easily the new password is guessed, while it is typed. */

import { told } from "./errors.js";
import { one } from "./page.js";
import { judge, ready } from "./strength.js";

const SOON = 250;

/**
 * @param {() => string} email
 * @param {string} [selector] of the password's field
 */
export function judgeTyped(email, selector = "#field-password") {
  const field = one(selector);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let clock;
  field.addEventListener("focus", () => ready().catch(() => {}), { once: true });
  field.addEventListener("input", () => {
    clearTimeout(clock);
    clock = setTimeout(async () => {
      const typed = field.value;
      let found = { score: 0, sentence: "12 characters or more. A few uncommon words are good.", enough: false };
      try {
        if (typed) found = await judge(typed, email());
      } catch (error) {
        found = { ...found, sentence: told(error).sentence };
      }
      if (field.value !== typed) return;
      one(".strength-bar").dataset.score = typed ? String(found.score) : "";
      const words = one(".strength-words");
      words.textContent = found.sentence;
      words.classList.toggle("is-enough", found.enough);
    }, SOON);
  });
}
