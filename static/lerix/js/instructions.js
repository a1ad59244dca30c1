/* The dialog with the instructions for one chat: counted as they are typed, and closed when they are saved. */

(() => {
  "use strict";

  document.addEventListener("input", (event) => {
    const area = event.target;
    if (!area.closest || !area.closest("#instructions-dialog") || !area.dataset.count) return;
    const place = document.getElementById(area.dataset.count);
    const longest = Number(area.dataset.longest);
    // As the server counts: characters, not halves of them.
    const length = [...area.value].length;
    place.textContent = length.toLocaleString("en") + " of " + longest.toLocaleString("en") + " characters";
    place.classList.toggle("is-over", length > longest);
    // Of a new chat: the mark says that something is there.
    const mark = document.getElementById("instructions-mark");
    if (mark && area.form && area.form.id === "composer") mark.classList.toggle("is-set", area.value.trim() !== "");
  });

  document.addEventListener("htmx:finally:request", (event) => {
    const { sourceElement: form, response } = event.detail.ctx;
    if (!form.matches || !form.matches("form[data-closes]") || !response || response.status >= 400) return;
    form.closest("dialog").close();
    window.lerix.say("Saved");
  });

  /* What was there at the last opening must not be seen while the newest is on its way. */
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog=instructions-dialog][hx-get]");
    if (opener) document.getElementById("instructions-form").replaceChildren();
  });
  document.addEventListener("htmx:after:swap", () => {
    const area = document.querySelector("#instructions-form textarea");
    if (area && area.closest("dialog[open]") && !area.closest("dialog").contains(document.activeElement)) area.focus();
  });
})();
