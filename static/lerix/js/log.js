/* The conversation: follows the end only while the reader is at the end, and is read out in whole blocks. */

(() => {
  "use strict";

  const NEAR = 48;
  let following = true;
  let watched = null;
  let lastTop = 0;

  function scroller() {
    return document.getElementById("scroller");
  }

  function atEnd(box) {
    return box.scrollHeight - box.scrollTop - box.clientHeight <= NEAR;
  }

  function toEnd() {
    const box = scroller();
    if (!box) return;
    box.scrollTop = box.scrollHeight;
    lastTop = box.scrollTop;
  }

  function showJump() {
    const jump = document.getElementById("jump");
    const box = scroller();
    if (jump && box) jump.hidden = following || atEnd(box);
  }

  function onScroll() {
    const box = scroller();
    // Growth alone never moves scrollTop: only the reader's own way up ends the following.
    if (box.scrollTop < lastTop - 2) following = atEnd(box);
    else if (atEnd(box)) following = true;
    lastTop = box.scrollTop;
    showJump();
  }

  /* A live answer is spoken block by block, when each is closed: never token by token. */
  function speak(records) {
    for (const record of records) {
      for (const node of record.addedNodes) {
        if (node.nodeType !== 1 || !node.classList.contains("chunk")) continue;
        // Blocks that were there when the page came have no open block after them. Folded reasoning stays silent.
        const grows = node.parentElement && node.parentElement.querySelector(":scope > .open");
        if (grows && !node.closest("details:not([open])")) window.lerix.say(node.textContent.trim().slice(0, 2000));
      }
    }
  }

  function watch() {
    const box = scroller();
    if (!box || box === watched) return;
    watched = box;
    following = true;
    box.addEventListener("scroll", onScroll, { passive: true });
    const log = document.getElementById("log");
    new ResizeObserver(() => {
      if (following) toEnd();
      showJump();
    }).observe(log);
    new MutationObserver(speak).observe(log, { childList: true, subtree: true });
    toEnd();
  }

  document.addEventListener("click", (event) => {
    if (!event.target.closest("#jump")) return;
    following = true;
    toEnd();
    showJump();
    document.getElementById("message").focus();
  });

  /* One's own message is always shown. */
  document.addEventListener("htmx:before:request", (event) => {
    if (event.detail.ctx.sourceElement.id === "composer") {
      following = true;
      toEnd();
    }
  });

  document.addEventListener("htmx:after:swap", watch);
  document.addEventListener("DOMContentLoaded", watch);
})();
