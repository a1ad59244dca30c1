/* One stream of a session, the remote's side: a request goes out, its answer comes in; states as in HTTP/2. */

import { broken } from "./protocol-errors.js";

/** A stream that is not closed. Windows in bytes: `maySend` was granted by the peer, `mayCome` by us. */
export class Stream {
  endedHere = false;
  endedThere = false;
  /** Bytes handed to the application that it has not taken. */
  untaken = 0;
  #heardHeaders = false;
  #mayCome;
  /** Bytes that the application has taken and the peer was not told of yet. */
  #taken = 0;

  /**
   * @param {number} id
   * @param {number} window
   */
  constructor(id, window) {
    this.id = id;
    this.maySend = window;
    this.#mayCome = window;
  }

  sayData() {
    if (this.endedHere) throw broken("StreamMisused");
  }

  sayEnd() {
    this.sayData();
    this.endedHere = true;
  }

  hearHeaders() {
    if (this.#heardHeaders || this.endedThere) throw broken("StreamMisused");
    this.#heardHeaders = true;
  }

  /** @param {number} count */
  hearData(count) {
    this.#hearBody();
    this.#mayCome -= count;
    if (this.#mayCome < 0) throw broken("WindowExceeded");
    this.untaken += count;
  }

  hearEnd() {
    this.#hearBody();
    this.endedThere = true;
  }

  /**
   * The application has taken bytes. Gives how many the peer may send besides, half a window at a time; 0 for none yet.
   * @param {number} count
   * @param {number} window
   */
  take(count, window) {
    this.untaken -= count;
    if (this.endedThere) return 0;
    this.#taken += count;
    if (this.#taken * 2 < window) return 0;
    const more = this.#taken;
    this.#mayCome += more;
    this.#taken = 0;
    return more;
  }

  #hearBody() {
    if (!this.#heardHeaders || this.endedThere) throw broken("StreamMisused");
  }
}
