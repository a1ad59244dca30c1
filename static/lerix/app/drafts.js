/* What was written while the Mac was away, and what stands in a message field: kept in this browser until the Mac has
   it, sealed by a key of the account, so that without the account nobody can read it. Of temporary chats it is kept in
   the memory of this tab only.

       key     = HKDF(WK_0, "lerix/browser-drafts/1" ‖ account 16)
       bound   = kind ‖ "/" ‖ Mac ‖ "/" ‖ id, in UTF-8
       record  = {id, kind, host, at, nonce 12, sealed}      id: of a message its key, of a field the page's path */

import { NONCE, concat, fromUtf8, utf8 } from "../vault/bytes.js";
import { transact } from "../vault/database.js";
import { SYSTEM, hkdfSealing, seal, unseal } from "../vault/primitives.js";

/** @typedef {import("../vault/bytes.js").Bytes} Bytes */

import { isTemporary } from "./paths.js";

const PLACE = { database: "lerix-drafts", store: "drafts", options: { keyPath: ["host", "kind", "id"] } };
/** A message that waits for the Mac, and the text in a field. */
export const MESSAGE = "message";
const TYPED = "typed";
/* Texts of fields that nobody has come back to for so long are dropped. */
const TYPED_MS = 30 * 24 * 3600 * 1000;

/**
 * @typedef {object} Message
 * @property {string} id its key, by which the Mac takes it once
 * @property {number} at when it was written, in ms
 * @property {string} path where it is sent
 * @property {Record<string, string>} fields the Mac's own form
 * @property {string} [said] what the Mac said when it did not take it
 * @property {boolean} [refused] whether it is not sent again by itself
 */

/** What is kept for one Mac. */
export class Drafts {
  #key;
  #host;
  /* Of temporary chats, by kind and id. */
  #fleeting = /** @type {Map<string, any>} */ (new Map());
  /* What is typed and not on the disk yet, by path: one after the other is written, and of each the newest. */
  #typed = /** @type {Map<string, string>} */ (new Map());
  #writing = /** @type {Promise<void> | null} */ (null);

  /**
   * @param {CryptoKey} key
   * @param {string} host
   */
  constructor(key, host) {
    this.#key = key;
    this.#host = host;
  }

  /**
   * @param {{account: Bytes, workspace: {keys: readonly CryptoKey[]}}} member
   * @param {string} host
   */
  static async open({ account, workspace }, host) {
    const key = await hkdfSealing(workspace.keys[0], concat(utf8("lerix/browser-drafts/1"), account));
    return new Drafts(key, host);
  }

  /**
   * Keep a message, on the disk when this is fulfilled.
   * @param {Message} message
   */
  async keep({ id, at, ...rest }) {
    if (isTemporary(rest.path)) this.#fleeting.set(`${MESSAGE}/${id}`, { id, at, ...rest });
    else await this.#put(MESSAGE, id, at, rest);
  }

  /**
   * The messages that wait, oldest first. What cannot be opened is not there.
   * @returns {Promise<Message[]>}
   */
  async waiting() {
    const records = await transact(PLACE, "readonly", (store) => store.getAll());
    const own = records.filter(({ kind, host }) => kind === MESSAGE && host === this.#host);
    const opened = await Promise.all(own.map(async (record) => ({ record, value: await this.#open(record) })));
    const messages = opened
      .filter(({ value }) => value !== null)
      .map(({ record, value }) => ({
        id: record.id,
        at: record.at,
        ...value,
      }));
    const fleeting = [...this.#fleeting].filter(([name]) => name.startsWith(`${MESSAGE}/`));
    return [...messages, ...fleeting.map(([, message]) => message)].sort((one, other) => one.at - other.at);
  }

  /** @param {string} id */
  async drop(id) {
    if (this.#fleeting.delete(`${MESSAGE}/${id}`)) return;
    await transact(PLACE, "readwrite", (store) => store.delete([this.#host, MESSAGE, id]));
  }

  /**
   * Keep what is typed on a page; "" forgets it.
   * @param {string} path
   * @param {string} text
   */
  async keepTyped(path, text) {
    if (isTemporary(path)) {
      this.#fleeting.set(`${TYPED}/${path}`, text);
      return;
    }
    this.#typed.set(path, text);
    this.#writing ??= this.#write().finally(() => (this.#writing = null));
    await this.#writing;
  }

  /* To seal a text takes longer than to forget it: at the same time, what was sent would come back. */
  async #write() {
    const failed = [];
    for (let next = first(this.#typed); next; next = first(this.#typed)) {
      const [path, text] = next;
      try {
        if (text) await this.#put(TYPED, path, Date.now(), { text });
        else await transact(PLACE, "readwrite", (store) => store.delete([this.#host, TYPED, path]));
      } catch (error) {
        failed.push(error);
      }
      if (this.#typed.get(path) === text) this.#typed.delete(path);
    }
    if (failed.length) throw failed[0];
  }

  /**
   * What was typed on a page and not sent.
   * @param {string} path
   * @returns {Promise<string>}
   */
  async typed(path) {
    if (isTemporary(path)) return this.#fleeting.get(`${TYPED}/${path}`) ?? "";
    const newest = this.#typed.get(path);
    if (newest !== undefined) return newest;
    const record = await transact(PLACE, "readonly", (store) => store.get([this.#host, TYPED, path]));
    if (!record || Date.now() - record.at > TYPED_MS) return "";
    return (await this.#open(record))?.text ?? "";
  }

  /**
   * @param {string} kind
   * @param {string} id
   * @param {number} at
   * @param {any} value
   */
  async #put(kind, id, at, value) {
    const nonce = await SYSTEM.take(NONCE);
    const sealed = await seal(this.#key, nonce, utf8(JSON.stringify(value)), this.#bound(kind, id));
    const record = { host: this.#host, kind, id, at, nonce, sealed };
    await transact(PLACE, "readwrite", (store) => store.put(record));
  }

  /** @param {any} record */
  async #open({ kind, id, nonce, sealed }) {
    const plain = await unseal(this.#key, nonce, sealed, this.#bound(kind, id));
    return plain && JSON.parse(fromUtf8(plain));
  }

  /**
   * @param {string} kind
   * @param {string} id
   */
  #bound(kind, id) {
    return utf8(`${kind}/${this.#host}/${id}`);
  }
}

/**
 * @param {Map<string, string>} map
 * @returns {[string, string] | undefined}
 */
function first(map) {
  return map.entries().next().value;
}
