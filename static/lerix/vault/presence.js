/* Which hosts of an account are on line, or since when not and why: what the broker tells each link of a remote. */

const KIND = "presence";
/** In one EVENT, and in all; more than an account has devices. */
export const MOST_HOSTS = 256;
const ID = /^[0-9a-f]{32}$/;
/* Until the year 9999, which is as far as dates go. */
const LATEST = 253_402_300_799;
const WHY = new Set(["off", "closed", "asleep", "signed-out", "lost", "restarting"]);

/**
 * What an EVENT tells of hosts; nothing where it is of another kind. What cannot be understood is left out.
 * @param {Record<string, any>} event
 * @returns {{id: string, online: boolean, since: number | null, why: string | null}[]}
 */
export function readPresence(event) {
  if (event.kind !== KIND || !Array.isArray(event.hosts)) return [];
  return event.hosts.slice(0, MOST_HOSTS).flatMap((value) => {
    const { id, online, since, why } = value ?? {};
    if (typeof id !== "string" || !ID.test(id) || typeof online !== "boolean") return [];
    const moment = Number.isInteger(since) && since >= 0 && since <= LATEST ? since : null;
    // A reason that this version does not know is as good as none.
    const reason = typeof why !== "string" ? null : WHY.has(why) ? why : "lost";
    return [{ id, online, since: moment, why: online ? null : reason }];
  });
}
