/* The chat's title is renamed where it stands: a press on it, or on any button with data-rename, opens its field. */

(() => {
  "use strict";

  function part(id) {
    return document.getElementById(id);
  }

  function open() {
    const form = part("title-form");
    if (!form || !form.hidden) return;
    const field = form.elements.title;
    field.value = part("title").textContent.trim();
    form.hidden = false;
    part("title-place").classList.add("is-renamed");
    field.focus();
    field.select();
  }

  function close(focus) {
    const form = part("title-form");
    if (!form || form.hidden) return;
    form.hidden = true;
    part("title-place").classList.remove("is-renamed");
    if (!focus) return;
    // Where there is little room, renaming is in the chat's menu alone.
    const buttons = [document.querySelector("#title-place [data-rename]"), part("chat-options")];
    const button = buttons.find((each) => each && each.checkVisibility());
    if (button) button.focus();
  }

  function save(form) {
    const wanted = form.elements.title.value.trim();
    if (wanted === part("title").textContent.trim()) close(true);
    else form.requestSubmit();
  }

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-rename]")) open();
  });
  document.addEventListener("dblclick", (event) => {
    if (event.target.closest("#title")) open();
  });

  document.addEventListener("keydown", (event) => {
    if (!event.target.closest || !event.target.closest("#title-form")) return;
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close(true);
    } else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      save(event.target.form);
    }
  });

  /* Whoever goes elsewhere means what was written, but for an empty title. */
  document.addEventListener("focusout", (event) => {
    const form = part("title-form");
    if (!form || form.hidden || !form.contains(event.target) || form.contains(event.relatedTarget)) return;
    if (!document.hasFocus() || form.classList.contains("htmx-request")) return;
    const wanted = form.elements.title.value.trim();
    if (wanted === "" || wanted === part("title").textContent.trim()) close(false);
    else form.requestSubmit();
  });

  document.addEventListener("htmx:finally:request", (event) => {
    const ctx = event.detail.ctx;
    if (ctx.sourceElement.id !== "title-form" || !ctx.response || ctx.response.status >= 400) return;
    // The server's own word follows at once.
    part("title").textContent = ctx.sourceElement.elements.title.value.trim();
    close(document.activeElement === document.body || ctx.sourceElement.contains(document.activeElement));
  });

  /* The tab is called as the chat is. */
  let seen = null;
  function watch() {
    const title = part("title");
    if (!title || title === seen) return;
    seen = title;
    new MutationObserver(() => {
      const words = title.textContent.trim();
      if (title.isConnected && words && part("title-form")) document.title = words + " \u00b7 Lerix";
    }).observe(title, { childList: true, characterData: true, subtree: true });
  }
  document.addEventListener("htmx:after:swap", watch);
  document.addEventListener("DOMContentLoaded", watch);
})();
