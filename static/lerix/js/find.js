/* Find in this chat: the server looks through the whole chat, since a page has only a part of it; the page goes from
   message to message and marks the words. The browser's own search stays what it is. */

(() => {
  "use strict";

  const ACCENTS = /[\u0300-\u036f]/g;
  const marks = "highlights" in CSS && typeof Highlight === "function";
  let messages = [];
  let words = [];
  let at = -1;
  let asked = 0;
  let timer = 0;

  const byId = (id) => document.getElementById(id);
  const bar = () => byId("find");
  const field = () => byId("find-words");

  function folded(text) {
    return text.normalize("NFD").replace(ACCENTS, "").toLowerCase();
  }

  /* Where each letter of the folded text stands in the text itself. */
  function places(text) {
    const plain = folded(text);
    if (plain.length === text.length) return { plain, at: (index) => index };
    const map = [];
    let joined = "";
    let index = 0;
    for (const letter of text) {
      const one = folded(letter);
      for (let each = 0; each < one.length; each += 1) map.push(index);
      joined += one;
      index += letter.length;
    }
    map.push(index);
    return { plain: joined, at: (place) => map[place] };
  }

  function mark() {
    if (!marks) return;
    CSS.highlights.delete("find");
    CSS.highlights.delete("find-here");
    if (!bar() || bar().hidden || !words.length) return;
    const here = messages[at];
    const found = { all: [], here: [] };
    const log = byId("log");
    for (const article of log.querySelectorAll("article")) {
      const id = Number(article.id.slice(1));
      if (!messages.includes(id)) continue;
      const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        if (!node.parentElement.closest(".bubble, .body") || node.parentElement.closest("button, .reasoning")) continue;
        const { plain, at: place } = places(node.data);
        for (const word of words) {
          for (let index = plain.indexOf(word); index >= 0; index = plain.indexOf(word, index + word.length)) {
            const range = new Range();
            range.setStart(node, place(index));
            range.setEnd(node, place(index + word.length));
            (id === here ? found.here : found.all).push(range);
          }
        }
      }
    }
    CSS.highlights.set("find", new Highlight(...found.all));
    CSS.highlights.set("find-here", new Highlight(...found.here));
    return found.here[0];
  }

  function tell() {
    const typed = field().value.trim() !== "";
    byId("find-count").textContent = messages.length ? at + 1 + " of " + messages.length : typed ? "Not found" : "";
    for (const button of bar().querySelectorAll("[data-find-go]")) button.disabled = messages.length === 0;
  }

  function show(range) {
    const article = byId("m" + messages[at]);
    if (!article) return;
    const box = byId("scroller");
    const to = range ? range.getBoundingClientRect() : article.getBoundingClientRect();
    const frame = box.getBoundingClientRect();
    const inside = to.top >= frame.top + 64 && to.bottom <= frame.bottom - 48;
    if (!inside) box.scrollTop += to.top - frame.top - Math.min(frame.height / 3, 240);
  }

  async function goTo(index) {
    if (!messages.length) return;
    at = (index + messages.length) % messages.length;
    tell();
    const wanted = messages[at];
    if (!byId("m" + wanted)) {
      const address = bar().dataset.window + "?at=" + wanted;
      await htmx.ajax("GET", address, { source: bar(), target: "#log", swap: "innerHTML" });
      // Whoever goes on meanwhile wants the message after.
      if (messages[at] !== wanted) return;
    }
    const range = mark();
    show(range);
    window.lerix.say(byId("find-count").textContent);
  }

  async function look(first) {
    const number = ++asked;
    const query = field().value.trim();
    let found = { messages: [], words: [] };
    if (query) {
      try {
        const answer = await fetch(bar().dataset.find + "?q=" + encodeURIComponent(query), { headers: { "HX-Request": "true" } });
        if (!answer.ok) throw new Error("refused");
        found = await answer.json();
      } catch {
        if (number === asked) window.lerix.toast("Lerix did not answer. Check that it is still running, then search again.");
        return;
      }
    }
    if (number !== asked || !bar() || bar().hidden) return;
    messages = found.messages;
    words = found.words;
    // The newest first, since a chat is read from its end; or where one has come from.
    at = messages.indexOf(first);
    if (at < 0) at = messages.length - 1;
    tell();
    if (messages.length) goTo(at);
    else mark();
  }

  function open(query, first) {
    if (!bar()) return;
    bar().hidden = false;
    if (query !== undefined) field().value = query;
    if (query === undefined) {
      field().focus();
      field().select();
    }
    look(first);
  }

  function close() {
    if (!bar() || bar().hidden) return;
    asked += 1;
    messages = [];
    words = [];
    bar().hidden = true;
    mark();
    const button = byId("chat-options");
    if (button) button.focus();
  }

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-find-open]")) open();
    else if (event.target.closest("[data-find-close]")) close();
    else if (event.target.closest("[data-find-go]")) goTo(at + Number(event.target.closest("[data-find-go]").dataset.findGo));
  });

  document.addEventListener("input", (event) => {
    if (event.target.id !== "find-words") return;
    clearTimeout(timer);
    timer = setTimeout(look, 150);
  });

  document.addEventListener("keydown", (event) => {
    if (!event.target.closest || !event.target.closest("#find")) return;
    if (event.key === "Enter" && event.target.id === "find-words" && !event.isComposing) goTo(at + (event.shiftKey ? 1 : -1));
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  /* Somebody comes from the search over all chats, whose words are in the address. */
  let taken = null;
  function arrive() {
    const here = bar();
    if (!here || here === taken) return;
    taken = here;
    messages = [];
    words = [];
    at = -1;
    if (here.dataset.query) open(here.dataset.query, Number(here.dataset.at));
    else mark();
  }

  document.addEventListener("htmx:after:swap", (event) => {
    arrive();
    const ctx = event.detail.ctx;
    if (ctx && words.length && bar() && !bar().hidden && ctx.sourceElement !== bar()) mark();
  });
  document.addEventListener("DOMContentLoaded", arrive);
})();
