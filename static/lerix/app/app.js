/* The vault's page: the address bar and Back, one page of the Mac after the other, and the page that waits while there
   is none to have. */

import { ChannelError } from "../vault/streams.js";
import { ask, header, readAll } from "./asking.js";
import { Bar } from "./bar.js";
import { fill } from "./filling.js";
import { Frames } from "./frames.js";
import { MacLink } from "./mac.js";
import { byUse, first, note } from "./macs.js";
import { isFile, save } from "./outside.js";
import { macPath, pathInBar, sendPath, showPath } from "./paths.js";
import { onWaking, showProgress, showTheme, showTitle, versionNote } from "./shell.js";
import { Trouble, sentenceOf } from "./trouble.js";
import { WaitingPage } from "./waiting.js";
import { Patience } from "./words.js";

const MOST_PAGE = 32 * 1024 * 1024;
/* A page that a cut took away is asked for again by itself so often. */
const MOST_RETRIES = 3;
/* A Mac that is there gives its page within this time, mostly: until then nothing says that it is waited for. */
const APPEAR_MS = 800;

/**
 * @typedef {import("./serving.js").Serving} Serving
 * @typedef {{how: "push" | "replace" | "stay", post?: {body: Uint8Array, type: string}}} Going
 */

/** Everything that is on the page, for one account. */
export class App {
  #account;
  #place;
  #bar;
  #frames;
  #path = pathInBar();
  /** @type {MacLink | null} */
  #mac = null;
  /** @type {Serving | null} */
  #serving = null;
  /** @type {WaitingPage | Trouble | null} */
  #waiting = null;
  /** Ends the loading of a page when another one is wanted. */
  #turn = new AbortController();
  #patience = new Patience();
  #loading = false;
  #note = "";
  #retries = 0;
  /** Whether nobody has chosen this Mac, so that another one that is on line will do as well. */
  #any = false;

