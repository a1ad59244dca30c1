/* A page with a temporary chat says when it is in the background, where its event stream is cut, and when it is left:
   the chat is gone with its last page. One on another device, whose end the relay does not tell, says that it is there. */

(() => {
  "use strict";

  const BEAT_MS = 40000;
  let shown = null;

  function tell(address) {
    // A body, though an empty one: over the relay only forms are let through.
    fetch(address, { method: "POST", body: new URLSearchParams(), keepalive: true }).catch(() => {});
  }

  /* Other chats take the place of this one without the page being left. */
  function watch() {
    const tab = document.getElementById("tab");
    if (tab === shown) return;
    if (shown) tell(shown.dataset.left);
    shown = tab;
    if (document.hidden) hide();
    const link = document.getElementById("temporary-link");
    if (link && tab) link.setAttribute("aria-current", "true");
    else if (link) link.removeAttribute("aria-current");
  }

  function hide() {
    if (document.hidden && shown) tell(shown.dataset.hidden);
  }

  setInterval(() => {
    if (shown && shown.dataset.here) tell(shown.dataset.here);
  }, BEAT_MS);

  document.addEventListener("visibilitychange", hide);
  document.addEventListener("DOMContentLoaded", watch);
  document.addEventListener("htmx:after:swap", watch);
  addEventListener("pagehide", () => {
    if (shown) tell(shown.dataset.left);
  });
})();
