/* What the tests of the primitives do in the page; part of checks.js. */

import { unhex } from "../lerix/vault/bytes.js";
import * as hpke from "../lerix/vault/hpke.js";
import * as primitives from "../lerix/vault/primitives.js";

/* An X25519 pair that is handed out, and nothing else. */
export const handing = (secret) => ({ agreementPair: () => primitives.agreementPair(unhex(secret)) });

export const primitiveChecks = {
  hkdf: async ({ cases }) =>
    Promise.all(
      cases.map(async ([key, info]) => primitives.hkdf(await primitives.derivingKey(unhex(key)), unhex(info))),
    ),

  agree: ({ cases }) =>
    Promise.all(
      cases.map(async ([secret, other]) => [
        await primitives.canAgree(unhex(other)),
        await primitives.agree((await primitives.agreementPair(unhex(secret))).privateKey, unhex(other)),
      ]),
    ),

  signed: ({ cases }) =>
    Promise.all(
      cases.map(([key, signature, message]) => primitives.isSigned(unhex(key), unhex(signature), unhex(message))),
    ),

  canSign: ({ keys }) => keys.map((key) => primitives.canSign(unhex(key))),

  sign: async ({ cases }) =>
    Promise.all(
      cases.map(async ([seed, message]) => {
        const pair = await primitives.signingPair(unhex(seed));
        return [pair.publicKey, await primitives.sign(pair.privateKey, unhex(message))];
      }),
    ),

  aes: ({ cases }) =>
    Promise.all(
      cases.map(async ([key, nonce, bound, plain, sealed]) => {
        const imported = await primitives.sealingKey(unhex(key));
        return [
          await primitives.seal(imported, unhex(nonce), unhex(plain), unhex(bound)),
          await primitives.unseal(imported, unhex(nonce), unhex(sealed), unhex(bound)),
        ];
      }),
    ),

  schedule: ({ agreed, context, info }) => hpke.schedule(unhex(agreed), unhex(context), unhex(info)),

  hpkeSeal: ({ to, info, plain, once }) =>
    hpke.seal(unhex(to), unhex(info), unhex(plain), once ? handing(once) : primitives.SYSTEM),

  hpkeOpen: async ({ secret, info, sealed }) =>
    hpke.open(await primitives.agreementPair(unhex(secret)), unhex(info), unhex(sealed)),

  hpkeFlipped: async ({ secret, info, sealed }) => {
    const pair = await primitives.agreementPair(unhex(secret));
    const opened = [];
    for (const at of unhex(sealed).keys()) {
      const changed = unhex(sealed);
      changed[at] ^= at % 2 ? 0x80 : 0x01;
      opened.push(
        await hpke.open(pair, unhex(info), changed),
        await hpke.open(pair, unhex(info), changed.slice(0, at)),
      );
    }
    return opened.filter((each) => each !== null);
  },
};
