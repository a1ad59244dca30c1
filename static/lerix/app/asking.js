/* One request of a page to the Mac, and the redirects after it. */

import { hex } from "../vault/bytes.js";
import { macPath } from "./paths.js";

const MOST_REDIRECTS = 10;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/* What a page may say to the Mac, which takes no more than this either. */
const HEADERS = new Set(["accept", "accept-language", "content-type", "if-none-match", "last-event-id"]);
const SAFE = new Set(["GET", "HEAD"]);

/**
 * @typedef {object} Request
 * @property {string} method
 * @property {string} path
 * @property {[string, string][]} headers
 * @property {Uint8Array | null} body
 * @property {AbortSignal} [signal]
 * @property {(bytes: number) => void} [onsent] told how many bytes of the body are on their way by now
 * @typedef {object} Answer
 * @property {number} status
 * @property {[string, string][]} headers
 * @property {ReadableStream<Uint8Array>} body
 * @property {string} path after redirects
 * @property {boolean} redirected
 */

/** A request that leads nowhere: to another site, or round and round. */
export class LedAstray extends Error {}

/**
 * Ask the Mac. Throws ChannelError, LedAstray, or the signal's reason.
 * @param {any} channel
 * @param {Request} request
 * @returns {Promise<Answer>}
 */
export async function ask(channel, request) {
  let { method, path, body } = request;
  const { signal, onsent } = request;
  let headers = request.headers.filter(([name]) => HEADERS.has(name) || name.startsWith("hx-"));
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    const idem = SAFE.has(method) ? null : hex(crypto.getRandomValues(new Uint8Array(16)));
    const sized = /** @type {[string, string][]} */ (
      body ? [...headers, ["content-length", String(body.length)]] : headers
    );
    const answer = await channel.request({ method, path, headers: sized, idem, body, signal, onsent });
    const target = header(answer.headers, "location");
    if (!REDIRECTS.has(answer.status) || target === null) return { ...answer, path, redirected: redirects > 0 };
    await answer.body?.cancel();
    const next = macPath(target, path);
    if (next === null) throw new LedAstray(target.slice(0, 200));
    path = next;
    if (answer.status === 307 || answer.status === 308 || SAFE.has(method)) continue;
    method = "GET";
    body = null;
    headers = headers.filter(([name]) => name !== "content-type");
  }
  throw new LedAstray("too many redirects");
}

/**
 * @param {[string, string][]} headers
 * @param {string} name in lower case
 */
export function header(headers, name) {
  return headers.find((pair) => pair[0].toLowerCase() === name)?.[1] ?? null;
}

/**
 * Read a body to its end; throws RangeError for one that is longer than `most` bytes.
 * @param {ReadableStream<Uint8Array>} body
 * @param {number} most
 */
export async function readAll(body, most) {
  const reader = body.getReader();
  const parts = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts);
    length += value.length;
    if (length > most) {
      await reader.cancel();
      throw new RangeError("too long");
    }
    parts.push(/** @type {Uint8Array<ArrayBuffer>} */ (value));
  }
}
