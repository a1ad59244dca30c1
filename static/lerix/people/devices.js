/* Devices: who belongs to the account, new names, removing one, signing out. */

import { unhex } from "../vault/bytes.js";
import { SigningKeyChanged } from "../vault/errors.js";
import { load } from "../vault/store.js";
import { drop, finishRecoveryKey, remove, renewPassword, startRecoveryKey } from "./changing.js";
import { act, actFirst, onChanged } from "./desk.js";
import { has, told } from "./errors.js";
import { judgeTyped } from "./judging.js";
import { hear, look, rename, signOut, trust } from "./members.js";
import { recall, remember } from "./memory.js";
import { begin, clear, moment, name, onSubmit, one, text } from "./page.js";
import { ask, hide, offerCopies, reveal, typedGroups } from "./showing.js";

/** @typedef {import("./members.js").View} View */

/* Milliseconds: a page that comes into sight again looks anew, but not for every glance. */
const OLD = 10_000;

/** @type {View | null} */
let view = null;
/** @type {SigningKeyChanged | null} */
let changed = null;
let asked = 0;
/** What a dialog is about: a device, and its button, which gets the focus back. */
let chosen = { id: "", name: "" };
/** @type {import("./changing.js").Renewing | null} */
let renewing = null;

async function refresh() {
  asked = Date.now();
  try {
    const now = await act(look);
    if (!now) await sayRemoved();
    accept(now);
  } catch (error) {
    await fail(error);
  }
}

async function sayRemoved() {
  const { removed } = await recall();
  if (!removed) return;
  one("#out-words").textContent =
    `This browser was removed from the account ${removed.email}, or the account was deleted. Chats on your Mac are ` +
    "kept. Sign in again to add it.";
}

/** @param {View | null} now */
function accept(now) {
  view = now;
  changed = null;
  only(now ? ["own", "list"] : ["out"]);
  one("#trouble").hidden = true;
  if (!now) {
    one("#devices").replaceChildren();
    one("#news").replaceChildren();
    one("#recovered").hidden = true;
    return;
  }
  name(now.email);
  const count = now.devices.length;
  one("#count").textContent = `${count} device${count === 1 ? "" : "s"}, up to ${now.plan.devices} with ${plain(now.plan.name)}`;
  list(now);
  news(now);
}

/** @param {any} error */
async function fail(error) {
  if (has(error, "cut-off")) return; // signed out meanwhile: the word of that comes by itself
  if (has(error, "device-refused", "device-revoked")) {
    await sayRemoved();
    accept(null);
    return;
  }
  changed = error instanceof SigningKeyChanged ? error : null;
  if (changed) one("#digits .digits").textContent = changed.digits;
  one("#trouble p").textContent = told(error).sentence;
  one("#trouble").hidden = Boolean(changed);
  const left = await recall().catch(() => null);
  const member = Boolean(left && !left.joining);
  only([...(changed ? ["digits"] : []), ...(member ? ["own"] : []), ...(view ? ["list"] : [])]);
}

/** @param {readonly string[]} shown */
function only(shown) {
  for (const id of ["out", "digits", "own", "list"]) one(`#${id}`).hidden = !shown.includes(id);
}

/** @param {View} now */
function list({ devices }) {
  const focused = document.activeElement?.id;
  one("#devices").replaceChildren(
    ...devices.map((device) => {
      const row = one("#device").content.cloneNode(true);
      const title = one("h3", row);
      title.id = `device-${device.id}`;
      title.textContent = device.name;
      one("article", row).setAttribute("aria-labelledby", title.id);
      const joined = device.joined ? `Joined ${moment(device.joined)}` : "";
      const seen = device.own ? "" : device.seen ? `last seen ${moment(device.seen)}` : "not seen yet";
      one("p", row).textContent = [joined, seen].filter(Boolean).join(" · ");
      one("[data-own]", row).hidden = !device.own;
      one("[data-gone]", row).hidden = !device.signedOut;
      for (const [what, open] of /** @type {const} */ ([
        ["rename", openRename],
        ["remove", openRemove],
      ])) {
        const button = one(`[data-${what}]`, row);
        button.id = `${what}-${device.id}`;
        button.setAttribute("aria-describedby", title.id);
        button.addEventListener("click", () => open(device));
        if (what === "remove") button.hidden = device.own;
      }
      return row;
    }),
  );
  if (focused) document.getElementById(focused)?.focus();
}

/** @param {View} now */
function news({ news, n, devices, recovered }) {
  one("#recovered").hidden = !recovered;
  one("#news").replaceChildren(
    ...news.map((each) => {
      const item = one("#news-item").content.cloneNode(true);
      const when = each.when ? `, ${moment(each.when)}` : "";
      one("p", item).textContent =
        each.kind === "added"
          ? `A new device joined your account: ${each.name}${when}. If it was not you, remove it and change your password.`
          : `A device was removed from your account: ${each.name}${when}. If it was not you, change your password.`;
      const heard = one("[data-heard]", item);
      heard.textContent = each.present ? "It was me" : "All right";
      heard.addEventListener("click", async () => {
        await hear(n);
        one("#news").replaceChildren();
        one("#main").focus();
      });
      const device = devices.find(({ id }) => id === each.id);
      const button = one("[data-remove]", item);
      button.hidden = !device;
      button.addEventListener("click", () => device && openRemove(device));
      return item;
    }),
  );
}

