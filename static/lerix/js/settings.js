/* Settings that save themselves: what became of a change stands below it, and no change is lost. */

(() => {
  "use strict";

  // Of each form: how often it was changed, how often by the last request, and whether that one failed.
  const changed = new WeakMap();
  const sent = new WeakMap();
  const failed = new WeakSet();

  function form(event) {
    const element = event.target.closest ? event.target : null;
    return element && element.closest("form[data-saves]");
  }

  function formOf(event) {
    const source = event.detail.ctx && event.detail.ctx.sourceElement;
    return source && source.closest("form[data-saves]");
  }

  function isUnsaved(each) {
    return (changed.get(each) || 0) > (sent.get(each) || 0) || failed.has(each);
  }

  function tell(each, words, { bad = false, again = false } = {}) {
    const state = each.querySelector(".save-state");
    state.classList.toggle("is-bad", bad);
    if (words !== null) state.textContent = words;
    each.querySelector("[data-again]").hidden = !again;
  }

  function count(area) {
    const place = document.getElementById(area.dataset.count);
    const longest = Number(area.dataset.longest);
    // As the server counts: characters, not halves of them.
    const length = [...area.value].length;
    place.textContent = length.toLocaleString("en") + " of " + longest.toLocaleString("en") + " characters";
    place.classList.toggle("is-over", length > longest);
  }

  /* The page takes the theme on at once, as the server would render it. */
  function paint(theme) {
    const root = document.documentElement;
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    document.querySelector("meta[name=color-scheme]").content = theme === "system" ? "light dark" : theme;
    for (const meta of document.querySelectorAll("meta[data-scheme]")) {
      const scheme = meta.dataset.scheme;
      meta.media = theme === "system" ? "(prefers-color-scheme: " + scheme + ")" : theme === scheme ? "all" : "not all";
    }
  }

  document.addEventListener("input", (event) => {
    const each = form(event);
    if (!each) return;
    changed.set(each, (changed.get(each) || 0) + 1);
    tell(each, "");
    if (event.target.dataset.count) count(event.target);
    if (event.target.name === "theme") paint(event.target.value);
  });

  const under = new WeakMap();
  document.addEventListener("htmx:before:request", (event) => {
    const each = formOf(event);
    if (each) under.set(event.detail.ctx, changed.get(each) || 0);
  });

  document.addEventListener("htmx:finally:request", (event) => {
    const each = formOf(event);
    if (!each) return;
    const response = event.detail.ctx.response;
    if (response && response.status < 400) {
      failed.delete(each);
      sent.set(each, under.get(event.detail.ctx) || 0);
      tell(each, isUnsaved(each) ? "" : null);
    } else {
      failed.add(each);
      const why = response ? window.lerix.reason(response) : "Lerix did not answer. Check that it is still running.";
      // What was refused for what it says is refused again: then changing it is the next step.
      tell(each, "Not saved. " + why, { bad: true, again: !response || response.status !== 422 });
    }
  });

  /* Leaving before the pause after the last key has passed: the browser sends it on its own. */
  addEventListener("pagehide", () => {
    for (const each of document.querySelectorAll("form[data-saves]")) {
      if (isUnsaved(each)) fetch(each.action, { method: "POST", body: new FormData(each), keepalive: true });
    }
  });

  /* What the server would not take is asked about before it goes. */
  addEventListener("beforeunload", (event) => {
    if ([...document.querySelectorAll("form[data-saves]")].some((each) => failed.has(each))) event.preventDefault();
  });
})();
