/* Addresses. A page of the Mac at /chats/<id>/?q=word stands in the address bar as /app/chats/<id>/#?q=word: what is
   searched for stays in the browser, since the part after # is never sent. */

const APP = "/app";
const LONGEST = 4096;
/** What no page asks for: another host, and what the Mac offers to other computers' Lerix. */
const NO_PAGE = /^\/(?:\/|v1\/)/;
/** What sends a message, on the Mac: the first one of a chat, or one more. */
const SENDS = /^\/chats\/(?:\?temporary=1|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\/messages\/)?$/;
const CHAT = /^(\/chats\/[0-9a-f-]{36}\/)$/;
/** Of temporary chats: as the Mac begins them, or by an id of the kind that they alone have. */
const TEMPORARY = /^\/(?:chats\/)?\?temporary=1$|^\/chats\/[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-/;

/**
 * The path and query of an address on the Mac, or null for one that is not.
 * @param {string} address as a page or a redirect gives it
 * @param {string} [from] the path of the page it was given on
 */
export function macPath(address, from = "/") {
  try {
    const url = new URL(address, location.origin + from);
    const path = url.pathname + url.search;
    const own = url.origin === location.origin && !url.username && !url.password;
    return own && path.length <= LONGEST && !NO_PAGE.test(path) ? path : null;
  } catch {
    return null;
  }
}

/** @param {string} path */
export function appAddress(path) {
  const [name, query] = divided(path);
  return APP + name + (query ? `#${query}` : "");
}

/** The path that the address bar names. */
export function pathInBar() {
  const { pathname, hash } = location;
  const name = pathname.startsWith(`${APP}/`) ? pathname.slice(APP.length) : "/";
  return macPath(name + (hash.startsWith("#?") ? hash.slice(1) : "")) ?? "/";
}

/**
 * Have the address bar name a path.
 * @param {string} path
 * @param {"push" | "replace" | "stay"} how
 */
export function showPath(path, how) {
  const address = appAddress(path);
  const isThere = address === location.pathname + location.hash;
  if (how === "push" && !isThere) history.pushState(null, "", address);
  else if (how !== "stay" || !isThere) history.replaceState(null, "", address);
}

/**
 * Whether what is written at a path may be in memory only.
 * @param {string} path
 */
export function isTemporary(path) {
  return TEMPORARY.test(path);
}

/** @param {string} path */
export function sendsMessage(path) {
  return SENDS.test(path);
}

/**
 * Where a message is sent that is written where the page at `path` would be.
 * @param {string} path
 */
export function sendPath(path) {
  const chat = CHAT.exec(divided(path)[0]);
  if (chat) return `${chat[1]}messages/`;
  return isTemporary(path) ? "/chats/?temporary=1" : "/chats/";
}

/** @param {string} path */
function divided(path) {
  const at = path.indexOf("?");
  return at < 0 ? [path, ""] : [path.slice(0, at), path.slice(at)];
}
