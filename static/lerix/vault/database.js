/* One store of IndexedDB in a database of its own, opened for each transaction, so that no page holds it against a newer
   one. */

import { refused } from "./errors.js";

/**
 * @typedef {object} Place
 * @property {string} database
 * @property {string} store
 * @property {IDBObjectStoreParameters} [options] how the store is made
 */

/**
 * Do something in one transaction, and give the result of its request once it is on the disk. Throws what the browser
 * says, as a DOMException.
 * @template Result
 * @param {Place} place
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest<Result>} work
 * @returns {Promise<Result>}
 */
export async function transact(place, mode, work) {
  const database = await open(place);
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(place.store, mode, { durability: "strict" });
      const request = work(transaction.objectStore(place.store));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

/**
 * The same. Throws "storage-unusable", whatever the reason.
 * @template Result
 * @param {Place} place
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest<Result>} work
 * @returns {Promise<Result>}
 */
export async function inStore(place, mode, work) {
  try {
    return await transact(place, mode, work);
  } catch {
    throw refused("storage-unusable");
  }
}

/**
 * @param {Place} place
 * @returns {Promise<IDBDatabase>}
 */
function open({ database, store, options }) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(database, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(store, options);
    opening.onerror = () => reject(opening.error);
    // A newer page in another tab holds it: it must not wait for this one for ever.
    opening.onblocked = () => reject(new DOMException("blocked"));
    opening.onsuccess = () => {
      opening.result.onversionchange = () => opening.result.close();
      resolve(opening.result);
    };
  });
}
