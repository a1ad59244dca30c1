/* The front page: which links fit. It asks nobody. */

import { load } from "../vault/store.js";
import { onChanged } from "./desk.js";
import { has } from "./errors.js";
import { recall } from "./memory.js";
import { begin, name, one } from "./page.js";

async function look() {
  const { joining } = await recall();
  let kept = null;
  try {
    kept = await load();
  } catch (error) {
    if (!has(error, "stored-unreadable")) throw error;
  }
  name(kept?.email ?? "");
  one("#half").hidden = !joining;
  one("#in").hidden = joining || !kept;
  one("#out").hidden = joining || Boolean(kept);
}

onChanged(look);
await begin(look);
