/* Quoting: what is selected in a message goes to the message field, each line behind a >. */

(() => {
  "use strict";

  function button() {
    return document.getElementById("quote");
  }

  function messageOf(node) {
    const element = node && (node.nodeType === 1 ? node : node.parentElement);
    return element && element.closest("article.message");
  }

  /* The selection, where it lies in the text of one message. */
  function selected() {
    const selection = getSelection();
    if (!selection || selection.isCollapsed || !selection.rangeCount) return null;
    const article = messageOf(selection.anchorNode);
    if (!article || article !== messageOf(selection.focusNode)) return null;
    const range = selection.getRangeAt(0);
    const text = article.querySelector(":scope > .body, :scope > .bubble");
    if (!text || !range.intersectsNode(text) || selection.toString().trim() === "") return null;
    const more = window.lerixText.chosen(range);
    return { article, range, text: (more && more.words) || selection.toString() };
  }

  function quoted(text) {
    const lines = text.replace(/\r\n?/g, "\n").trim().split("\n");
    return lines.map((line) => (line.trim() === "" ? ">" : "> " + line)).join("\n") + "\n\n";
  }

  /* Behind what stands in the field, with the caret after it: what is written next is about it. */
  function put(text) {
    const area = document.getElementById("message");
    if (!area) return;
    const before = area.value.trimEnd();
    area.value = (before === "" ? "" : before + "\n\n") + quoted(text);
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
    area.scrollTop = area.scrollHeight;
    area.dispatchEvent(new Event("input", { bubbles: true }));
    window.lerix.say("Quoted in the message field");
  }

  async function whole(source) {
    try {
      const answer = await fetch(source, { headers: { "HX-Request": "true" } });
      if (!answer.ok) throw new Error("no source");
      put(await answer.text());
    } catch {
      window.lerix.toast("The message could not be read just now. Select its text, then press Quote.");
    }
  }

  function place() {
    const float = button();
    if (!float) return;
    const found = selected();
    float.hidden = !found;
    if (!found) return;
    const boxes = found.range.getClientRects();
    const end = boxes.length ? boxes[boxes.length - 1] : found.range.getBoundingClientRect();
    const own = float.getBoundingClientRect();
    const view = document.getElementById("scroller").getBoundingClientRect();
    const top = Math.min(Math.max(end.bottom + 8, view.top + 8), view.bottom - own.height - 8);
    const left = Math.min(Math.max(end.right - own.width / 2, view.left + 8), view.right - own.width - 8);
    float.style.top = top + "px";
    float.style.left = left + "px";
  }

  /* While it is being drawn, a selection has no button at its end. */
  let drawing = false;
  let due = 0;
  function soon() {
    if (drawing || due) return;
    due = requestAnimationFrame(() => {
      due = 0;
      place();
    });
  }

  document.addEventListener("pointerdown", (event) => {
    if (event.target.closest && event.target.closest("#quote")) {
      // The selection stays.
      event.preventDefault();
      return;
    }
    drawing = true;
    if (button()) button().hidden = true;
  });
  for (const end of ["pointerup", "pointercancel"]) {
    document.addEventListener(end, () => {
      drawing = false;
      soon();
    });
  }
  document.addEventListener("selectionchange", soon);
  document.addEventListener("scroll", () => button() && !button().hidden && soon(), { capture: true, passive: true });
  document.addEventListener("mousedown", (event) => {
    if (event.target.closest && event.target.closest("#quote, [data-quote]")) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const pressed = event.target.closest("#quote, [data-quote]");
    if (!pressed) return;
    const found = selected();
    if (pressed.id === "quote" && !found) return;
    if (found && (pressed.id === "quote" || found.article === pressed.closest("article"))) {
      getSelection().removeAllRanges();
      put(found.text);
    } else {
      whole(pressed.dataset.source);
    }
    if (button()) button().hidden = true;
  });
})();
