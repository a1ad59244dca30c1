/* Selecting several chats of the list: a box before each, a range by Shift, and what can be done to them below the list.
   What is selected is kept here, so that news of the list, and more of it, leave it as it is. */

(() => {
  "use strict";

  const selected = new Set();
  let last = null;

  const byId = (id) => document.getElementById(id);
  const place = () => byId("history-place");

  function isOn() {
    return Boolean(place() && place().classList.contains("is-selecting"));
  }

  function links() {
    return [...place().querySelectorAll("a.side-link[id^=chat-]")];
  }

  /* Boxes are put before what came since, and set as they were. */
  function draw() {
    if (!isOn()) return;
    const shown = new Set();
    for (const link of links()) {
      const chat = link.id.slice("chat-".length);
      shown.add(chat);
      let box = link.previousElementSibling;
      if (!box) {
        box = document.createElement("input");
        Object.assign(box, { type: "checkbox", className: "pick", id: "pick-" + chat });
        box.setAttribute("aria-labelledby", link.id);
        link.before(box);
      }
      box.checked = selected.has(chat);
    }
    tell();
  }

  function tell() {
    const count = selected.size;
    byId("selecting-count").textContent = count ? count + " selected" : "None selected";
    for (const button of document.querySelectorAll(".selecting-actions button")) button.disabled = count === 0;
    const form = byId("selection");
    form.replaceChildren(
      ...[...selected].map((chat) => Object.assign(document.createElement("input"), { type: "hidden", name: "chats", value: chat })),
    );
  }

  function turn(on) {
    place().classList.toggle("is-selecting", on);
    byId("selecting").hidden = !on;
    document.querySelector("#sidebar .side-foot").hidden = on;
    selected.clear();
    last = null;
    if (on) {
      draw();
      const first = place().querySelector(".pick");
      if (first) first.focus();
    } else {
      for (const box of place().querySelectorAll(".pick")) box.remove();
      tell();
    }
  }

  function set(chat, on) {
    if (on) selected.add(chat);
    else selected.delete(chat);
  }

  function toggle(chat, range) {
    const all = links().map((link) => link.id.slice("chat-".length));
    const on = !selected.has(chat);
    const from = all.indexOf(last);
    const to = all.indexOf(chat);
    if (range && from >= 0) for (const each of all.slice(Math.min(from, to), Math.max(from, to) + 1)) set(each, on);
    else set(chat, on);
    last = chat;
    draw();
  }

  /* Before anybody else hears of it: a press on a chat selects it now, and does not open it. */
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-select]");
    if (button) {
      turn(button.dataset.select === "on");
      if (button.dataset.select === "off") document.querySelector("[data-select=on]").focus();
      return;
    }
    if (!isOn()) return;
    const box = event.target.closest("#history-place .pick");
    const link = event.target.closest("#history-place a.side-link[id^=chat-]");
    if (!box && !link) return;
    event.stopPropagation();
    if (link) event.preventDefault();
    toggle((box || link).id.replace(/^(pick|chat)-/, ""), event.shiftKey);
  }, true);

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !isOn() || event.defaultPrevented) return;
    if (!event.target.closest || !event.target.closest("#sidebar") || document.querySelector("[data-menu][aria-expanded=true]")) return;
    event.stopPropagation();
    turn(false);
    document.querySelector("[data-select=on]").focus();
  }, true);

  document.addEventListener("htmx:after:swap", draw);

  /* It is done: what was selected is not any more. Word of other chats, of an Undo before it say, leaves it as it is. */
  document.addEventListener("lerix:chats", (event) => {
    if (isOn() && event.detail.chats.some((chat) => selected.has(chat))) turn(false);
  });
})();
