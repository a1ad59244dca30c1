/* What every page shares: sidebar, dialogs, copying, search in lists, and word of what went wrong.
   Everything is delegated from the document, so that it goes on working whatever is swapped in. */

(() => {
  "use strict";

  /* A conversation is long to look through, and has neither addresses to open nor switches. */
  function isChat() {
    return document.getElementById("log") !== null;
  }

  const phone = matchMedia("(max-width: 767px)");

  /* Sidebar: a column that can be closed, and a drawer on phones. */
  function sidebar(open) {
    const app = document.getElementById("app");
    if (!app) return;
    if (phone.matches) app.classList.toggle("drawer-open", open);
    else app.classList.toggle("sidebar-closed", !open);
    const next = document.querySelector(open ? "#sidebar [data-sidebar=close]" : "[data-sidebar=open]");
    if (next) next.focus();
  }

  /* Copying, with a word that it was done. */
  async function copy(button) {
    const kind = button.dataset.copy;
    let text = "";
    try {
      if (kind === "code") text = button.closest(".code").querySelector("code").textContent;
      else if (kind === "message") text = await messageText(button.dataset.source);
      else text = button.parentElement.querySelector("code").textContent;
      await navigator.clipboard.writeText(text);
    } catch {
      toast("Your browser did not allow copying. Select the text and copy it by hand.");
      return;
    }
    say("Copied");
    if (kind === "code") flash(button, "Copied");
    else {
      button.classList.add("is-done");
      setTimeout(() => button.classList.remove("is-done"), 1500);
    }
  }

  /* The Markdown as the model wrote it, not what the page made of it. */
  async function messageText(address) {
    const answer = await fetch(address, { headers: { "HX-Request": "true" } });
    if (!answer.ok) throw new Error("no source");
    return answer.text();
  }

  function flash(button, word) {
    const before = button.textContent;
    button.textContent = word;
    setTimeout(() => {
      button.textContent = before;
    }, 1500);
  }

  /* A word for screen readers, and a note that all can see. */
  function say(words) {
    const region = document.getElementById("spoken");
    if (region) region.textContent = words;
  }

  let toastTimer = 0;
  function toast(words) {
    const note = document.getElementById("toast");
    if (!note) return;
    note.textContent = words;
    note.hidden = false;
    clearTimeout(toastTimer);
    toastTimer = setTimeout(() => {
      note.hidden = true;
    }, 8000);
  }

  /* Lists that can be searched: data-filter names the list, its items carry their words in data-words. */
  function filter(field) {
    const wanted = field.value.trim().toLowerCase();
    const list = document.getElementById(field.dataset.filter);
    if (!list) return;
    let shown = 0;
    for (const item of list.querySelectorAll("[data-words]")) {
      item.hidden = !item.dataset.words.toLowerCase().includes(wanted);
      if (!item.hidden) shown += 1;
    }
    const none = document.getElementById(field.dataset.filter + "-none");
    if (none) none.hidden = shown > 0;
  }

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-sidebar], [data-copy], [data-dialog], [data-close]");
    if (!target) return;
    if (target.dataset.sidebar) sidebar(target.dataset.sidebar === "open");
    else if (target.dataset.copy) copy(target);
    else if (target.dataset.dialog) document.getElementById(target.dataset.dialog).showModal();
    else if ("close" in target.dataset) target.closest("dialog").close();
  });

  document.addEventListener("input", (event) => {
    if (event.target.dataset.filter) filter(event.target);
  });

  document.addEventListener("keydown", (event) => {
    const app = document.getElementById("app");
    // A menu that is open closes first.
    if (document.querySelector("[data-menu][aria-expanded=true]")) return;
    if (event.key === "Escape" && app && app.classList.contains("drawer-open")) sidebar(false);
  });

  /* A click beside a dialog closes it. */
  document.addEventListener("mousedown", (event) => {
    if (event.target.tagName !== "DIALOG" || !event.target.open) return;
    const box = event.target.getBoundingClientRect();
    const inside =
      event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (!inside) event.target.close();
  });

  /* Requests that fail say so. Nothing is lost: what was typed stays where it is. */
  document.addEventListener("htmx:error", (event) => {
    const source = event.detail.ctx && event.detail.ctx.sourceElement;
    if (source && (source.id === "stream" || source.closest("[data-saves]"))) return;
    toast("Lerix did not answer. Check that it is still running, then try again.");
  });

  document.addEventListener("htmx:response:error", (event) => {
    const source = event.detail.ctx.sourceElement;
    if (!source || !source.closest("[data-saves]")) toast(reason(event.detail.ctx.response));
  });

  function reason(response) {
    const words = response.headers.get("X-Lerix-Sentence");
    if (words) return decodeURIComponent(words);
    const status = response.status;
    if (status === 403 || status === 401) return "This page is no longer signed in to Lerix. Run lerix open, then reload.";
    return "That did not work (error " + status + "). Nothing was changed.";
  }

  /* An address that the server asks to be opened at once. The link stays for when the browser does not allow it. */
  document.addEventListener("htmx:after:swap", () => {
    if (isChat()) return;
    for (const link of document.querySelectorAll("[data-open-now]")) {
      link.removeAttribute("data-open-now");
      window.open(link.href, "_blank", "noopener,noreferrer");
    }
  });

  /* The event stream: htmx re-joins a stream that broke, but not one whose first attempt failed. */
  let lost = 0;
  function restart() {
    const stream = document.getElementById("stream");
    if (!stream) return;
    const fresh = stream.cloneNode(true);
    fresh.removeAttribute("data-htmx-powered");
    stream.replaceWith(fresh);
    htmx.process(fresh);
  }

  /* Morphing sets the attribute alone, and a switch that was pressed shows its property: the server's word counts. */
  const pressed = new Set();
  function tell() {
    if (isChat()) return;
    for (const box of document.querySelectorAll("input.switch[data-told]")) {
      if (!pressed.has(box)) box.checked = box.hasAttribute("checked");
    }
  }
  document.addEventListener("htmx:before:request", (event) => pressed.add(event.detail.ctx.sourceElement));
  document.addEventListener("htmx:finally:request", (event) => {
    pressed.delete(event.detail.ctx.sourceElement);
    tell();
  });
  document.addEventListener("htmx:after:swap", tell);

  document.addEventListener("htmx:finally:request", (event) => {
    const source = event.detail.ctx.sourceElement;
    // A stream that runs has its connection noted on the element.
    if (source.id !== "stream" || !source.isConnected || (source._htmx && source._htmx.sse)) return;
    lost += 1;
    setTimeout(restart, Math.min(5000, 300 * 2 ** lost));
  });

  document.addEventListener("htmx:sse:after:connection", () => {
    lost = 0;
    document.body.classList.remove("is-cut-off");
  });

  document.addEventListener("htmx:sse:error", () => {
    document.body.classList.add("is-cut-off");
  });

  /* The button of the menu that is open, where it is the menu of that id: menu.js tells. */
  let menuButton = null;
  document.addEventListener("lerix:menu", (event) => {
    menuButton = event.detail.isOpen ? event.detail.button : null;
  });
  function openerOf(menu) {
    const open = menuButton && menuButton.isConnected && menuButton.getAttribute("aria-expanded") === "true";
    return open && menuButton.dataset.menu === menu ? menuButton : null;
  }

  window.lerix = Object.freeze({ openerOf, say, toast, reason });
})();
