/* What the pages have in common: beginning, steps, forms. Text is only ever set as text. */

import { appAddress, macPath } from "../app/paths.js";
import { whyNot } from "../vault/support.js";
import { told } from "./errors.js";

const DOING = Object.freeze({
  stretching: "Working on your password. That takes a few seconds, on an old phone up to a minute.",
  asking: "Asking the account broker.",
});

document.documentElement.dataset.runs = "";

/**
 * The one element that is there.
 * @param {string} selector
 * @param {ParentNode} [within]
 * @returns {any}
 */
export function one(selector, within = document) {
  const found = within.querySelector(selector);
  if (!found) throw new Error(`no ${selector}`);
  return found;
}

/**
 * Begin: show the page where this browser can be used, else why it cannot.
 * @param {() => Promise<void>} work what is to be done before it is shown
 */
export async function begin(work) {
  guardSecrets();
  const problem = await whyNot();
  if (problem) return refuse(problem);
  try {
    await work();
    one("#page").hidden = false;
  } catch (error) {
    refuse(told(error).sentence);
    return;
  }
  one("#waiting").hidden = true;
}

/** @param {string} sentence */
function refuse(sentence) {
  one("#waiting").hidden = true;
  one("#refused p").textContent = sentence;
  one("#refused").hidden = false;
}

/* A page that is left may be kept by the browser, to be shown again on Back: then without its secrets, and anew. */
function guardSecrets() {
  addEventListener("pagehide", () => {
    for (const field of document.querySelectorAll("input[data-typed-secret]")) {
      /** @type {HTMLInputElement} */ (field).value = "";
    }
    for (const place of document.querySelectorAll("[data-secret]")) place.replaceChildren();
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  document.addEventListener("click", (event) => {
    const button = /** @type {Element} */ (event.target).closest("[data-reveal], [data-close]");
    if (!(button instanceof HTMLElement)) return;
    if (button.dataset.reveal) reveal(button);
    else /** @type {HTMLDialogElement | null} */ (button.closest("dialog"))?.close();
  });
}

/** @param {HTMLElement} button */
function reveal(button) {
  const field = one(`#${button.dataset.reveal}`);
  const shown = field.type === "password";
  field.type = shown ? "text" : "password";
  button.setAttribute("aria-pressed", String(shown));
}

/* Steps */

/**
 * Show one step of the page, without what was typed in the others.
 * @param {string} name
 * @param {{focus?: boolean}} [how]
 */
export function show(name, { focus = true } = {}) {
  for (const step of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-step]"))) {
    const chosen = step.dataset.step === name;
    step.hidden = !chosen;
    if (!chosen) {
      for (const field of step.querySelectorAll("input[data-typed-secret]")) {
        /** @type {HTMLInputElement} */ (field).value = "";
      }
      continue;
    }
    mark(step.dataset.at);
    const first = /** @type {HTMLElement | null} */ (step.querySelector("[data-first], .field:not([hidden])"));
    if (focus) first?.focus();
  }
}

/** @param {string | undefined} at */
function mark(at) {
  const list = /** @type {HTMLElement | null} */ (document.querySelector(".steps"));
  if (!list) return;
  list.hidden = at === undefined;
  [...list.children].forEach((step, index) => {
    step.classList.toggle("is-past", index < Number(at));
    if (index === Number(at)) step.setAttribute("aria-current", "step");
    else step.removeAttribute("aria-current");
  });
}

/** Buttons that only go to another step. */
export function linkSteps(before = (/** @type {string} */ _name) => {}) {
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-to]"))) {
    button.addEventListener("click", () => {
      const name = /** @type {string} */ (button.dataset.to);
      before(name);
      show(name);
    });
  }
}

/**
 * Say whose account it is, wherever the page does.
 * @param {string} email
 */
export function name(email) {
  for (const place of document.querySelectorAll("[data-email]")) place.textContent = email;
  for (const field of document.querySelectorAll("input[data-email-value]")) {
    /** @type {HTMLInputElement} */ (field).value = email;
  }
}

/* Forms */

/**
 * Take what was typed, once at a time; a failure is shown beside its field.
 * @param {string} selector
 * @param {(values: FormData, tell: (doing: string) => void) => Promise<void>} work
 */
