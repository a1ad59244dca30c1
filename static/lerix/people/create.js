/* Create an account: details, the code, the recovery key, parts of it typed again. */

import { enterCode, finish, forgetKeys, start } from "./creating.js";
import { act } from "./desk.js";
import { done, enterPage } from "./entering.js";
import { judgeTyped } from "./judging.js";
import { name, onSubmit, one, show, text } from "./page.js";
import { ask, hide, offerCopies, reveal, typedGroups } from "./showing.js";

/** @type {import("./creating.js").Creating | null} */
let pending = null;

onSubmit("#create-form", async (values, tell) => {
  drop();
  const person = { email: text(values, "email"), password: text(values, "password"), name: text(values, "name") };
  pending = await act((desk) => start(desk, person), tell);
  name(pending.email);
  show("code");
});

onSubmit("#code-form", async (values, tell) => {
  const { ticket } = begun();
  await act((desk) => enterCode(desk, ticket, text(values, "code")), tell);
  ask(begun().retype);
  reveal(shown());
  show("key");
});

onSubmit("#again-form", async () => {
  const { email } = begun();
  const ticket = await act((desk) => desk.broker.ticket(email, "create"));
  pending = { ...begun(), ticket };
  one("#spoken").textContent = "Another code was sent.";
});

onSubmit("#check-form", async (values, tell) => {
  await act((desk) => finish(desk, begun(), typedGroups(values)), tell);
  pending = null;
  hide();
  done("Your account is ready, and this browser is signed in.");
});

function begun() {
  if (!pending) throw new Error("nothing was begun");
  return pending;
}

function shown() {
  const { email, created } = begun();
  return { email, recoveryKey: created.recoveryKey };
}

function drop() {
  if (pending) forgetKeys(pending.created);
  pending = null;
}

if (document.querySelector("#create-form")) {
  judgeTyped(() => one("#field-email").value);
  offerCopies(shown);
  addEventListener("pagehide", drop);
}

await enterPage({
  before(step) {
    if (step === "start") drop();
    if (step === "key") reveal(shown());
    else hide();
  },
});
