/* Long answers and long chats: what is far from the part that is read costs nothing. Closed blocks of a growing answer
   are put together into folds; folds and messages that are off the screen by some distance keep the size they had, and
   are neither laid out nor painted until they come near again (the class is-far). */

(() => {
  "use strict";

  /* Paragraphs and the like in a fold, and the newest ones that stay outside. A chunk is those that came together. */
  const TOGETHER = 24;
  const OUTSIDE = 24;
  /* Characters of a block that grows by text. */
  const LINES = 4000;
  /* Rows of a table that stand together. */
  const ROWS = 60;

  let watched = null;
  let near = null;
  let width = 0;

  function sized(entries) {
    for (const { target, isIntersecting, boundingClientRect: box } of entries) {
      if (isIntersecting || box.height === 0 || target.getAttribute("aria-busy") === "true") {
        target.classList.remove("is-far");
      } else if (!target.classList.contains("is-far")) {
        target.style.containIntrinsicBlockSize = `auto ${box.height}px`;
        target.classList.add("is-far");
      }
    }
  }

  /* Where the page becomes wider or narrower, no size is what it was. */
  function resized() {
    if (width === watched.clientWidth) return;
    width = watched.clientWidth;
    for (const table of watched.querySelectorAll("#log .is-long")) fix(table);
    for (const each of watched.querySelectorAll("#log > .message, #log .fold, #log .is-long > tbody")) {
      each.classList.remove("is-far");
      near.unobserve(each);
      near.observe(each);
    }
  }

  /* By answer, or reasoning summary: the last fold, and how many blocks stand behind it. */
  const growing = new WeakMap();

  function grown(records) {
    for (const { target, addedNodes } of records) {
      for (const node of addedNodes) {
        if (node.nodeType === 3 && target.closest(".open")) lengthen(target, node.length);
        if (node.nodeType !== 1) continue;
        if (node.localName === "tr" && node.closest(".chunk")) lengthenTable(target, node);
        if (node.classList.contains("message")) near.observe(node);
        else if (node.classList.contains("chunk") && target.lastElementChild.classList.contains("open")) count(target, node);
      }
    }
  }

  function count(body, chunk) {
    const state = growing.get(body) || { fold: null, blocks: 0 };
    growing.set(body, state);
    state.blocks += chunk.childElementCount;
    if (state.blocks >= TOGETHER + OUTSIDE) fold(body, state);
  }

  function fold(body, state) {
    const first = state.fold && state.fold.parentNode === body ? state.fold.nextElementSibling : body.firstElementChild;
    const chunks = [];
    let blocks = 0;
    let next = first;
    while (next && next.classList.contains("chunk") && (blocks < TOGETHER || spaced(next))) {
      chunks.push(next);
      blocks += next.childElementCount;
      next = next.nextElementSibling;
    }
    // Not what is being used: moving it would end a selection, or take the focus away.
    const selected = document.getSelection();
    const used = selected && selected.type === "Range" && body.contains(selected.anchorNode);
    const focused = document.activeElement;
    if (!next || !next.classList.contains("chunk") || used || chunks.some((chunk) => chunk.contains(focused))) return;
    const made = document.createElement("div");
    made.className = "fold";
    const scrolled = chunks.flatMap((chunk) => [...chunk.querySelectorAll("pre, .table")].map((each) => [each, each.scrollLeft]));
    body.insertBefore(made, first);
    made.append(...chunks);
    for (const [each, left] of scrolled) if (left) each.scrollLeft = left;
    state.fold = made;
    state.blocks -= blocks;
    near.observe(made);
  }

  /* A fold keeps its margins inside: so it ends where the next block brings none of its own. */
  function spaced(block) {
    const first = block.firstElementChild;
    return !first || parseFloat(getComputedStyle(first).marginBlockStart) > 0;
  }

  /* A long code block or table that is still open grows by text, which a browser lays out as a whole: so whole lines go
     into boxes of their own. */
  const loose = new WeakMap();

  function lengthen(block, length) {
    const total = (loose.get(block) || 0) + length;
    loose.set(block, total);
    const selected = document.getSelection();
    if (total < LINES || (selected && selected.type === "Range" && block.contains(selected.anchorNode))) return;
    const nodes = [];
    for (let node = block.lastChild; node && node.nodeType === 3; node = node.previousSibling) nodes.unshift(node);
    const text = nodes.map((node) => node.data).join("");
    const end = text.lastIndexOf("\n") + 1;
    loose.set(block, end > 0 ? text.length - end : 0);
    if (end === 0) return;
    const lines = document.createElement("span");
    lines.className = "lines";
    lines.textContent = text.slice(0, end);
    for (const node of nodes) node.remove();
    block.append(lines, text.slice(end));
  }

  /* A table that grows is laid out as a whole with each row that comes. So once it has many, its columns stay as they
     are, and its rows stand in groups, each a box of its own. It says itself what it is, since it no longer looks so. */
  function lengthenTable(group, row) {
    const table = group.closest("table");
    if (!table || (group.rows.length < ROWS && !table.classList.contains("is-long"))) return;
    if (!table.classList.contains("is-long")) {
      fix(table);
      table.setAttribute("role", "table");
      for (const each of table.querySelectorAll("thead, tbody")) each.setAttribute("role", "rowgroup");
      for (const each of table.rows) told(each);
    }
    told(row);
    if (group.rows.length < ROWS || group.nextElementSibling) return;
    const next = document.createElement("tbody");
    next.setAttribute("role", "rowgroup");
    group.after(next);
    near.observe(group);
  }

  function fix(table) {
    table.classList.remove("is-long");
    const widths = [...table.rows[0].cells].map((cell) => cell.getBoundingClientRect().width);
    table.style.setProperty("--columns", widths.map((each) => each + "px").join(" "));
    table.style.setProperty("--across", widths.reduce((sum, each) => sum + each, 0) + "px");
    table.classList.add("is-long");
  }

  function told(row) {
    row.setAttribute("role", "row");
    for (const cell of row.cells) cell.setAttribute("role", cell.localName === "th" ? "columnheader" : "cell");
  }

  function watch() {
    const box = document.getElementById("scroller");
    if (!box || box === watched) return;
    if (near) near.disconnect();
    watched = box;
    width = box.clientWidth;
    near = new IntersectionObserver(sized, { root: box, rootMargin: "1500px 0px" });
    for (const each of box.querySelectorAll("#log > .message")) near.observe(each);
    new MutationObserver(grown).observe(document.getElementById("log"), { childList: true, subtree: true });
    new ResizeObserver(resized).observe(box);
  }

  document.addEventListener("htmx:after:swap", watch);
  document.addEventListener("DOMContentLoaded", watch);
})();
