/* What the tests of frames, sessions and links do in the page; called like checks.js, bytes as hex. */

import { hex, unhex } from "../lerix/vault/bytes.js";
import * as frames from "../lerix/vault/frames.js";
import * as headers from "../lerix/vault/headers.js";
import * as link from "../lerix/vault/link.js";
import { Initiator } from "../lerix/vault/noise.js";
import { agreementPair, sha256 } from "../lerix/vault/primitives.js";
import { Queue } from "../lerix/vault/queue.js";
import { RemoteRoute, prologue } from "../lerix/vault/route.js";
import { LIMITS, Session } from "../lerix/vault/session.js";
import { caught } from "./checks.js";

const CLOSED = Symbol("closed");

/* The same numbers for the same seed (mulberry32). */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function randomBytes(chance, length) {
  return Uint8Array.from({ length }, () => Math.floor(chance() * 256));
}

/* Some requests, every second one a POST, of all sizes. */
export function someAsks(chance, count, longest) {
  const one = (...of) => of[Math.floor(chance() * of.length)];
  return Array.from({ length: count }, (_, number) => {
    const idem = number % 2 ? hex(randomBytes(chance, 16)) : null;
    const length = idem ? one(0, 1, 255, 5000, longest / 4, longest) : 0;
    return { idem, sends: randomBytes(chance, length), wants: one(0, 1, 1000, 16384, 16385, longest / 2, longest) };
  });
}

const tried = (cases, work) => Promise.all(cases.map((each) => caught(() => work(each))));

export async function run(name, given) {
  return caught(() => checks[name](given));
}

/* A device: what it wants to ask, its session, and one link after the other. */
class Device {
  constructor({ url, seed, asks, longest, limits, keys }) {
    Object.assign(this, { url, limits: { ...LIMITS, ...limits }, keys, session: null, sessionId: null });
    this.chance = seeded(seed);
    this.asks = someAsks(this.chance, asks, longest).map((ask) => this.fresh(ask));
    this.untaken = [];
    this.links = 0;
    this.resumed = 0;
  }

  fresh({ idem, sends, wants }) {
    return { idem, sends, wants, stream: null, sent: 0, ended: false, status: null, got: [], done: false };
  }

  get done() {
    return this.asks.every((ask) => ask.done);
  }

  async run() {
    while (!this.done) {
      if (this.links++ > 2000) throw new Error("never done");
      await this.link();
    }
    return { links: this.links, resumed: this.resumed, asks: await Promise.all(this.asks.map(report)) };
  }

  async link() {
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    const arrived = [];
    let ring = () => {};
    const next = async () => {
      while (!arrived.length) await new Promise((resolve) => (ring = resolve));
      return arrived.shift();
    };
    socket.onmessage = ({ data }) => (arrived.push(new Uint8Array(data)), ring());
    socket.onclose = () => (arrived.push(CLOSED), ring());
    await new Promise((resolve) => (socket.onopen = socket.onerror = resolve));
    const route = await this.shake(socket, next);
    while (route && !this.done) {
      this.act();
      for (let message = await route.pull(); message; message = await route.pull()) socket.send(message);
      const message = arrived.length || !this.idle() ? arrived.shift() : await Promise.race([next(), after(5)]);
      if (message === CLOSED) break;
      if (message === "late") this.session.acknowledge();
      else if (message) for (const event of await route.receive(message)) this.heard(event);
    }
    route?.close();
    socket.close();
  }

  async shake(socket, next) {
    const { device, host, psk, log, account, hostId, remoteId, epoch } = this.keys;
    const ids = { account: unhex(account), host: unhex(hostId), remote: unhex(remoteId), epoch };
    const initiator = new Initiator({
      static: await agreementPair(unhex(device)),
      host: unhex(host),
      psk: unhex(psk),
      prologue: prologue(ids),
    });
    const own = { log: { n: log[0], head: unhex(log[1]) }, session: this.session, sessionId: this.sessionId };
    const route = new RemoteRoute(initiator, own);
    socket.send(await route.first());
    const answer = await next();
    if (answer === CLOSED) return null;
    const confirm = await route.second(answer, () => new Session(this.limits));
    if (route.resumed) this.resumed += 1;
    // All streams are lost; what has no whole answer is asked again, by the same name.
    else this.asks = this.asks.map((ask) => (ask.done ? ask : this.fresh(ask)));
    ({ session: this.session, sessionId: this.sessionId } = route);
    socket.send(confirm);
    return route;
  }

  /* Whether only the host can bring this on. */
  idle() {
    const writable = (ask) => ask.stream === null || (!ask.ended && this.session.writable(ask.stream) > 0);
    return !this.untaken.length && !this.asks.some((ask) => !ask.done && writable(ask));
  }

