/* One WebSocket to the broker that is dialled again whenever it ends, until `close`.

       DIALLING ──HELLO, AUTH, READY──▶ READY ──▶ WAITING ──pause──▶ DIALLING

   The pause grows from half a second to half a minute, each time by chance between nothing and that, so that a thousand
   devices do not come back in the same moment. `wake` ends it at once, and has a connection that is there show that it
   is. Where dialling again cannot help it is tried once in a minute. */

import { Bell } from "./bell.js";
import { uint } from "./bytes.js";
import { CODE, TYPE, decodeMessage, encodeMessage, readEvent } from "./link.js";
import { ProtocolError, broken } from "./protocol-errors.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

/** Milliseconds. */
export const TIMING = Object.freeze({
  prove: 15_000,
  ping: 15_000,
  dead: 40_000,
  /** After a sleep or a change of network a connection has to answer within so long. */
  probe: 4_000,
  firstPause: 500,
  longestPause: 30_000,
  futilePause: 60_000,
  /** A connection that lasted so long was a good one: the pauses begin small again. */
  lasting: 30_000,
});
/* The longest that a broker may ask a device to stay away. */
const LONGEST_ABSENCE = 120_000;
/** Dialling again does not help by itself. @type {ReadonlySet<number | null>} */
export const FUTILE = new Set([CODE.REFUSED, CODE.REVOKED, CODE.NO_PLAN, CODE.SUPERSEDED]);

/** A device's link. */
export class Dialler {
  /** @type {"dialling" | "ready" | "waiting"} */
  phase = "waiting";
  /** Why the last connection ended; null where there was no answer. @type {number | null} */
  code = null;
  /** Diallings in vain since the last connection. */
  failures = 0;
  #given;
  #timing;
  #bell = new Bell();
  #closed = false;
  /** @type {WebSocket | null} */
  #socket = null;
  #end = (/** @type {number | null} */ _) => {};
  #heard = 0;
  /** When the broker said to come back. @type {{after: number, spread: number} | null} */
  #back = null;

  /**
   * @param {object} given
   * @param {string} given.url
   * @param {(nonce: Bytes) => Promise<Bytes>} given.prove the payload of AUTH
   * @param {(message: {type: number, route: number, payload: Bytes}) => void} given.take what is not about the link
   * @param {(event: Record<string, unknown>) => void} given.told
   * @param {() => void} given.changed after each change of `phase`
   * @param {typeof WebSocket} given.WebSocketClass
   * @param {() => number} given.chance
   * @param {Partial<typeof TIMING>} [given.timing]
   */
  constructor(given) {
    this.#given = given;
    this.#timing = { ...TIMING, ...given.timing };
    void this.#run();
  }

