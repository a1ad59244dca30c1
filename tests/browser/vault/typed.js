/* What the tests do on a page on which a password is typed; the rest is in checks.js. */

import { unhex } from "../lerix/vault/bytes.js";
import * as flows from "../lerix/vault/flows.js";
import * as password from "../lerix/vault/password.js";
import { sealingKey } from "../lerix/vault/primitives.js";
import { RecoveryKey } from "../lerix/vault/recovery.js";
import { Fixed, caught, updateOf } from "./checks.js";

const NativeWorker = globalThis.Worker;

/* Count the workers that are made while something is done. */
async function countingWorkers(work) {
  let made = 0;
  globalThis.Worker = class extends NativeWorker {
    constructor(...given) {
      super(...given);
      made += 1;
    }
  };
  try {
    return [await caught(work), made];
  } finally {
    globalThis.Worker = NativeWorker;
  }
}

async function unlocked({ update, keys, entries, account }) {
  const { auth, wrap, suite, salt } = keys;
  const given = { auth: unhex(auth), wrap: await sealingKey(unhex(wrap)), suite, salt: unhex(salt) };
  return flows.unlock(
    unhex(update),
    entries.map((entry) => unhex(entry)),
    given,
    { account: unhex(account) },
  );
}

const public_ = (device) => device && device.public;

function changed({ update, after, device, recoveryKey, digits }) {
  const { n, head, revision } = after.known;
  return { ...updateOf(update), n, head, known: revision, device: public_(device), key: recoveryKey?.text(), digits };
}

export async function run(name, given) {
  return caught(() => checks[name](given));
}

const checks = {
  emails: ({ typed }) => Promise.all(typed.map((text) => caught(() => password.normaliseEmail(text)))),

  passwordBytes: ({ typed }) => Promise.all(typed.map((text) => caught(() => password.passwordBytes(text)))),

  newPasswords: ({ typed }) => Promise.all(typed.map((text) => caught(() => password.checkNew(text)))),

  /* The story of tests/relay/keys/story.py, told in the browser. */
  story: async ({ label, email, passwords, names, roles }) => {
    const random = new Fixed(label);
    let ticks = 0;
    const clock = setInterval(() => (ticks += 1), 10);
    const created = await flows.create({ email, password: passwords[0], name: names[0], roles: roles[0] }, random);
    clearInterval(clock);
    const phone = await flows.addDevice(created.after, names[1], roles[1], random);
    const tablet = await flows.addDevice(phone.after, names[2], roles[2], random);
    const revoked = await flows.revokeDevices(tablet.after, [tablet.device.id], random);
    const changedPassword = await flows.changePassword(revoked.after, { email, password: passwords[1] }, random);
    const keep = [created.device.id, phone.device.id];
    const rekeyed = await flows.rekey(changedPassword.after, { email, password: passwords[2] }, keep, random);
    const told = [created, phone, tablet, revoked, changedPassword, rekeyed].map(changed);
    rekeyed.after.wipe();
    return { ticks, told, wiped: [rekeyed.after.bundle.seed, ...rekeyed.after.bundle.workspace] };
  },

  refusedBeforeHashing: ({ prelogins }) =>
    Promise.all(
      prelogins
        .map(
          ([suite, salt]) =>
            () =>
              password.stretch("correct horse battery", "ada@example.com", { suite, salt: unhex(salt) }),
        )
        .map(countingWorkers),
    ),

  givenUp: async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 30);
    const prelogin = { suite: 1, salt: new Uint8Array(16) };
    try {
      await password.stretch("correct horse battery", "ada@example.com", prelogin, stop.signal);
    } catch (error) {
      return error.name;
    }
    return "done";
  },

  stretched: () => password.stretch("correct horse battery", "ada@example.com", { suite: 1, salt: new Uint8Array(16) }),

  argon2id: async ({ cases }) => {
    await import("../lerix/vendor/hash-wasm/argon2.umd.min.js");
    const out = [];
    for (const [secret, salt, iterations, parallelism, memorySize] of cases) {
      const options = { password: unhex(secret), salt: unhex(salt), iterations, parallelism, memorySize };
      out.push(await globalThis.hashwasm.argon2id({ ...options, hashLength: 32, outputType: "binary" }));
    }
    return out;
  },

  /* Changes that need no new password, made with the browser's own randomness. */
  changes: async ({ name, leaving, ...given }) => {
    const before = await unlocked(given);
    const joined = await flows.addDevice(before, name, 2);
    const revoked = await flows.revokeDevices(
      joined.after,
      leaving.map((id) => unhex(id)),
    );
    const renewed = await flows.renewRecoveryKey(revoked.after);
    return [joined, revoked, renewed].map(changed);
  },

  refusedChanges: async ({ stranger, ...given }) => {
    const before = await unlocked(given);
    return [
      await caught(() => flows.revokeDevices(before, [unhex(stranger)])),
      await caught(() => flows.addDevice(before, "a\u202eb", 2)),
      await caught(() => flows.changePassword(before, { email: "nobody", password: "correct horse battery" })),
      await caught(() => flows.rekey(before, { email: "a@b.c", password: "short" }, [])),
    ];
  },

  unlock: async (given) => (await unlocked(given)).known,

  recover: async ({ copy, entries, key, account, anchor }) => {
    const parsed = await RecoveryKey.parse(key);
    const of = { account: unhex(account), anchor: unhex(anchor) };
    const opened = await flows.recover(
      unhex(copy),
      entries.map((entry) => unhex(entry)),
      parsed,
      of,
    );
    return { known: opened.known, again: await caught(() => flows.renewRecoveryKey(opened)) };
  },
};
