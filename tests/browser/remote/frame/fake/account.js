/* Stands in for app/account.js: an account that the test's own server names. */

import { unhex } from "../vault/bytes.js";
import { derivingKey } from "../vault/primitives.js";

export async function openAccount() {
  const told = await (await fetch("/api/1/test/account")).json();
  if (!told) return null;
  const keys = [await derivingKey(unhex(told.key))];
  const macs = told.macs.map(({ id, name }) => ({ id, name, device: { public: { id: unhex(id) } } }));
  return { member: { account: unhex(told.account), workspace: { keys } }, macs, refresh: async () => null };
}
