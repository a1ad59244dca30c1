/* Whether this browser can keep keys that nothing can export. There is no second way for one that cannot: keys made by
   a script could be read by a script. This module runs in old browsers, too. */

const SENTENCES = Object.freeze({
  insecure:
    "Lerix cannot make keys here, because this address is not secure. Nothing was sent. Open it with https:// in " +
    "front.",
  old:
    "This browser is too old to keep Lerix’s keys safe. Nothing was sent. Use Chrome 137, Edge 137, Firefox 130 or " +
    "Safari 17, or a newer one.",
  storage:
    "This browser does not keep data for this page, so it cannot be signed in. Nothing was sent. Allow site data for " +
    "this address, or leave the private window.",
});

const PROBE = "lerix-probe";
/* Some browsers never answer after a page was closed in the middle of its work. */
const PATIENCE_MS = 8_000;

/**
 * Why this browser cannot be used, as a sentence to show; null if it can.
 * @returns {Promise<string | null>}
 */
export async function whyNot() {
  if (!globalThis.isSecureContext || !globalThis.crypto?.subtle) return SENTENCES.insecure;
  if (!globalThis.WebAssembly || !globalThis.Worker) return SENTENCES.old;
  let key;
  try {
    const agreement = await crypto.subtle.generateKey({ name: "X25519" }, false, ["deriveBits"]);
    await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
    key = /** @type {CryptoKeyPair} */ (agreement).privateKey;
  } catch {
    return SENTENCES.old;
  }
  return (await keeps(key)) ? null : SENTENCES.storage;
}

/**
 * Whether a key that was written to IndexedDB can be had back.
 * @param {CryptoKey} key
 * @returns {Promise<boolean>}
 */
async function keeps(key) {
  if (!globalThis.indexedDB) return false;
  try {
    return await new Promise((resolve) => {
      const opening = indexedDB.open(PROBE, 1);
      setTimeout(resolve, PATIENCE_MS, false);
      opening.onupgradeneeded = () => opening.result.createObjectStore(PROBE);
      opening.onerror = opening.onblocked = () => resolve(false);
      opening.onsuccess = () => {
        const database = opening.result;
        try {
          const transaction = database.transaction(PROBE, "readwrite");
          const store = transaction.objectStore(PROBE);
          store.put(key, 1);
          const read = store.get(1);
          store.clear();
          transaction.onabort = () => resolve(false);
          transaction.oncomplete = () => resolve(read.result instanceof CryptoKey);
        } catch {
          resolve(false); // a browser that keeps no keys says so here
        } finally {
          database.close(); // which waits for the transaction
        }
      };
    });
  } catch {
    return false;
  }
}
