/* Puts a page of the Mac into the frame: its title, its looks, its body, and then the scripts it names, from the
   broker's own files and in the page's order. They run as they do on the Mac, where they stand in the head: what waits
   for the document to be complete waits for them. */

import { strip } from "./insert.js";
import { parseRaw, scriptAddress } from "./natives.js";

/* Only these of the broker's files are for the Mac's pages; the folder above has the hash of the Mac's. */
const FILE = /^\/static\/[^/]+\/(lerix\/(?:css|js|vendor\/htmx)\/[a-z0-9-]+(?:\.min)?\.(?:css|js))$/;
const METAS = new Set(["htmx-config", "color-scheme"]);
const AFTER =
  "default-src 'none'; img-src blob: data:; media-src blob:; form-action 'none'; base-uri " + location.origin;

/**
 * Show a page. `lacking` are files that the page wants and the broker does not have.
 * @param {string} html
 * @param {string} files where the broker's own are
 * @returns {Promise<{lacking: string[]}>}
 */
export async function show(html, files) {
  const page = parseRaw(html);
  const head = page.head;
  const styles = named(head, "link[rel=stylesheet]", "href");
  const scripts = named(head, "script[src]", "src");
  const metas = /** @type {HTMLMetaElement[]} */ ([...head.querySelectorAll("meta[name]")]);
  const title = page.title;
  strip(page);
  const lacking = /** @type {string[]} */ ([]);
  const missing = (/** @type {string} */ name) => () => lacking.push(name);
  const there = new Set(
    [...document.querySelectorAll("link[rel=stylesheet]")].map((each) => each.getAttribute("href")),
  );
  await Promise.all(
    styles.map((name) => there.has(files + name) || load(styleElement(files + name)).catch(missing(name))),
  );
  for (const { name, content } of metas.filter((meta) => METAS.has(meta.name))) {
    document.head.append(Object.assign(document.createElement("meta"), { name, content }));
  }
  for (const name of ["lang", "data-theme"]) {
    const value = page.documentElement.getAttribute(name);
    if (value !== null) document.documentElement.setAttribute(name, value);
  }
  document.title = title;
  document.body.replaceWith(document.adoptNode(page.body));
  const complete = pretendToLoad();
  await Promise.all(scripts.map((name) => load(scriptElement(files + name)).catch(missing(name))));
  complete();
  close();
  return { lacking };
}

/**
 * The names of the files that elements of the head refer to.
 * @param {Element} head
 * @param {string} selector
 * @param {string} attribute
 */
function named(head, selector, attribute) {
  const found = [...head.querySelectorAll(selector)].map((each) => FILE.exec(each.getAttribute(attribute) ?? "")?.[1]);
  return found.filter((name) => name !== undefined);
}

/** @param {string} address */
function styleElement(address) {
  return Object.assign(document.createElement("link"), { rel: "stylesheet", href: address });
}

/** @param {string} address */
function scriptElement(address) {
  const script = document.createElement("script");
  script.async = false; // in the order of the page
  script.src = scriptAddress(location.origin + address);
  return script;
}

/** @param {HTMLElement} element */
function load(element) {
  return new Promise((resolve, reject) => {
    element.onload = () => resolve(undefined);
    element.onerror = () => reject(new TypeError("not loaded"));
    document.head.append(element);
  });
}

/** The document is complete already; the scripts of the page must not see that before all of them are there. */
function pretendToLoad() {
  Object.defineProperty(document, "readyState", { value: "loading", configurable: true });
  return () => {
    delete (/** @type {any} */ (document).readyState);
    document.dispatchEvent(new Event("DOMContentLoaded", { bubbles: true }));
  };
}

/** From here on nothing more is loaded: no script, no style. */
function close() {
  const meta = document.createElement("meta");
  meta.httpEquiv = "Content-Security-Policy";
  meta.content = AFTER;
  document.head.append(meta);
}
