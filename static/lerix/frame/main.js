/* The frame: an empty document of nobody, which gets one port from the vault around it, and through that one page of
   the Mac. Whoever else opens it, or speaks to it, gets nothing. */

import "./natives.js";
import { focusFirst, keepTyped, lendClipboard, printHere, watchTitle } from "./helpers.js";
import { takeParsers } from "./insert.js";
import { location as ownLocation, watchLinks } from "./links.js";
import { lendNotifications } from "./notes.js";
import { show } from "./page.js";
import { watchPictures } from "./pictures.js";
import { Place } from "./place.js";
import { Port } from "./port.js";

const files = document.documentElement.dataset.static ?? "";
const vault = window.parent;

takeParsers();
if (vault !== window) window.addEventListener("message", onMessage);

/** @param {MessageEvent} event */
function onMessage(event) {
  if (event.source !== vault || event.origin !== location.origin || event.ports.length !== 1) return;
  window.removeEventListener("message", onMessage);
  const place = new Place((change) => port.say({ kind: "moved", ...change }));
  const port = new Port(event.ports[0], place);
  port.on.page = ({ html, path, typed, notes }) => {
    delete port.on.page;
    begin(port, place, { html, path, typed, notes });
  };
  // The next page is on its way; of the end of this frame its scripts would hear when nobody listens to them any more.
  port.on.leaving = () => window.dispatchEvent(new Event("pagehide"));
  Object.defineProperty(window, "fetch", { value: port.fetch, writable: false, configurable: false });
  port.say({ kind: "here" });
}

/**
 * @param {Port} port
 * @param {Place} place
 * @param {{html: string, path: string, typed: string, notes?: string}} page
 */
async function begin(port, place, { html, path, typed, notes = "none" }) {
  place.stand(path);
  place.take((steps) => port.say(steps ? { kind: "travel", steps } : { kind: "reload" }));
  lendClipboard(port);
  lendNotifications(port, notes);
  watchLinks(port);
  watchPictures(port);
  watchTitle(port);
  printHere();
  const { lacking } = await show(html, files);
  const htmx = /** @type {any} */ (window).htmx;
  if (htmx) htmx._loc = ownLocation(port);
  keepTyped(port, place, typed);
  const theme = document.documentElement.dataset.theme ?? "";
  port.say({ kind: "shown", lacking, theme });
  focusFirst();
  document.addEventListener("htmx:after:swap", focusFirst);
}
