/* The port to the vault, which is all that a page here can reach, and the `fetch` that goes through it.

       frame → vault   fetch {id, method, path, headers, body}   pull {id}   cancel {id}
       vault → frame   head {id, status, headers, path, redirected, empty}   chunk {id, bytes}   end {id}   fail {id}
                       sent {id, bytes}

   A chunk comes for each `pull` and not before: as slowly as a page reads, as slowly the Mac sends. `fetch` takes
   `onsent` beside what browsers know: it is told how many bytes of a long body are on their way. */

import { encode } from "./encode.js";

const EMPTY = new Set([204, 205, 304]);
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);

/**
 * @typedef {object} Asked a request that runs
 * @property {(head: any) => void} onHead
 * @property {(reason: any) => void} fail
 * @property {(bytes: ArrayBuffer | null) => void} onChunk null at the end
 * @property {(bytes: number) => void} [onSent]
 */

/** Speaks to the vault. `on` has what else the vault may say, by kind. */
export class Port {
  #post;
  #place;
  #asked = /** @type {Map<number, Asked>} */ (new Map());
  #last = 0;
  on = /** @type {Record<string, (message: any) => void>} */ ({});

  /**
   * @param {MessagePort} port
   * @param {import("./place.js").Place} place
   */
  constructor(port, place) {
    // Bound now: whoever replaces the method later does not get the port.
    this.#post = port.postMessage.bind(port);
    this.#place = place;
    port.onmessage = ({ data }) => this.#take(data);
  }

  /**
   * Tell the vault something.
   * @param {any} message
   * @param {Transferable[]} [transfer]
   */
  say(message, transfer = []) {
    this.#post(message, transfer);
  }

  /** `fetch` as pages know it, for addresses of the Mac. @type {typeof fetch} */
  fetch = async (input, init = {}) => {
    const request = input instanceof Request ? input : null;
    const { method = request?.method ?? "GET", signal = request?.signal ?? null } = init;
    const url = new URL(request ? request.url : String(input), document.baseURI);
    const verb = method.toUpperCase();
    if (url.origin !== location.origin || !METHODS.has(verb)) throw failed();
    signal?.throwIfAborted();
    const { bytes, type } = await encode(init.body ?? (request && verb !== "GET" ? await request.arrayBuffer() : null));
    const headers = new Headers(init.headers ?? request?.headers);
    if (type && !headers.has("content-type")) headers.set("content-type", type);
    if (headers.has("hx-current-url")) headers.set("hx-current-url", this.#place.url);
    signal?.throwIfAborted();
    const { onsent } = /** @type {any} */ (init);
    const asked = { method: verb, path: url.pathname + url.search, headers: [...headers], body: bytes };
    return this.#ask(asked, signal, typeof onsent === "function" ? onsent : undefined);
  };

  /**
   * @param {{method: string, path: string, headers: [string, string][], body: Uint8Array | null}} request
   * @param {AbortSignal | null} signal
   * @param {(bytes: number) => void} [onSent]
   * @returns {Promise<Response>}
   */
  #ask(request, signal, onSent) {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      const body = new Body(
        () => this.say({ kind: "pull", id }),
        () => this.#cancel(id),
      );
      const onAbort = () => {
        this.#cancel(id);
        reject(signal?.reason);
        body.fail(signal?.reason);
      };
      const done = () => {
        this.#asked.delete(id);
        signal?.removeEventListener("abort", onAbort);
      };
      this.#asked.set(id, {
        onHead: (head) => {
          resolve(response(head, body.stream));
          if (isEmpty(head)) done();
        },
        onChunk: (bytes) => {
          if (bytes === null) done();
          body.take(bytes);
        },
        onSent,
        fail: (reason) => {
          done();
          reject(reason);
          body.fail(reason);
        },
      });
      signal?.addEventListener("abort", onAbort, { once: true });
      this.say({ kind: "fetch", id, ...request }, request.body ? [request.body.buffer] : []);
    });
  }

  /** @param {number} id */
  #cancel(id) {
    if (this.#asked.delete(id)) this.say({ kind: "cancel", id });
  }

  /** @param {any} message */
  #take(message) {
    const asked = this.#asked.get(message.id);
    if (message.kind === "head") asked?.onHead(message);
    else if (message.kind === "chunk") asked?.onChunk(message.bytes);
    else if (message.kind === "sent") asked?.onSent?.(message.bytes);
    else if (message.kind === "end") asked?.onChunk(null);
    else if (message.kind === "fail") asked?.fail(failed());
    else this.on[message.kind]?.(message);
  }
}

/** A body that asks for one chunk at a time. */
class Body {
  /** @type {ReadableStreamDefaultController | undefined} */
  #controller;
  /** @type {(() => void) | null} */
  #came = null;

  /**
   * @param {() => void} pull
   * @param {() => void} cancel
   */
  constructor(pull, cancel) {
    this.stream = new ReadableStream(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () =>
          new Promise((resolve) => {
            this.#came = () => resolve(undefined);
            pull();
          }),
        cancel,
      },
      { highWaterMark: 0 },
    );
  }

  /** @param {ArrayBuffer | null} bytes */
  take(bytes) {
    try {
      if (bytes) this.#controller?.enqueue(new Uint8Array(bytes));
      else this.#controller?.close();
    } catch {
      // cancelled meanwhile
    }
    this.#came?.();
  }

  /** @param {any} reason */
  fail(reason) {
    try {
      this.#controller?.error(reason);
    } catch {
      // ended already
    }
    this.#came?.();
  }
}

/** @param {any} head */
function isEmpty(head) {
  return head.empty || EMPTY.has(head.status);
}

/**
 * @param {any} head
 * @param {ReadableStream} stream
 */
function response(head, stream) {
  const made = new Response(isEmpty(head) ? null : stream, { status: head.status, headers: head.headers });
  Object.defineProperties(made, {
    url: { value: location.origin + head.path },
    redirected: { value: head.redirected },
  });
  return made;
}

/** What `fetch` throws where there is no network; Chromium's words, which say it is not a fault of the page. */
function failed() {
  return new TypeError("Failed to fetch");
}
