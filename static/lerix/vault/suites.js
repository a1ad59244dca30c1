/* The ways in which a password is stretched, by number. The broker sends the number only, so a broker that lies can
   make this browser stop, but not make it hash a password cheaply. A number's constants never change. */

import { refused } from "./errors.js";

/**
 * @typedef {object} Suite Argon2id version 0x13 with an output of 32 bytes (RFC 9106)
 * @property {number} saltLength
 * @property {number} iterations
 * @property {number} memoryKib
 * @property {number} lanes
 */

/** Suite 1: RFC 9106 section 4, the second recommended option. @type {ReadonlyMap<number, Readonly<Suite>>} */
const SUITES = new Map([[1, Object.freeze({ saltLength: 16, iterations: 3, memoryKib: 64 * 1024, lanes: 4 })]]);

/** The suite of new passwords. */
export const NEWEST = 1;

/**
 * The suite for a salt of its length.
 * @param {number} number
 * @param {Uint8Array} salt
 */
export function findSuite(number, salt) {
  const suite = SUITES.get(number);
  if (!suite) throw refused("suite-unknown");
  if (salt.length !== suite.saltLength) throw refused("salt-malformed");
  return suite;
}
