/* The message field: Enter sends and Shift+Enter breaks the line, or Ctrl or Cmd+Enter sends, as Settings say; the
   field grows with its text. */

(() => {
  "use strict";

  const grows = CSS.supports("field-sizing", "content");

  function field() {
    return document.getElementById("message");
  }

  function fit() {
    const area = field();
    if (!area) return;
    area.form.classList.toggle("is-empty", area.value.trim() === "");
    if (grows) return;
    area.style.height = "auto";
    area.style.height = area.scrollHeight + "px";
  }

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
    if (event.target.value.trim() === "") return;
    if (form.querySelector(".send")) form.requestSubmit();
    else window.lerix.toast("An answer is still coming. Stop it, or wait until it is complete, then send.");
  });

  /* What was sent leaves the field at once; if it was not taken, it comes back. */
  let sent = "";
  document.addEventListener("htmx:before:request", (event) => {
    const source = event.detail.ctx.sourceElement;
    if (source.id !== "composer") return;
    const area = field();
    sent = area.value;
    area.value = "";
    fit();
  });

  document.addEventListener("htmx:finally:request", (event) => {
    const ctx = event.detail.ctx;
    if (ctx.sourceElement.id !== "composer") return;
    const failed = !ctx.response || ctx.response.status >= 400;
    const area = field();
    if (failed && area && area.value === "") area.value = sent;
    sent = "";
    fit();
  });

  /* The first message of a chat brings a new composer. What was typed while it was on its way goes along. */
  let old = null;
  document.addEventListener("htmx:before:swap", (event) => {
    const ctx = event.detail.ctx;
    if (ctx.sourceElement.id === "composer" && ctx.swap !== "none") old = field();
  });

  document.addEventListener("htmx:after:swap", () => {
    const area = field();
    if (old && area && area !== old) {
      if (area.value === "") area.value = old.value;
      old = null;
    }
    fit();
  });
  document.addEventListener("DOMContentLoaded", fit);

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
