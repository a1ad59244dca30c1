/* Notifications of a page in the frame: shown for the page that is this tab's, under this origin's own permission and
   icon. What it says is shortened, and few of them stand at once. */

const MOST = 8;
const LONGEST = 300;

/** @returns {string} what the browser allows; "none" where it has no notifications */
export function permission() {
  return "Notification" in window ? Notification.permission : "none";
}

/** Ask the person, once: a browser that has their answer gives it. */
export async function ask() {
  try {
    return await Notification.requestPermission();
  } catch {
    return permission();
  }
}

/** The notifications of one page. */
export class Notes {
  #say;
  /** @type {Map<number, Notification>} */
  #shown = new Map();

  /** @param {(id: number, what: "show" | "click" | "close" | "error") => void} say */
  constructor(say) {
    this.#say = say;
  }

  /** @param {{id: any, title: any, body: any, tag: any}} note as the page says it */
  show({ id, title, body, tag }) {
    if (!Number.isInteger(id) || this.#shown.size >= MOST) return;
    const icon = /** @type {HTMLLinkElement | null} */ (document.querySelector("link[rel=apple-touch-icon]"));
    const options = { body: String(body).slice(0, LONGEST), tag: String(tag).slice(0, 100), icon: icon?.href };
    try {
      const note = new Notification(String(title).slice(0, LONGEST), options);
      this.#shown.set(id, note);
      note.onshow = () => this.#say(id, "show");
      note.onerror = () => this.#end(id, "error");
      note.onclose = () => this.#end(id, "close");
      note.onclick = () => {
        window.focus();
        this.#say(id, "click");
      };
    } catch {
      this.#say(id, "error"); // phones have no such notifications
    }
  }

  /** @param {any} id */
  close(id) {
    this.#shown.get(id)?.close();
  }

  /**
   * @param {number} id
   * @param {"close" | "error"} what
   */
  #end(id, what) {
    this.#shown.delete(id);
    this.#say(id, what);
  }
}
