/* One route over a link: what is sent waits for credit, what was received gives it back. */

import { Bell } from "./bell.js";
import { uint } from "./bytes.js";
import { CODE, Credit, FIRST_CREDIT, TYPE, encodeMessage, readClose } from "./link.js";
import { ProtocolError } from "./protocol-errors.js";
import { Queue } from "./queue.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

/* Bytes that were taken before the other side is told. */
const GRANT = FIRST_CREDIT / 4;

/** The route has ended; `code` says why, as far as the broker or the other side did. */
export class RouteClosed extends Error {
  /** @param {number} code */
  constructor(code) {
    super(`route closed with ${code}`);
    this.code = code;
  }
}

/** The outer side of a route. `feed` it with the link's messages for its number. */
export class Carrier {
  #send;
  #credit = new Credit();
  /** @type {Queue<Bytes>} */
  #arrived = new Queue();
  #held = 0;
  #taken = 0;
  /** @type {number | null} */
  #code = null;
  #opened = false;
  #bell = new Bell();

  /**
   * @param {(message: Bytes) => void} send over the link; harmless when it is gone
   * @param {number} number
   */
  constructor(send, number) {
    this.number = number;
    this.#send = send;
  }

  /**
   * Take a message of the link. What breaks the rules closes the route.
   * @param {{type: number, payload: Bytes}} message
   */
  feed({ type, payload }) {
    try {
      if (type === TYPE.DATA) this.#hold(payload);
      else if (type === TYPE.CREDIT) this.#credit.grant(payload);
      else if (type === TYPE.OPENED) this.#opened = true;
      else this.close(type === TYPE.CLOSE ? readClose(payload) : CODE.MALFORMED);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.close(CODE.MALFORMED);
    }
    this.#bell.ring();
  }

  /**
   * End it from here, or because the link is gone; whoever waits gets RouteClosed.
   * @param {number} code
   */
  close(code) {
    this.#code ??= code;
    this.#bell.ring();
  }

  /** Throws RouteClosed once it has ended. */
  check() {
    if (this.#code !== null) throw new RouteClosed(this.#code);
  }

  /** Wait until the broker has opened the route. Throws RouteClosed. */
  async opened() {
    await this.#until(() => this.#opened);
  }

  /**
   * Send one message of the route; waits for credit. Throws RouteClosed.
   * @param {Bytes} data
   */
  async send(data) {
    await this.#until(() => this.#credit.spend(data.length));
    this.#send(encodeMessage(TYPE.DATA, this.number, data));
  }

  /** The next message of the route. Throws RouteClosed, after what had come before. */
  async receive() {
    await this.#bell.until(() => this.#arrived.length || this.#code !== null);
    if (!this.#arrived.length) throw new RouteClosed(/** @type {number} */ (this.#code));
    const data = this.#arrived.shift();
    this.#held -= data.length;
    this.#taken += data.length;
    if (this.#taken >= GRANT) {
      this.#send(encodeMessage(TYPE.CREDIT, this.number, uint(this.#taken, 4)));
      this.#taken = 0;
    }
    return data;
  }

  /** @param {Bytes} data */
  #hold(data) {
    this.#held += data.length;
    // A broker that does not hold the host to its credit makes this page hold all of it.
    if (this.#held > FIRST_CREDIT) this.close(CODE.CREDIT_EXCEEDED);
    else if (this.#code === null) this.#arrived.push(data);
  }

  /** @param {() => boolean} test */
  async #until(test) {
    await this.#bell.until(() => this.#code !== null || test());
    this.check();
  }
}
