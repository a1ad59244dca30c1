/* The conversation: follows the end only while the reader is at the end, keeps what is being read where it is, and is
   read out in whole blocks. A long chat is there in part: what stands before and after comes when it is scrolled to. */

(() => {
  "use strict";

  const NEAR = 48;
  let following = true;
  let watched = null;
  let lastTop = 0;
  let width = 0;

  function scroller() {
    return document.getElementById("scroller");
  }

  /* Newer messages that are not in the page yet. */
  function rest() {
    return document.getElementById("newer");
  }

  function atEnd(box) {
    return box.scrollHeight - box.scrollTop - box.clientHeight <= NEAR && !rest();
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

  let noting = 0;
  function onScroll() {
    const box = scroller();
    // Growth alone never moves scrollTop: only the reader's own way up ends the following.
    if (box.scrollTop < lastTop - 2) following = atEnd(box);
    else if (atEnd(box)) following = true;
    lastTop = box.scrollTop;
    showJump();
    clearTimeout(noting);
    noting = setTimeout(note, 150);
  }

  /* The place of reading: what stands at the upper edge, and where. Several elements, for one may go. */
  function place(box) {
    const messages = document.querySelectorAll("#log > .message");
    if (!messages.length) return null;
    const edge = box.getBoundingClientRect();
    let low = 0;
    let high = messages.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (messages[middle].getBoundingClientRect().bottom > edge.top) high = middle;
      else low = middle + 1;
    }
    const message = messages[low];
    const within = Math.max(edge.top, message.getBoundingClientRect().top) + 4;
    const inner = document.elementFromPoint(edge.left + edge.width / 2, within);
    const held = [message, ...[...messages].slice(low + 1, low + 3), messages[low - 1]];
    if (inner && message.contains(inner)) held.unshift(inner);
    return held.filter(Boolean).map((element) => [element, element.getBoundingClientRect().top - edge.top]);
  }

  function putBack(held) {
    const box = scroller();
    const [element, top] = held.find(([each]) => each.isConnected) || [];
    if (!box || !element) return;
    const moved = element.getBoundingClientRect().top - box.getBoundingClientRect().top - top;
    if (Math.abs(moved) >= 1) box.scrollTop += moved;
    lastTop = box.scrollTop;
  }

  /* What is put into the page above what is being read does not move it. */
  let held = null;
  document.addEventListener("htmx:before:swap", () => {
    const box = scroller();
    if (box && !following && !held) held = place(box);
  });
  document.addEventListener("htmx:finally:swap", () => {
    if (held && !following) putBack(held);
    held = null;
  });

  /* Nor does a page that becomes wider or narrower. */
  let noted = null;
  function note() {
    const box = scroller();
    noted = box && !following ? place(box) : null;
  }

  /* A live answer is spoken block by block, when each is closed: never token by token. */
  function speak(records) {
    // What closes at once is said at once: a second word would take the place of the first.
    const spoken = [];
    for (const record of records) {
      // Blocks that were there when the page came have no open block after them. Folded reasoning stays silent.
      const last = record.target.lastElementChild;
      if (!last || !last.classList.contains("open") || record.target.closest("details:not([open])")) continue;
      for (const node of record.addedNodes) {
        if (node.nodeType === 1 && node.classList.contains("chunk")) spoken.push(window.lerixText.spoken(node));
      }
    }
    if (spoken.length) window.lerix.say(spoken.join(" ").slice(0, 2000));
  }

  function watch() {
    const box = scroller();
    if (!box || box === watched) return;
    watched = box;
    following = true;
    box.addEventListener("scroll", onScroll, { passive: true });
    const log = document.getElementById("log");
    const sizes = new ResizeObserver(() => {
      if (following) toEnd();
      else if (width !== box.clientWidth && noted) putBack(noted);
      width = box.clientWidth;
      showJump();
    });
    sizes.observe(log);
    sizes.observe(box);
    new MutationObserver(speak).observe(log, { childList: true, subtree: true });
    toEnd();
  }

  /* The message that was looked for. */
  function find() {
    const found = document.getElementById("found");
    const message = found && document.getElementById(found.dataset.message);
    if (!message) return;
    found.remove();
    // Once: a reload shows what the chat stands at by then, and not the branch of what was looked for. Not before the
    // page is told of as shown, where it is in another device's browser.
    setTimeout(() => history.replaceState(history.state, "", found.dataset.chat));
    for (const each of document.querySelectorAll(".is-found")) each.classList.remove("is-found");
    message.classList.add("is-found");
    held = null;
    following = false;
    message.scrollIntoView({ block: "start" });
    lastTop = scroller().scrollTop;
    note();
    showJump();
  }

  /* Follow the end from now on; where that is not in the page, it comes. */
  function follow() {
    following = true;
    held = null;
    if (rest()) window.htmx.ajax("GET", rest().dataset.latest, { target: "#log", swap: "innerHTML" });
    else toEnd();
    showJump();
  }

  document.addEventListener("click", (event) => {
    if (!event.target.closest("#jump")) return;
    follow();
    document.getElementById("message").focus();
  });

  /* One's own message is always shown. */
  function sends(event) {
    const source = event.detail.ctx.sourceElement;
    return source && (source.id === "composer" || source.closest("[data-follows]"));
  }
  document.addEventListener("htmx:before:request", (event) => {
    if (sends(event) && !rest()) follow();
  });
  document.addEventListener("htmx:finally:request", (event) => {
    const answer = event.detail.ctx.response;
    if (sends(event) && rest() && answer && answer.status < 400) follow();
  });

  /* From where on the model was given the conversation: told with the meter, shown above that message. */
  function markCut() {
    const words = document.getElementById("cut-words");
    const above = words && document.getElementById(words.dataset.above);
    const shown = document.getElementById("cut");
    if (shown && (!above || shown.nextElementSibling !== above)) shown.remove();
    if (!above || (shown && shown.isConnected)) return;
    const mark = words.cloneNode(true);
    mark.id = "cut";
    mark.hidden = false;
    above.before(mark);
  }

  /* The meter's card closes as menus do. */
  function closeMeter(event) {
    const card = document.getElementById("meter-details");
    if (!card || !card.open) return;
    if (event.type === "keydown" && event.key !== "Escape") return;
    if (event.type !== "keydown" && card.contains(event.target)) return;
    if (event.type === "keydown") card.querySelector("summary").focus();
    card.open = false;
  }
  for (const kind of ["click", "keydown", "focusin"]) document.addEventListener(kind, closeMeter);

  function arrived() {
    watch();
    markCut();
    find();
  }
  document.addEventListener("htmx:after:swap", arrived);
  document.addEventListener("DOMContentLoaded", arrived);
})();
