/* How easily a new password is guessed, judged in this browser by zxcvbn, as on a Mac; https://github.com/dropbox/zxcvbn.

   zxcvbn looks for words, names, dates, keyboard rows and repeats, and counts the guesses that such patterns need: a rule
   about capitals and digits would call "Password1234" good. Its sentences are replaced by our own. It is 0.8 MB, so only
   pages on which a new password is chosen load it, and only once they are there. */

import { fromUtf8 } from "../vault/bytes.js";
import { MIN_PASSWORD, checkNew, passwordBytes } from "../vault/password.js";
import { PageError, has } from "./errors.js";

/** @typedef {{score: number, sentence: string}} Strength `score` from 0, guessed at once, to 4 */

/* From here on a password is taken: 10^8 guesses or more, each of which costs 64 MiB and about 0.2 s. */
const ENOUGH = 3;
/* It takes long for longer ones; what follows can only make a password better. */
const LONGEST = 72;
const SCORES = [
  "Very easy to guess.",
  "Easy to guess.",
  "Could be guessed.",
  "Hard to guess.",
  "Very hard to guess.",
];
/** @type {Readonly<Record<string, string>>} */
const REASONS = Object.freeze({
  dictionary: "It is made of common words, names or passwords.",
  spatial: "It follows the rows of a keyboard.",
  repeat: "It repeats itself.",
  sequence: "It is a simple sequence, such as abc or 6543.",
  regex: "It holds a year that is easy to guess.",
  date: "It holds a date that is easy to guess.",
});
const OWN = "It holds a part of your e-mail address.";
const ADVICE = "Add a few uncommon words.";

/** @type {Promise<any> | null} */
let loading = null;

/** Load it; again where that failed before. Throws "strength-missing". */
export async function ready() {
  loading ??= import("../vendor/zxcvbn/zxcvbn.js");
  try {
    await loading;
    return /** @type {any} */ (globalThis).zxcvbn;
  } catch {
    loading = null;
    throw new PageError("strength-missing");
  }
}

/**
 * Judge a password while it is typed.
 * @param {string} password
 * @param {string} email
 * @returns {Promise<Strength & {enough: boolean}>}
 */
export async function judge(password, email) {
  let text;
  try {
    text = fromUtf8(passwordBytes(password));
  } catch (error) {
    if (!has(error)) throw error;
    return { score: 0, sentence: /** @type {any} */ (error).sentence, enough: false };
  }
  if ([...text].length < MIN_PASSWORD) {
    return { score: 0, sentence: `${MIN_PASSWORD} characters or more are needed.`, enough: false };
  }
  const found = scored(await ready(), text, email);
  return { ...found, enough: found.score >= ENOUGH };
}

/**
 * Refuse a new password that is too short or guessed too easily.
 * @param {string} password
 * @param {string} email
 */
export async function check(password, email) {
  checkNew(password);
  const { enough, sentence } = await judge(password, email);
  if (!enough) throw new PageError("password-weak", `${sentence} Nothing was changed.`);
}

/**
 * @param {any} zxcvbn
 * @param {string} text
 * @param {string} email
 * @returns {Strength}
 */
function scored(zxcvbn, text, email) {
  if (email.toLowerCase().includes(text.toLowerCase())) return { score: 0, sentence: `${SCORES[0]} ${OWN} ${ADVICE}` };
  const [name, domain] = email.split("@");
  const parts = [email, name, domain ?? "", ...email.toLowerCase().split(/[^a-z0-9]+/)];
  const { score, sequence } = zxcvbn(text.slice(0, LONGEST), parts.filter((part) => part.length > 2));
  if (score >= ENOUGH) return { score, sentence: SCORES[score] };
  const longest = sequence.reduce((/** @type {any} */ one, /** @type {any} */ other) =>
    other.token.length > one.token.length ? other : one,
  );
  const reason = longest.dictionary_name === "user_inputs" ? OWN : (REASONS[longest.pattern] ?? "");
  return { score, sentence: [SCORES[score], reason, ADVICE].filter(Boolean).join(" ") };
}
