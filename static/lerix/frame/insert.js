/* The one way in which the Mac's HTML becomes elements: it is parsed where nothing runs or loads, and what does not
   belong on a page is taken out of it. The Mac has cleaned what models wrote; this is the second wall. */

import { parseRaw } from "./natives.js";

/* Elements that load, run, navigate or restyle. */
const NEVER =
  "script, link, meta, base, iframe, frame, frameset, portal, fencedframe, object, embed, applet, style, noscript, " +
  "set, animate, animateMotion, animateTransform, foreignObject";
/* Attributes that run, load or send, whatever they stand on. */
const DROPPED =
  /^(?:on|srcdoc$|srcset$|style$|ping$|background$|formaction$|poster$|data$|http-equiv$|attributionsrc$)/i;
const HX = /^(?:data-)?hx-/i;
/* Of the attributes of htmx, those that would run text as a script; the policy forbids that as well. */
const HX_RUNS = /^(?:data-)?hx-on/i;
const CODE = /^\s*(?:js|javascript):/i;
const ADDRESSES = new Set(["href", "xlink:href", "src"]);
/** Where the address of a picture stays until it is fetched from the Mac. */
export const PICTURE = "data-mac-src";
/** Instead of autofocus, which browsers refuse in a frame of nobody, and say so. */
export const FIRST = "data-mac-focus";

/**
 * Parse a whole page or a piece of one, without what does not belong there.
 * @param {string} html
 */
export function parse(html) {
  const made = parseRaw(html);
  strip(made);
  return made;
}

/** Let everybody in this document parse only so. */
export function takeParsers() {
  const lock = { writable: false, configurable: false };
  const parser = { ...lock, value: (/** @type {string} */ html) => parse(String(html)) };
  if ("parseHTMLUnsafe" in Document) Object.defineProperty(Document, "parseHTMLUnsafe", parser);
  Object.defineProperty(DOMParser.prototype, "parseFromString", parser);
}

/**
 * @param {Document | DocumentFragment} root
 * @param {boolean} [foreign] whether it is text that a model wrote: htmx is not spoken there
 */
export function strip(root, foreign = false) {
  for (const element of [...root.querySelectorAll(NEVER)]) element.remove();
  for (const element of root.querySelectorAll("*")) {
    const ignored = foreign || element.parentElement?.closest("[hx-ignore], [data-hx-ignore]");
    if (element instanceof HTMLTemplateElement || element.localName === "template") {
      if (ignored) element.remove();
      else strip(/** @type {HTMLTemplateElement} */ (element).content, goesToForeign(element));
      continue;
    }
    clean(element, Boolean(ignored));
  }
}

/**
 * Whether a piece that htmx will put somewhere goes to where a model's text stands.
 * @param {Element} piece
 */
function goesToForeign(piece) {
  const selector = piece.getAttribute("hx-target") ?? piece.getAttribute("data-hx-target");
  try {
    return Boolean(selector && document.querySelector(selector)?.closest("[hx-ignore], [data-hx-ignore]"));
  } catch {
    return true; // a target that is none
  }
}

/**
 * @param {Element} element
 * @param {boolean} ignored
 */
function clean(element, ignored) {
  for (const { name, value } of [...element.attributes]) {
    const runs = HX_RUNS.test(name) || ((HX.test(name) || ADDRESSES.has(name)) && CODE.test(value));
    const sends = name === "action" && ignored;
    if (DROPPED.test(name) || runs || sends || (ignored && HX.test(name))) element.removeAttribute(name);
    if (name === "autofocus") {
      element.removeAttribute(name);
      if (!ignored) element.setAttribute(FIRST, "");
    }
    if (ADDRESSES.has(name)) keepAddress(element, name, value);
  }
}

/**
 * Pictures come through the port, links are followed by the vault; nothing else loads anything.
 * @param {Element} element
 * @param {string} name
 * @param {string} value
 */
function keepAddress(element, name, value) {
  if (element.localName === "a" && name === "href") return;
  if (value.startsWith("data:image/") && element.localName === "img") return;
  if (name !== "src" && value.startsWith("#")) return;
  element.removeAttribute(name);
  if (element.localName === "img" && name === "src") element.setAttribute(PICTURE, value);
}
