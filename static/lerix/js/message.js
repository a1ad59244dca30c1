/* Messages: edited in place, stepped through by version, answered again by somebody else. */

(() => {
  "use strict";

  const grows = CSS.supports("field-sizing", "content");

  function fit(area) {
    if (grows) return;
    area.style.height = "auto";
    area.style.height = area.scrollHeight + "px";
  }

  /* Editing. The editor stands in the message, or in the line of one that waits, and what the server sends leaves that
     alone meanwhile (hx-morph-skip). Where it is gone all the same, what was written goes to the message field. */

  const editors = new Set();
  /* What was written in editors that went with their chat, by message: there again when its editor is opened again. */
  const unfinished = new Map();
  const logs = new WeakMap();

  function placeOf(button) {
    return button.closest("article.message, li.queued");
  }

  function textOf(place) {
    return place.querySelector(".bubble, .queued-text");
  }

  function openEditor(button) {
    const place = placeOf(button);
    const text = textOf(place);
    const there = place.querySelector(".editor");
    if (there) return void there.querySelector("textarea").focus();
    const form = document.getElementById("editor").content.firstElementChild.cloneNode(true);
    const area = form.querySelector("textarea");
    form.setAttribute("hx-post", button.dataset.edit);
    // By whom it is answered is chosen in the composer; what only waits has been given to somebody already.
    if (place.matches("article")) form.setAttribute("hx-include", "#picker");
    form.querySelector("[name=key]").value = crypto.randomUUID();
    if (button.dataset.editWord) form.querySelector("[type=submit]").textContent = button.dataset.editWord;
    area.value = unfinished.get(place.id) || text.textContent;
    form.dataset.before = text.textContent;
    form.dataset.place = place.id;
    logs.set(form, document.getElementById("log"));
    place.setAttribute("hx-morph-skip", "");
    place.classList.add("is-edited");
    text.after(form);
    window.htmx.process(form);
    editors.add(form);
    fit(area);
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
    form.scrollIntoView({ block: "nearest" });
  }

  function closeEditor(form, focus) {
    const place = form.parentElement && form.closest(".is-edited");
    editors.delete(form);
    unfinished.delete(form.dataset.place);
    form.remove();
    if (!place) return;
    place.removeAttribute("hx-morph-skip");
    place.classList.remove("is-edited");
    if (focus) place.querySelector("[data-edit]").focus();
  }

  function written(form) {
    return form.querySelector("textarea").value;
  }

  /* To the message field, before what stands there. */
  function intoField(text) {
    const area = document.getElementById("message");
    if (!area) return;
    area.setRangeText(area.value.trim() === "" ? text : text + "\n\n", 0, area.value.trim() === "" ? area.value.length : 0);
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function lookForLost() {
    for (const form of [...editors]) {
      if (form.isConnected || form.dataset.sending) continue;
      editors.delete(form);
      if (written(form).trim() === "" || written(form) === form.dataset.before) continue;
      if (!logs.get(form).isConnected) {
        // Another chat is shown.
        unfinished.set(form.dataset.place, written(form));
        continue;
      }
      intoField(written(form));
      window.lerix.toast("The message you were editing is no longer here. What you wrote is in the message field.");
    }
  }

  document.addEventListener("click", (event) => {
    const edit = event.target.closest("[data-edit]");
    if (edit) openEditor(edit);
    const cancel = event.target.closest("[data-edit-cancel]");
    if (cancel) closeEditor(cancel.closest(".editor"), true);
  });

  document.addEventListener("input", (event) => {
    if (event.target.matches(".editor textarea")) fit(event.target);
  });

  document.addEventListener("keydown", (event) => {
    const form = event.target.closest && event.target.closest(".editor");
    if (!form) return;
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      closeEditor(form, true);
      return;
    }
    // As in the message field.
    if (event.key !== "Enter" || !event.target.matches("textarea")) return;
    if (event.shiftKey || event.isComposing || event.keyCode === 229) return;
    if (document.body.dataset.sendKey === "modified" && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    if (event.target.value.trim() !== "") form.requestSubmit();
  });

  document.addEventListener("htmx:before:request", (event) => {
    const form = event.detail.ctx.sourceElement;
    if (editors.has(form)) form.dataset.sending = "yes";
  });

  document.addEventListener("htmx:finally:request", (event) => {
    const ctx = event.detail.ctx;
    const form = ctx.sourceElement;
    if (!editors.has(form)) return;
    delete form.dataset.sending;
    if (ctx.response && ctx.response.status < 400) {
      const place = form.closest(".is-edited");
      const waits = place && place.matches("li.queued");
      if (waits) textOf(place).textContent = written(form);
      closeEditor(form, waits);
      if (!waits) focusField();
    } else {
      lookForLost();
    }
  });

  function focusField() {
    const area = document.getElementById("message");
    if (area) area.focus({ preventScroll: true });
  }

  /* Versions: the arrow that was pressed goes with the version it belonged to, and the other one takes the focus. */
  let shows = "";
  let arrow = "";
  document.addEventListener("htmx:before:request", (event) => {
    const button = event.detail.ctx.sourceElement;
    if (!button.dataset || !button.dataset.shows) return;
    shows = button.dataset.shows;
    arrow = button.getAttribute("aria-label");
  });

  function refocus() {
    const place = shows && document.getElementById(shows);
    if (!place) return;
    const wanted = place.querySelector(`.versions [aria-label="${arrow}"]:not(:disabled)`) || place.querySelector(".versions button:not(:disabled)");
    shows = "";
    const free = !document.activeElement || document.activeElement === document.body;
    if (wanted && free) wanted.focus({ preventScroll: true });
    const count = place.querySelector(".versions .unseen");
    if (count) window.lerix.say(count.textContent);
  }

  /* What is deleted by the keyboard takes the focus with it: Undo gets it. A press on a screen needs none. */
  let deletedByKeys = false;
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-removes]")) deletedByKeys = event.detail === 0;
  });

  function focusUndo() {
    const undo = deletedByKeys && document.querySelector("#undo [type=submit]");
    if (!undo || (document.activeElement && document.activeElement !== document.body)) return;
    deletedByKeys = false;
    undo.focus();
  }

  /* The menu beside Answer again is one for all messages. It stands apart from them, at the button that opened it. */
  function menu() {
    return document.getElementById("again-menu");
  }

  function menuButton() {
    return window.lerix.openerOf("again-menu");
  }

  function placeMenu() {
    const box = menu();
    const button = menuButton();
    if (!box) return;
    box.hidden = !button;
    if (!button) return box.replaceChildren();
    const at = button.getBoundingClientRect();
    const size = box.getBoundingClientRect();
    const gap = 6;
    const above = at.top - gap - size.height;
    const below = at.bottom + gap;
    const fits = below + size.height < innerHeight - gap;
    box.style.top = Math.max(gap, fits ? below : Math.max(above, gap)) + "px";
    box.style.left = Math.max(gap, Math.min(at.left, document.documentElement.clientWidth - size.width - gap)) + "px";
  }

  function closeMenu() {
    const button = menuButton();
    if (!button) return;
    button.setAttribute("aria-expanded", "false");
    button.focus();
  }

  new MutationObserver(placeMenu).observe(document.documentElement, {
    subtree: true,
    attributeFilter: ["aria-expanded"],
  });
  addEventListener("resize", placeMenu);
  document.addEventListener("scroll", (event) => event.target.id === "scroller" && menuButton() && placeMenu(), {
    capture: true,
    passive: true,
  });

  document.addEventListener("htmx:before:request", (event) => {
    if (event.detail.ctx.sourceElement.closest("#again-menu")) closeMenu();
  });

  document.addEventListener("htmx:after:swap", () => {
    lookForLost();
    refocus();
    focusUndo();
    const box = menu();
    if (!box || box.hidden) return;
    placeMenu();
    const button = menuButton();
    const first = box.querySelector("[role=menuitem]");
    if (first && button && document.activeElement === button) first.focus({ preventScroll: true });
  });

  window.lerix = Object.freeze({ ...window.lerix, intoField });
})();
