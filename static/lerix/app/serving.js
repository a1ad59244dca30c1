/* The vault's end of the port: does for one frame what its page asks, until the frame is gone. */

import { macPath } from "./paths.js";

/** Why a request is given up where not its page did so: there is no page any more. */
export const GONE = "gone";
/* So many requests of one page may run; htmx has one for each element that asks. */
const MOST_RUNNING = 64;
/* Not for a page: what belongs to the way here, or would be taken twice. */
const KEPT_BACK = new Set(["set-cookie", "location", "content-encoding", "transfer-encoding", "connection"]);
/* A page is told so often how much of a long body is on its way: after each so many bytes, and at the end. */
const TOLD_EVERY = 256 * 1024;
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);

/**
 * @typedef {import("./asking.js").Request} Request
 * @typedef {import("./asking.js").Answer} Answer
 * @typedef {{cut: AbortController, reader: ReadableStreamDefaultReader<Uint8Array> | null}} Running
 */

/** Serves one frame. */
export class Serving {
  #port;
  #fetch;
  #on;
  #running = /** @type {Map<number, Running>} */ (new Map());

  /**
   * @param {MessagePort} port
   * @param {(request: Request) => Promise<Answer>} fetch
   * @param {Record<string, (message: any) => void>} on what else the frame says, by kind
   */
  constructor(port, fetch, on) {
    this.#port = port;
    this.#fetch = fetch;
    this.#on = on;
    port.onmessage = ({ data }) => this.#take(data);
  }

  /**
   * Tell the frame something.
   * @param {any} message
   * @param {Transferable[]} [transfer]
   */
  say(message, transfer = []) {
    this.#port.postMessage(message, transfer);
  }

  /** The frame is gone: nobody reads any more. */
  close() {
    this.#port.onmessage = null;
    this.#port.close();
    for (const id of [...this.#running.keys()]) this.#cancel(id, GONE);
  }

  /** @param {any} message whatever the frame says: it is not trusted to say it well */
  #take(message) {
    if (typeof message !== "object" || message === null) return;
    const { kind, id } = message;
    if (kind === "fetch") this.#ask(message);
    else if (kind === "pull") this.#pull(id);
    else if (kind === "cancel") this.#cancel(id);
    else if (Object.hasOwn(this.#on, kind)) this.#on[kind](message);
  }

  /** @param {any} message */
  async #ask({ id, method, path, headers, body }) {
    const cut = new AbortController();
    const running = { cut, reader: null };
    const own = typeof path === "string" ? macPath(path) : null;
    const listed = Array.isArray(headers) && headers.length <= 64 && headers.every(isHeader);
    const isBody = body === null || body instanceof Uint8Array;
    if (own === null || !METHODS.has(method) || !listed || !isBody || this.#running.has(id)) return this.#fail(id);
    if (this.#running.size >= MOST_RUNNING) return this.#fail(id);
    this.#running.set(id, running);
    try {
      const onsent = this.#teller(id, body);
      const answer = await this.#fetch({ method, path: own, headers, body, signal: cut.signal, onsent });
      if (!this.#running.has(id)) {
        await answer.body?.cancel();
        return;
      }
      const empty = method === "HEAD" || [204, 205, 304].includes(answer.status);
      const passed = answer.headers.filter(([name]) => !KEPT_BACK.has(name.toLowerCase()));
      this.say({
        kind: "head",
        id,
        status: answer.status,
        headers: passed,
        path: answer.path,
        redirected: answer.redirected,
        empty,
      });
      if (empty) {
        this.#running.delete(id);
        await answer.body?.cancel();
      } else {
        /** @type {Running} */ (running).reader = answer.body.getReader();
      }
    } catch {
      if (this.#running.delete(id)) this.#fail(id);
    }
  }

  /**
   * Tells the page how much of its body has gone, where that is long.
   * @param {number} id
   * @param {Uint8Array | null} body
   */
  #teller(id, body) {
    const whole = body?.length ?? 0;
    let told = 0;
    return (/** @type {number} */ bytes) => {
      if (whole < TOLD_EVERY || (bytes < whole && bytes - told < TOLD_EVERY)) return;
      told = bytes;
      if (this.#running.has(id)) this.say({ kind: "sent", id, bytes });
    };
  }

  /** @param {number} id */
  async #pull(id) {
    const reader = this.#running.get(id)?.reader;
    if (!reader) return;
    try {
      const { done, value } = await reader.read();
      if (!this.#running.has(id)) return;
      if (done) {
        this.#running.delete(id);
        this.say({ kind: "end", id });
        return;
      }
      const whole = value.byteOffset === 0 && value.byteLength === value.buffer.byteLength;
      const bytes = whole ? value.buffer : value.slice().buffer;
      this.say({ kind: "chunk", id, bytes }, [bytes]);
    } catch {
      if (this.#running.delete(id)) this.#fail(id);
    }
  }

  /**
   * @param {number} id
   * @param {string} [reason]
   */
  #cancel(id, reason) {
    const running = this.#running.get(id);
    this.#running.delete(id);
    running?.cut.abort(reason);
    running?.reader?.cancel().catch(() => {});
  }

  /** @param {number} id */
  #fail(id) {
    this.say({ kind: "fail", id });
  }
}

/** @param {any} pair */
function isHeader(pair) {
  return (
    Array.isArray(pair) && pair.length === 2 && pair.every((text) => typeof text === "string" && text.length < 8192)
  );
}
