/* What a page asks a host, end-to-end encrypted: a link to the broker, routes over it, a session that outlives both.

       const channel = openChannel({ origin, member, host });
       const { status, headers, body } = await channel.request({ method, path, headers, idem, body, signal });

   `request` rejects with the signal's reason, or with a ChannelError: "away" (there is no way to the host now),
   "refused" (this device may not), "session-lost" (what was under way is unknown: reload, or ask again by the same
   `idem`), "failed" (the host gave it up), "too-many", "too-large", "malformed" (cannot be asked), "closed". */

import { Bell } from "./bell.js";
import { Carrier, RouteClosed } from "./carrier.js";
import { REMOTE } from "./device.js";
import { Dialler, FUTILE } from "./dialler.js";
import { concat, equal, hex, uint } from "./bytes.js";
import { CODE, PATH, TYPE, encodeClose, encodeMessage } from "./link.js";
import { Initiator } from "./noise.js";
import { MOST_HOSTS, readPresence } from "./presence.js";
import { ProtocolError, broken } from "./protocol-errors.js";
import { PUMP_TIMES, pump } from "./pump.js";
import { RemoteRoute, prologue } from "./route.js";
import { Session } from "./session.js";
import { ChannelError, Streams } from "./streams.js";

/**
 * @typedef {import("./bytes.js").Bytes} Bytes
 * @typedef {import("./store.js").Kept} Member
 * @typedef {import("./log.js").LogDevice} Host
 * @typedef {object} State
 * @property {"connecting" | "ready" | "away"} phase
 * @property {number | null} code why there is no route, one of `CODE`; null where the broker cannot be reached
 * @property {number | null} since when the host went, in seconds of UTC, as far as the broker saw it
 * @property {string | null} why "off", "closed", "asleep", "lost", "signed-out", "restarting", or nothing that is known
 * @typedef {object} Options
 * @property {string} origin the broker's address, as in `location.origin`
 * @property {Member} member the signed-in device, from store.js
 * @property {Host} host the device to ask, from the log that was verified
 * @property {() => Promise<{member: Member, host: Host} | null>} [refresh] called where the broker or the host knows a
 *   newer log: fetch and follow it, keep it, and give what holds now
 * @property {typeof WebSocket} [WebSocketClass]
 * @property {() => number} [chance]
 * @property {Partial<typeof TIMES> & {dial?: Partial<typeof import("./dialler.js").TIMING>}} [timing]
 */

/** Milliseconds. */
const TIMES = Object.freeze({
  ...PUMP_TIMES,
  open: 10_000,
  firstPause: 250,
  longestPause: 15_000,
});
/** The host will not go on with this session. @type {ReadonlySet<number>} */
const GONE = new Set([CODE.REFUSED, CODE.REVOKED, CODE.RELAY_OFF, CODE.CLOSED, CODE.SIGNED_OUT, CODE.NO_PLAN]);
/** This device may not, whatever the host does. @type {ReadonlySet<number | null>} */
const REFUSED = new Set([CODE.REFUSED, CODE.REVOKED, CODE.NO_PLAN]);
/** @type {Readonly<Record<string, string>>} */
const CANNOT_BE_ASKED = Object.freeze({ TooManyStreams: "too-many", HeadersTooLarge: "too-large" });

/** @param {Options} options */
export function openChannel(options) {
  return new Channel(options);
}

class Channel {
  /** @type {State} */
  state = Object.freeze({ phase: "connecting", code: null, since: null, why: null });
  /** Called after each change of `state` or `presence`. */
  onchange = () => {};
  /**
   * The account's hosts by id in hex.
   * @type {Map<string, {online: boolean, since: number | null, why: string | null}>}
   */
  presence = new Map();
  #member;
  #host;
  #refresh;
  #times;
  #chance;
  #dialler;
  #closed = false;
  #connected = false;
  /** Whether the last try came to an end without a route, and how. */
  #failed = false;
  /** @type {number | null} */
  #code = null;
  #numbers = 1;
  /** @type {Carrier | null} */
  #carrier = null;
  /** @type {Streams | null} */
  #streams = null;
  /** @type {Bytes | null} */
  #sessionId = null;
  /** Rung when there may be frames to send; when the route should be tried; when `state` has changed. */
  #work = new Bell();
  #again = new Bell();
  #turn = new Bell();

