/* What the vault's own document shows around the frame: title, colours, progress, and the room that a phone's keyboard
   leaves. */

const PROGRESS_MS = 300;

let pending = 0;

/** @param {boolean} busy whether a page is awaited; seen only where that takes a while */
export function showProgress(busy) {
  const line = /** @type {HTMLElement} */ (document.getElementById("progress"));
  clearTimeout(pending);
  if (busy) pending = setTimeout(() => (line.hidden = false), PROGRESS_MS);
  else line.hidden = true;
}

/** @param {string} title */
export function showTitle(title) {
  document.title = title.slice(0, 300) || "Lerix";
}

/** @param {string} theme "light", "dark", or "" where the system chooses */
export function showTheme(theme) {
  const chosen = theme === "light" || theme === "dark" ? theme : "";
  if (chosen) document.documentElement.dataset.theme = chosen;
  else delete document.documentElement.dataset.theme;
  for (const meta of document.querySelectorAll("meta[name=theme-color]")) {
    const scheme = /** @type {HTMLElement} */ (meta).dataset.scheme;
    meta.setAttribute("media", chosen ? (scheme === chosen ? "all" : "not all") : `(prefers-color-scheme: ${scheme})`);
  }
}

/** Keep everything above the keyboard where the browser lays it over the page, as on iOS. */
export function followKeyboard() {
  const view = window.visualViewport;
  if (!view) return;
  const fit = () => {
    const covered = view.scale === 1 && window.innerHeight - view.height > 60;
    document.body.style.blockSize = covered ? `${view.height}px` : "";
    if (covered) window.scrollTo(0, 0);
  };
  view.addEventListener("resize", fit);
  view.addEventListener("scroll", fit);
}

/**
 * When somebody looks at this tab again, or the network is another one.
 * @param {() => void} wake
 */
export function onWaking(wake) {
  const look = () => document.hidden || wake();
  for (const kind of ["online", "focus", "pageshow"]) window.addEventListener(kind, look);
  document.addEventListener("visibilitychange", look);
}

/** From here on no more scripts: all of them have been loaded. */
export function closeScripts() {
  const meta = document.createElement("meta");
  meta.httpEquiv = "Content-Security-Policy";
  meta.content = "script-src 'none'; object-src 'none'";
  document.head.append(meta);
}

/**
 * Where the broker and a Mac are of different releases: which side to update. "" where they fit.
 * @param {string} name of the Mac
 * @param {string | null} theirs
 * @param {readonly string[]} lacking files that the broker does not have
 */
export function versionNote(name, theirs, lacking) {
  const own = document.documentElement.dataset.version ?? "";
  if (!theirs || theirs === own) return "";
  const newer = compare(theirs, own) > 0;
  if (newer && lacking.length)
    return `${name} has a newer Lerix than ${location.host}. Ask whoever runs it to update it.`;
  return !newer && lacking.length ? `${name} has an older Lerix than ${location.host}. Update it there.` : "";
}

/**
 * @param {string} one
 * @param {string} other
 */
function compare(one, other) {
  return one.localeCompare(other, "en", { numeric: true });
}
