/* The root bundle: what an account is, sealed once by the password and once to the recovery key.

       Plaintext
       +0    u8   form = 1
       +1    u64  revision            counts replacements from 1; equals the one outside
       +9    32   seed of the account signing key (Ed25519)
       +41   32   RPK, the recovery key's X25519 public key
       +73   u64  n                   number of the device log's last entry
       +81   32   head                SHA-256 of that entry
       +113  u32  count of epochs = epoch + 1
       +117  count × 32               WK_0 … WK_e
             zeros up to the next multiple of 4,096

       Sealed by the password                        Sealed to the recovery key
       +0    u8   form = 1, u8 suite, u32 epoch, u64 revision, 16 salt: the same in both
       +30   12   nonce                              +30   32   HPKE's one-time key
       +42   ciphertext ‖ tag 16                     +62   ciphertext ‖ tag 16
       AES-256-GCM, key wrapKey, bound:              HPKE to RPK, info:
       "root/1" ‖ account 16 ‖ u32 epoch             "lerix/root-recovery/1" ‖ the same
                ‖ u8 suite ‖ salt 16

   Only somebody with the password can have made the first copy; anybody can have made the second, see recovery.js. */

import { DIGEST, ID, KEY, NONCE, Reader, TAG, concat, equal, isZero, uint, utf8, wipe } from "./bytes.js";
import { refused } from "./errors.js";
import { seal as sealTo } from "./hpke.js";
import { SYSTEM, canAgree, seal, signingPair, unseal } from "./primitives.js";
import { exact } from "./wire.js";
import { MAX_EPOCHS } from "./workspace.js";

/**
 * @typedef {import("./bytes.js").Bytes} Bytes
 * @typedef {{suite: number, epoch: number, revision: number, salt: Bytes}} Header what everybody can read of a copy
 * @typedef {{byPassword: Bytes, byRecovery: Bytes}} SealedBundle both copies, to be kept and replaced together
 * @typedef {object} BundleContent
 * @property {number} revision
 * @property {Bytes} seed of the account signing key
 * @property {Bytes} recoveryPublic
 * @property {number} n
 * @property {Bytes} head
 * @property {readonly Bytes[]} workspace WK_0 … WK_e
 */

const FORM = 1;
const SALT = 16;
const PADDED = 4096;
export const MAX_BUNDLE = 10 * PADDED;

/** The content of a bundle, while a password is worked on: it holds the account's secrets as bytes. Wipe it after. */
export class RootBundle {
  /**
   * @param {BundleContent} content
   * @param {import("./primitives.js").Pair} signing the account signing key
   */
  constructor(content, signing) {
    this.revision = content.revision;
    this.seed = content.seed;
    this.recoveryPublic = content.recoveryPublic;
    this.n = content.n;
    this.head = content.head;
    this.workspace = Object.freeze([...content.workspace]);
    this.signing = signing;
    Object.freeze(this);
  }

  /** @param {BundleContent} content */
  static async of(content) {
    return new RootBundle(content, await signingPair(content.seed));
  }

  /** The public half of the account signing key. */
  get signingKey() {
    return this.signing.publicKey;
  }

  /** The newest epoch. */
  get epoch() {
    return this.workspace.length - 1;
  }

  /** Overwrite the secrets; the bundle opens and closes nothing any more. */
  wipe() {
    wipe(this.seed, ...this.workspace);
  }

  encode() {
    const plain = concat(
      uint(FORM, 1),
      uint(this.revision, 8),
      exact(this.seed, KEY),
      exact(this.recoveryPublic, KEY),
      uint(this.n, 8),
      exact(this.head, DIGEST),
      uint(this.workspace.length, 4),
      ...this.workspace,
    );
    const padded = concat(plain, new Uint8Array(Math.ceil(plain.length / PADDED) * PADDED - plain.length));
    wipe(plain);
    return padded;
  }
}

/**
 * Seal a bundle for the broker, by the password and to the recovery key that it names.
 * @param {RootBundle} bundle
 * @param {import("./password.js").PasswordKeys} keys
 * @param {Bytes} account
 * @param {import("./primitives.js").Randomness} [random]
 * @returns {Promise<SealedBundle>}
 */