  /** @param {Options} options */
  constructor({ origin, member, host, refresh, WebSocketClass = WebSocket, chance = Math.random, timing = {} }) {
    this.#member = member;
    this.#host = host;
    this.#refresh = refresh;
    this.#times = { ...TIMES, ...timing };
    this.#chance = chance;
    const name = new URL(origin).hostname.replace(/^\[|\]$/g, "");
    this.#dialler = new Dialler({
      url: origin.replace(/^http/, "ws") + PATH,
      prove: async (nonce) => {
        const { account, device } = this.#member;
        const proof = await device.prove({ nonce, account, role: REMOTE, host: name });
        return concat(account, device.id, uint(REMOTE, 1), proof);
      },
      take: (message) => message.route === this.#carrier?.number && this.#carrier.feed(message),
      told: (event) => this.#told(event),
      changed: () => this.#linkChanged(),
      WebSocketClass,
      chance,
      timing: timing.dial,
    });
    void this.#run();
  }

  /**
   * Ask, and wait for the answer to begin; over cuts it goes on by itself.
   * @param {import("./streams.js").Ask} ask
   */
  async request(ask) {
    ask.signal?.throwIfAborted();
    const wake = () => this.#turn.ring();
    ask.signal?.addEventListener("abort", wake);
    await this.#turn.until(() => this.#closed || this.state.phase !== "connecting" || ask.signal?.aborted);
    ask.signal?.removeEventListener("abort", wake);
    ask.signal?.throwIfAborted();
    if (this.#closed) throw new ChannelError("closed");
    if (this.state.phase !== "ready" || !this.#streams) {
      throw new ChannelError(REFUSED.has(this.state.code) ? "refused" : "away");
    }
    try {
      return await this.#streams.ask(ask);
    } catch (error) {
      if (error instanceof ProtocolError) throw new ChannelError(CANNOT_BE_ASKED[error.name] ?? "malformed");
      throw error;
    }
  }

  /**
   * Go on with what a newer log says of this device and of the host.
   * @param {Member} member
   * @param {Host} host
   */
  update(member, host) {
    // What is no news does not make it try again at once.
    const isNew = member.known.n > this.#member.known.n;
    this.#member = member;
    this.#host = host;
    if (isNew) this.#again.ring();
  }

  /** The network is another one, the device woke up, a person asks: find out now. */
  wake() {
    this.#dialler.wake();
    this.#again.ring();
  }

  /** End it; what is under way fails with "session-lost". */
  close() {
    this.#closed = true;
    this.#lose();
    this.#carrier?.close(CODE.DONE);
    this.#dialler.close();
    this.#again.ring();
    this.#turn.ring();
  }

  // The link

  #linkChanged() {
    const { phase, code, failures } = this.#dialler ?? {};
    if (phase === "ready") {
      this.#failed = false;
      this.#again.ring();
    } else if (phase === "waiting") {
      if (code !== null && GONE.has(code)) this.#lose();
      this.#carrier?.close(code ?? CODE.DONE);
      this.#code = code;
      // One that was there is dialled again before anybody is told, where that may help.
      this.#failed ||= failures > 1 || !this.#connected || FUTILE.has(code);
    }
    this.#show();
  }

  /** @param {Record<string, unknown>} event */
  #told(event) {
    for (const { id, ...presence } of readPresence(event)) {
      if (this.presence.size < MOST_HOSTS || this.presence.has(id)) this.presence.set(id, presence);
      if (id === hex(this.#host.public.id) && presence.online) this.#again.ring();
    }
    this.#show();
  }

  // The route

  async #run() {
    let failures = 0;
    while (!this.#closed) {
      this.#again.clear();
      if (this.#dialler.phase !== "ready") {
        await this.#again.wait();
        continue;
      }
      const begun = performance.now();
      const code = await this.#tried();
      const wasConnected = this.#connected;
      this.#connected = false;
      if (GONE.has(code)) this.#lose();
      // Where the link is gone, why is known already.
      if (this.#dialler.phase === "ready") this.#code = code;
      this.#failed ||= !wasConnected;
      this.#show();
      if (code === CODE.OTHER_EPOCH) await this.#learn();
      failures = wasConnected && performance.now() - begun > 1000 ? 0 : failures + 1;
      if (code === CODE.DONE && wasConnected) continue;
      await this.#again.wait(this.#pause(failures));
    }
  }

  /**
   * Milliseconds; a host that is not on line is tried now and then only: its coming will be told.
   * @param {number} failures
   */
  #pause(failures) {
    const { firstPause, longestPause } = this.#times;
    const pause = Math.min(longestPause, firstPause * 2 ** Math.min(failures, 10)) * this.#chance();
    return this.#present()?.online === false ? (longestPause + pause) / 2 : pause;
  }

  /** Open a route and use it to its end. Gives the code with which it ended. */
  async #tried() {
    const carrier = new Carrier((message) => this.#dialler.send(message), this.#numbers++);
    this.#carrier = carrier;
    const late = setTimeout(() => carrier.close(CODE.NO_HOST), this.#times.open);
    try {
      const route = await this.#shakeHands(carrier);
      clearTimeout(late);
      this.#connected = true;
      this.#failed = false;
      this.#code = null;
      this.#show();
      await pump(carrier, route, /** @type {Streams} */ (this.#streams), this.#work, this.#times);
      return CODE.DONE;
    } catch (error) {
      if (error instanceof ProtocolError) {
        if (error.endsSession) this.#lose();
        return error.code;
      }
      if (error instanceof RouteClosed) return error.code;
      reportError(error); // ours; the next route may do better, this session does not
      this.#lose();
      return CODE.MALFORMED;
    } finally {
      clearTimeout(late);
      this.#carrier = null;
      this.#dialler.send(encodeClose(carrier.number, CODE.DONE));
    }
  }

  /** @param {Carrier} carrier */
  async #shakeHands(carrier) {
    const { account, device, workspace, known } = this.#member;
    const { id, agreement } = this.#host.public;
    const { epoch } = workspace;
    this.#dialler.send(encodeMessage(TYPE.OPEN, carrier.number, concat(id, uint(epoch, 4))));
    await carrier.opened();
    const initiator = new Initiator({
      static: device.agreement,
      host: agreement,
      psk: await workspace.relayPsk(epoch),
      prologue: prologue({ account, host: id, remote: device.id, epoch }),
    });
    const route = new RemoteRoute(initiator, {
      log: known,
      session: this.#streams?.session ?? null,
      sessionId: this.#sessionId,
    });
    await carrier.send(await route.first());
    const confirm = await route.second(await carrier.receive());
    const { n, head } = /** @type {import("./route.js").Log} */ (route.peerLog);
    // The host was shown another history of the account than this device: the broker forks it.
    if (n === known.n && !equal(head, known.head)) throw broken("HandshakeFailed");
    if (!route.resumed) {
      this.#lose();
      this.#streams = new Streams(/** @type {Session} */ (route.session), () => this.#work.ring());
      this.#sessionId = route.sessionId;
    }
    await carrier.send(confirm);
    if (n > known.n) void this.#learn();
    return route;
  }

  async #learn() {
    try {
      const learnt = await this.#refresh?.();
      if (learnt) this.update(learnt.member, learnt.host);
    } catch {
      // whoever refreshes tells what is wrong; here it is tried again later
    }
  }

  #lose() {
    const streams = this.#streams;
    this.#streams = null;
    this.#sessionId = null;
    streams?.lose();
  }

  // What is told

  #present() {
    return this.presence.get(hex(this.#host.public.id));
  }

  #show() {
    const reachable = this.#dialler?.phase === "ready";
    const present = this.#present();
    const isAway = this.#failed || (reachable && present?.online === false);
    const phase = this.#connected ? "ready" : isAway ? "away" : "connecting";
    const gone = phase === "away" && reachable && present ? present : { since: null, why: null };
    const code = phase === "ready" ? null : (this.#code ?? (phase === "away" && reachable ? CODE.NO_HOST : null));
    this.state = Object.freeze({ phase, code, since: gone.since, why: gone.why });
    this.#turn.ring();
    try {
      this.onchange();
    } catch (error) {
      reportError(error); // the page's own; the channel goes on
    }
  }
}