  /**
   * Send a message; lost if there is no connection, which `changed` tells.
   * @param {Bytes} message
   */
  send(message) {
    if (this.phase === "ready" && this.#socket?.readyState === 1) this.#socket.send(message);
  }

  /**
   * The network is another one, the device woke up, a person asks: dial now if it is waiting. A connection that is
   * there, or being made, must show that it is: after a sleep it may be gone and nobody has said so.
   */
  wake() {
    this.#bell.ring();
    if (this.phase === "waiting") return;
    const [heard, end] = [this.#heard, this.#end];
    this.send(encodeMessage(TYPE.PING, 0, uint(0, 8)));
    setTimeout(() => this.#heard === heard && end(null), this.#timing.probe);
  }

  close() {
    this.#closed = true;
    this.#end(CODE.DONE);
    this.#bell.ring();
  }

  async #run() {
    while (!this.#closed) {
      this.#bell.clear();
      this.#set("dialling");
      const begun = performance.now();
      this.code = await this.#once();
      if (performance.now() - begun >= this.#timing.lasting) this.failures = 0;
      this.failures += 1;
      if (this.#closed) break;
      this.#set("waiting");
      await this.#bell.wait(this.#pause());
    }
    this.#set("waiting");
  }

  /**
   * Dial, prove, and take messages until the end. Gives the code of the broker, if any.
   * @returns {Promise<number | null>}
   */
  #once() {
    return new Promise((resolve) => {
      let socket = /** @type {WebSocket} */ (/** @type {unknown} */ (null));
      try {
        socket = new this.#given.WebSocketClass(this.#given.url);
      } catch {
        resolve(null); // an address that this page must not dial
        return;
      }
      this.#socket = socket;
      socket.binaryType = "arraybuffer";
      const late = setTimeout(() => end(null), this.#timing.prove);
      const watch = setInterval(() => this.#watch(), this.#timing.ping);
      const end = (/** @type {number | null} */ code) => {
        clearTimeout(late);
        clearInterval(watch);
        socket.onmessage = socket.onclose = null;
        socket.close();
        resolve(code);
      };
      this.#end = end;
      socket.onclose = ({ code }) => end(code >= CODE.DONE ? code : null);
      /** @type {number} what comes next; EVENT for whatever comes after READY */
      let stage = TYPE.HELLO;
      socket.onmessage = ({ data }) => {
        this.#heard = performance.now();
        try {
          const message = decodeMessage(data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array());
          if (stage === TYPE.EVENT) {
            this.#take(message);
          } else if (message.type !== stage) {
            throw broken("FrameMalformed");
          } else if (stage === TYPE.HELLO) {
            stage = TYPE.READY;
            this.#prove(socket, message.payload).catch(() => end(null));
          } else {
            stage = TYPE.EVENT;
            clearTimeout(late);
            this.failures = 0;
            this.#set("ready");
          }
        } catch (error) {
          end(error instanceof ProtocolError ? error.code : CODE.MALFORMED);
        }
      };
    });
  }

  /**
   * @param {WebSocket} socket
   * @param {Bytes} nonce
   */
  async #prove(socket, nonce) {
    socket.send(encodeMessage(TYPE.AUTH, 0, await this.#given.prove(nonce)));
  }

  /** @param {{type: number, route: number, payload: Bytes}} message */
  #take(message) {
    const { type, payload } = message;
    if (type === TYPE.PING) this.send(encodeMessage(TYPE.PONG, 0, payload));
    else if (type === TYPE.EVENT) this.#told(readEvent(payload));
    else if (type === TYPE.HELLO || type === TYPE.AUTH || type === TYPE.READY) throw broken("FrameMalformed");
    else if (type !== TYPE.PONG) this.#given.take(message);
  }

  /** @param {Record<string, unknown>} event */
  #told(event) {
    if (event.kind === "restarting") {
      const ms = (/** @type {unknown} */ value) => (typeof value === "number" && value > 0 ? value : 0);
      const [after, spread] = [event.after_ms, event.spread_ms].map((each) => Math.min(LONGEST_ABSENCE, ms(each)));
      this.#back = { after, spread };
    }
    this.#given.told(event);
  }

  #watch() {
    if (this.phase !== "ready") return;
    const silent = performance.now() - this.#heard;
    if (silent >= this.#timing.dead) this.#end(null);
    else if (silent >= this.#timing.ping / 2) this.send(encodeMessage(TYPE.PING, 0, uint(0, 8)));
  }

  /** Milliseconds until the next dialling. */
  #pause() {
    const { firstPause, longestPause, futilePause } = this.#timing;
    const chance = this.#given.chance();
    const back = this.#back;
    this.#back = null;
    if (back) return back.after + back.spread * chance;
    if (FUTILE.has(this.code)) return futilePause * (0.75 + chance / 2);
    return Math.min(longestPause, firstPause * 2 ** Math.min(this.failures - 1, 10)) * chance;
  }

  /** @param {"dialling" | "ready" | "waiting"} phase */
  #set(phase) {
    this.phase = phase;
    this.#given.changed();
  }
}
