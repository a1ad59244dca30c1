/* The payload of HEADERS: a request, or the beginning of an answer, as compact JSON.

       request  {"m": "POST", "p": "/path?query", "h": [["name", "value"], ...], "i": "32 hexadecimal digits" | null}
       answer   {"s": 200, "h": [["name", "value"], ...]}

   `i` names a request that changes something, so that it is carried out once however often it is sent. */

import { fromUtf8, utf8 } from "./bytes.js";
import { MAX_PAYLOAD } from "./frames.js";
import { broken } from "./protocol-errors.js";

/**
 * @typedef {import("./bytes.js").Bytes} Bytes
 * @typedef {readonly (readonly [string, string])[]} Headers
 * @typedef {object} Request
 * @property {string} method
 * @property {string} path
 * @property {Headers} headers
 * @property {string | null} idem there for every method but GET and HEAD
 * @typedef {{status: number, headers: Headers}} Answer
 */

const MOST_HEADERS = 64;
const METHOD = /^[A-Z]{1,16}$/;
/* An absolute path without a host, without blanks and control characters. */
const PATH = /^\/(?!\/)[!-~]*$/;
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]{1,128}$/;
const VALUE = /^[\t -~\x80-\xff]*$/;
const IDEM = /^[0-9a-f]{32}$/;

/**
 * Write a request. Throws HeadersTooLarge, FrameMalformed.
 * @param {Request} request
 * @returns {Bytes}
 */
export function encodeRequest({ method, path, headers, idem }) {
  const payload = utf8(JSON.stringify({ m: method, p: path, h: headers, i: idem }));
  if (payload.length > MAX_PAYLOAD) throw broken("HeadersTooLarge");
  const named = idem === null ? method === "GET" || method === "HEAD" : IDEM.test(idem);
  // What the host would not take is not sent.
  if (!METHOD.test(method) || !PATH.test(path) || !named || (idem !== null && /^(?:GET|HEAD)$/.test(method))) {
    throw broken("FrameMalformed");
  }
  readHeaders(headers);
  return payload;
}

/**
 * Read the beginning of an answer. Throws FrameMalformed, HeadersTooLarge.
 * @param {Bytes} payload
 * @returns {Answer}
 */
export function decodeAnswer(payload) {
  /** @type {any} */
  let value;
  try {
    value = JSON.parse(fromUtf8(payload));
  } catch {
    throw broken("FrameMalformed");
  }
  const isObject = value !== null && typeof value === "object" && !Array.isArray(value);
  if (!isObject || Object.keys(value).sort().join() !== "h,s") throw broken("FrameMalformed");
  const { s: status, h: headers } = value;
  if (!Number.isInteger(status) || status < 200 || status > 599) throw broken("FrameMalformed");
  return { status, headers: readHeaders(headers) };
}

/**
 * @param {any} value
 * @returns {Headers}
 */
function readHeaders(value) {
  if (!Array.isArray(value)) throw broken("FrameMalformed");
  if (value.length > MOST_HEADERS) throw broken("HeadersTooLarge");
  for (const pair of value) {
    const isPair = Array.isArray(pair) && pair.length === 2 && pair.every((part) => typeof part === "string");
    if (!isPair || !NAME.test(pair[0]) || !VALUE.test(pair[1])) throw broken("FrameMalformed");
  }
  return value;
}
