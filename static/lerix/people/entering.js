/* What sign in, create and recover have in common: their end, and what they say where this browser is signed in already
   or a sign-in was interrupted. */

import { load } from "../vault/store.js";
import { act } from "./desk.js";
import { has } from "./errors.js";
import { settle } from "./joining.js";
import { look as lookAtAccount } from "./members.js";
import { recall } from "./memory.js";
import { asked, begin, complain, deviceName, linkSteps, name, onSubmit, one, show } from "./page.js";

/**
 * Show the first step, or why there is none.
 * @param {{first?: () => void | Promise<void>, before?: (step: string) => void}} how
 */
export async function enterPage({ first = () => {}, before } = {}) {
  linkSteps(before);
  for (const link of document.querySelectorAll("a[data-next]")) link.setAttribute("href", asked() ?? "/app/");
  for (const field of document.querySelectorAll("input[name=name]")) {
    /** @type {HTMLInputElement} */ (field).value = deviceName();
  }
  const look = async () => {
    if ((await recall()).joining) {
      show("unsettled");
      return;
    }
    let kept = null;
    try {
      kept = await load();
    } catch (error) {
      if (!has(error, "stored-unreadable")) throw error;
    }
    if (kept && (await wasRemoved())) kept = null;
    name(kept?.email ?? "");
    if (!kept) await first();
    show(kept ? "already" : "start");
  };
  onSubmit("#settle-form", async (_values, tell) => {
    await act(settle, tell);
    await look();
  });
  await begin(async () => {
    try {
      if ((await recall()).joining) await act(settle);
      await look();
    } catch (error) {
      show("unsettled");
      complain(one("#settle-form"), error);
    }
  });
  // Now that it is in sight; on a phone a keyboard would hide what the page says.
  if (!matchMedia("(pointer: fine)").matches) return;
  const field = /** @type {HTMLElement | null} */ (document.querySelector("[data-step]:not([hidden]) .field"));
  field?.focus();
}

/** Whether the account does not list this browser any more; not where nobody tells. */
async function wasRemoved() {
  try {
    return !(await act(lookAtAccount));
  } catch (error) {
    return has(error, "device-refused", "device-revoked");
  }
}

/**
 * Say that it is done, and go on where somebody came from.
 * @param {string} words
 */
export function done(words) {
  const to = asked();
  if (to) {
    location.replace(to);
    return;
  }
  one("[data-done]").textContent = words;
  show("done");
}
