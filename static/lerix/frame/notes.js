/* Notifications, which a document of nobody may not show: the vault asks for them and shows them, and the page sees
   what browsers have. */

/**
 * @param {import("./port.js").Port} port
 * @param {string} permission what the vault may do now; "none" where the browser has no notifications
 */
export function lendNotifications(port, permission) {
  let last = 0;
  /** @type {Map<number, Note>} */
  const notes = new Map();
  /** @type {((permission: string) => void)[]} */
  const asking = [];

  /** As much of `Notification` as pages of Lerix use. */
  class Note {
    /** @type {(() => void) | null} */
    onclick = null;
    /** @type {(() => void) | null} */
    onshow = null;
    /** @type {(() => void) | null} */
    onerror = null;

    /**
     * @param {string} title
     * @param {{body?: string, tag?: string}} [options]
     */
    constructor(title, { body = "", tag = "" } = {}) {
      this.id = ++last;
      notes.set(this.id, this);
      port.say({ kind: "note", id: this.id, title: String(title), body: String(body), tag: String(tag) });
    }

    static get permission() {
      return permission;
    }

    static requestPermission() {
      port.say({ kind: "may-note" });
      return new Promise((resolve) => asking.push(resolve));
    }

    close() {
      port.say({ kind: "close-note", id: this.id });
    }
  }

  port.on.noted = ({ id, what }) => {
    const note = notes.get(id);
    if (what === "click") note?.onclick?.();
    else if (what === "show") note?.onshow?.();
    else if (what === "error") note?.onerror?.();
    if (what === "close") notes.delete(id);
  };
  port.on["may-note"] = ({ permission: now }) => {
    permission = String(now);
    for (const resolve of asking.splice(0)) resolve(permission);
  };
  if (permission === "none") delete (/** @type {any} */ (window).Notification);
  else Object.defineProperty(window, "Notification", { value: Note });
}
