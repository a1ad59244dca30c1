/* What a page in a frame says besides its requests: each thing checked, and done only for the page that is shown. */

import { Notes, ask, permission } from "./notes.js";
import { copy, download, openOutside } from "./outside.js";
import { appAddress, macPath } from "./paths.js";

/**
 * @typedef {object} Around what the page has around it
 * @property {import("./mac.js").MacLink} mac
 * @property {() => import("./serving.js").Serving} serving
 * @property {() => boolean} isCurrent whether it is the page that is shown
 * @property {() => string} path
 * @property {(path: string, going: import("./app.js").Going) => void} go
 * @property {(path: string, how: "push" | "replace") => void} arrive
 * @property {(text: string) => void} say
 */

/**
 * @param {Around} around
 * @returns {Record<string, (message: any) => void>}
 */
export function heard({ mac, serving, isCurrent, path: here, go, arrive, say }) {
  const own = (/** @type {any} */ path) => (typeof path === "string" && isCurrent() ? macPath(path, here()) : null);
  const notes = new Notes((id, what) => serving().say({ kind: "noted", id, what }));
  return {
    note: (message) => isCurrent() && notes.show(message),
    "close-note": ({ id }) => notes.close(id),
    "may-note": async () => {
      serving().say({ kind: "may-note", permission: isCurrent() ? await ask() : permission() });
    },
    moved: ({ how, path }) => {
      const to = own(path);
      if (to !== null) arrive(to, how === "push" ? "push" : "replace");
    },
    go: ({ path, post }) => {
      const to = own(path);
      const form = post?.body instanceof Uint8Array ? { body: post.body, type: String(post.type) } : undefined;
      if (to !== null) go(to, { how: "push", post: form });
    },
    reload: () => isCurrent() && go(here(), { how: "stay" }),
    travel: ({ steps }) => isCurrent() && Number.isInteger(steps) && history.go(steps),
    open: ({ url }) => isCurrent() && openOutside(url),
    "open-path": ({ path }) => {
      const to = own(path);
      if (to !== null) openOutside(location.origin + appAddress(to));
    },
    download: ({ path, name }) => {
      const to = own(path);
      if (to === null) return;
      download(mac, to, String(name)).catch(() => say("The file could not be loaded. Nothing was lost. Try again."));
    },
    copy: async ({ id, text }) => {
      const done = isCurrent() && (await copy(String(text)));
      serving().say({ kind: "copied", id, done });
    },
    typed: ({ path, text }) => {
      const to = own(path);
      if (to !== null) mac.drafts.keepTyped(to, String(text)).catch(() => {});
    },
  };
}
