/* Stands in for vault/channel.js in tests of what is built on it: the way to the Mac is the test's own server. */

import { hex } from "./bytes.js";
import { ChannelError } from "./streams.js";

export function openChannel(options) {
  return new Channel(options);
}

class Channel {
  state = { phase: "connecting", code: null, since: null, why: null };
  onchange = () => {};
  presence = new Map();
  #mac;
  #closed = new AbortController();
  #changed = () => {};
  #next = new Promise((resolve) => (this.#changed = resolve));

  constructor({ host }) {
    this.#mac = hex(host.public.id);
    this.#follow().catch(() => {});
  }

  async request({ method, path, headers, idem, body, signal, onsent }) {
    while (this.state.phase === "connecting") await this.#next;
    signal?.throwIfAborted();
    if (this.state.phase !== "ready") throw new ChannelError("away");
    if (path === "/endless/") return { status: 200, headers: [], body: endless() };
    const asked = encodeURIComponent(JSON.stringify({ mac: this.#mac, method, path, headers, idem }));
    let answer;
    try {
      answer = await fetch("/api/1/test/mac", {
        method: "POST",
        headers: { "x-asked": asked },
        body: body ?? "",
        signal,
      });
    } catch (error) {
      throw signal?.aborted ? signal.reason : new ChannelError("session-lost");
    }
    if (body) onsent?.(body.length);
    const answered = answer.headers.get("x-answered");
    if (answered === null) throw new ChannelError("session-lost");
    const head = JSON.parse(decodeURIComponent(answered));
    return { ...head, body: answer.body ?? new Response("").body };
  }

  wake() {}

  close() {
    this.#closed.abort();
  }

  async #follow() {
    const answer = await fetch(`/api/1/test/state?${this.#mac}`, { signal: this.#closed.signal });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += value;
      const lines = text.split("\n");
      text = lines.pop();
      for (const line of lines) this.#take(JSON.parse(line));
    }
  }

  #take({ state, online }) {
    this.state = state;
    this.presence = new Map(Object.entries(online).map(([id, is]) => [id, { online: is, since: null, why: null }]));
    this.#changed();
    this.#next = new Promise((resolve) => (this.#changed = resolve));
    this.onchange();
  }
}

/** A body without end, which counts how much of it is taken. */
function endless() {
  const seen = (window.endless = { pulled: 0, cancelled: false });
  const pull = (controller) => {
    seen.pulled += 1;
    controller.enqueue(new Uint8Array(65536));
  };
  return new ReadableStream({ pull, cancel: () => (seen.cancelled = true) }, { highWaterMark: 0 });
}
