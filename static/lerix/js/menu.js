/* Menus: opened by a button with data-menu; arrows move, letters find, Enter chooses, Escape closes. */

(() => {
  "use strict";

  let typed = "";
  let typedAt = 0;

  function opener() {
    return document.querySelector("[data-menu][aria-expanded=true]");
  }

  function menuOf(button) {
    return document.getElementById(button.dataset.menu);
  }

  function items(menu) {
    return [...menu.querySelectorAll("[role=menuitemradio], [role=menuitem], a")];
  }

  function open(button) {
    const menu = menuOf(button);
    typed = "";
    menu.hidden = false;
    // News from the server must not close a menu that is being read.
    menu.setAttribute("hx-morph-skip", "");
    button.setAttribute("aria-expanded", "true");
    const all = items(menu);
    const first = menu.querySelector("[role=menuitemradio][aria-checked=true]") || all[0];
    if (first) first.focus({ preventScroll: true });
  }

  function close(focus) {
    const button = opener();
    if (!button) return;
    menuOf(button).hidden = true;
    menuOf(button).removeAttribute("hx-morph-skip");
    button.setAttribute("aria-expanded", "false");
    if (focus) button.focus();
  }

  function move(menu, by) {
    const all = items(menu);
    const at = all.indexOf(document.activeElement);
    all[(at + by + all.length) % all.length].focus();
  }

  function find(menu, letter) {
    const now = Date.now();
    typed = now - typedAt > 700 ? letter : typed + letter;
    typedAt = now;
    const all = items(menu);
    const name = (item) => (item.getAttribute("aria-label") || item.textContent).trim().toLowerCase();
    const hit = all.find((item) => name(item).startsWith(typed)) || all.find((item) => name(item).includes(typed));
    if (hit) hit.focus();
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-menu]");
    if (button) {
      if (button.getAttribute("aria-expanded") === "true") close(true);
      else open(button);
      return;
    }
    const current = opener();
    if (current && !menuOf(current).contains(event.target)) close(false);
  });

  document.addEventListener("keydown", (event) => {
    const button = opener();
    if (!button) {
      if ((event.key === "ArrowDown" || event.key === "ArrowUp") && event.target.dataset && event.target.dataset.menu) {
        event.preventDefault();
        open(event.target);
      }
      return;
    }
    const menu = menuOf(button);
    if (event.key === "Escape") close(true);
    else if (event.key === "Tab") close(false);
    else if (event.key === "ArrowDown") move(menu, 1);
    else if (event.key === "ArrowUp") move(menu, -1);
    else if (event.key === "Home") items(menu)[0].focus();
    else if (event.key === "End") items(menu).at(-1).focus();
    else if (event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey) find(menu, event.key.toLowerCase());
    else return;
    if (event.key !== "Tab") event.preventDefault();
  });

  /* After a choice the server sends the menu anew. Choosing access leaves it open, for the model comes next. */
  let keep = null;
  document.addEventListener("htmx:before:request", (event) => {
    const source = event.detail.ctx.sourceElement;
    if (source.getAttribute("role") !== "menuitemradio") return;
    keep = (source.getAttribute("hx-vals") || "").includes('"keep"') ? source.getAttribute("aria-label") : null;
    if (keep === null) close(true);
    else menuOf(opener()).removeAttribute("hx-morph-skip");
  });

  document.addEventListener("htmx:after:swap", (event) => {
    if (keep === null || !event.detail.ctx.sourceElement.closest("#picker")) return;
    const button = document.getElementById("model-button");
    const label = keep;
    keep = null;
    open(button);
    const same = items(menuOf(button)).find((item) => item.getAttribute("aria-label") === label);
    if (same) same.focus({ preventScroll: true });
  });
})();
