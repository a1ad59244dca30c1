/* Word of a long answer that is done while nobody looks at this tab: off until somebody switches it on, and then the
   browser is asked once. A tab that is hidden has no event stream; so while it is, it waits for what the server says of
   answers that have ended. Of several hidden tabs one does that for all: a browser has few connections to one host. */

(() => {
  "use strict";

  const WAIT_MS = 2000;
  const LONGEST_WAIT_MS = 60000;
  const PROBE_MS = 3000;
  const SHUT = "This browser does not let this page notify. Allow notifications for it in the browser's settings";
  const BLOCKED = SHUT + ", then switch this on again.";
  const NONE = "This browser shows no notifications of pages. Lerix can notify in one on a computer.";

  function allowed() {
    return "Notification" in window && Notification.permission === "granted";
  }

  /* A frame of nobody has no locks; its requests share one connection, so that each tab may ask. */
  function alone(signal, work) {
    if (!navigator.locks || window.origin === "null") return work();
    return navigator.locks.request("lerix-done", { signal }, work);
  }

  let cut = null;
  async function watch() {
    const place = document.querySelector("[data-done]");
    if (!document.hidden) {
      if (cut) cut.abort();
      cut = null;
      return;
    }
    if (cut || !place || !document.body.dataset.notify || !allowed()) return;
    const mine = new AbortController();
    cut = mine;
    // What runs on this page may end before the server is asked; of what ends while another tab asks, that one tells.
    const running = [...document.querySelectorAll("#log > [aria-busy=true]")].map((each) => each.id.slice(1)).join(",");
    const hiddenAt = performance.now();
    const known = () => (performance.now() - hiddenAt < WAIT_MS ? running : "");
    try {
      await alone(mine.signal, () => follow(place.dataset.done, known(), mine.signal));
    } catch {
      // somebody looks again
    }
  }

  async function follow(address, known, signal) {
    let failed = 0;
    while (!signal.aborted) {
      try {
        const answer = await fetch(address + "?known=" + known, { signal });
        if (!answer.ok) throw new TypeError("no news");
        const { live, done } = await answer.json();
        known = live.join(",");
        failed = 0;
        if (!signal.aborted) done.forEach(tell);
      } catch {
        if (signal.aborted) return;
        await pause(Math.min(LONGEST_WAIT_MS, WAIT_MS * 2 ** failed));
        failed += 1;
      }
    }
  }

  function pause(time) {
    return new Promise((done) => setTimeout(done, time));
  }

  function note(title, body, tag) {
    const icon = document.querySelector("link[rel=apple-touch-icon]");
    return new Notification(title, { body, tag, icon: icon ? icon.href : undefined });
  }

  /* The same answer told by two tabs is one notification: they give it one tag. */
  function tell({ id, chat, title, text }) {
    const shown = note(title, text, "lerix-" + id);
    shown.onclick = () => {
      shown.close();
      window.focus();
      open(chat);
    };
  }

  function open(chat) {
    const composer = document.getElementById("composer");
    if (composer && composer.getAttribute("action").startsWith(chat)) return;
    const link = document.createElement("a");
    link.href = chat;
    link.hidden = true;
    document.body.append(link);
    link.click();
    link.remove();
  }

  document.addEventListener("visibilitychange", watch);
  document.addEventListener("DOMContentLoaded", watch);

  /* Switching it on. Whether notifications come can only be seen by showing one: phones let pages make none. */
  async function ask() {
    if (!("Notification" in window)) return NONE;
    if (Notification.permission !== "granted" && (await Notification.requestPermission()) !== "granted") return BLOCKED;
    return (await probe()) ? "" : NONE;
  }

  function probe() {
    return new Promise((done) => {
      setTimeout(done, PROBE_MS, true);
      try {
        const shown = note("Lerix", "You will be told here when a long answer is done.", "lerix-first");
        shown.onshow = () => done(true);
        shown.onerror = () => done(false);
      } catch {
        done(false);
      }
    });
  }

  const passed = new WeakSet();
  document.addEventListener(
    "change",
    async (event) => {
      const box = event.target;
      if (!box.dataset || !("notifySwitch" in box.dataset)) return;
      if (!box.checked || passed.delete(box)) {
        if (box.checked) document.body.dataset.notify = "on";
        else delete document.body.dataset.notify;
        return;
      }
      // Asked first: what cannot be is not switched on.
      event.stopImmediatePropagation();
      box.disabled = true;
      const why = await ask();
      box.disabled = false;
      box.focus();
      if (why) {
        box.checked = false;
        refuse(box, why);
        return;
      }
      passed.add(box);
      box.dispatchEvent(new Event("change", { bubbles: true }));
    },
    true,
  );

  function refuse(box, why) {
    const form = box.closest("form");
    const state = form && form.querySelector(".save-state");
    if (!state) {
      window.lerix.toast("Not switched on. " + why);
      return;
    }
    state.classList.add("is-bad");
    state.textContent = "Not switched on. " + why;
  }

  /* It may be on, and this browser another one than the one it was switched on in. */
  function showHere() {
    const place = document.querySelector("[data-notify-here]");
    const box = document.querySelector("[data-notify-switch]");
    if (!place || !box) return;
    place.hidden = !box.checked || allowed();
    if (place.hidden) return;
    const open = "Notification" in window && Notification.permission === "default";
    place.querySelector("button").hidden = !open;
    const why = "Notification" in window ? SHUT + "." : NONE;
    place.querySelector("p").textContent = open ? "It is on, but this browser has not been asked yet." : why;
  }

  document.addEventListener("click", async (event) => {
    if (!event.target.closest("[data-notify-ask]")) return;
    const why = await ask();
    showHere();
    if (why) refuse(document.querySelector("[data-notify-switch]"), why);
  });
  document.addEventListener("change", (event) => "notifySwitch" in event.target.dataset && showHere());
  document.addEventListener("DOMContentLoaded", showHere);

  /* In the sidebar of another device there is nothing to switch where the browser has none. */
  document.addEventListener("DOMContentLoaded", () => {
    const place = document.querySelector(".side-notify");
    if (place) place.hidden = !("Notification" in window);
  });
})();