export function onSubmit(selector, work) {
  const form = /** @type {HTMLFormElement | null} */ (document.querySelector(selector));
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.classList.contains("is-sending")) return;
    for (const button of form.querySelectorAll("[data-reveal][aria-pressed=true]")) {
      reveal(/** @type {HTMLElement} */ (button));
    }
    clear(form);
    form.classList.add("is-sending");
    const doing = form.querySelector("[data-doing]");
    const tell = (/** @type {string} */ what) => {
      if (doing) doing.textContent = DOING[/** @type {keyof DOING} */ (what)] ?? "";
    };
    try {
      await work(new FormData(form), tell);
    } catch (error) {
      complain(form, error);
    } finally {
      form.classList.remove("is-sending");
      tell("");
    }
  });
}

/**
 * Show what went wrong beside the field that it is about.
 * @param {HTMLFormElement} form
 * @param {any} error
 */
export function complain(form, error) {
  const { sentence, field } = told(error);
  const places = field === "new" ? ["new", "password"] : [field];
  const at = places.find((place) => form.querySelector(`[data-problem="${place}"]`)) ?? "";
  const problem = one(`[data-problem="${at}"]`, form);
  one("span", problem).textContent = withTime(sentence, error.retryAfter);
  problem.hidden = false;
  problem.id ||= `problem-${form.id}-${at || "form"}`;
  const inputs = at === "key" ? form.querySelectorAll(".field") : form.querySelectorAll(`.field[name="${at}"]`);
  inputs.forEach((input, index) => {
    const field = /** @type {HTMLInputElement} */ (input);
    field.setAttribute("aria-invalid", "true");
    field.dataset.described ??= field.getAttribute("aria-describedby") ?? "";
    field.setAttribute("aria-describedby", `${problem.id} ${field.dataset.described}`.trim());
    if (at === "password" || at === "new") field.value = "";
    if (index === 0) field.focus();
  });
}

/** @param {HTMLFormElement} form */
export function clear(form) {
  for (const problem of /** @type {NodeListOf<HTMLElement>} */ (form.querySelectorAll("[data-problem]"))) {
    problem.hidden = true;
  }
  for (const field of /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll("[aria-invalid]"))) {
    field.removeAttribute("aria-invalid");
    if (field.dataset.described) field.setAttribute("aria-describedby", field.dataset.described);
    else field.removeAttribute("aria-describedby");
  }
}

/**
 * What was typed in a field.
 * @param {FormData} values
 * @param {string} name
 */
export function text(values, name) {
  return String(values.get(name) ?? "");
}

/**
 * @param {string} sentence
 * @param {number | null | undefined} wait seconds
 */
function withTime(sentence, wait) {
  if (!wait || wait < 60) return sentence;
  const until = new Date(Date.now() + wait * 1000);
  return `${sentence} That is until ${clock(until)}.`;
}

/* Times, places */

/** @param {Date} time */
function clock(time) {
  return time.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

/**
 * A time as one says it: "at 14:05" today, "on Tue 3 Mar, 14:05" on another day.
 * @param {Date} time
 */
export function moment(time) {
  if (time.toDateString() === new Date().toDateString()) return `at ${clock(time)}`;
  const day = time.toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short" }).replace(",", "");
  return `on ${day}, ${clock(time)}`;
}

/**
 * Where to go once signed in: to a page of the Mac, whose path is behind `to`, in the query or after #; null where nobody
 * came from one. Whatever stands there, it leads to the vault at this very address.
 */
export function asked() {
  const path = new URLSearchParams(location.hash.slice(1)).get("to") ?? new URLSearchParams(location.search).get("to");
  return path === null ? null : appAddress(macPath(path) ?? "/");
}

/** What this browser may be called, as other devices would list it. */
export function deviceName() {
  const { userAgent, maxTouchPoints } = navigator;
  /** @param {[RegExp, string][]} words */
  const first = (words) => words.find(([pattern]) => pattern.test(userAgent))?.[1];
  const browser = first([
    [/EdgA?\/|EdgiOS/, "Edge"],
    [/OPR\//, "Opera"],
    [/SamsungBrowser/, "Samsung Internet"],
    [/Firefox|FxiOS/, "Firefox"],
    [/Chrom(e|ium)|CriOS/, "Chrome"],
    [/Safari/, "Safari"],
  ]);
  const system = first([
    [/iPhone/, "iPhone"],
    [/iPad/, "iPad"],
    [/Android/, "Android"],
    [/Macintosh/, maxTouchPoints > 1 ? "iPad" : "Mac"], // an iPad calls itself a Mac
    [/Windows/, "Windows"],
    [/CrOS/, "Chromebook"],
    [/Linux/, "Linux"],
  ]);
  return `${browser ?? "Browser"}${system ? ` on ${system}` : ""}`;
}
