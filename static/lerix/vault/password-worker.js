/* Argon2id, apart from the page, which stays alive meanwhile. Takes one {password, address, suite, salt}, answers
   {auth, wrap} and is ended then: the memory it hashed in goes with it. `wrap` is a key that cannot be exported. */

import "../vendor/hash-wasm/argon2.umd.min.js";
import { KEY, concat, utf8, wipe } from "./bytes.js";
import { derivingKey, hkdf, hkdfSealing } from "./primitives.js";
import { findSuite } from "./suites.js";

addEventListener("message", async ({ data: { password, address, suite: number, salt } }) => {
  const suite = findSuite(number, salt);
  const { argon2id } = /** @type {any} */ (globalThis).hashwasm;
  const master = await argon2id({
    password,
    salt,
    parallelism: suite.lanes,
    iterations: suite.iterations,
    memorySize: suite.memoryKib,
    hashLength: KEY,
    outputType: "binary",
  });
  const key = await derivingKey(master);
  wipe(master, password);
  const auth = await hkdf(key, concat(utf8("lerix/auth/1"), utf8(address)));
  postMessage({ auth, wrap: await hkdfSealing(key, utf8("lerix/wrap/1")) });
});
