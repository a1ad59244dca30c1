/* Messages on their way to one Mac. Each is kept before it is sent and dropped when the Mac has answered, so that
   neither a cut nor a closed tab loses it; its key makes that the Mac takes it once, however often it comes.

   A lock by the name of the key is held while a message is on its way: other tabs leave it alone. */

import { ask, header, readAll } from "./asking.js";
import { sendsMessage } from "./paths.js";
import { GONE } from "./serving.js";

const FORM = "application/x-www-form-urlencoded";
const KEY = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/* Until then a page waits for an answer; a message that is slower waits here. Less than htmx waits. */
const PATIENCE_MS = 12_000;
/* The Mac is busy with another answer in that chat: asked again after these, the last for as long as it takes. */
const AGAIN_MS = [1000, 2000, 4000, 8000];
const BUSY = 409;
const MOST_ANSWER = 16 * 1024 * 1024;

/**
 * @typedef {import("./asking.js").Request} Request
 * @typedef {import("./drafts.js").Message} Message
 */

/** Sends and keeps the messages for one Mac. */
export class Outbox {
  #channel;
  #drafts;
  #delivering = false;
  #tries = 0;
  #again = 0;

  /**
   * @param {any} channel
   * @param {import("./drafts.js").Drafts} drafts
   * @param {{changed: () => void, delivered: (message: Message, address: string | null) => void}} tell
   */
  constructor(channel, drafts, tell) {
    this.#channel = channel;
    this.#drafts = drafts;
    this.tell = tell;
  }

  /** Stop trying. */
  close() {
    clearTimeout(this.#again);
    this.#delivering = true;
  }

  /** The messages that wait. */
  waiting() {
    return this.#drafts.waiting();
  }

  /**
   * The message that a request would send, if it is one.
   * @param {Request} request
   * @returns {Message | null}
   */
  static messageOf({ method, path, headers, body }) {
    if (method !== "POST" || !sendsMessage(path) || !header(headers, "content-type")?.startsWith(FORM) || !body)
      return null;
    const fields = Object.fromEntries(new URLSearchParams(new TextDecoder().decode(body)));
    const says = fields.text || fields.attached;
    return KEY.test(fields.key) && says ? { id: fields.key, at: Date.now(), path, fields } : null;
  }

  /**
   * Send a message for a page. If the Mac cannot be reached the page is told that it was taken, for it is kept here.
   * @param {Message} message
   * @param {Request} request
   * @returns {Promise<import("./asking.js").Answer>}
   */
  async send(message, request) {
    // A browser that cannot keep it may still send it; then the page gives the text back where that fails.
    const kept = this.#drafts.keep(message).then(
      () => true,
      () => false,
    );
    if (this.#channel.state.phase === "away") {
      if (!(await kept)) throw new TypeError("not kept");
      this.tell.changed();
      return taken(request.path);
    }
    return this.#locked(message.id, async () => {
      const cut = new AbortController();
      const late = setTimeout(() => this.#channel.state.phase !== "ready" && cut.abort("late"), PATIENCE_MS);
      // A page that is left has nobody to give the text back to: then the message goes on without it.
      const onAbort = () => request.signal?.reason !== GONE && cut.abort("page");
      request.signal?.addEventListener("abort", onAbort, { once: true });
      try {
        const answer = await ask(this.#channel, { ...request, signal: cut.signal });
        if (await kept) await this.#drafts.drop(message.id);
        return answer;
      } catch (error) {
        if (!(await kept)) throw error;
        if (cut.signal.reason === "page") {
          // The page gives the text back to whoever wrote it.
          await this.#drafts.drop(message.id);
          throw error;
        }
        this.tell.changed();
        this.#later();
        return taken(request.path);
      } finally {
        clearTimeout(late);
      }
    });
  }

