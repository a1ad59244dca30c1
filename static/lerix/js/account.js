/* Settings > Account: what is typed can be shown, the recovery key copied and printed, a form is sent once, and no
   secret stays in a page that nobody looks at. */

(() => {
  "use strict";

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-reveal], [data-copy-text], [data-print]");
    if (!target) return;
    if (target.dataset.reveal) reveal(target);
    else if (target.dataset.copyText) copy(target);
    else window.print();
  });

  function reveal(button) {
    const field = document.getElementById(button.dataset.reveal);
    const shown = field.type === "password";
    field.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  }

  async function copy(button) {
    const word = button.querySelector("span");
    try {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copyText).textContent.trim());
    } catch {
      window.lerix.toast("Your browser did not allow copying. Select the key and copy it by hand.");
      return;
    }
    window.lerix.say("Copied");
    word.textContent = "Copied";
    setTimeout(() => {
      word.textContent = "Copy";
    }, 1500);
  }

  /* What is shown while it is sent must be what a password manager sees: a password. */
  function hide(form) {
    for (const button of form.querySelectorAll("[data-reveal][aria-pressed=true]")) reveal(button);
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    hide(form);
    if (!("sends" in form.dataset)) return;
    if (form.classList.contains("is-sending")) event.preventDefault();
    form.classList.add("is-sending");
    // Whoever stopped the browser while it waited can send it again.
    setTimeout(() => form.classList.remove("is-sending"), 10000);
  });

  document.addEventListener(
    "close",
    (event) => {
      if (event.target.id === "account-dialog") document.getElementById("account-form").replaceChildren();
    },
    true,
  );

  /* A page that is left may be kept by the browser, to be shown again on Back: then without its secrets, and anew. */
  addEventListener("pagehide", () => {
    for (const field of document.querySelectorAll("input[data-typed-secret]")) field.value = "";
    for (const place of document.querySelectorAll("[data-secret]")) place.replaceChildren();
  });

  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });

  /* What was done is told once, not again after a reload. */
  const address = new URL(location.href);
  if (address.searchParams.has("said")) {
    address.searchParams.delete("said");
    history.replaceState(null, "", address);
  }
})();
