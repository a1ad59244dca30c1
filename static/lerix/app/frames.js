/* The frames: each page of the Mac gets one of its own, a document of nobody, and a port that is sent to it once. The
   next one is loaded while the page before it is read, so that going on waits for the Mac alone.

   A frame that loads a second time has gone somewhere by itself, which no page of the Mac does: it is taken away. */

const SANDBOX = "allow-scripts allow-forms allow-modals";
const SHOWN_MS = 20_000;

/** One frame. `here` is fulfilled with the vault's end of its port when its script runs. */
class Frame {
  #loads = 0;

  /**
   * @param {HTMLElement} place
   * @param {() => void} onStrayed
   */
  constructor(place, onStrayed) {
    const element = document.createElement("iframe");
    element.title = "Lerix";
    element.className = "frame is-waiting";
    element.setAttribute("sandbox", SANDBOX);
    element.setAttribute("allow", "clipboard-write *");
    element.inert = true;
    const { port1, port2 } = new MessageChannel();
    this.element = element;
    /** @type {Promise<MessagePort>} */
    this.here = new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new TypeError("The frame did not load.")), SHOWN_MS);
      port1.onmessage = () => {
        clearTimeout(late);
        port1.onmessage = null;
        resolve(port1);
      };
    });
    /** Whether it never came. */
    this.isLost = false;
    this.here.catch(() => (this.isLost = true));
    element.addEventListener("load", () => {
      this.#loads += 1;
      // It has no origin that could be named here; where it may be at all, our own policy says.
      if (this.#loads === 1) element.contentWindow?.postMessage("lerix", "*", [port2]);
      else onStrayed();
    });
    element.src = "/frame/";
    place.append(element);
  }
}

/** The frame that is seen and the one that comes next. */
export class Frames {
  #place;
  #onStrayed;
  /** @type {Frame | null} */
  #next = null;
  /** @type {Frame | null} */
  #shown = null;

  /**
   * @param {HTMLElement} place
   * @param {() => void} onStrayed the page that is seen has gone somewhere by itself
   */
  constructor(place, onStrayed) {
    this.#place = place;
    this.#onStrayed = onStrayed;
  }

  /** Have the next one loaded. */
  prepare() {
    if (this.#next?.isLost) {
      // The network was gone when it was fetched; by now it may be there again.
      this.#next.element.remove();
      this.#next = null;
    }
    this.#next ??= this.#made();
  }

  /** A loaded frame that nobody has used. Throws TypeError if the broker does not give it. */
  async take() {
    this.prepare();
    const frame = /** @type {Frame} */ (this.#next);
    this.#next = null;
    try {
      return { frame, port: await frame.here };
    } catch (error) {
      frame.element.remove();
      throw error;
    }
  }

  /**
   * Show one instead of the one before.
   * @param {Frame} frame
   */
  show(frame) {
    this.hide();
    this.#shown = frame;
    frame.element.inert = false;
    frame.element.classList.remove("is-waiting");
  }

  /** Show none. */
  hide() {
    this.#shown?.element.remove();
    this.#shown = null;
  }

  /** Let the keyboard go to the page. */
  focus() {
    this.#shown?.element.focus({ preventScroll: true });
  }

  #made() {
    const made = new Frame(this.#place, () => {
      made.element.remove();
      if (this.#next === made) this.#next = null;
      if (this.#shown !== made) return;
      this.#shown = null;
      this.#onStrayed();
    });
    return made;
  }
}
