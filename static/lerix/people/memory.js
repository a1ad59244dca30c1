/* What this browser remembers beside the keys in vault/store.js: no secret.

       joining     the keys there are those of a device of which it is not known whether the broker took it
       removed     whose device this was until it was removed, and what it had seen of the account
       told        number of the last entry of the log whose news a person has heard
       distrusted  a signing key that a person has refused
       recovered   the recovery key was used to get in

   A device is `joining` before its keys are stored, and no longer once the broker has it; so wherever that breaks off,
   the next page finds out. */

import { inStore } from "../vault/database.js";

/**
 * @typedef {import("../vault/bytes.js").Bytes} Bytes
 * @typedef {object} Memory
 * @property {boolean} joining
 * @property {{account: Bytes, email: string, known: import("../vault/log.js").Known} | null} removed
 * @property {number} told
 * @property {Bytes | null} distrusted
 * @property {boolean} recovered
 */

const PLACE = { database: "lerix-people", store: "memory" };
const RECORD = "own";
/** @type {Readonly<Memory>} */
const NOTHING = Object.freeze({ joining: false, removed: null, told: 0, distrusted: null, recovered: false });
/* Milliseconds that other pages have to let go of a database. */
const PATIENCE = 2000;

/**
 * What is remembered. Throws "storage-unusable".
 * @returns {Promise<Memory>}
 */
export async function recall() {
  return read(await inStore(PLACE, "readonly", (store) => store.get(RECORD)));
}

/**
 * Change some of it.
 * @param {Partial<Memory>} changes
 */
export async function remember(changes) {
  await inStore(PLACE, "readwrite", (store) => {
    const asked = store.get(RECORD);
    asked.onsuccess = () => store.put({ ...read(asked.result), ...changes }, RECORD);
    return asked;
  });
}

/** Remove everything that this address has stored in this browser, whatever page did. */
export async function wipeAll() {
  localStorage.clear();
  sessionStorage.clear();
  const found = await indexedDB.databases();
  await Promise.all(found.map(({ name }) => remove(/** @type {string} */ (name))));
}

/**
 * @param {string} name
 * @returns {Promise<void>}
 */
function remove(name) {
  return new Promise((resolve) => {
    const removing = indexedDB.deleteDatabase(name);
    removing.onsuccess = removing.onerror = () => resolve();
    // A page that still uses it ends with it; it is removed then.
    setTimeout(resolve, PATIENCE);
  });
}

/**
 * @param {any} record
 * @returns {Memory}
 */
function read(record) {
  return typeof record === "object" && record !== null ? { ...NOTHING, ...record } : { ...NOTHING };
}
