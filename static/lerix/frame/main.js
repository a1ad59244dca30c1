/* The frame: an empty document of nobody, which gets one port from the vault around it, and through that one page of
   the Mac. Whoever else opens it, or speaks to it, gets nothing. */

import "./natives.js";
import { focusFirst, keepTyped, lendClipboard, printHere, watchTitle } from "./helpers.js";
import { takeParsers } from "./insert.js";
import { location as ownLocation, watchLinks } from "./links.js";
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
  port.on.page = ({ html, path, typed }) => {
    delete port.on.page;
    begin(port, place, { html, path, typed });
  };
  Object.defineProperty(window, "fetch", { value: port.fetch, writable: false, configurable: false });
  port.say({ kind: "here" });
}

/**
 * @param {Port} port
 * @param {Place} place
 * @param {{html: string, path: string, typed: string}} page
 */
async function begin(port, place, { html, path, typed }) {
  place.stand(path);
  place.take((steps) => port.say(steps ? { kind: "travel", steps } : { kind: "reload" }));
  lendClipboard(port);
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
