/* A session, the remote's side: streams that survive any number of links, each frame delivered once and in order.

   Frames are numbered. The receiver takes the number it expects, drops what it has already, and takes a gap for a
   broken link. The sender keeps a frame until the other side says that all before a number have arrived; on a new link
   it begins again from there. A session has no keys and no clock.

       application   open, send, end, reset, consume          → frames to send
       link          attach(peer's rx), receive(frame), pull()     → events

   The remote opens streams, with odd numbers; the host opens none. Everything that a peer can make us keep is bounded:
   bodies by the windows that we granted, streams and frames by `LIMITS`. */

import { Reader, uint } from "./bytes.js";
import * as frames from "./frames.js";
import { decodeAnswer, encodeRequest } from "./headers.js";
import { broken } from "./protocol-errors.js";
import { Queue } from "./queue.js";
import { Stream } from "./stream.js";

/**
 * @typedef {import("./bytes.js").Bytes} Bytes
 * @typedef {import("./frames.js").Frame} Frame
 * @typedef {object} Event what a session tells its application; `stream` is 0 where all of them are meant
 * @property {"answered" | "data" | "ended" | "reset" | "writable" | "ponged" | "gone-away"} type
 * @property {number} stream
 * @property {import("./headers.js").Answer} [answer]
 * @property {Bytes} [data] call `consume` once it is taken: until then the peer may send only the window
 * @property {number} [code]
 */

/** Sizes in bytes. @typedef {typeof LIMITS} Limits */
export const LIMITS = Object.freeze({
  streams: 32,
  streamWindow: 256 * 1024,
  sessionWindow: 1024 * 1024,
  /** What is kept until the other side has it. */
  kept: 1024 * 1024,
  /** Frames besides DATA that are kept; a peer that makes more of them never acknowledges. */
  keptFrames: 4096,
  /** An ACK of its own after so many frames; the caller sends one after 100 ms as well. */
  ackEvery: 8,
});

/* Codes of RESET. */
export const CANCELLED = 1;
export const FAILED = 2;
/* What a window may grow to; more is no window any more. */
const MOST_WINDOW = 2 ** 31 - 1;
const MOST_FLEETING = 16;

/** One session. */
export class Session {
  attached = false;
  /** The number expected next: all before it have arrived. */
  rx = 0;
  /** The number that the next new frame gets. */
  tx = 0;
  #last = 0;
  /** @type {Map<number, Stream>} */
  #streams = new Map();
  /** Bytes of streams closed by both that the application has not taken yet. @type {Map<number, number>} */
  #owed = new Map();
  /* Frames [oldest, tx); those from #next on have not been given to this link yet. */
  /** @type {Queue<{kind: number, stream: number, payload: Bytes}>} */
  #kept = new Queue();
  #keptData = 0;
  #next = 0;
  /** @type {{kind: number, payload: Bytes}[]} */
  #fleeting = [];
  #unacknowledged = 0;
  #maySend;
  #mayCome;
  #taken = 0;
  #gone = false;

  /** @param {Limits} [limits] */
  constructor(limits = LIMITS) {
    this.limits = limits;
    this.#maySend = this.#mayCome = limits.sessionWindow;
  }

  // Application

