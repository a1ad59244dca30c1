/* Begins: who is signed in here, and with which Macs. */

import { openAccount } from "./account.js";
import { App } from "./app.js";
import { pathInBar } from "./paths.js";
import { closeScripts, followKeyboard, showProgress } from "./shell.js";
import { make } from "./view.js";
import { whyNot } from "../vault/support.js";

const place = /** @type {HTMLElement} */ (document.getElementById("place"));
const bar = /** @type {HTMLElement} */ (document.getElementById("bar"));
/* What signing in again mends. */
const SIGN_IN = new Set(["device-revoked", "device-refused", "stored-unreadable"]);

closeScripts();
followKeyboard();
showProgress(true);
begin().catch((error) =>
  say("Lerix cannot go on", error.sentence ?? "Something here did not work. Reload the page.", reload()),
);

async function begin() {
  const unusable = await whyNot();
  if (unusable) return say("This browser cannot open Lerix", unusable);
  let account;
  try {
    account = await openAccount();
  } catch (error) {
    const { code, message } = /** @type {{code?: string, message: string}} */ (error);
    const step = SIGN_IN.has(code ?? "") ? signIn() : code === "signing-key-changed" ? compare() : reload();
    return say("Lerix cannot go on", message, step);
  }
  if (!account) return say("Sign in to open Lerix", "This browser does not belong to an account yet.", signIn());
  if (!account.macs.length) {
    const how =
      "Open Lerix on your Mac, sign in there with the same account, and switch on Codex Relay in Connections.";
    return say("No Mac yet", how, reload());
  }
  await new App(account, place, bar).start();
}

/**
 * A page of one message.
 * @param {string} heading
 * @param {string} sentence
 * @param {HTMLElement | null} [step]
 */
function say(heading, sentence, step = null) {
  showProgress(false);
  document.title = `${heading} · Lerix`;
  const actions = make("p", { class: "waiting-actions" }, step);
  place.replaceChildren(
    make("div", { class: "alone", role: "status" }, make("h1", {}, heading), make("p", {}, sentence), actions),
  );
}

function signIn() {
  return make(
    "a",
    { class: "button button-primary", href: `/sign-in/#to=${encodeURIComponent(pathInBar())}` },
    "Sign in",
  );
}

function reload() {
  return make(
    "button",
    { type: "button", class: "button button-primary", click: () => location.reload() },
    "Try again",
  );
}

function compare() {
  return make("a", { class: "button button-primary", href: "/devices/" }, "Compare the codes");
}
