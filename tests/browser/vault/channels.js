/* What the tests of the channel do in the page; called like checks.js, bytes as hex. */

import { hex, uint, unhex } from "../lerix/vault/bytes.js";
import { Carrier, RouteClosed } from "../lerix/vault/carrier.js";
import { openChannel } from "../lerix/vault/channel.js";
import { DeviceKeys } from "../lerix/vault/device.js";
import { TYPE, encodeMessage } from "../lerix/vault/link.js";
import { readPresence } from "../lerix/vault/presence.js";
import { sha256 } from "../lerix/vault/primitives.js";
import { ChannelError } from "../lerix/vault/streams.js";
import { Workspace } from "../lerix/vault/workspace.js";
import { caught } from "./checks.js";
import { randomBytes, seeded } from "./wires.js";

/* Everything happens soon; nothing of that is what a test looks at. */
/* A broken route or link is tried again after a minute, so that only what is told brings it back sooner. */
const PATIENT = { firstPause: 60_000, longestPause: 120_000 };
const TIMING = { firstPause: 20, longestPause: 200, dial: { firstPause: 20, longestPause: 100, probe: 150 } };

let device = null;
let channel = null;
let phases = [];
let refreshed = 0;
const replies = new Map();
const stops = new Map();

export async function run(name, given) {
  return caught(() => told(() => checks[name](given)));
}

async function told(work) {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ChannelError) return { failed: error.code, reset: error.reset };
    if (error?.name === "AbortError") return { failed: "aborted" };
    throw error;
  }
}

