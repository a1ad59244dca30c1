/* The list of messages that wait for a Mac, each with a way to take it back. */

import { make } from "./view.js";

/**
 * @param {readonly import("./drafts.js").Message[]} messages
 * @param {(id: string) => void} takeBack
 */
export function letters(messages, takeBack) {
  return make("ul", { class: "letters", "aria-label": "Messages that wait" }, ...messages.map(letter));

  /** @param {import("./drafts.js").Message} message */
  function letter({ id, fields, said, refused }) {
    const says = fields.text || "Attached files";
    const why = refused ? said : said ? `Sent later. ${said}` : "Sent as soon as your Mac is back.";
    return make(
      "li",
      { class: "letter" },
      make("p", { class: "letter-text" }, says.length > 600 ? `${says.slice(0, 600)}…` : says),
      make(
        "p",
        { class: "letter-foot" },
        make("span", {}, why ?? ""),
        make("button", { type: "button", class: "button", click: () => takeBack(id) }, "Take back"),
      ),
    );
  }
}
