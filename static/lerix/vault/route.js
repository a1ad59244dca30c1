/* A route, the remote's side: one encrypted connection to a host, from the handshake to its end.

       OPENING ──first──▶ SAID ──message 2──▶ CONFIRMED ──▶ CLOSED

   Payloads of the handshake are JSON in 1,024 bytes, padded by blanks:

       message 1  {"v": 1, "log": [n, "head"], "resume": {"session": "32 hex digits", "rx": n} | null}
       message 2  {"v": 1, "log": [n, "head"], "session": "32 hex digits", "rx": n, "resumed": bool}

   `log` is the newest entry of the device log that each side has seen. Whoever uses a route waits for each call before
   the next of the same kind: messages have numbers. */

import { DIGEST, ID, concat, equal, hex, uint, unhex, utf8 } from "./bytes.js";
import { CONFIRM, UNNUMBERED, encodeFrame } from "./frames.js";
import { broken } from "./protocol-errors.js";
import { Session } from "./session.js";

/**
 * @typedef {import("./bytes.js").Bytes} Bytes
 * @typedef {{n: number, head: Bytes}} Log the newest entry of the device log that a side has seen
 */

const PAYLOAD = 1024;
const VERSION = 1;

/**
 * What both sides must mean alike: the ids and the epoch of the workspace key.
 * @param {{account: Bytes, host: Bytes, remote: Bytes, epoch: number}} terms
 */
export function prologue({ account, host, remote, epoch }) {
  return concat(utf8("lerix-relay/1"), account, host, remote, uint(epoch, 4));
}

/** The remote's side. `session` and `sessionId` are those to resume, or null for a new session. */
export class RemoteRoute {
  /** @type {"opening" | "said" | "confirmed" | "closed"} */
  state = "opening";
  /** @type {Session | null} */
  session = null;
  /** @type {Log | null} */
  peerLog = null;
  resumed = false;
  #initiator;
  #log;
  #old;
  /** @type {import("./noise.js").Cipher | null} */
  #send = null;
  /** @type {import("./noise.js").Cipher | null} */
  #receive = null;

  /**
   * @param {import("./noise.js").Initiator} initiator
   * @param {{log: Log, session?: Session | null, sessionId?: Bytes | null}} own
   */
  constructor(initiator, { log, session = null, sessionId = null }) {
    this.#initiator = initiator;
    this.#log = log;
    this.#old = session;
    this.sessionId = sessionId;
  }

  /** Message 1. While the route is being opened the session takes nothing from an older one. */
  async first() {
    let resume = null;
    if (this.#old && this.sessionId) {
      this.#old.detach();
      resume = { session: hex(this.sessionId), rx: this.#old.rx };
    }
    this.state = "said";
    const { n, head } = this.#log;
    const said = utf8(JSON.stringify({ v: VERSION, log: [n, hex(head)], resume }));
    return this.#initiator.first(concat(said, new Uint8Array(PAYLOAD - said.length).fill(0x20)));
  }

  /**
   * Take message 2, which makes the session: the old one, or `newSession()`. Gives the first message after it, to be
   * sent before anything that `pull` gives. Throws ProtocolError in all kinds; the link ends then.
   * @param {Bytes} message
   * @param {() => Session} [newSession]
   */
  async second(message, newSession = () => new Session()) {
    if (this.state !== "said") throw broken("HandshakeFailed");
    const { payload, send, receive } = await this.#initiator.second(message);
    const said = read(payload);
    const session = said.resumed ? this.#old : newSession();
    const same = this.sessionId !== null && equal(said.session, this.sessionId);
    if (!session || (said.resumed && (!same || !session.canResume(said.rx)))) throw broken("PeerForgot");
    if (/** @type {string} */ (this.state) === "closed") throw broken("HandshakeFailed");
    this.#send = send;
    this.#receive = receive;
    this.session = session;
    this.sessionId = said.session;
    this.resumed = said.resumed;
    this.peerLog = said.log;
    session.attach(said.rx);
    this.state = "confirmed";
    const confirm = { kind: CONFIRM, stream: 0, seq: UNNUMBERED, ack: session.rx, payload: new Uint8Array() };
    return send.encrypt(encodeFrame(confirm));
  }

  /**
   * Take a later message from the link. Throws ProtocolError in all kinds; the link ends then.
   * @param {Bytes} message
   */
  async receive(message) {
    if (this.state !== "confirmed" || !this.session || !this.#receive) throw broken("HandshakeFailed");
    const frame = await this.#receive.decrypt(message);
    // It may have been closed while the message was opened: then the session is another route's already.
    return /** @type {string} */ (this.state) === "confirmed" ? this.session.receive(frame) : [];
  }

  /** The next message for the link, or null. @returns {Promise<Bytes | null>} */
  async pull() {
    if (this.state !== "confirmed" || !this.session || !this.#send) return null;
    const frame = this.session.pull();
    return frame && this.#send.encrypt(frame);
  }

  /** The link is gone. The session, if there is one, is kept and waits for another. */
  close() {
    if (this.state === "confirmed") this.session?.detach();
    this.state = "closed";
  }
}

/**
 * @param {Bytes} payload
 * @returns {{log: Log, session: Bytes, rx: number, resumed: boolean}}
 */
function read(payload) {
  try {
    const value = payload.length === PAYLOAD && payload.every((byte) => byte < 0x80) && JSON.parse(decode(payload));
    if (!value || Object.keys(value).sort().join() !== "log,resumed,rx,session,v" || value.v !== VERSION) {
      throw new TypeError("payload");
    }
    const { log, session, rx, resumed } = value;
    const whole = Array.isArray(log) && log.length === 2 && isCount(log[0]) && isCount(rx);
    if (!whole || typeof resumed !== "boolean") throw new TypeError("payload");
    return { log: { n: log[0], head: unhex(log[1], DIGEST) }, session: unhex(session, ID), rx, resumed };
  } catch {
    throw broken("HandshakeFailed");
  }
}

/** @param {Bytes} payload */
function decode(payload) {
  return new TextDecoder().decode(payload);
}

/** @param {unknown} value */
function isCount(value) {
  return Number.isSafeInteger(value) && /** @type {number} */ (value) >= 0;
}
