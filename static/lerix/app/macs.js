/* The Macs of the account, the one that was used last first. A tab stays with its own. */

const USED = "lerix-macs-used";
const HERE = "lerix-mac-here";

/** @typedef {import("./account.js").Mac} Mac */

/**
 * In the order of use, then of names.
 * @param {readonly Mac[]} macs
 * @returns {Mac[]}
 */
export function byUse(macs) {
  const used = times();
  return [...macs].sort(
    (one, other) => (used[other.id] ?? 0) - (used[one.id] ?? 0) || one.name.localeCompare(other.name),
  );
}

/**
 * The Mac that this tab begins with, and whether anybody has ever used it here: else any that is on line will do.
 * @param {readonly Mac[]} macs at least one
 */
export function first(macs) {
  const here = kept(() => sessionStorage.getItem(HERE));
  const mac = macs.find(({ id }) => id === here) ?? byUse(macs)[0];
  return { mac, known: mac.id === here || mac.id in times() };
}

/**
 * Note that a Mac is used now.
 * @param {string} id
 * @param {readonly Mac[]} macs
 */
export function note(id, macs) {
  const used = times();
  const known = Object.fromEntries(macs.filter((mac) => mac.id in used).map((mac) => [mac.id, used[mac.id]]));
  kept(() => sessionStorage.setItem(HERE, id));
  kept(() => localStorage.setItem(USED, JSON.stringify({ ...known, [id]: Date.now() })));
}

/** @returns {Record<string, number>} */
function times() {
  try {
    const read = JSON.parse(localStorage.getItem(USED) ?? "{}");
    return typeof read === "object" && read !== null ? read : {};
  } catch {
    return {};
  }
}

/**
 * Storage may be closed or full; the order of Macs is not worth an error.
 * @template Result
 * @param {() => Result} work
 * @returns {Result | null}
 */
function kept(work) {
  try {
    return work();
  } catch {
    return null;
  }
}
