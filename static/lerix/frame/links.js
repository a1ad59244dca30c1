/* Links, forms and whatever else would leave the page: the vault goes there, or opens it in a tab of its own. */

import { encode } from "./encode.js";

const OUTSIDE = new Set(["http:", "https:", "mailto:", "tel:"]);

/**
 * Watch what the page's own scripts leave alone.
 * @param {import("./port.js").Port} port
 */
export function watchLinks(port) {
  for (const kind of ["click", "auxclick"]) {
    window.addEventListener(kind, (event) => onClick(/** @type {MouseEvent} */ (event), port));
  }
  window.addEventListener("submit", (event) => onSubmit(event, port));
  const open = (/** @type {any} */ address) => {
    follow(port, new URL(String(address), document.baseURI), true);
    return null;
  };
  Object.defineProperty(window, "open", { value: open });
}

/**
 * Where htmx goes by itself, when the Mac says so.
 * @param {import("./port.js").Port} port
 */
export function location(port) {
  return {
    reload: () => port.say({ kind: "reload" }),
    set href(/** @type {string} */ address) {
      follow(port, new URL(address, document.baseURI), false);
    },
  };
}

/**
 * @param {MouseEvent} event
 * @param {import("./port.js").Port} port
 */
function onClick(event, port) {
  if (event.defaultPrevented || event.button > 1) return;
  const link = /** @type {HTMLAnchorElement | undefined} */ (
    event.composedPath().find((each) => each instanceof HTMLAnchorElement && each.hasAttribute("href"))
  );
  if (!link) return;
  event.preventDefault();
  const address = link.getAttribute("href") ?? "";
  if (address.startsWith("#")) {
    goToPart(address.slice(1));
    return;
  }
  let url;
  try {
    url = new URL(address, document.baseURI);
  } catch {
    return;
  }
  if (link.hasAttribute("download") && url.origin === window.location.origin) {
    port.say({ kind: "download", path: url.pathname + url.search, name: link.download });
    return;
  }
  const apart = event.button === 1 || event.ctrlKey || event.metaKey || event.shiftKey || link.target === "_blank";
  follow(port, url, apart);
}

/**
 * @param {import("./port.js").Port} port
 * @param {URL} url
 * @param {boolean} apart in a tab of its own
 */
function follow(port, url, apart) {
  if (url.origin === window.location.origin) {
    port.say({ kind: apart ? "open-path" : "go", path: url.pathname + url.search });
  } else if (OUTSIDE.has(url.protocol)) {
    port.say({ kind: "open", url: url.href });
  }
}

/** @param {string} id */
function goToPart(id) {
  const part = id ? document.getElementById(decodeURIComponent(id)) : document.body;
  part?.scrollIntoView();
  part?.focus({ preventScroll: true });
}

/**
 * A form that no script has taken: its answer is the next page.
 * @param {SubmitEvent} event
 * @param {import("./port.js").Port} port
 */
async function onSubmit(event, port) {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (event.defaultPrevented || form.method === "dialog") return;
  event.preventDefault();
  const url = new URL(form.getAttribute("action") || document.baseURI, document.baseURI);
  if (url.origin !== window.location.origin) return;
  const data = new FormData(form, event.submitter);
  const fields = new URLSearchParams(
    [...data].map(([name, value]) => [name, typeof value === "string" ? value : value.name]),
  );
  if (form.method !== "post") {
    port.say({ kind: "go", path: `${url.pathname}?${fields}` });
    return;
  }
  const { bytes, type } = await encode(form.enctype === "multipart/form-data" ? data : fields);
  port.say({ kind: "go", path: url.pathname + url.search, post: { body: bytes, type } });
}
