/* The recovery key while it is shown, and parts of it typed again. */

import { GROUPS } from "../vault/recovery.js";
import { one, text } from "./page.js";

/** @typedef {{email: string, recoveryKey: import("../vault/recovery.js").RecoveryKey}} Shown */

/** @param {Shown} shown */
export function reveal({ recoveryKey }) {
  one("#recovery-key").textContent = recoveryKey.text();
}

export function hide() {
  one("#recovery-key").textContent = "";
}

/**
 * Make the fields for the groups that are typed again.
 * @param {readonly number[]} retype positions from 0
 */
export function ask(retype) {
  const groups = one("#groups");
  groups.replaceChildren(groups.firstElementChild);
  for (let position = 0; position < GROUPS; position++) {
    const asked = retype.includes(position);
    const group = one(asked ? "#group-asked" : "#group-hidden").content.cloneNode(true);
    if (asked) {
      one("small", group).textContent = `Group ${position + 1}`;
      one("input", group).name = `group-${position + 1}`;
    }
    groups.append(group);
  }
}

/**
 * What was typed, by position.
 * @param {FormData} values
 * @returns {ReadonlyMap<number, string>}
 */
export function typedGroups(values) {
  const typed = new Map();
  for (let position = 0; position < GROUPS; position++) {
    if (values.has(`group-${position + 1}`)) typed.set(position, text(values, `group-${position + 1}`));
  }
  return typed;
}

/**
 * The buttons that copy, save and print what is shown.
 * @param {() => Shown} shown
 */
export function offerCopies(shown) {
  one("#copy").addEventListener("click", () => copy(shown()));
  one("#save").addEventListener("click", () => save(shown()));
  one("#print").addEventListener("click", () => print());
}

/** @param {Shown} shown */
async function copy({ recoveryKey }) {
  const word = one("#copy span");
  try {
    await navigator.clipboard.writeText(recoveryKey.text());
    word.textContent = "Copied";
  } catch {
    word.textContent = "Select the key and copy it by hand";
  }
  one("#spoken").textContent = word.textContent;
  setTimeout(() => {
    word.textContent = "Copy";
  }, 2500);
}

/** @param {Shown} shown */
function save({ email, recoveryKey }) {
  const file = `Lerix recovery key
==================

Account:  ${email}
Broker:   ${location.origin}
Made:     ${new Date().toLocaleDateString("sv-SE")}

    ${recoveryKey.text()}

It opens the account when the password is lost: at the address above, Sign in > Forgotten the password.
Whoever has it and can read the e-mail of the account can open it too: keep it outside this device.
If both the password and this key are lost, the synced data cannot be decrypted, by anybody.
`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([file], { type: "text/plain" }));
  link.download = "lerix-recovery-key.txt";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
