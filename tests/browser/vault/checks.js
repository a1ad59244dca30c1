/* What the tests do in the page. Everything goes in and out as JSON, bytes as hex; what a test needs again stays in
   `things` by a name. */

import { concat, hex, uint, unhex, utf8 } from "../lerix/vault/bytes.js";
import * as bundles from "../lerix/vault/bundle.js";
import { DeviceKeys } from "../lerix/vault/device.js";
import * as entriesModule from "../lerix/vault/entries.js";
import { CODES, KeysError } from "../lerix/vault/errors.js";
import { follow } from "../lerix/vault/following.js";
import * as logs from "../lerix/vault/log.js";
import * as names from "../lerix/vault/names.js";
import { Cipher, Initiator } from "../lerix/vault/noise.js";
import * as primitives from "../lerix/vault/primitives.js";
import { ProtocolError } from "../lerix/vault/protocol-errors.js";
import { RecoveryKey, groupsToRetype } from "../lerix/vault/recovery.js";
import * as store from "../lerix/vault/store.js";
import { Workspace } from "../lerix/vault/workspace.js";
import { handing, primitiveChecks } from "./primitives.js";

const things = new Map();

/* Randomness that is the same each time: SHA-256(label ‖ u64 counter), as tests/relay/keys/fixed.py has it. */
export class Fixed {
  #label;
  #counter = 0;
  #left = new Uint8Array();

  constructor(label) {
    this.#label = utf8(label);
  }

  async take(count) {
    while (this.#left.length < count) {
      this.#left = concat(this.#left, await primitives.sha256(this.#label, uint(this.#counter++, 8)));
    }
    const taken = this.#left.slice(0, count);
    this.#left = this.#left.slice(count);
    return taken;
  }

  async agreementPair() {
    return primitives.agreementPair(await this.take(32));
  }

  async signingPair() {
    return primitives.signingPair(await this.take(32));
  }
}

export async function run(name, given) {
  return caught(() => checks[name](given));
}

export async function caught(work) {
  try {
    return toJson(await work());
  } catch (error) {
    if (error instanceof KeysError || error instanceof ProtocolError) {
      const { code, digits } = error;
      return digits ? { error: code, digits, signingKey: hex(error.signingKey) } : { error: code };
    }
    throw error;
  }
}

export function toJson(value) {
  if (value instanceof Uint8Array) return hex(value);
  if (value instanceof CryptoKey) return "key";
  if (value instanceof Map) return toJson([...value]);
  if (Array.isArray(value)) return value.map(toJson);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, toJson(each)]));
  }
  return value ?? null;
}

async function passwordKeys({ auth, wrap, suite, salt }) {
  return { auth: unhex(auth), wrap: await primitives.sealingKey(unhex(wrap)), suite, salt: unhex(salt) };
}

async function device({ id, agreement_private, signing_seed }) {
  const agreement = await primitives.agreementPair(unhex(agreement_private));
  return new DeviceKeys(unhex(id), agreement, await primitives.signingPair(unhex(signing_seed)));
}

const workspaceOf = (keys) => Workspace.from(keys.map((key) => unhex(key)));

function knownOf(known) {
  return known && { ...known, head: unhex(known.head), signingKey: unhex(known.signingKey) };
}

export function updateOf(update) {
  return { ...update.bundle, ...update, bundle: null };
}

function holds(bundle) {
  const { seed, signingKey, recoveryPublic, n, head, workspace, revision } = bundle;
  return { seed, signingKey, recoveryPublic, n, head, workspace, revision };
}

function said(log) {
  const { n, head, epoch, signingKeys, active } = log;
  const devices = [...log.devices.values()].map((each) => ({ ...each, public: each.public.id }));
  return { n, head, epoch, signingKeys, devices, active: active.map((each) => each.public.id) };
}

/* Change each byte of `data` (or those of `places`) and tell what each change leads to. */
async function flipped(data, places, open) {
  const found = [];
  for (const at of places ?? data.keys()) {
    const changed = data.slice();
    changed[at] ^= at % 2 ? 0x80 : 0x01;
    const out = await caught(() => open(changed));
    found.push(out?.error ?? "opened");
  }
  return found;
}

async function refusesExport(key) {
  const formats = ["raw", "pkcs8", "spki", "jwk", "raw-secret", "raw-private", "raw-seed"];
  const tried = formats.map((format) =>
    crypto.subtle.exportKey(format, key).then(
      () => `${format} given`,
      () => "",
    ),
  );
  const wrapping = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["wrapKey"]);
  for (const format of ["raw", "pkcs8", "jwk"]) {
    const wrapped = crypto.subtle.wrapKey(format, key, wrapping, { name: "AES-GCM", iv: new Uint8Array(12) });
    tried.push(
      wrapped.then(
        () => `${format} wrapped`,
        () => "",
      ),
    );
  }
  return (await Promise.all(tried)).filter(Boolean);
}

