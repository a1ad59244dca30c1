/* What a page expects of its browser and a sandboxed one does not have: the title in the tab, the clipboard, printing,
   the focus at the beginning, and a message field that a reload leaves as it was. */

import { FIRST } from "./insert.js";

const LOOK_MS = 400;
const COPIED_MS = 5000;

/** @param {import("./port.js").Port} port */
export function watchTitle(port) {
  let last = "";
  const tell = () => {
    if (document.title === last) return;
    last = document.title;
    port.say({ kind: "title", title: last });
  };
  new MutationObserver(tell).observe(document.head, { childList: true, subtree: true, characterData: true });
  tell();
}

/**
 * Copying goes the browser's own way, and where that is closed here, the vault copies.
 * @param {import("./port.js").Port} port
 */
export function lendClipboard(port) {
  const own = navigator.clipboard;
  const write = own ? own.writeText.bind(own) : null;
  let wanted = 0;
  /** @type {Map<number, (done: boolean) => void>} */
  const waiting = new Map();
  port.on.copied = ({ id, done }) => waiting.get(id)?.(done);
  const writeText = async (/** @type {string} */ text) => {
    try {
      if (write) {
        await write(text);
        return;
      }
    } catch {
      // not allowed here
    }
    const id = ++wanted;
    const done = await new Promise((resolve) => {
      waiting.set(id, resolve);
      setTimeout(resolve, COPIED_MS, false);
      port.say({ kind: "copy", id, text: String(text) });
    });
    waiting.delete(id);
    if (!done) throw new DOMException("Not copied", "NotAllowedError");
  };
  if (own) Object.defineProperty(own, "writeText", { value: writeText });
  else Object.defineProperty(navigator, "clipboard", { value: Object.freeze({ writeText }) });
}

/** Printing from the keyboard prints this page and not the vault around it. */
export function printHere() {
  window.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "p" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
    event.preventDefault();
    window.print();
  });
}

/** @returns {HTMLTextAreaElement | null} */
function field() {
  const found = document.getElementById("message");
  return found instanceof HTMLTextAreaElement ? found : null;
}

/**
 * Put text into the message field, before what stands there, as the page itself gives text back.
 * @param {string} text
 */
function put(text) {
  const area = field();
  if (!area || !text) return;
  const end = area.selectionEnd;
  const head = area.value.trim() === "" ? text : `${text}\n\n`;
  area.value = head === text ? text : head + area.value;
  if (head !== text) area.setSelectionRange(end + head.length, end + head.length);
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

/**
 * Keep what is typed with the vault, and give back what was typed before the page was loaded anew.
 * @param {import("./port.js").Port} port
 * @param {import("./place.js").Place} place
 * @param {string} typed
 */
export function keepTyped(port, place, typed) {
  put(typed);
  let last = { path: place.path, text: field()?.value ?? "" };
  const tell = () => {
    const now = { path: place.path, text: field()?.value ?? "" };
    if (now.path === last.path && now.text === last.text) return;
    if (now.path !== last.path && last.text) port.say({ kind: "typed", path: last.path, text: "" });
    last = now;
    port.say({ kind: "typed", ...now });
  };
  setInterval(tell, LOOK_MS);
  document.addEventListener("visibilitychange", tell);
  port.on.give = ({ text }) => put(text);
}

/** Focus what wants to be first, as browsers do by themselves where a page is not in a frame of nobody. */
export function focusFirst() {
  for (const first of document.querySelectorAll(`[${FIRST}]`)) {
    first.removeAttribute(FIRST);
    const free = !document.activeElement || document.activeElement === document.body;
    if (first instanceof HTMLElement && free) first.focus({ preventScroll: true });
  }
}
