/* Dialogs whose content the server sends: emptied when they open, closed when the server says that it is done,
   and the focus led to where one goes on. */

(() => {
  "use strict";

  /* What an earlier opening left must not be seen, nor used, while the new content is on its way. */
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog][hx-target]");
    const place = opener && document.querySelector(opener.getAttribute("hx-target"));
    if (place) place.replaceChildren();
  });

  document.addEventListener("htmx:after:swap", () => {
    for (const done of document.querySelectorAll("[data-done]")) done.closest("dialog").close();
    for (const note of document.querySelectorAll("[data-say]")) {
      window.lerix.say(note.dataset.say);
      note.remove();
    }
    const next = document.querySelector("[data-focus]");
    if (!next) return;
    next.removeAttribute("data-focus");
    next.focus();
  });

  /* An entered key does not stay in a page that nobody looks at. */
  document.addEventListener(
    "close",
    (event) => {
      if (event.target.id === "key-dialog") document.getElementById("key-form").replaceChildren();
    },
    true,
  );
})();
