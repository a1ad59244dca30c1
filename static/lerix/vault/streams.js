/* A session's streams as requests and answers: bodies to read and write, with the session's own backpressure. `Streams`
   outlives the links below it: what is asked goes on over cuts. */

import { Bell } from "./bell.js";
import { MAX_PAYLOAD } from "./frames.js";
import { Queue } from "./queue.js";
import { CANCELLED } from "./session.js";

/**
 * @typedef {import("./bytes.js").Bytes} Bytes
 * @typedef {object} Ask
 * @property {string} method
 * @property {string} path
 * @property {import("./headers.js").Headers} headers
 * @property {string | null} idem 32 hexadecimal digits for what changes something, null for GET and HEAD
 * @property {Bytes | null} [body]
 * @property {AbortSignal} [signal]
 * @property {(bytes: number) => void} [onsent] told how many bytes of the body are on their way by now
 * @typedef {object} Reply
 * @property {number} status
 * @property {import("./headers.js").Headers} headers
 * @property {ReadableStream<Bytes>} body the host may send as much as is read here and a window more
 */

/* What is written at once, so that one long body does not keep the others from their turn. */
const PIECE = 4 * MAX_PAYLOAD;

/** What goes wrong with a request; see channel.js for the codes. */
export class ChannelError extends Error {
  /**
   * @param {string} code
   * @param {number | null} [reset] the code of the host's RESET
   */
  constructor(code, reset = null) {
    super(code);
    this.name = "ChannelError";
    this.code = code;
    this.reset = reset;
  }
}

/** What has come on a stream and was not read. */
class Inbox {
  /** @type {Queue<Bytes>} */
  pieces = new Queue();
  /** @type {import("./headers.js").Answer | null} */
  answer = null;
  ended = false;
  /** @type {{reason: unknown} | null} */
  error = null;
  bell = new Bell();
}

/** The streams of one session. `work` is called whenever there may be frames to send. */
export class Streams {
  /** @type {Map<number, Inbox>} */
  #inboxes = new Map();
  #work;

  /**
   * @param {import("./session.js").Session} session
   * @param {() => void} work
   */
  constructor(session, work) {
    this.session = session;
    this.#work = work;
  }

  /**
   * Take what the session tells.
   * @param {readonly import("./session.js").Event[]} happened
   */
  heard(happened) {
    for (const { type, stream, answer, data, code } of happened) {
      if (type === "writable" && stream === 0) for (const each of this.#inboxes.values()) each.bell.ring();
      const inbox = this.#inboxes.get(stream);
      if (!inbox) {
        if (type === "data" && data) this.session.consume(stream, data.length); // nobody reads it any more
        continue;
      }
      if (type === "answered") inbox.answer = answer ?? null;
      else if (type === "data" && data) inbox.pieces.push(data);
      else if (type === "ended") inbox.ended = true;
      else if (type === "reset") inbox.error = { reason: new ChannelError("failed", code) };
      inbox.bell.ring();
    }
    this.#work();
  }

  /** The session is gone: everybody who waits learns it. */
  lose() {
    for (const inbox of this.#inboxes.values()) {
      if (!inbox.ended) inbox.error ??= { reason: new ChannelError("session-lost") };
      inbox.bell.ring();
    }
  }

  /**
   * Ask, and wait for the answer to begin. Throws ChannelError, the signal's reason, and ProtocolError for what cannot
   * be asked.
   * @param {Ask} ask
   * @returns {Promise<Reply>}
   */
  async ask({ method, path, headers, idem, body = null, signal, onsent }) {
    signal?.throwIfAborted();
    const stream = this.session.open({ method, path, headers, idem });
    const inbox = new Inbox();
    this.#inboxes.set(stream, inbox);
    const stop = () => this.#giveUp(stream, signal?.reason);
    signal?.addEventListener("abort", stop);
    const forget = () => {
      signal?.removeEventListener("abort", stop);
      this.#inboxes.delete(stream);
    };
    this.#upload(stream, inbox, body, onsent).catch((error) => {
      inbox.error ??= { reason: error };
      inbox.bell.ring();
    });
    await inbox.bell.until(() => inbox.answer || inbox.error);
    if (!inbox.answer) {
      forget();
      throw inbox.error?.reason;
    }
    const { status, headers: answered } = inbox.answer;
    return { status, headers: answered, body: this.#body(stream, inbox, forget) };
  }

  /**
   * @param {number} stream
   * @param {Inbox} inbox
   * @param {() => void} forget
   * @returns {ReadableStream<Bytes>}
   */
  #body(stream, inbox, forget) {
    return new ReadableStream(
      {
        pull: async (controller) => {
          await inbox.bell.until(() => inbox.pieces.length || inbox.ended || inbox.error);
          if (inbox.pieces.length) {
            const data = inbox.pieces.shift();
            this.session.consume(stream, data.length);
            this.#work();
            controller.enqueue(data);
            return;
          }
          forget();
          if (inbox.error) controller.error(inbox.error.reason);
          else controller.close();
        },
        cancel: (reason) => {
          this.#giveUp(stream, reason);
          forget();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /**
   * @param {number} stream
   * @param {Inbox} inbox
   * @param {Bytes | null} body
   * @param {((bytes: number) => void) | undefined} onsent
   */
  async #upload(stream, inbox, body, onsent) {
    const whole = body?.length ?? 0;
    let left = body ?? new Uint8Array();
    while (left.length) {
      await inbox.bell.until(() => inbox.error || this.session.writable(stream) > 0);
      if (inbox.error) return;
      const count = Math.min(left.length, this.session.writable(stream), PIECE);
      this.session.send(stream, left.slice(0, count));
      left = left.subarray(count);
      this.#work();
      onsent?.(whole - left.length);
    }
    if (!inbox.error) this.session.end(stream);
    this.#work();
  }

  /**
   * Tell the host that nobody wants this any more; harmless for a stream that is over.
   * @param {number} stream
   * @param {unknown} reason
   */
  #giveUp(stream, reason) {
    const inbox = this.#inboxes.get(stream);
    if (!inbox) return;
    while (inbox.pieces.length) this.session.consume(stream, inbox.pieces.shift().length);
    this.session.reset(stream, CANCELLED);
    inbox.error = { reason };
    inbox.bell.ring();
    this.#work();
  }
}