async function whole(body) {
  const parts = [];
  for await (const part of body) parts.push(part);
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function memberOf({ account, email, workspace, known }) {
  const keys = await Workspace.from(workspace.map((key) => unhex(key)));
  return { account: unhex(account), email, device, workspace: keys, known: { ...known, head: unhex(known.head) } };
}

const hostOf = ({ id, agreement }) => ({
  public: { id: unhex(id), agreement: unhex(agreement), signing: new Uint8Array(32) },
});

/* Ask for an echo of so many bytes; tells whether it came back three times, and whether we were told how it went. */
async function echo(chance, length, idem) {
  const sent = randomBytes(chance, length);
  const told = [];
  const onsent = (bytes) => told.push(bytes);
  const ask = { method: "POST", path: "/echo", headers: [["accept", "*/*"]], idem, body: sent, onsent };
  const { status, headers, body } = await channel.request(ask);
  const got = await whole(body);
  const same =
    got.length === 3 * length &&
    [0, 1, 2].every((at) =>
      got
        .subarray(at * length)
        .slice(0, length)
        .every((byte, index) => byte === sent[index]),
    );
  const isTold = told.every((bytes, at) => bytes > (told[at - 1] ?? 0)) && (told.at(-1) ?? 0) === length;
  return status === 200 && same && isTold && headers[0][1] === hex(await sha256(sent));
}

const idemOf = (number) => hex(uint(number, 16));
const checks = {
  device: async () => {
    device ??= await DeviceKeys.create();
    return device.public;
  },

  open: async ({ origin, host, later, patient, renewed, ...member }) => {
    phases = [];
    refreshed = 0;
    const refresh = async () => {
      refreshed += 1;
      return later && { member: await memberOf({ ...member, ...later }), host: hostOf(host) };
    };
    const own = { member: await memberOf(member), host: hostOf(host) };
    channel = openChannel({
      origin,
      ...own,
      refresh,
      timing: { ...TIMING, ...(patient && PATIENT), ...(renewed && { route: renewed }) },
      chance: seeded(1),
    });
    channel.onchange = () => {
      if (phases.at(-1) !== channel.state.phase) phases.push(channel.state.phase);
    };
  },

  close: () => channel.close(),
  wake: () => channel.wake(),
  state: () => ({ ...channel.state, presence: channel.presence, phases, refreshed }),

  until: async ({ phase, code }) => {
    for (let at = 0; at < 6000; at++) {
      if (channel.state.phase === phase && (code === undefined || channel.state.code === code)) return channel.state;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`still ${JSON.stringify(channel.state)}`);
  },

  echoes: ({ seed, lengths }) => {
    const chance = seeded(seed);
    return Promise.all(lengths.map((length, at) => echo(chance, length, idemOf(seed * 1000 + at))));
  },

  ask: async ({ name, path, idem = null }) => {
    const stop = new AbortController();
    stops.set(name, stop);
    const { status, headers, body } = await channel.request({
      method: idem ? "POST" : "GET",
      path,
      headers: [],
      idem,
      signal: stop.signal,
    });
    replies.set(name, body.getReader());
    return { status, headers };
  },

  /* Ask without waiting. */
  begin: ({ name, path }) => {
    const stop = new AbortController();
    stops.set(name, stop);
    const asked = channel.request({ method: "GET", path, headers: [], idem: null, signal: stop.signal });
    replies.set(name, { read: () => asked, cancel: () => {} });
    asked.catch(() => {});
  },

  read: async ({ name, bytes = Infinity }) => {
    let read = 0;
    while (read < bytes) {
      const { value, done } = await replies.get(name).read();
      if (done) return { read, done };
      read += value.length;
    }
    return { read, done: false };
  },

  /* Answers that have come whole before anybody reads them. */
  lateReads: async ({ times, path, length }) => {
    for (let at = 0; at < times; at++) {
      const { body } = await channel.request({ method: "GET", path, headers: [], idem: null });
      await new Promise((resolve) => setTimeout(resolve, 10));
      if ((await whole(body)).length !== length) return false;
    }
    return true;
  },

  cancel: ({ name }) => replies.get(name).cancel(),
  stop: ({ name }) => stops.get(name).abort(),
  crowd: async ({ count }) => {
    for (let at = 0; at < count; at++) checks.begin({ name: `crowd ${at}`, path: "/never" });
    const last = await told(() => checks.ask({ name: "last", path: "/never" }));
    for (let at = 0; at < count; at++) stops.get(`crowd ${at}`).abort();
    return last;
  },
  unaskable: ({ asks }) =>
    Promise.all(asks.map((ask) => told(() => channel.request({ headers: [], idem: null, ...ask })))),

  /* A broker that lets the host send more than was granted. */
  flooded: async ({ pieces, length }) => {
    const sent = [];
    const carrier = new Carrier((message) => sent.push(message), 1);
    for (let at = 0; at < pieces; at++) carrier.feed({ type: TYPE.DATA, payload: new Uint8Array(length) });
    let taken = 0;
    try {
      for (; taken < pieces; taken++) await carrier.receive();
    } catch (error) {
      return { taken, granted: sent.map(hex), code: error instanceof RouteClosed ? error.code : String(error) };
    }
    return { taken, granted: sent.map(hex), code: null };
  },

  /* A host that grants nothing, then enough for one more. */
  starved: async ({ pieces, length }) => {
    const sent = [];
    const carrier = new Carrier((message) => sent.push(message), 1);
    const counts = [];
    const soon = () => new Promise((resolve) => setTimeout(resolve, 5));
    const sending = Promise.all(Array.from({ length: pieces }, () => carrier.send(new Uint8Array(length))));
    sending.catch(() => {});
    await soon();
    counts.push(sent.length);
    carrier.feed({ type: TYPE.CREDIT, payload: uint(length, 4) });
    await soon();
    counts.push(sent.length);
    carrier.feed({ type: TYPE.CREDIT, payload: uint(0, 4) });
    const code = await sending.catch((error) => error.code);
    return { counts, code };
  },

  credit: () => hex(encodeMessage(TYPE.CREDIT, 1, uint(262144, 4))),
  presence: ({ events }) => events.map(readPresence),
};
