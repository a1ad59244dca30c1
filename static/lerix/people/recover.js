/* The password is lost: recover the account by its recovery key, or erase it. */

import { enterCode } from "./creating.js";
import { act } from "./desk.js";
import { done, enterPage } from "./entering.js";
import { DevicesFull, PageError, has } from "./errors.js";
import { judgeTyped } from "./judging.js";
import { clear, complain, name, onSubmit, one, show, text } from "./page.js";
import { erase, finish, openByKey, start } from "./recovering.js";

/** @type {import("./recovering.js").Coded | null} */
let pending = null;
/** @type {"recover" | "erase"} */
let purpose = "recover";
/** @type {import("./opening.js").Access | null} */
let access = null;
let lost = false;

onSubmit("#email-form", async (values, tell) => {
  lost = false;
  pending = await act((desk) => start(desk, text(values, "email"), purpose), tell);
  name(pending.email);
  show("code");
});

for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-choose]"))) {
  button.addEventListener("click", () => {
    purpose = button.dataset.choose === "erase" ? "erase" : "recover";
    for (const part of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-for]"))) {
      part.hidden = part.dataset.for !== purpose;
    }
    clear(one("#email-form"));
    one("#field-email").focus();
  });
}

onSubmit("#code-form", async (values, tell) => {
  const { ticket } = begun();
  await act((desk) => enterCode(desk, ticket, text(values, "code")), tell);
  show(purpose === "erase" ? "sure" : "key");
});

onSubmit("#again-form", async () => {
  const { email } = begun();
  pending = { email, ticket: await act((desk) => desk.broker.ticket(email, purpose)) };
  one("#spoken").textContent = "Another code was sent.";
});

onSubmit("#key-form", async (values, tell) => {
  access = await act((desk) => openByKey(desk, begun(), text(values, "key")), tell);
  show("password");
});

onSubmit("#password-form", async (values, tell) => {
  const opened = access;
  if (!opened) throw new Error("nothing was opened");
  const person = { password: text(values, "password"), name: text(values, "name") };
  let holds = false;
  const held = (/** @type {import("./opening.js").Access} */ now) => {
    access = now;
    holds = true;
  };
  try {
    await act((desk) => finish(desk, opened, person, held), tell);
  } catch (error) {
    if (error instanceof DevicesFull) throw new PageError("devices-full", `Your new password holds. ${error.sentence}`);
    if (!holds && has(error, "changed-elsewhere", "unsettled")) {
      // The account is not, or not surely, the one that was opened: the way leads through the code again.
      leave();
      show("start");
      complain(one("#email-form"), error);
      return;
    }
    throw error;
  }
  leave();
  done("Your new password holds, and this browser is signed in. Make a new recovery key now, in Devices.");
});

onSubmit("#sure-form", async (values, tell) => {
  if (text(values, "sure") !== "yes") throw new PageError("not-sure", "Tick the box to go on. Nothing was erased.");
  try {
    await act((desk) => erase(desk, begun(), lost), tell);
  } catch (error) {
    if (has(error, "unsettled")) lost = true;
    throw error;
  }
  pending = null;
  show("erased");
});

function begun() {
  if (!pending) throw new Error("nothing was begun");
  return pending;
}

function leave() {
  access?.unlocked.wipe();
  access = null;
}

judgeTyped(() => pending?.email ?? "");
addEventListener("pagehide", leave);
await enterPage();
