/* Gives a page of the Mac to a frame, and serves it from then on. */

import { heard } from "./heard.js";
import { permission } from "./notes.js";
import { Serving } from "./serving.js";

const SHOWN_MS = 20_000;

/**
 * @typedef {object} Page
 * @property {string} html
 * @property {string} path
 * @property {string} typed what stood in its message field before
 * @typedef {object} Shown
 * @property {Serving} serving
 * @property {string} theme
 * @property {string[]} lacking files that the page wants and the broker does not have
 * @typedef {object} Around
 * @property {import("./mac.js").MacLink} mac
 * @property {(serving: Serving) => boolean} isCurrent whether it is the page that is shown
 * @property {() => string} path
 * @property {(path: string, going: import("./app.js").Going) => void} go
 * @property {(path: string, how: "push" | "replace") => void} arrive
 * @property {(text: string) => void} say
 * @property {(title: string) => void} title
 */

/**
 * Null where the page is not wanted any more. Throws TypeError where it does not come to be shown.
 * @param {{frame: {element: HTMLElement}, port: MessagePort}} taken
 * @param {Page} page
 * @param {Around} around
 * @param {AbortSignal} signal
 * @returns {Promise<Shown | null>}
 */
export function fill({ frame, port }, page, around, signal) {
  return new Promise((resolve, reject) => {
    let isShown = false;
    const leave = () => {
      clearTimeout(late);
      if (isShown) return;
      serving.close();
      frame.element.remove();
      resolve(null);
    };
    /** @type {Serving} */
    const serving = new Serving(port, (request) => around.mac.fetch(request), {
      ...heard({ ...around, serving: () => serving, isCurrent: () => around.isCurrent(serving) }),
      title: ({ title }) => {
        if (!isShown || around.isCurrent(serving)) around.title(String(title));
      },
      shown: ({ theme, lacking }) => {
        clearTimeout(late);
        isShown = true;
        resolve({ serving, theme: String(theme), lacking: Array.isArray(lacking) ? lacking : [] });
      },
    });
    const late = setTimeout(() => {
      reject(new TypeError("not shown"));
      leave();
    }, SHOWN_MS);
    signal.addEventListener("abort", leave);
    serving.say({ kind: "page", ...page, notes: permission() });
  });
}
