/* What the vault keeps of messages, and where. */

import { Drafts } from "../lerix/app/drafts.js";
import { transact } from "../lerix/vault/database.js";

const PLACE = { database: "lerix-drafts", store: "drafts", options: { keyPath: ["host", "kind", "id"] } };

async function opened(host) {
  const key = await crypto.subtle.importKey("raw", new Uint8Array(32), "HKDF", false, ["deriveKey", "deriveBits"]);
  return Drafts.open({ account: new Uint8Array(16), workspace: { keys: [key] } }, host);
}

const checks = {
  /* Keep a message and a field of each path; say what is there, what an other visit finds, and what lies on the disk. */
  async kept({ paths }) {
    const drafts = await opened("mac");
    for (const [number, path] of paths.entries()) {
      await drafts.keep({ id: `key-${number}`, at: number, path, fields: { text: `sent to ${path}` } });
      await drafts.keepTyped(path, `typed at ${path}`);
    }
    const later = await opened("mac");
    const records = await transact(PLACE, "readonly", (store) => store.getAll());
    const found = {
      waiting: (await drafts.waiting()).map((message) => message.path),
      typed: await Promise.all(paths.map((path) => drafts.typed(path))),
      later: (await later.waiting()).map((message) => message.path),
      laterTyped: await Promise.all(paths.map((path) => later.typed(path))),
      onDisk: records.map((record) => [record.kind, record.id]),
    };
    for (const number of paths.keys()) await drafts.drop(`key-${number}`);
    return { ...found, left: (await drafts.waiting()).length };
  },
};

export async function run(name, given) {
  return checks[name](given);
}
