/* The message field: Enter sends and Shift+Enter breaks the line, or Ctrl or Cmd+Enter sends, as Settings say; the
   field grows with its text. */

(() => {
  "use strict";

  const grows = CSS.supports("field-sizing", "content");

  function field() {
    return document.getElementById("message");
  }

  function hasFiles() {
    return Boolean(document.querySelector("#chips > .chip"));
  }

  function fit() {
    const area = field();
    if (!area) return;
    area.form.classList.toggle("is-empty", area.value.trim() === "" && !hasFiles());
    if (grows) return;
    area.style.height = "auto";
    area.style.height = area.scrollHeight + "px";
  }

  /* Text that comes back, because it was not taken or was taken back, goes before what is typed by now: a blank line
     between them, and the caret where it was. */
  function giveBack(text) {
    if (text === "") return;
    const area = field();
    const from = area.selectionStart;
    const to = area.selectionEnd;
    if (area.value.trim() === "") {
      area.value = text;
    } else {
      const head = text + "\n\n";
      area.setRangeText(head, 0, 0);
      area.setSelectionRange(from + head.length, to + head.length);
    }
    fit();
  }

  /* Messages that were taken back lie in the page until they stand in the field; then the server is told, for until
     then it keeps them for the next page. A page that nobody has opened yet does not take them. */
  let composing = false;
  function takeDrafts() {
    const found = [...document.querySelectorAll("#drafts [data-draft]")];
    if (!found.length || composing || document.prerendering || !field()) return;
    giveBack(found.map((each) => each.textContent).filter(Boolean).join("\n\n"));
    document.getElementById("chips").append(...document.querySelectorAll("#drafts .chip"));
    fit();
    for (const each of found) {
      each.remove();
      fetch(each.dataset.draft, { method: "POST", keepalive: true }).catch(() => {});
    }
    // The button that was pressed goes.
    const active = document.activeElement;
    if (!active || active === document.body || active.closest("#log")) field().focus();
  }

  document.addEventListener("compositionstart", () => {
    composing = true;
  });
  document.addEventListener("compositionend", () => {
    composing = false;
    takeDrafts();
  });
  document.addEventListener("prerenderingchange", takeDrafts);

  document.addEventListener("input", (event) => {
    if (event.target.id === "message") fit();
  });

  document.addEventListener("keydown", (event) => {
    if (event.target.id !== "message" || event.key !== "Enter") return;
    // While an input method is composing, Enter belongs to it.
    if (event.shiftKey || event.isComposing || event.keyCode === 229) return;
    if (document.body.dataset.sendKey === "modified" && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const form = event.target.form;
    if (event.target.value.trim() === "" && !hasFiles()) return;
    form.requestSubmit();
  });

  /* What was sent leaves the field at once, also where it goes only after another that is on its way (hx-sync of the
     form, on what outlives it: the first message brings a new one); if it was not taken, it comes back. */
  const sent = new WeakMap();
  document.addEventListener("htmx:config:request", (event) => {
    const source = event.detail.ctx.sourceElement;
    if (source.id !== "composer") return;
    const area = field();
    sent.set(event.detail.ctx, area.value);
    area.value = "";
    fit();
  });

  document.addEventListener("htmx:finally:request", (event) => {
    const ctx = event.detail.ctx;
    if (ctx.sourceElement.id !== "composer") return;
    const failed = !ctx.response || ctx.response.status >= 400;
    const area = field();
    const text = sent.get(ctx) || "";
    sent.delete(ctx);
    if (failed && area && text !== "") giveBack(text);
    fit();
  });

  /* The first message of a chat brings a new composer, and so does taking it back. What was typed while that was on
     its way goes along. Where the field that it was sent from is gone, something else is shown by now, which stays: the
     chat with the first message, or another one. */
  let old = null;
  let hadFocus = false;
  document.addEventListener("htmx:before:swap", (event) => {
    const ctx = event.detail.ctx;
    const first = ctx.sourceElement.id === "composer" && ctx.swap !== "none";
    if (first && !ctx.sourceElement.isConnected) return void event.preventDefault();
    if (!first && !(ctx.hx && ctx.hx.retarget === "#main")) return;
    old = field();
    hadFocus = document.activeElement === old;
  });

  document.addEventListener("htmx:after:swap", () => {
    const area = field();
    if (old && area && area !== old) {
      if (area.value === "") {
        area.value = old.value;
        area.setSelectionRange(old.selectionStart, old.selectionEnd);
      }
      if (hadFocus) area.focus();
      old = null;
    }
    fit();
    takeDrafts();
  });
  document.addEventListener("lerix:files", fit);
  document.addEventListener("DOMContentLoaded", () => {
    fit();
    takeDrafts();
  });

  /* Typing anywhere on the page goes to the field. */
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.key.length !== 1) return;
    const active = document.activeElement;
    if (active && active !== document.body && active.id !== "scroller") return;
    if (document.querySelector("dialog[open]")) return;
    const area = field();
    if (area) area.focus();
  });
})();