  /** The streams that are not closed. */
  get streams() {
    return [...this.#streams.keys()];
  }

  /**
   * Ask something on a new stream, and give its number. Throws TooManyStreams, StreamMisused.
   * @param {import("./headers.js").Request} request
   */
  open(request) {
    if (this.#gone) throw broken("StreamMisused");
    if (this.#streams.size >= this.limits.streams) throw broken("TooManyStreams");
    const payload = encodeRequest(request);
    const id = this.#last ? this.#last + 2 : 1;
    this.#streams.set(id, new Stream(id, this.limits.streamWindow));
    this.#last = id;
    this.#keep(frames.HEADERS, id, payload);
    return id;
  }

  /**
   * How many bytes `send` takes now; 0 for a stream that is closed.
   * @param {number} stream
   */
  writable(stream) {
    const found = this.#streams.get(stream);
    if (!found || found.endedHere || this.#kept.length >= this.limits.keptFrames) return 0;
    return Math.max(0, Math.min(found.maySend, this.#maySend, this.limits.kept - this.#keptData));
  }

  /**
   * Send a part of a body, at most `writable` bytes. Throws WindowExceeded, StreamMisused.
   * @param {number} stream
   * @param {Bytes} data
   */
  send(stream, data) {
    const found = this.#streams.get(stream);
    if (!found || !data.length) return;
    found.sayData();
    if (data.length > this.writable(stream)) throw broken("WindowExceeded");
    found.maySend -= data.length;
    this.#maySend -= data.length;
    for (let at = 0; at < data.length; at += frames.MAX_PAYLOAD) {
      this.#keep(frames.DATA, stream, data.slice(at, at + frames.MAX_PAYLOAD));
    }
  }

  /**
   * Say that our body on a stream is complete. Throws StreamMisused.
   * @param {number} stream
   */
  end(stream) {
    const found = this.#streams.get(stream);
    if (!found) return;
    found.sayEnd();
    this.#keep(frames.END, stream);
    this.#closeIfDone(found);
  }

  /**
   * Give a stream up, at once.
   * @param {number} stream
   * @param {number} [code]
   */
  reset(stream, code = CANCELLED) {
    const found = this.#streams.get(stream);
    if (!found) return;
    this.#streams.delete(stream);
    this.#take(null, found.untaken);
    this.#keep(frames.RESET, stream, uint(code, 2));
  }

  /**
   * Say that the application has taken so many bytes of `data`: the peer may send as many more.
   * @param {number} stream
   * @param {number} count
   */
  consume(stream, count) {
    const found = this.#streams.get(stream);
    const owed = this.#owed.get(stream);
    if (found) {
      this.#take(found, count);
    } else if (owed !== undefined) {
      // A stream that was reset is not here: all of it was given back then.
      const taken = Math.min(count, owed);
      if (taken === owed) this.#owed.delete(stream);
      else this.#owed.set(stream, owed - taken);
      this.#take(null, taken);
    }
  }

  /**
   * Ask for a "ponged" with these 8 bytes.
   * @param {Bytes} payload
   */
  ping(payload) {
    this.#sayOnce(frames.PING, payload);
  }

  // Link

  /** The number of the oldest frame that is kept. */
  get oldest() {
    return this.tx - this.#kept.length;
  }

  /**
   * Whether a peer that expects this number next can be served.
   * @param {number} peerRx
   */
  canResume(peerRx) {
    return this.oldest <= peerRx && peerRx <= this.tx;
  }

  /**
   * Go on over a new link, from what the peer expects next. Throws PeerForgot.
   * @param {number} peerRx
   */
  attach(peerRx) {
    if (!this.canResume(peerRx)) throw broken("PeerForgot");
    this.#acknowledged(peerRx);
    this.#next = peerRx;
    this.#fleeting = [];
    this.#unacknowledged = 0;
    this.attached = true;
  }

  /** The link is gone; everything is kept. */
  detach() {
    this.attached = false;
    this.#fleeting = [];
  }

  /** Whether frames have arrived that the peer does not know of yet. */
  get ackDue() {
    return this.#unacknowledged > 0;
  }

  /** Have the next `pull` tell the peer what has arrived, if it does not know. */
  acknowledge() {
    if (this.#unacknowledged && !this.#fleeting.some(({ kind }) => kind === frames.ACK)) this.#sayOnce(frames.ACK);
  }

  /** The next frame for the link, or null if there is none now. @returns {Bytes | null} */
  pull() {
    if (!this.attached) return null;
    const fleeting = this.#fleeting.shift();
    if (!fleeting && this.#next === this.tx) return null;
    this.#unacknowledged = 0;
    if (fleeting) return frames.encodeFrame({ ...fleeting, stream: 0, seq: frames.UNNUMBERED, ack: this.rx });
    const seq = this.#next++;
    return frames.encodeFrame({ ...this.#kept.at(seq - this.oldest), seq, ack: this.rx });
  }

  /**
   * Take a frame from the link. Throws GapInFrames and FrameMalformed, after which the link ends, and those that end
   * the session, after which both do.
   * @param {Bytes} data
   * @returns {Event[]}
   */
  receive(data) {
    const frame = frames.decodeFrame(data);
    if (frame.ack > this.tx) throw broken("FrameMalformed"); // it knows more than was sent
    /** @type {Event[]} */
    const heard = this.#acknowledged(frame.ack) ? [{ type: "writable", stream: 0 }] : [];
    if (frame.seq === frames.UNNUMBERED) return [...heard, ...this.#heardFleeting(frame)];
    this.#unacknowledged += 1;
    if (this.#unacknowledged >= this.limits.ackEvery) this.acknowledge();
    if (frame.seq < this.rx) return heard;
    if (frame.seq > this.rx) throw broken("GapInFrames");
    this.rx += 1;
    return [...heard, ...this.#heard(frame)];
  }

  // Inside

  /**
   * @param {number} kind
   * @param {Bytes} [payload]
   */
  #sayOnce(kind, payload = new Uint8Array()) {
    this.#fleeting.push({ kind, payload });
    if (this.#fleeting.length > MOST_FLEETING) this.#fleeting.shift();
  }

  /**
   * @param {number} kind
   * @param {number} stream
   * @param {Bytes} [payload]
   */
  #keep(kind, stream, payload = new Uint8Array()) {
    if (kind === frames.DATA) this.#keptData += payload.length;
    else if (this.#kept.length >= 2 * this.limits.keptFrames) throw broken("NeverAcknowledged");
    this.#kept.push({ kind, stream, payload });
    this.tx += 1;
  }

  /**
   * All before `number` have arrived: let go of them. Gives whether that makes room where there was none.
   * @param {number} number
   */
  #acknowledged(number) {
    const isFull = () => this.#keptData >= this.limits.kept || this.#kept.length >= this.limits.keptFrames;
    const full = isFull();
    while (this.oldest < number) {
      const { kind, payload } = this.#kept.shift();
      if (kind === frames.DATA) this.#keptData -= payload.length;
    }
    this.#next = Math.max(this.#next, this.oldest);
    return full && !isFull();
  }

  /**
   * The application has taken bytes, or will never want them; grant as many, half a window at a time.
   * @param {Stream | null} stream
   * @param {number} count
   */
  #take(stream, count) {
    this.#taken += count;
    if (this.#taken * 2 >= this.limits.sessionWindow) {
      this.#mayCome += this.#taken;
      this.#keep(frames.WINDOW, 0, uint(this.#taken, 4));
      this.#taken = 0;
    }
    const more = stream?.take(count, this.limits.streamWindow);
    if (stream && more) this.#keep(frames.WINDOW, stream.id, uint(more, 4));
  }

  /** @param {Stream} stream */
  #closeIfDone(stream) {
    if (!stream.endedHere || !stream.endedThere) return;
    this.#streams.delete(stream.id);
    if (stream.untaken) this.#owed.set(stream.id, stream.untaken);
  }

  /**
   * @param {Frame} frame
   * @returns {Event[]}
   */
  #heardFleeting({ kind, payload }) {
    if (kind === frames.PING) this.#sayOnce(frames.PONG, payload);
    return kind === frames.PONG ? [{ type: "ponged", stream: 0, data: payload }] : [];
  }

  /**
   * @param {Frame} frame
   * @returns {Event[]}
   */
  #heard(frame) {
    const { kind, stream: id, payload } = frame;
    const read = new Reader(payload, () => broken("FrameMalformed"));
    if (kind === frames.GOAWAY) {
      this.#gone = true;
      return [{ type: "gone-away", stream: read.uint(4), code: read.uint(2) }];
    }
    if (kind === frames.WINDOW && id === 0) {
      this.#maySend = this.#widened(this.#maySend, read.uint(4));
      return [{ type: "writable", stream: 0 }];
    }
    // None for a stream that is closed already.
    const stream = this.#streams.get(id);
    if (!stream && (id > this.#last || id % 2 === 0)) throw broken("StreamMisused");
    if (kind === frames.DATA) return this.#heardData(stream, payload);
    const answer = kind === frames.HEADERS ? decodeAnswer(payload) : undefined;
    if (!stream) return [];
    switch (kind) {
      case frames.HEADERS:
        stream.hearHeaders();
        return [{ type: "answered", stream: id, answer }];
      case frames.END:
        stream.hearEnd();
        this.#closeIfDone(stream);
        return [{ type: "ended", stream: id }];
      case frames.RESET:
        this.#streams.delete(id);
        this.#take(null, stream.untaken);
        return [{ type: "reset", stream: id, code: read.uint(2) }];
      default:
        stream.maySend = this.#widened(stream.maySend, read.uint(4));
        return [{ type: "writable", stream: id }];
    }
  }

  /**
   * @param {Stream | undefined} stream
   * @param {Bytes} data
   * @returns {Event[]}
   */
  #heardData(stream, data) {
    if (!data.length) throw broken("FrameMalformed");
    this.#mayCome -= data.length;
    if (this.#mayCome < 0) throw broken("WindowExceeded");
    if (!stream) {
      this.#take(null, data.length);
      return [];
    }
    stream.hearData(data.length);
    return [{ type: "data", stream: stream.id, data }];
  }

  /**
   * @param {number} window
   * @param {number} more
   */
  #widened(window, more) {
    if (!more || window + more > MOST_WINDOW) throw broken("WindowExceeded");
    return window + more;
  }
}