  /**
   * @param {import("./account.js").Account} account
   * @param {HTMLElement} place
   * @param {HTMLElement} bar
   */
  constructor(account, place, bar) {
    this.#account = account;
    this.#place = place;
    this.#bar = new Bar(bar, { use: (id) => this.#useById(id), takeBack: (id) => this.#takeBack(id) });
    this.#frames = new Frames(place, () => this.#stray());
    window.addEventListener("popstate", () => this.go(pathInBar(), { how: "stay" }));
    onWaking(() => this.#mac?.wake());
    window.addEventListener("offline", () => this.#show());
  }

  /** Begin with the Mac that was used last, at the address in the bar. */
  async start() {
    this.#frames.prepare();
    const { mac, known } = first(this.#account.macs);
    this.#any = !known;
    await this.#use(mac);
  }

  /**
   * Load a page of the Mac.
   * @param {string} path
   * @param {Going} [going]
   */
  async go(path, { how, post } = { how: "push" }) {
    const mac = /** @type {MacLink} */ (this.#mac);
    this.#turn.abort();
    const turn = (this.#turn = new AbortController());
    this.#loading = true;
    showProgress(true);
    try {
      const headers = /** @type {[string, string][]} */ ([["accept", "text/html"]]);
      if (post) headers.push(["content-type", post.type]);
      const answer = await ask(mac, {
        method: post ? "POST" : "GET",
        path,
        headers,
        body: post?.body ?? null,
        signal: turn.signal,
      });
      if (answer.status === 200 && isFile(answer)) {
        await save(answer, "");
        return;
      }
      if (isFile(answer)) {
        // Refused in words for a program, as by a Mac that does not give this page to other devices.
        await answer.body?.cancel();
        throw new TypeError("no page");
      }
      const html = await (await readAll(answer.body, MOST_PAGE)).text();
      const taken = await this.#frames.take();
      if (turn.signal.aborted) {
        taken.frame.element.remove();
        return;
      }
      this.#arrive(answer.path, how);
      await this.#fill(taken, html, header(answer.headers, "lerix-version"), turn.signal);
    } catch (error) {
      if (turn.signal.aborted) return;
      const isCut = error instanceof ChannelError && error.code === "session-lost" && !post;
      if (isCut && this.#retries++ < MOST_RETRIES) setTimeout(() => turn.signal.aborted || this.go(path, { how }), 300);
      else this.#failed(path, how, error);
    } finally {
      if (this.#turn === turn) {
        this.#loading = false;
        showProgress(false);
      }
      this.#show();
    }
  }

  /**
   * @param {string} path
   * @param {Going["how"]} how
   */
  #arrive(path, how) {
    this.#path = path;
    showPath(path, how);
  }

  /**
   * Give a page to a frame, and show it when it is there.
   * @param {{frame: any, port: MessagePort}} taken
   * @param {string} html
   * @param {string | null} version of the Mac
   * @param {AbortSignal} signal
   */
  async #fill(taken, html, version, signal) {
    const mac = /** @type {MacLink} */ (this.#mac);
    this.#serving?.say({ kind: "leaving" });
    const typed = await mac.drafts.typed(this.#path).catch(() => "");
    const around = {
      mac,
      isCurrent: (/** @type {Serving} */ serving) => this.#serving === serving,
      path: () => this.#path,
      go: (/** @type {string} */ to, /** @type {Going} */ going) => void this.go(to, going),
      arrive: (/** @type {string} */ to, /** @type {"push" | "replace"} */ how) => this.#arrive(to, how),
      say: (/** @type {string} */ text) => this.#say(text),
      title: showTitle,
    };
    const shown = await fill(taken, { html, path: this.#path, typed }, around, signal);
    if (!shown) return;
    this.#retries = 0;
    this.#leave();
    this.#serving = shown.serving;
    this.#note = versionNote(mac.name, version, shown.lacking);
    showTheme(shown.theme);
    note(mac.id, this.#account.macs);
    this.#any = false;
    this.#frames.show(taken.frame);
    if (document.activeElement === document.body || document.activeElement === null) this.#frames.focus();
    this.#frames.prepare();
  }

  /** The page that was shown is no more: nobody reads for it, nobody speaks for it. */
  #leave() {
    this.#serving?.close();
    this.#serving = null;
    this.#waiting?.element.remove();
    this.#waiting = null;
    this.#note = "";
  }

  /** A page went somewhere by itself. Nothing of it is trusted any more. */
  #stray() {
    this.#leave();
    this.#say("This page tried to leave Lerix, so it was closed. Reload to open it again.");
  }

  /**
   * A page was not had. While the Mac is away it is waited for; with anything else somebody decides.
   * @param {string} path
   * @param {Going["how"]} how
   * @param {unknown} error
   */
  #failed(path, how, error) {
    const isAway = /** @type {MacLink} */ (this.#mac).state.phase !== "ready";
    if (how === "push" && this.#serving) {
      // What is shown stays: something may be typed there.
      this.#say(sentenceOf(error));
    } else if (isAway) {
      this.#wait(path, how);
    } else {
      this.#arrive(path, how);
      this.#leave();
      this.#frames.hide();
      this.#waiting = new Trouble(sentenceOf(error), {
        again: () => void this.go(path, { how: "stay" }),
        begin: () => void this.go("/", { how: "push" }),
      });
      this.#place.append(this.#waiting.element);
    }
  }

  /**
   * Show the page that waits for the Mac.
   * @param {string} path
   * @param {Going["how"]} how
   */
  #wait(path, how) {
    const mac = /** @type {MacLink} */ (this.#mac);
    this.#arrive(path, how);
    if (this.#waiting instanceof WaitingPage) return;
    this.#leave();
    this.#frames.hide();
    showTitle(`${mac.name} · Lerix`);
    const waiting = new WaitingPage({
      write: (text) => void mac.outbox.write(sendPath(this.#path), text),
      takeBack: (id) => mac.outbox.takeBack(id),
      use: (id) => this.#useById(id),
      typed: (text) => void mac.drafts.keepTyped(this.#path, text).catch(() => {}),
    });
    this.#waiting = waiting;
    this.#place.append(waiting.element);
    mac.drafts.typed(path).then(
      (text) => text && waiting.fill(text),
      () => {},
    );
    setTimeout(() => waiting.appear(), APPEAR_MS);
    this.#show();
  }

  /** Bring the line and the waiting page up to date; go on when the Mac is back. */
  async #show() {
    const mac = this.#mac;
    if (!mac) return;
    const messages = await mac.outbox.waiting().catch(() => []);
    if (mac !== this.#mac) return;
    const { state } = mac;
    const macs = byUse(this.#account.macs);
    if (this.#waiting instanceof Trouble) {
      this.#bar.update({ text: "", messages, macs, host: mac.id });
      return;
    }
    if (this.#waiting) {
      if (state.phase === "ready" && !this.#loading) void this.go(this.#path, { how: "stay" });
      const others = macs.filter(({ id }) => id !== mac.id);
      const there = others.find(({ id }) => mac.isOnline(id));
      if (this.#any && state.phase === "away" && there) {
        this.#any = false;
        void this.#use(there);
        return;
      }
      this.#waiting.update({
        name: mac.name,
        state,
        messages,
        others: others.map(({ id, name }) => ({ id, name, online: mac.isOnline(id) })),
      });
      this.#bar.update({ text: "", messages: [], macs, host: mac.id });
      return;
    }
    const { text, again } = this.#patience.words(mac.name, state);
    if (again) setTimeout(() => this.#show(), again);
    this.#bar.update({ text: text || this.#note, messages, macs, host: mac.id });
  }

  /** @param {string} text */
  #say(text) {
    this.#note = text;
    void this.#show();
  }

  /** @param {string} id */
  #useById(id) {
    const mac = this.#account.macs.find((each) => each.id === id);
    if (!mac || id === this.#mac?.id) return;
    this.#any = false;
    note(id, this.#account.macs);
    void this.#use(mac, "/");
  }

  /**
   * @param {import("./account.js").Mac} mac
   * @param {string} [path]
   */
  async #use(mac, path = this.#path) {
    const link = await MacLink.open(this.#account, mac, {
      changed: () => void this.#show(),
      delivered: (message, address) => this.#delivered(message, address),
    });
    this.#turn.abort();
    this.#mac?.close();
    this.#leave();
    this.#frames.hide();
    this.#mac = link;
    const changed = path !== this.#path;
    this.#arrive(path, changed ? "push" : "replace");
    this.#wait(path, "stay");
    await this.go(path, { how: "stay" });
  }

  /**
   * A message that waited was sent; the chat that it began is shown where nothing else is.
   * @param {import("./drafts.js").Message} message
   * @param {string | null} address
   */
  #delivered(message, address) {
    const to = address && macPath(address);
    if (!to || message.path !== sendPath(this.#path)) return;
    if (this.#waiting || this.#serving) void this.go(to, { how: "push" });
  }

  /** @param {string} id */
  async #takeBack(id) {
    const text = await /** @type {MacLink} */ (this.#mac).outbox.takeBack(id);
    if (text !== null) this.#serving?.say({ kind: "give", text });
    else this.#say("It is too late to take this message back: it was sent a moment ago.");
  }
}