  /**
   * Keep a message that was written without the page of the Mac.
   * @param {string} path
   * @param {string} text
   */
  async write(path, text) {
    const key = crypto.randomUUID();
    await this.#drafts.keep({
      id: key,
      at: Date.now(),
      path,
      fields: { text, key, access: "", model: "", effort: "" },
    });
    this.tell.changed();
    await this.deliver();
  }

  /**
   * Take a message back. Null if it is too late: it is on its way or was sent.
   * @param {string} id
   * @returns {Promise<string | null>} its text
   */
  async takeBack(id) {
    const text = await this.#locked(
      id,
      async () => {
        const message = (await this.waiting()).find((each) => each.id === id);
        if (!message) return null;
        await this.#drafts.drop(id);
        return message.fields.text;
      },
      () => null,
    );
    this.tell.changed();
    return text;
  }

  /** Send what waits, one after the other; what the Mac refuses stays, with its reason. */
  async deliver() {
    if (this.#delivering || this.#channel.state.phase !== "ready") return;
    this.#delivering = true;
    clearTimeout(this.#again);
    let busy = false;
    try {
      for (const message of await this.waiting()) {
        if (message.refused) continue;
        const status = await this.#locked(
          message.id,
          () => this.#deliver(message.id),
          () => BUSY,
        );
        busy ||= status === BUSY;
      }
      if (!busy) this.#tries = 0;
    } catch {
      busy = true; // cut: the next word of the channel, or a moment, brings us here again
    } finally {
      this.#delivering = false;
    }
    if (busy) this.#later();
  }

  /** @param {string} id */
  async #deliver(id) {
    // Read again, now that nobody else has it: another tab may have sent it, or taken it back.
    const message = (await this.waiting()).find((each) => each.id === id);
    if (!message) return 0;
    const body = new TextEncoder().encode(String(new URLSearchParams(message.fields)));
    const headers = /** @type {[string, string][]} */ ([
      ["content-type", FORM],
      ["accept", "text/html"],
      ["hx-request", "true"],
    ]);
    const answer = await ask(this.#channel, { method: "POST", path: message.path, headers, body });
    await readAll(answer.body, MOST_ANSWER);
    const { status } = answer;
    if (status >= 400) {
      const words = header(answer.headers, "x-lerix-sentence");
      const said = words ? decodeURIComponent(words) : `Your Mac did not take this message (error ${status}).`;
      const again = status === BUSY || status >= 500;
      if (message.said !== said) await this.#drafts.keep({ ...message, said, refused: !again });
      if (again) return BUSY;
    } else {
      await this.#drafts.drop(id);
      this.tell.delivered(message, header(answer.headers, "hx-push-url"));
    }
    this.tell.changed();
    return status;
  }

  #later() {
    clearTimeout(this.#again);
    const pause = AGAIN_MS[Math.min(this.#tries++, AGAIN_MS.length - 1)];
    this.#again = setTimeout(() => this.deliver(), pause);
  }

  /**
   * @template Result
   * @param {string} id
   * @param {() => Promise<Result>} work
   * @param {() => Result} [taken] where somebody else has the message; else this waits
   * @returns {Promise<Result>}
   */
  #locked(id, work, taken) {
    const options = { ifAvailable: taken !== undefined };
    const held = async (/** @type {Lock | null} */ lock) => (lock || !taken ? work() : taken());
    return /** @type {any} */ (navigator.locks.request(`lerix-message-${id}`, options, held));
  }
}

/**
 * What the Mac answers when it has taken a message: a fresh key for the next one. A new chat's page stays as it is.
 * @param {string} path
 * @returns {import("./asking.js").Answer}
 */
function taken(path) {
  const key = crypto.randomUUID();
  const html = `<hx-partial hx-target="#send-key"><input type="hidden" name="key" value="${key}"></hx-partial>`;
  const body = /** @type {ReadableStream<Uint8Array>} */ (new Response(html).body);
  return { status: 200, headers: [["content-type", "text/html; charset=utf-8"]], body, path, redirected: false };
}