export const checks = {
  ...primitiveChecks,
  sentences: () => CODES,

  // Recovery key, names

  recoveryKeys: ({ typed }) =>
    Promise.all(typed.map((text) => caught(async () => (await RecoveryKey.parse(text)).text()))),

  recoveryKey: async ({ typed, account, signingKey }) => {
    const key = await RecoveryKey.parse(typed);
    return { text: key.text(), ...(await key.record(unhex(account), unhex(signingKey))) };
  },

  newRecoveryKey: async ({ label }) => (await RecoveryKey.create(new Fixed(label))).text(),

  retyped: async ({ key, groups }) => {
    const made = await RecoveryKey.parse(key);
    return Promise.all(groups.map((typed) => caught(() => made.checkRetyped(new Map(typed)))));
  },

  chosenGroups: ({ times }) => Promise.all(Array.from({ length: times }, () => groupsToRetype(3))),

  names: ({ typed }) => Promise.all(typed.map((text) => caught(() => names.normaliseName(text)))),

  sealName: async ({ name, workspace, account, id }) =>
    names.sealName(name, await workspaceOf(workspace), { account: unhex(account), device: unhex(id) }),

  openName: async ({ sealed, workspace, account, id }) =>
    names.openName(unhex(sealed), await workspaceOf(workspace), { account: unhex(account), device: unhex(id) }),

  // Bundle

  openByPassword: async ({ copy, keys, account }) =>
    holds(await bundles.openByPassword(unhex(copy), await passwordKeys(keys), unhex(account))),

  openByRecovery: async ({ copy, key, account, anchor }) =>
    holds(await bundles.openByRecovery(unhex(copy), await RecoveryKey.parse(key), unhex(account), unhex(anchor))),

  flippedByPassword: async ({ copy, keys, account, places }) => {
    const imported = await passwordKeys(keys);
    return flipped(unhex(copy), places, (changed) => bundles.openByPassword(changed, imported, unhex(account)));
  },

  flippedByRecovery: async ({ copy, key, account, anchor, places }) => {
    const parsed = await RecoveryKey.parse(key);
    const open = (changed) => bundles.openByRecovery(changed, parsed, unhex(account), unhex(anchor));
    return flipped(unhex(copy), places, open);
  },

  // Log

  verifyLogs: ({ cases, account }) =>
    Promise.all(
      cases.map(({ entries, signingKey, known }) =>
        caught(async () => {
          const trusted = { account: unhex(account), signingKey: unhex(signingKey), known: knownOf(known) };
          return said(
            await logs.verifyLog(
              entries.map((entry) => unhex(entry)),
              trusted,
            ),
          );
        }),
      ),
    ),

  flippedLog: async ({ entries, account, signingKey }) => {
    const found = [];
    for (const [at, entry] of entries.entries()) {
      const whole = entries.map((each) => unhex(each));
      const read = (changed) =>
        logs.verifyLog(whole.with(at, changed), { account: unhex(account), signingKey: unhex(signingKey) });
      found.push(await flipped(unhex(entry), null, read));
    }
    return found;
  },

  encodeEntry: async ({ n, prev, body, seed }) => {
    const { privateKey } = await primitives.signingPair(unhex(seed));
    const parsed = { ...body, ...(body.signingKey && { signingKey: unhex(body.signingKey) }) };
    return entriesModule.encode(n, unhex(prev), parsed, privateKey);
  },

  digits: ({ account, signingKey }) => logs.rekeyDigits(unhex(account), unhex(signingKey)),

  // Devices and what they follow

  proof: async ({ keys, nonce, account, role, host }) =>
    (await device(keys)).prove({ nonce: unhex(nonce), account: unhex(account), role, host }),

  follow: async ({ entries, account, keys, workspace, known }) => {
    const own = { account: unhex(account), device: await device(keys), workspace: await workspaceOf(workspace) };
    const followed = await follow(
      entries.map((entry) => unhex(entry)),
      { ...own, known: knownOf(known) },
    );
    const psks = followed.workspace.keys.map((_, epoch) => followed.workspace.relayPsk(epoch));
    const ids = (devices) => devices.map((each) => each.public.id);
    const { added, revoked, known: seen } = followed;
    return { added: ids(added), revoked: ids(revoked), known: seen, psks: await Promise.all(psks) };
  },

  psks: async ({ workspace }) => {
    const keys = await workspaceOf(workspace);
    return Promise.all(keys.keys.map((_, epoch) => keys.relayPsk(epoch)));
  },

  itemSeals: async ({ workspace, epoch, item, version, author, nonce, plain }) => {
    const key = await (
      await workspaceOf(workspace)
    ).itemKey(epoch, { item: unhex(item), version, author: unhex(author) });
    const formats = await refusesExport(key);
    return [formats, await primitives.seal(key, unhex(nonce), unhex(plain), new Uint8Array())];
  },

  // Noise

  shake: async ({ name, own, host, psk, prologue, once, payload }) => {
    const pair =
      typeof own === "string" ? await primitives.agreementPair(unhex(own)) : things.get("kept").device.agreement;
    const initiator = new Initiator({
      static: pair,
      host: unhex(host),
      psk: unhex(psk),
      prologue: unhex(prologue),
      random: once ? handing(once) : primitives.SYSTEM,
    });
    things.set(name, { initiator });
    return initiator.first(unhex(payload));
  },

  shaken: async ({ name, message }) => {
    const { payload, send, receive } = await things.get(name).initiator.second(unhex(message));
    things.set(name, { send, receive });
    return payload;
  },

  send: async ({ name, plain }) => Promise.all(plain.map((each) => things.get(name).send.encrypt(unhex(each)))),

  receive: async ({ name, messages }) => {
    const out = [];
    for (const message of messages) out.push(await caught(() => things.get(name).receive.decrypt(unhex(message))));
    return out;
  },

  usedUp: async ({ most }) => {
    const cipher = new Cipher(await primitives.sealingKey(new Uint8Array(32)), most);
    for (let at = 0; at < most; at++) await cipher.encrypt(new Uint8Array());
    return cipher.encrypt(new Uint8Array());
  },

  // What is kept

  newDevice: async () => {
    const made = await DeviceKeys.create();
    things.set("device", made);
    return made.public;
  },

  keep: async ({ account, email, workspace, known }) => {
    const own = { account: unhex(account), email, device: things.get("device") };
    await store.save({ ...own, workspace: await workspaceOf(workspace), known: knownOf(known) });
    return "kept";
  },

  kept: async () => {
    const kept = await store.load();
    things.set("kept", kept);
    return kept && { account: kept.account, email: kept.email, device: kept.device.public, known: kept.known };
  },

  keptAgain: async ({ n, head, revision }) => {
    const kept = things.get("kept");
    return (await store.save({ ...kept, known: { ...kept.known, n, head: unhex(head), revision } })).known;
  },

  exports: async () => {
    const { device: own, workspace } = things.get("kept");
    const keys = [own.agreement.privateKey, own.signing.privateKey, ...workspace.keys];
    return Promise.all(keys.map(async (key) => [key.algorithm.name, key.extractable, await refusesExport(key)]));
  },

  keptProof: ({ nonce, role, host }) => {
    const { device: own, account } = things.get("kept");
    return own.prove({ nonce: unhex(nonce), account, role, host });
  },

  keptFollow: async ({ entries }) => {
    const kept = things.get("kept");
    const followed = await follow(
      entries.map((entry) => unhex(entry)),
      kept,
    );
    await store.save({ ...kept, ...followed });
    return followed.known;
  },

  keptPsk: ({ epoch }) => things.get("kept").workspace.relayPsk(epoch),

  forget: async () => {
    await store.forget();
    return store.load();
  },

  spoil: ({ change }) => spoil(change),

  /* Another X25519 key in the record. */
  spoiltByKey: async ({ extractable }) => {
    const { id, agreement, signing } = (await store.load()).device;
    const { privateKey } = await crypto.subtle.generateKey({ name: "X25519" }, extractable, ["deriveBits"]);
    const kept = await spoil({ device: { id, agreement: { ...agreement, privateKey }, signing } });
    return { account: kept.account };
  },
};

async function spoil(change) {
  const database = await new Promise((resolve) => {
    indexedDB.open("lerix-vault").onsuccess = (event) => resolve(event.target.result);
  });
  const transaction = database.transaction("account", "readwrite");
  const asked = transaction.objectStore("account").get("own");
  asked.onsuccess = () => transaction.objectStore("account").put({ ...asked.result, ...change }, "own");
  await new Promise((resolve) => (transaction.oncomplete = resolve));
  database.close();
  return store.load();
}
