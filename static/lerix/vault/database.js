/* One store of IndexedDB in a database of its own, opened for each transaction, so that no page holds it against a newer
   one. */

import { refused } from "./errors.js";

/* How long a browser may take to open a database, and again for what is done in it. Some never answer, after a page was
   closed in the middle of its work: then there is nothing to be had, and what nobody needs must not hold up a page. */
const PATIENCE_MS = 8_000;

/**
 * @typedef {object} Place
 * @property {string} database
 * @property {string} store
 * @property {IDBObjectStoreParameters} [options] how the store is made
 */

/**
 * Do something in one transaction, and give the result of its request once it is on the disk. Throws what the browser
 * says, as a DOMException: TimeoutError where it does not answer; then nothing was done, or it is on its
 * way to the disk.
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
      const late = setTimeout(() => {
        reject(noAnswer());
        try {
          transaction.abort();
        } catch {
          // on its way to the disk already
        }
      }, PATIENCE_MS);
      transaction.oncomplete = () => {
        clearTimeout(late);
        resolve(request.result);
      };
      transaction.onabort = transaction.onerror = () => {
        clearTimeout(late);
        reject(transaction.error);
      };
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
    let isLate = false;
    const late = setTimeout(() => {
      isLate = true;
      reject(noAnswer());
    }, PATIENCE_MS);
    opening.onupgradeneeded = () => opening.result.createObjectStore(store, options);
    opening.onerror = () => {
      clearTimeout(late);
      reject(opening.error);
    };
    // A newer page in another tab holds it: it must not wait for this one for ever.
    opening.onblocked = () => {
      clearTimeout(late);
      reject(new DOMException("blocked"));
    };
    opening.onsuccess = () => {
      clearTimeout(late);
      if (isLate) return opening.result.close();
      opening.result.onversionchange = () => opening.result.close();
      resolve(opening.result);
    };
  });
}

function noAnswer() {
  return new DOMException("The browser's database does not answer.", "TimeoutError");
}