/** @param {{id: string, name: string}} device */
function openRename(device) {
  chosen = device;
  const dialog = openDialog("rename", `Rename ${device.name}`);
  const field = one("input[name=name]", dialog);
  field.value = device.name;
  field.select();
}

/** @param {{id: string, name: string}} device */
function openRemove(device) {
  chosen = device;
  const dialog = openDialog("remove", `Remove ${device.name}`);
  one("#field-password", dialog).focus();
}

/**
 * @param {string} id
 * @param {string} title
 */
function openDialog(id, title) {
  const dialog = one(`dialog#${id}`);
  one("h2", dialog).textContent = title;
  clear(one("form", dialog));
  dialog.showModal();
  return dialog;
}

/** @param {string} words */
function say(words) {
  const said = one("#said-words").content.cloneNode(true);
  one("p", said).textContent = words;
  one("#said").replaceChildren(said);
}

/**
 * The broker's text, without what cannot be seen in it.
 * @param {string} words
 */
function plain(words) {
  return words.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, " ").trim();
}

onSubmit("#rename-form", async (values, tell) => {
  const { id } = chosen;
  await act((desk) => rename(desk, unhex(id), text(values, "name")), tell);
  one("dialog#rename").close();
  await refresh();
  document.getElementById(`rename-${id}`)?.focus();
});

onSubmit("#remove-form", async (values, tell) => {
  const { id, name } = chosen;
  await act((desk) => remove(desk, text(values, "password"), id), tell);
  one("dialog#remove").close();
  await refresh();
  say(`Removed ${name}. It gets nothing new from now on.`);
});

/* The password, the recovery key */

one("#open-password").addEventListener("click", () => {
  openDialog("password", "Change password");
  one("#field-old").focus();
});

onSubmit("#password-form", async (values, tell) => {
  await act((desk) => renewPassword(desk, text(values, "password"), text(values, "new")), tell);
  one("dialog#password").close();
  say("Your new password holds. Other devices stay signed in.");
});

one("#open-key").addEventListener("click", () => {
  openDialog("key", "New recovery key");
  step("key-form");
  one("#field-for-key").focus();
});

onSubmit("#key-form", async (values, tell) => {
  const made = await act((desk) => startRecoveryKey(desk, text(values, "password")), tell);
  if (!one("dialog#key").open) return drop(made);
  renewing = made;
  one("#field-for-key").value = "";
  ask(made.retype);
  reveal(made);
  step("key-shown");
});

one("#kept").addEventListener("click", () => {
  hide();
  step("check-form");
  one("#check-form .field").focus();
});

one("#show-again").addEventListener("click", () => {
  reveal(renewed());
  step("key-shown");
});

onSubmit("#check-form", async (values, tell) => {
  await act((desk) => finishRecoveryKey(desk, renewed(), typedGroups(values)), tell);
  renewing = null;
  one("dialog#key").close();
  one("#recovered").hidden = true;
  say("Your new recovery key holds. The old one no longer works.");
});

function renewed() {
  if (!renewing) throw new Error("nothing was begun");
  return renewing;
}

/** @param {string} shown */
function step(shown) {
  for (const id of ["key-form", "key-shown", "check-form"]) one(`#${id}`).hidden = id !== shown;
}

/* What was begun in a dialog ends with it. */
function forget() {
  for (const field of document.querySelectorAll("dialog input[data-typed-secret]")) {
    /** @type {HTMLInputElement} */ (field).value = "";
  }
  hide();
  if (renewing) drop(renewing);
  renewing = null;
}

for (const dialog of document.querySelectorAll("dialog")) dialog.addEventListener("close", forget);
addEventListener("pagehide", forget);
offerCopies(renewed);
judgeTyped(() => view?.email ?? "", "#field-new");

one("#again").addEventListener("click", refresh);

one("#recovered button").addEventListener("click", async () => {
  await remember({ recovered: false });
  one("#recovered").hidden = true;
  one("#main").focus();
});

for (const [id, same] of /** @type {const} */ ([
  ["#equal", true],
  ["#differ", false],
])) {
  one(id).addEventListener("click", async () => {
    const about = changed;
    if (!about) return;
    try {
      accept(await act((desk) => trust(desk, about, same)));
    } catch (error) {
      await fail(error);
    }
  });
}

one("#sign-out").addEventListener("click", async () => {
  const button = one("#sign-out");
  button.disabled = true;
  try {
    await actFirst(() =>
      signOut(() => {
        one("#out-words").textContent = "Signed out. The account’s keys are erased here; chats on your Mac stay.";
        accept(null);
      }),
    );
  } catch (error) {
    one("#trouble p").textContent = told(error).sentence;
    one("#trouble").hidden = false;
  } finally {
    button.disabled = false;
  }
});

addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && view && Date.now() - asked > OLD) refresh();
});
onChanged(refresh);
await begin(async () => {
  const memory = await recall();
  const kept = memory.joining ? null : await load().catch(() => null);
  if (!kept) return refresh();
  // Whoever came to sign out need not wait for the broker.
  name(kept.email);
  only(["own"]);
  refresh();
});
