/* The list of chats: what takes its place (search, archive), the menu of a chat, renaming where it stands, and going
   from chat to chat without loading the page anew, so that list, search and scrolling stay as they are. */

(() => {
  "use strict";

  const byId = (id) => document.getElementById(id);

  /* In the place of the list: results of the search, or the archive. */

  function shownPanel() {
    const head = document.querySelector("#panel [data-panel]");
    return head ? head.dataset.panel : "";
  }

  function showPanel() {
    const panel = byId("panel");
    if (!panel) return;
    panel.hidden = panel.children.length === 0;
    byId("history-place").hidden = !panel.hidden;
  }

  function leavePanel(focus) {
    byId("panel").replaceChildren();
    byId("search").value = "";
    showPanel();
    if (focus) focus.focus();
  }

  document.addEventListener("input", (event) => {
    if (event.target.id === "search" && event.target.value.trim() === "" && shownPanel() === "search") leavePanel(null);
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("#open-archive")) byId("search").value = "";
    if (event.target.closest("[data-list]")) leavePanel(byId("open-archive"));
    if (event.target.closest("[data-clear]")) leavePanel(byId("search"));
  });

  // Which of the places the focus has while what was found is replaced; -1: none of them.
  let held = -1;

  /* An answer to words that are not there any more takes nobody's place. */
  document.addEventListener("htmx:before:swap", (event) => {
    const ctx = event.detail.ctx;
    if (!ctx || ctx.sourceElement.id !== "search-form") return;
    if (byId("search").value.trim() === "") event.preventDefault();
    else held = places().indexOf(document.activeElement);
  });

  function arrived(panel) {
    const head = panel.querySelector("[data-panel]");
    showPanel();
    if (!head) return;
    if (head.dataset.said) window.lerix.say(head.dataset.said);
    if (head.dataset.panel === "archive") {
      byId("search").value = "";
      byId("panel-title").focus();
    }
    // Whoever was in what some of the words found stays in it.
    else if (held > 0) (places()[held] || places().at(-1)).focus();
    held = -1;
    panel.scrollTop = 0;
  }

  document.addEventListener("htmx:after:swap", (event) => {
    const ctx = event.detail.ctx;
    if (ctx && ctx.target && ctx.target.id === "panel") arrived(byId("panel"));
  });

  /* A browser that comes back to a page may give the search its words again, and not what was found. */
  addEventListener("pageshow", () => {
    const field = byId("search");
    if (field && field.value.trim()) htmx.trigger("#search-form", "lerix:again");
  });

  /* From the field to what was found and on, by the arrows. */
  function places() {
    const box = byId("panel").hidden ? byId("history-place") : byId("panel");
    return [byId("search"), ...box.querySelectorAll("a.side-link, a.found-hit, summary")].filter((each) =>
      each.checkVisibility(),
    );
  }

  document.addEventListener("keydown", (event) => {
    const field = byId("search");
    if (!field || !event.target.closest || event.isComposing) return;
    const inField = event.target === field;
    if (!inField && !event.target.closest(".history :is(a, summary)")) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const all = places();
      const next = all[all.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)];
      if (next) next.focus();
      event.preventDefault();
    } else if (inField && event.key === "Enter") {
      // What is typed may be newer than what was found: then it is looked for first, and Enter opens it next time.
      const first = byId("panel").querySelector("a");
      event.preventDefault();
      if (first && shownPanel() === "search") first.click();
    } else if (event.key === "Escape" && shownPanel()) {
      event.stopPropagation();
      leavePanel(field);
    }
  });

  /* The menu of a chat or folder comes from the server when it is opened, and stands at its button. */

  // Where in the list the chat stands whose menu was used last.
  let gone = -1;

  function menuButton() {
    return window.lerix.openerOf("chat-menu");
  }

  function place(button) {
    const menu = byId("chat-menu");
    const at = button.getBoundingClientRect();
    const size = menu.getBoundingClientRect();
    const under = at.bottom + 4 + size.height <= innerHeight - 8;
    const top = under ? at.bottom + 4 : Math.max(8, at.top - 4 - size.height);
    const left = at.left + size.width <= innerWidth - 8 ? at.left : at.right - size.width;
    menu.style.top = Math.min(top, Math.max(8, innerHeight - size.height - 8)) + "px";
    menu.style.left = Math.max(8, left) + "px";
  }

  function focusFirst() {
    const menu = byId("chat-menu");
    const first = menu.querySelector("[aria-checked=true]") || menu.querySelector("[role^=menuitem]");
    if (first) first.focus({ preventScroll: true });
  }

  async function openMenu(button) {
    const menu = byId("chat-menu");
    menu.replaceChildren();
    menu.hidden = true;
    const address = button.dataset.options || "/chats/" + button.id.slice("more-".length) + "/options/";
    await htmx.ajax("GET", address, { source: button, target: "#chat-menu", swap: "innerHTML" });
    if (menuButton() === button && menu.children.length === 0) button.setAttribute("aria-expanded", "false");
  }

  document.addEventListener("lerix:menu", (event) => {
    const { button, isOpen } = event.detail;
    if (button.dataset.menu !== "chat-menu") return;
    if (isOpen) openMenu(button);
    else byId("chat-menu").hidden = true;
  });

  document.addEventListener("htmx:after:swap", (event) => {
    const menu = byId("chat-menu");
    if (!menu) return;
    const button = menuButton();
    if (!button) {
      // What opened it has gone.
      menu.hidden = true;
      return;
    }
    const ctx = event.detail.ctx;
    if (!ctx || !ctx.target || ctx.target.id !== "chat-menu") return;
    const title = menu.querySelector("[data-menu-title]");
    if (title) menu.setAttribute("aria-label", title.dataset.menuTitle);
    menu.hidden = false;
    place(button);
    focusFirst();
  });

  function closeMenu(focus) {
    const button = menuButton();
    byId("chat-menu").hidden = true;
    if (!button) return;
    button.setAttribute("aria-expanded", "false");
    if (focus) button.focus({ preventScroll: true });
  }

  document.addEventListener("click", (event) => {
    const item = event.target.closest("#chat-menu [role=menuitem]");
    if (!item || "stays" in item.dataset) return;
    const chat = item.dataset.renameChat;
    const button = menuButton();
    gone = button ? places().indexOf(button.previousElementSibling) : -1;
    closeMenu(!chat);
    if (chat) rename(chat);
  });
  /* The menu stands beside its button. An answer that grows scrolls too, and moves nothing here. */
  for (const kind of ["scroll", "resize"]) {
    addEventListener(kind, ({ target }) => {
      const button = menuButton();
      if (button && (target === window || target.contains(button))) closeMenu(false);
    }, true);
  }

  /* A folder's form is a dialog that opens when it has come, and closes when it is taken. */

  document.addEventListener("htmx:after:swap", (event) => {
    const ctx = event.detail.ctx;
    if (!ctx || !ctx.target || ctx.target.id !== "folder-dialog") return;
    ctx.target.showModal();
    const field = byId("folder-name");
    field.focus();
    field.select();
  });
  document.addEventListener("htmx:finally:request", (event) => {
    const ctx = event.detail.ctx;
    const taken = ctx.response && ctx.response.status < 400;
    if (taken && ctx.sourceElement.closest && ctx.sourceElement.closest("[data-folder-form]")) byId("folder-dialog").close();
  });

  /* Folders that were left open are open on the next page. Told once for each change: a page that comes with an open
     folder says so itself. */
  document.addEventListener("toggle", (event) => {
    const folder = event.target;
    if (!folder.dataset || !folder.dataset.opened || folder.open === "was" in folder.dataset) return;
    folder.toggleAttribute("data-was", folder.open);
    const body = new URLSearchParams(folder.open ? { open: "on" } : { closed: "on" });
    fetch(folder.dataset.opened, { method: "POST", body, keepalive: true }).catch(() => {});
  }, true);

  /* Renaming in the list. News of the list leave the item alone meanwhile. */

  function rename(chat) {
    const link = byId("chat-" + chat);
    if (!link) return;
    const item = link.closest("li");
    const field = document.createElement("input");
    Object.assign(field, { className: "field rename", value: link.textContent.trim(), maxLength: 200, autocomplete: "off" });
    field.setAttribute("aria-label", "Title");
    item.setAttribute("hx-morph-skip", "");
    item.classList.add("is-renamed");
    item.append(field);
    field.focus();
    field.select();
    let done = false;
    const end = (focus) => {
      done = true;
      item.removeAttribute("hx-morph-skip");
      item.classList.remove("is-renamed");
      field.remove();
      if (focus) link.focus();
    };
    const save = async (focus) => {
      const title = field.value.trim();
      if (done) return;
      if (title === "" || title === link.textContent.trim()) return end(focus);
      done = true;
      const before = link.textContent;
      link.textContent = title;
      end(focus);
      const values = { title };
      let status = 0;
      const watch = (event) => {
        if (event.detail.ctx.sourceElement === link && event.detail.ctx.response) status = event.detail.ctx.response.status;
      };
      document.addEventListener("htmx:finally:request", watch);
      await htmx.ajax("POST", "/chats/" + chat + "/title/", { source: link, values, swap: "none" });
      document.removeEventListener("htmx:finally:request", watch);
      if (status === 0 || status >= 400) link.textContent = before;
    };
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter" && !event.isComposing) save(true);
      else if (event.key === "Escape") end(true);
      else return;
      event.preventDefault();
    });
    field.addEventListener("focusout", () => {
      if (document.hasFocus()) save(false);
    });
  }

  /* From chat to chat. What was typed in one and not sent, with its files, stands there again on the way back. */

  const left = new Map();
  const composed = () => byId("composer") && byId("composer").getAttribute("action");

  function toOwnPlace(link) {
    if (document.querySelector(".topbar.is-temporary") || !byId("main")) return false;
    return link.origin === location.origin || link.getAttribute("href").startsWith("/");
  }

  /* The sidebar asks, and not the link: so a second press takes the place of the first. */
  async function go(link) {
    const address = link.getAttribute("href").split("#")[0];
    // By the header the server knows that it is the main column that is asked for; htmx names the source's own target.
    const headers = { "HX-Target": "main#main" };
    // And by this what has come of the list, which stays.
    const stream = byId("stream");
    const has = stream && stream._htmx && stream._htmx.sse && stream._htmx.sse.lastEventId;
    if (has) headers["Last-Event-ID"] = has;
    link.classList.add("is-going");
    await htmx.ajax("GET", address, { source: byId("sidebar"), target: "#main", swap: "innerHTML", push: address, headers });
    link.classList.remove("is-going");
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("#sidebar a[href]:is(.side-link, .found-hit):not([href^='/settings'], [href*='?temporary'])");
    if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    if (!toOwnPlace(link)) return;
    event.preventDefault();
    go(link);
  });

  const isGoing = (ctx) => ctx && ctx.sourceElement.id === "sidebar" && ctx.target && ctx.target.id === "main";

  document.addEventListener("htmx:before:swap", (event) => {
    if (!isGoing(event.detail.ctx) || !composed()) return;
    // Connected, so that what is being uploaded goes on.
    const files = Object.assign(document.createElement("div"), { hidden: true });
    document.body.append(files);
    files.append(...byId("chips").children);
    left.set(composed(), { text: byId("message").value, files });
  });

  function comeBack() {
    const kept = left.get(composed());
    if (!kept) return;
    left.delete(composed());
    const field = byId("message");
    if (field.value === "") field.value = kept.text;
    byId("chips").append(...kept.files.children);
    kept.files.remove();
    document.dispatchEvent(new CustomEvent("lerix:chips"));
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function marked() {
    const at = /^\/chats\/([0-9a-f-]{36})\//.exec(new URL(document.baseURI).pathname);
    for (const link of document.querySelectorAll("#sidebar [aria-current=page]")) {
      if (!at || link.id !== "chat-" + at[1]) link.removeAttribute("aria-current");
    }
    const link = at && byId("chat-" + at[1]);
    if (link) link.setAttribute("aria-current", "page");
  }

  document.addEventListener("htmx:after:history:push", () => setTimeout(marked));

  document.addEventListener("htmx:after:swap", (event) => {
    if (!byId("sidebar")) return;
    if (isGoing(event.detail.ctx)) {
      byId("app").classList.remove("drawer-open");
      comeBack();
    }
    doubles();
  });

  /* A chat that has come to the top of the list leaves the older part, which the page has fetched before. */
  function doubles() {
    const seen = new Set();
    for (const link of document.querySelectorAll("#history a.side-link[id]")) {
      if (seen.has(link.id)) link.closest("li").remove();
      seen.add(link.id);
    }
  }

  /* One that is below the floor of the list again comes with the older part, which is fetched anew. */
  function refill(chats) {
    const older = document.querySelector("#history > .older");
    if (!older || !older.querySelector("li") || chats.every((chat) => byId("chat-" + chat))) return;
    const days = document.querySelectorAll("#history > section > h2");
    const after = days.length ? days[days.length - 1].textContent : "";
    const address = "/history/older/?before=" + older.id.slice("older-".length) + "&after=" + encodeURIComponent(after);
    htmx.ajax("GET", address, { source: older, target: older, swap: "innerHTML" });
  }

  /* Something was done to chats: the parts of the list that only this page knows follow. */
  document.addEventListener("lerix:chats", (event) => {
    const { do: what, chats } = event.detail;
    for (const chat of chats) {
      for (const link of document.querySelectorAll(".older [id='chat-" + chat + "'], #panel [id='chat-" + chat + "']")) {
        if (what !== "restore" && !(what === "move" && link.closest("#panel"))) link.closest("li").remove();
      }
    }
    if (["restore", "unpin", "unarchive", "move"].includes(what)) refill(chats);
    if (shownPanel() === "search") htmx.trigger("#search-form", "lerix:again");
    else if (shownPanel() === "archive") byId("open-archive").click();
    // Whoever pressed something that is gone goes on with what stands in its place.
    if ((!document.activeElement || document.activeElement === document.body) && gone > 0) {
      const next = places()[gone] || places().at(-1);
      if (next && !matchMedia("(pointer: coarse)").matches) next.focus({ preventScroll: true });
    }
  });

  /* A title that does not fit is told in full; not by the server, for most fit. */
  document.addEventListener("mouseover", (event) => {
    const link = event.target.closest && event.target.closest("#sidebar .side-link[id]");
    if (link) link.title = link.scrollWidth > link.clientWidth ? link.textContent : "";
  });

  document.addEventListener("DOMContentLoaded", () => {
    const link = document.querySelector("#history [aria-current=page]");
    if (!link) return;
    const folder = link.closest("details");
    if (folder && !folder.open) {
      // Only here, where the chat is that is shown.
      folder.toggleAttribute("data-was", true);
      folder.open = true;
    }
    link.scrollIntoView({ block: "nearest" });
  });
})();
