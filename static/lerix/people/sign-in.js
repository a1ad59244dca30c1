/* Sign in. */

import { act } from "./desk.js";
import { done, enterPage } from "./entering.js";
import { DevicesFull } from "./errors.js";
import { signIn } from "./joining.js";
import { recall } from "./memory.js";
import { moment, name, onSubmit, one, text } from "./page.js";

onSubmit("#sign-in-form", async (values, tell) => {
  const email = text(values, "email");
  const person = { email, password: text(values, "password"), name: text(values, "name") };
  try {
    await act((desk) => signIn(desk, { ...person, remove: values.getAll("remove").map(String) }), tell);
  } catch (error) {
    if (!(error instanceof DevicesFull)) throw error;
    offer(error);
    return;
  }
  name(email);
  done("This browser is signed in.");
});

/**
 * Let somebody choose devices to remove, and sign in again by the password that is still there.
 * @param {DevicesFull} error
 */
function offer(error) {
  const problem = one('[data-problem="devices"]');
  one("span", problem).textContent = error.sentence;
  problem.hidden = false;
  one("#full-list").replaceChildren(
    ...error.devices.map((device) => {
      const choice = one("#full-choice").content.cloneNode(true);
      one("input", choice).value = device.id;
      one("b", choice).textContent = device.name;
      one("small", choice).textContent = device.seen ? `Last seen ${moment(device.seen)}` : "Not seen yet";
      return choice;
    }),
  );
  one("#full").hidden = false;
  one("#full input").focus();
}

await enterPage({
  async first() {
    const { removed } = await recall();
    one("#removed").hidden = !removed;
    if (removed) one("#field-email").value = removed.email;
  },
});
