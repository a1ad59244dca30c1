/* Checks of what came from the broker, in one place. */

import { refused } from "./errors.js";

/**
 * The value, if it has that many bytes.
 * @param {import("./bytes.js").Bytes} value
 * @param {number} length
 */
export function exact(value, length) {
  if (!(value instanceof Uint8Array) || value.length !== length) throw refused("answer-malformed");
  return value;
}
