/* A note that something was done, with a button Undo, for ten seconds.

   For others: the answer to a request that did something carries the note. In Python,

       from chat.history.undo import undo
       return HttpResponse(undo("Chat deleted.", reverse("chat:history-restore"), {"chats": ["…", "…"]}))

   which is a partial for #undo (templates/chat/undo.html); append it to whatever else the answer holds. Undo posts the
   fields to the address, and what that answers is swapped as its partials and headers say. Nothing needs to be called
   from scripts. The newest note takes the place of the one before; time stands still while a pointer or the focus is
   on it, and while the tab is hidden. */

(() => {
  "use strict";

  const STEP = 250;
  let left = 0;
  let timer = 0;
  let armed = null;

  function note() {
    return document.querySelector("#undo [data-undo]");
  }

  function close() {
    const shown = note();
    clearInterval(timer);
    armed = null;
    if (!shown) return;
    const held = shown.contains(document.activeElement);
    shown.remove();
    const field = document.getElementById("message");
    if (held && field) field.focus({ preventScroll: true });
  }

  function step() {
    const shown = note();
    if (!shown || !armed) return close();
    if (document.hidden || shown.matches(":hover") || shown.contains(document.activeElement)) return;
    left -= STEP;
    if (left <= 0) close();
  }

  function arm() {
    const shown = note();
    const stamp = shown && shown.dataset.undo;
    if (!shown || stamp === armed) return;
    armed = stamp;
    left = Number(shown.dataset.seconds) * 1000;
    clearInterval(timer);
    timer = setInterval(step, STEP);
    window.lerix.say(shown.querySelector("p").textContent + " Undo is offered for " + shown.dataset.seconds + " seconds.");
  }

  document.addEventListener("htmx:after:swap", arm);

  document.addEventListener("click", (event) => {
    if (event.target.closest("#undo [data-undo-close]")) close();
  });

  document.addEventListener("keydown", (event) => {
    const shown = note();
    if (event.key !== "Escape" || !shown || !shown.contains(document.activeElement)) return;
    event.stopPropagation();
    close();
  });

  /* Undone once: the note goes when the server has taken it, and stays to be pressed again where it has not. */
  document.addEventListener("htmx:finally:request", (event) => {
    const ctx = event.detail.ctx;
    if (!ctx.sourceElement.closest || !ctx.sourceElement.closest("[data-undo]")) return;
    if (ctx.sourceElement.closest("[data-undo]").dataset.undo !== armed) return;
    if (ctx.response && ctx.response.status < 400) close();
  });
})();