export async function sealBundle(bundle, keys, account, random = SYSTEM) {
  const header = { suite: keys.suite, epoch: bundle.epoch, revision: bundle.revision, salt: keys.salt };
  const bound = boundOf(header, account);
  const plain = bundle.encode();
  const nonce = await random.take(NONCE);
  const byPassword = concat(encodeHeader(header), nonce, await seal(keys.wrap, nonce, plain, bound));
  const sealed = await sealTo(bundle.recoveryPublic, infoOf(bound), plain, random);
  wipe(plain);
  return { byPassword, byRecovery: concat(encodeHeader(header), sealed) };
}

/**
 * Open the first copy; that it opens says that somebody with the password made it, for this account.
 * @param {Bytes} copy
 * @param {import("./password.js").PasswordKeys} keys
 * @param {Bytes} account
 */
export async function openByPassword(copy, keys, account) {
  const { header, sealed } = split(copy);
  if (header.suite !== keys.suite || !equal(header.salt, keys.salt)) throw refused("bundle-not-opened");
  const bound = boundOf(header, account);
  return decode(await unseal(keys.wrap, sealed.slice(0, NONCE), sealed.slice(NONCE), bound), header);
}

/**
 * Open the second copy, and let the recovery key vouch for its signing key by the anchor from the broker.
 * @param {Bytes} copy
 * @param {import("./recovery.js").RecoveryKey} key
 * @param {Bytes} account
 * @param {Bytes} anchor
 */
export async function openByRecovery(copy, key, account, anchor) {
  const { header, sealed } = split(copy);
  const bundle = await decode(await key.open(infoOf(boundOf(header, account)), sealed), header);
  const vouched = equal(exact(anchor, DIGEST), await key.anchor(account, bundle.signingKey));
  if (!vouched || !equal(bundle.recoveryPublic, (await key.pair()).publicKey)) {
    bundle.wipe();
    throw refused("bundle-not-anchored");
  }
  return bundle;
}

/** @param {Header} header */
function encodeHeader({ suite, epoch, revision, salt }) {
  return concat(uint(FORM, 1), uint(suite, 1), uint(epoch, 4), uint(revision, 8), salt);
}

/**
 * What a copy is bound to besides its key. A revision is not: it is compared with the one inside.
 * @param {Header} header
 * @param {Bytes} account
 */
function boundOf({ suite, epoch, salt }, account) {
  return concat(utf8("root/1"), exact(account, ID), uint(epoch, 4), uint(suite, 1), salt);
}

/** @param {Bytes} bound */
function infoOf(bound) {
  return concat(utf8("lerix/root-recovery/1"), bound);
}

/** @param {Bytes} copy */
function split(copy) {
  const fail = () => refused("bundle-malformed");
  if (copy.length > MAX_BUNDLE) throw fail();
  const reader = new Reader(copy, fail);
  if (reader.uint(1) !== FORM) throw fail();
  const suite = reader.uint(1);
  const epoch = reader.uint(4);
  const revision = reader.uint(8);
  /** @type {Header} */
  const header = { suite, epoch, revision, salt: reader.take(SALT) };
  const sealed = reader.rest();
  if (sealed.length < NONCE + TAG) throw fail();
  return { header, sealed };
}

/**
 * @param {Bytes | null} plain
 * @param {Header} header
 */
async function decode(plain, header) {
  if (!plain) throw refused("bundle-not-opened");
  const fail = () => refused("bundle-malformed");
  const reader = new Reader(plain, fail);
  const form = reader.uint(1);
  const revision = reader.uint(8);
  const seed = reader.take(KEY);
  const recoveryPublic = reader.take(KEY);
  const n = reader.uint(8);
  const head = reader.take(DIGEST);
  const count = reader.uint(4);
  if (form !== FORM || count < 1 || count > MAX_EPOCHS || !(await canAgree(recoveryPublic))) throw fail();
  const workspace = Array.from({ length: count }, () => reader.take(KEY));
  const padding = reader.rest();
  if (!isZero(padding) || padding.length >= PADDED || plain.length % PADDED) throw fail();
  wipe(plain);
  if (revision !== header.revision || count !== header.epoch + 1) throw refused("bundle-not-opened");
  return RootBundle.of({ revision, seed, recoveryPublic, n, head, workspace });
}
