/* Where the page believes to be. A sandboxed document may not change its own address in every browser, and it must not
   add to the history that the vault keeps: so address, state and history are the frame's own, and the vault is told. */

/** The page's address on the Mac and its history. */
export class Place {
  #state = /** @type {any} */ (null);
  #base = document.createElement("base");

  /** @param {(change: {how: "push" | "replace", path: string}) => void} onChange */
  constructor(onChange) {
    this.path = "/";
    this.onChange = onChange;
  }

  /** The whole address, as the page would see it on the Mac. */
  get url() {
    return location.origin + this.path;
  }

  /**
   * Stand at a path, and let relative addresses begin there.
   * @param {string} path
   */
  stand(path) {
    this.path = path;
    this.#base.href = this.url;
    if (!this.#base.isConnected) document.head.prepend(this.#base);
  }

  /**
   * Take the place of the document's own history.
   * @param {(steps: number) => void} travel
   */
  take(travel) {
    const change =
      (/** @type {"push" | "replace"} */ how) =>
      (/** @type {any} */ state, /** @type {any} */ _, /** @type {any} */ to) => {
        this.#state = state;
        this.#move(how, to);
      };
    const own = {
      pushState: { value: change("push") },
      replaceState: { value: change("replace") },
      state: { get: () => this.#state },
      back: { value: () => travel(-1) },
      forward: { value: () => travel(1) },
      go: { value: (/** @type {number} */ steps = 0) => travel(steps) },
    };
    Object.defineProperties(history, own);
  }

  /**
   * @param {"push" | "replace"} how
   * @param {any} to
   */
  #move(how, to) {
    if (to === undefined || to === null || String(to) === location.href) return;
    const url = new URL(String(to), document.baseURI);
    if (url.origin !== location.origin) throw new DOMException("Another origin", "SecurityError");
    const path = url.pathname + url.search;
    if (how === "replace" && path === this.path) return;
    this.stand(path);
    this.onChange({ how, path });
  }
}
