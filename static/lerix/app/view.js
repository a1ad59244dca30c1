/* Elements, made without markup: no text of anybody becomes a tag here. */

/**
 * @param {string} tag
 * @param {Record<string, any>} [given] attributes, `class` too; functions are listeners, by the event's name
 * @param {...(Node | string | null)} children
 */
export function make(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * A moment as one says it: "at 14:05" today, "on Tue 3 Mar, 14:05" on another day.
 * @param {number} seconds
 * @param {"at" | "since"} before
 */
export function moment(seconds, before) {
  const then = new Date(seconds * 1000);
  const time = `${String(then.getHours()).padStart(2, "0")}:${String(then.getMinutes()).padStart(2, "0")}`;
  if (then.toDateString() === new Date().toDateString()) return `${before} ${time}`;
  const day = then.toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short" });
  return `${before === "at" ? "on" : before} ${day.replace(",", "")}, ${time}`;
}
