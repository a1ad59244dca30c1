/* Menus: opened by a button with data-menu; arrows move, letters find, Enter chooses, Escape closes. Whether a menu is
   open is in its button's aria-expanded and nowhere else: styles follow it, and what the server sends leaves it alone.
   The event lerix:menu tells of each opening and closing, with the button. */

(() => {
  "use strict";

  let typed = "";
  let typedAt = 0;

  /* Known and not looked for: a long answer is a long way to look. */
  let opened = null;
  function opener() {
    return opened && opened.isConnected && opened.getAttribute("aria-expanded") === "true" ? opened : null;
  }

  function menuOf(button) {
    return document.getElementById(button.dataset.menu);
  }

  function items(menu) {
    return [...menu.querySelectorAll("[role=menuitemradio], [role=menuitem], a")];
  }

  function open(button) {
    typed = "";
    button.setAttribute("aria-expanded", "true");
    opened = button;
    tell(button, true);
    focusIn(menuOf(button));
  }

  function focusIn(menu) {
    const first = menu.querySelector("[role=menuitemradio][aria-checked=true]") || items(menu)[0];
    if (first) first.focus({ preventScroll: true });
  }

  function close(focus) {
    const button = opener();
    if (!button) return;
    button.setAttribute("aria-expanded", "false");
    tell(button, false);
    if (focus) button.focus();
  }

  function tell(button, isOpen) {
    document.dispatchEvent(new CustomEvent("lerix:menu", { detail: { button, isOpen } }));
  }

  function move(menu, by) {
    const all = items(menu);
    const at = all.indexOf(document.activeElement);
    all[(at + by + all.length) % all.length].focus();
  }

  function find(menu, letter, at) {
    typed = at - typedAt > 700 ? letter : typed + letter;
    typedAt = at;
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
    else if (!items(menu).length) return; // what is in it has not come yet
    else if (event.key === "ArrowDown") move(menu, 1);
    else if (event.key === "ArrowUp") move(menu, -1);
    else if (event.key === "Home") items(menu)[0].focus();
    else if (event.key === "End") items(menu).at(-1).focus();
    else if (event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey) find(menu, event.key.toLowerCase(), event.timeStamp);
    else return;
    if (event.key !== "Tab") event.preventDefault();
  });

  /* Whoever goes elsewhere leaves the menu. */
  document.addEventListener("focusin", (event) => {
    const button = opener();
    if (button && event.target !== button && !menuOf(button).contains(event.target)) close(false);
  });

  /* A choice closes the menu, but for one of access: the model comes next. */
  document.addEventListener("htmx:before:request", (event) => {
    const source = event.detail.ctx.sourceElement;
    if (source.getAttribute("role") === "menuitemradio" && !("stays" in source.dataset)) close(true);
  });

  /* The server sends the menu anew after each choice, and whenever anything in it has changed. What had the focus may
     be gone then. */
  document.addEventListener("htmx:after:swap", () => {
    const button = opener();
    if (button && (!document.activeElement || document.activeElement === document.body)) focusIn(menuOf(button));
  });
})();
