/* What is pressed, written or chosen before the scripts of a page are there is done as soon as they are. Without this a
   button would be dead while they are on their way, and a message sent in that moment would go into the address. */

(() => {
  "use strict";

  /* Links, and forms with an address that no script takes over, work without one. */
  const BUTTONS = "button[type=button], button[hx-get], button[hx-post], input[hx-post]";
  const FORMS = "form[hx-get], form[hx-post], form:not([action])";
  const SEEN = ["click", "submit", "input", "change"];

  /* In their order; whoever presses a button again because nothing happens means one press. */
  const waiting = [];

  function keep(event) {
    if (!event.isTrusted || !(event.target instanceof Element)) return;
    const element = event.type === "click" ? event.target.closest(BUTTONS) : event.target;
    if (!element || (event.type === "submit" && !element.matches(FORMS))) return;
    if (event.type === "click" || event.type === "submit") event.preventDefault();
    event.stopImmediatePropagation();
    const known = waiting.some((each) => each.element === element && each.type === event.type);
    if (!known) waiting.push({ element, type: event.type, submitter: event.submitter });
  }

  function repeat({ element, type, submitter }) {
    if (!element.isConnected) return;
    if (type === "click") element.click();
    else if (type === "submit") element.requestSubmit(submitter && submitter.isConnected ? submitter : null);
    else element.dispatchEvent(new Event(type, { bubbles: true }));
  }

  for (const type of SEEN) window.addEventListener(type, keep, true);
  document.addEventListener("DOMContentLoaded", () => {
    // After all that others do then.
    setTimeout(() => {
      for (const type of SEEN) window.removeEventListener(type, keep, true);
      waiting.forEach(repeat);
    });
  });
})();
