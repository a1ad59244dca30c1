/* What a page in the frame cannot do itself: files, other sites, the clipboard. */

import { ask, header, readAll } from "./asking.js";

const MOST_FILE = 512 * 1024 * 1024;
const REVOKE_MS = 60_000;
const SITES = new Set(["http:", "https:", "mailto:", "tel:"]);

/**
 * Open another site in a tab of its own. The browser allows that only right after somebody has clicked.
 * @param {any} address
 */
export function openOutside(address) {
  try {
    const url = new URL(String(address));
    if (SITES.has(url.protocol)) window.open(url.href, "_blank", "noopener,noreferrer");
  } catch {
    // no address
  }
}

/**
 * Fetch a file and hand it to the browser to keep.
 * @param {any} channel
 * @param {string} path
 * @param {string} name what the page would call it
 */
export async function download(channel, path, name) {
  const answer = await ask(channel, { method: "GET", path, headers: [["accept", "*/*"]], body: null });
  if (answer.status !== 200) {
    await answer.body?.cancel();
    throw new TypeError("no file");
  }
  await save(answer, name);
}

/**
 * @param {import("./asking.js").Answer} answer
 * @param {string} name
 */
export async function save(answer, name) {
  const file = await readAll(answer.body, MOST_FILE);
  // Of no type that a browser shows: shown, it would be a page of the vault's own origin.
  const address = URL.createObjectURL(new Blob([file], { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = fileName(answer, name);
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), REVOKE_MS);
}

/** @param {import("./asking.js").Answer} answer */
export function isFile(answer) {
  const type = header(answer.headers, "content-type") ?? "";
  const placed = header(answer.headers, "content-disposition") ?? "";
  return /^\s*attachment/i.test(placed) || !/^text\/html\b/i.test(type);
}

/**
 * @param {import("./asking.js").Answer} answer
 * @param {string} name
 */
function fileName(answer, name) {
  const placed = header(answer.headers, "content-disposition") ?? "";
  const coded = /filename\*=utf-8''([^;]+)/i.exec(placed)?.[1];
  const plain = /filename="?([^";]+)"?/i.exec(placed)?.[1];
  try {
    return (coded && decodeURIComponent(coded)) || plain || name || "download";
  } catch {
    return plain || name || "download";
  }
}

/**
 * Copy for a page whose browser does not let it.
 * @param {string} text
 */
export async function copy(text) {
  const before = document.activeElement;
  try {
    window.focus();
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  } finally {
    if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  }
}

/** @param {string} text */
function copyBySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
