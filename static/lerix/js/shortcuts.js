/* Keyboard shortcuts. Which there are, and what they do, stands in their sheet (chat/shortcuts.html), so that none can
   be there that the sheet does not name: a row presses, focuses, or goes from message to message. */

(() => {
  "use strict";

  const APPLE = /Mac|iPhone|iPad/.test(navigator.platform);
  const FACES = {
    Mod: APPLE ? "⌘" : "Ctrl",
    Shift: APPLE ? "⇧" : "Shift",
    Alt: APPLE ? "⌥" : "Alt",
    ArrowUp: "↑",
    ArrowDown: "↓",
    Escape: "Esc",
    Backspace: APPLE ? "⌫" : "Backspace",
  };
  /* Rows that do something; the others only say what keys do elsewhere. */
  const ACTS = "[data-press], [data-press-last], [data-focus], [data-message], [data-delete]";
  const SPOKEN = { "⌘": "Command", "⇧": "Shift", "⌥": "Option", "↑": "Up", "↓": "Down", "⌫": "Delete" };

  function sheet() {
    return document.getElementById("shortcuts");
  }

  /* The keys of each row, as this computer's keyboard has them. */
  function draw() {
    const rows = sheet() ? sheet().querySelectorAll("[data-keys]:not(:has(dd))") : [];
    for (const row of rows) {
      const keys = document.createElement("dd");
      for (const [number, either] of row.dataset.keys.split(/ (or|to) /).entries()) {
        if (number % 2) keys.append(" " + either + " ");
        else keys.append(...either.split("+").map(cap));
      }
      row.append(keys);
    }
  }

  function cap(name) {
    const key = document.createElement("kbd");
    key.textContent = FACES[name] || name;
    if (SPOKEN[key.textContent]) key.setAttribute("aria-label", SPOKEN[key.textContent]);
    return key;
  }

  function matches(event, keys) {
    const parts = keys.split("+");
    const wanted = parts.pop();
    const mod = parts.includes("Mod");
    if (mod !== (APPLE ? event.metaKey : event.ctrlKey) || (APPLE ? event.ctrlKey : event.metaKey)) return false;
    if (parts.includes("Alt") !== event.altKey) return false;
    // What a sign is typed with differs from keyboard to keyboard; a letter's key has its name.
    const sign = /^[^A-Za-z0-9]$/.test(wanted);
    if (wanted === ";") return event.shiftKey && [";", ":"].includes(event.key);
    if (!sign && parts.includes("Shift") !== event.shiftKey) return false;
    return event.key.toLowerCase() === wanted.toLowerCase();
  }

  function isUsable(element) {
    return !element.disabled && element.checkVisibility({ visibilityProperty: true });
  }

  function all(selector) {
    return [...document.querySelectorAll(selector)];
  }

  function isWriting(target) {
    return target.isContentEditable || /^(?:TEXTAREA|SELECT)$/.test(target.tagName) || isTyped(target);
  }

  function isTyped(target) {
    return target.tagName === "INPUT" && !/^(?:checkbox|radio|button|submit|range|file)$/.test(target.type);
  }

  /* From message to message, by the one that is at the top of the view or has the focus. */
  function step(by) {
    const messages = all("#log > article");
    const scroller = document.getElementById("scroller");
    if (!messages.length || !scroller) return false;
    const top = scroller.getBoundingClientRect().top;
    const held = document.activeElement && document.activeElement.closest("#log > article");
    const first = messages.findIndex((each) => each.getBoundingClientRect().bottom > top + 24);
    const at = held ? messages.indexOf(held) + by : by < 0 && first > 0 ? first - 1 : first;
    const next = messages[Math.min(Math.max(at, 0), messages.length - 1)];
    next.tabIndex = -1;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "start" });
    return true;
  }

  /* The chat that is shown; a temporary one goes by itself. */
  function removeChat() {
    const chat = document.querySelector("#picker [name=chat]");
    const form = document.getElementById("shortcuts-delete");
    if (!chat || !chat.value || !form || document.getElementById("tab")) return false;
    form.elements.chats.value = chat.value;
    form.requestSubmit();
    return true;
  }

  /* Returns whether there was something to do it to. */
  function act(row, target) {
    const { press, pressLast, focus, message, opens } = row.dataset;
    if (message) return step(Number(message));
    if ("delete" in row.dataset) return removeChat();
    if ("empty" in row.dataset && !(target.id === "message" && target.value === "")) return false;
    if (focus) {
      const field = document.querySelector(focus);
      if (!field) return false;
      const closed = document.querySelector("[data-sidebar=open]");
      if (opens && closed && isUsable(closed) && !isUsable(field)) closed.click();
      field.focus();
      if (field.select && field.id !== "message") field.select();
      return true;
    }
    // What is shown on hover only, or stands in a sidebar that is closed, is there all the same.
    const there = "a, [data-dialog], [hidden] > button";
    const found = press ? all(press).find((each) => each.matches(there) || isUsable(each)) : all(pressLast).at(-1);
    if (!found) return false;
    found.click();
    return true;
  }

  function onKey(event) {
    if (event.isComposing || event.keyCode === 229 || event.defaultPrevented || !sheet()) return;
    const target = event.target instanceof Element ? event.target : document.body;
    const open = document.querySelector("dialog[open]");
    for (const row of sheet().querySelectorAll(ACTS)) {
      const keys = row.dataset.keys.split(" or ").find((each) => matches(event, each));
      if (!keys) continue;
      // A key that writes is left to whoever writes.
      const bare = !/^(?:Mod|Alt|Shift\+Escape)/.test(keys);
      if (bare && !("empty" in row.dataset) && isWriting(target)) continue;
      if ((row.dataset.message || "delete" in row.dataset) && isWriting(target) && target.value !== "") continue;
      const isSheet = row.dataset.press === "[data-dialog=shortcuts]";
      if (open && !(isSheet && open === sheet())) return;
      if (event.repeat && !row.dataset.message) {
        event.preventDefault();
        return;
      }
      if (open) open.close();
      else if (!act(row, target)) continue;
      event.preventDefault();
      // Typing anywhere goes to the message field: this is none.
      event.stopImmediatePropagation();
      return;
    }
  }

  document.addEventListener("keydown", onKey, true);
  document.addEventListener("DOMContentLoaded", draw);
})();