  act() {
    const open = this.asks.filter((ask) => !ask.done);
    const ask = open[Math.floor(this.chance() * open.length)];
    if (ask && ask.stream === null) {
      const method = ask.idem ? "POST" : "GET";
      ask.stream = this.session.open({ method, path: `/${ask.wants}`, headers: [], idem: ask.idem });
    } else if (ask && !ask.ended) {
      const most = 1 + Math.floor(this.chance() * 40_000);
      const count = Math.min(ask.sends.length - ask.sent, this.session.writable(ask.stream), most);
      this.session.send(ask.stream, ask.sends.slice(ask.sent, ask.sent + count));
      ask.sent += count;
      if (ask.sent === ask.sends.length) {
        ask.ended = true;
        this.session.end(ask.stream);
      }
    }
    if (this.untaken.length && this.chance() < 0.7) {
      const [[session, stream, count]] = this.untaken.splice(Math.floor(this.chance() * this.untaken.length), 1);
      session.consume(stream, count);
    }
  }

  heard({ type, stream, answer, data }) {
    const ask = this.asks.find((each) => each.stream === stream && !each.done);
    if (!ask) return;
    if (type === "answered") {
      if (ask.status !== null) throw new Error("answered twice");
      ask.status = answer.status;
    } else if (type === "data") {
      ask.got.push(data);
      this.untaken.push([this.session, stream, data.length]);
    } else if (type === "ended") {
      ask.done = true;
    }
  }
}

const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms, "late"));

async function report({ idem, sends, wants, status, got }) {
  const digest = async (...parts) => hex(await sha256(...parts));
  return { idem, wants, status, sent: await digest(sends), got: await digest(...got) };
}

const checks = {
  encodeFrames: ({ cases }) => tried(cases, (frame) => frames.encodeFrame({ ...frame, payload: unhex(frame.payload) })),
  decodeFrames: ({ cases }) =>
    tried(cases, (data) => {
      const frame = frames.decodeFrame(unhex(data));
      return {
        ...frame,
        seq: frame.seq === Infinity ? "far" : frame.seq,
        ack: frame.ack === Infinity ? "far" : frame.ack,
      };
    }),
  encodeRequests: ({ cases }) => tried(cases, headers.encodeRequest),
  decodeAnswers: ({ cases }) => tried(cases, (payload) => headers.decodeAnswer(unhex(payload))),
  encodeMessages: ({ cases }) =>
    tried(cases, ([type, route, payload]) => link.encodeMessage(type, route, unhex(payload))),
  decodeMessages: ({ cases }) => tried(cases, (data) => link.decodeMessage(unhex(data))),
  closes: ({ cases }) => tried(cases, (payload) => link.readClose(unhex(payload))),
  events: ({ cases }) => tried(cases, (payload) => link.readEvent(unhex(payload))),
  linkNames: () => ({ type: link.TYPE, code: link.CODE, path: link.PATH, credit: link.FIRST_CREDIT }),
  limits: () => LIMITS,

  credit: ({ steps }) => {
    const credit = new link.Credit();
    return Promise.all(
      steps.map(([name, value]) =>
        caught(() => (name === "spend" ? credit.spend(value) : (credit.grant(unhex(value)), credit.left))),
      ),
    );
  },

  queue: ({ count }) => {
    const queue = new Queue();
    const out = [];
    for (let at = 0; at < count; at++) {
      queue.push(at);
      queue.push(-at);
      out.push(queue.shift(), queue.at(queue.length - 1), queue.length);
    }
    return out;
  },

  /* One session alone: `frames` are what comes, after so many streams were opened. Tells each one's end. */
  heard: ({ opens, incoming, ended }) => {
    const session = new Session();
    for (let at = 0; at < opens; at++) {
      const stream = session.open({ method: "GET", path: "/", headers: [], idem: null });
      if (ended) session.end(stream);
    }
    session.attach(0);
    while (session.pull());
    return tried(incoming, (frame) => session.receive(unhex(frame)));
  },

  /* What a script of test_sessions.py does, done here. */
  steps: ({ steps, limits }) => {
    const session = new Session({ ...LIMITS, ...limits });
    const request = { method: "POST", path: "/x", headers: [], idem: "ab".repeat(16) };
    const work = {
      open: () => session.open(request),
      send: (stream, length) => session.send(stream, new Uint8Array(length)),
      ping: () => session.ping(new Uint8Array(8)),
      receive: (frame) => session.receive(unhex(frame)),
      numbers: () => [session.rx, session.tx, session.oldest, session.streams, session.ackDue],
    };
    return tried(steps, ([name, ...given]) => (work[name] ?? session[name].bind(session))(...given));
  },

  crowd: ({ count }) => {
    const session = new Session();
    const ask = () => session.open({ method: "GET", path: "/", headers: [], idem: null });
    return tried(Array.from({ length: count }), ask);
  },

  second: async ({ payload, resume, shake }) => {
    const initiator = {
      first: async () => new Uint8Array(),
      second: async () => ({ payload: unhex(payload), send: { encrypt: async (frame) => frame }, receive: null }),
    };
    const session = resume ? new Session() : null;
    const own = { log: { n: 1, head: new Uint8Array(32) }, session, sessionId: resume ? unhex(resume) : null };
    const route = new RemoteRoute(initiator, own);
    if (shake) await route.first();
    await route.second(new Uint8Array());
    return { resumed: route.resumed, session: route.sessionId, log: route.peerLog };
  },

  device: (given) => new Device(given).run(),
};
