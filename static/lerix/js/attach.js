/* Files for the message that is being written: picked, pasted or dropped, uploaded one by one, and shown as chips
   beside the field. The server keeps them; the page knows their ids, which go with the message. */

(() => {
  "use strict";

  const MOST = 10;
  const LARGEST = 32 * 1024 * 1024;
  const AT_ONCE = 2;
  /* What every server and model takes; other pictures become JPEG here, where the browser can read them. */
  const KNOWN = new Set(["image/png", "image/jpeg", "image/webp", "image/gif", "image/svg+xml"]);
  const PICTURE = /\.(heic|heif|avif|bmp|tiff?|jxl)$/i;

  /** What is uploaded, by its chip. */
  const running = new Map();
  const waiting = [];

  const list = () => document.getElementById("chips");
  const chips = () => (list() ? [...list().querySelectorAll(":scope > .chip")] : []);

  /* The field with the ids, and whether the list is there. */
  function changed() {
    const all = chips();
    const field = document.getElementById("files-value");
    if (!field) return;
    field.value = all.map((chip) => chip.dataset.file || "").filter(Boolean).join(",");
    list().hidden = all.length === 0;
    judge();
    unsay();
    document.dispatchEvent(new CustomEvent("lerix:files"));
  }

  /* What the chosen model cannot be given is said on the chip, before anything is sent. */
  function judge() {
    const model = document.querySelector("#picker input[name=model]");
    if (!model) return;
    const takes = (model.dataset.takes || "").split(" ");
    const name = model.dataset.name || "This model";
    for (const chip of chips()) {
      const needs = chip.dataset.needs;
      const unfit = Boolean(needs && model.value && needs !== "text" && !takes.includes(needs));
      if (unfit === chip.classList.contains("is-unfit")) continue;
      chip.classList.toggle("is-unfit", unfit);
      const small = chip.querySelector("small");
      if (!small) continue;
      if (unfit) {
        small.dataset.before = small.textContent;
        small.textContent = needs === "image" ? name + " takes no images" : "No text in it that " + name + " can read";
        window.lerix.say(chip.dataset.name + ": " + small.textContent);
      } else if (small.dataset.before !== undefined) {
        small.textContent = small.dataset.before;
      }
    }
  }

  /* Which file the message cannot be sent with as it is, and why; null where it can. */
  function obstacle() {
    const all = chips();
    const first = (name) => all.find((chip) => chip.classList.contains(name));
    let chip = first("is-coming");
    if (chip) return { chip, words: "A file is still being uploaded. Send when it is there, or remove it." };
    chip = first("is-bad");
    if (chip) return { chip, words: chip.dataset.name + " is not attached. Remove it or try it again, then send." };
    chip = first("is-unfit");
    if (!chip) return null;
    const why = chip.querySelector("small").textContent;
    return { chip, words: chip.dataset.name + ": " + why + ". Choose another model, or remove it." };
  }

  /* The note that says so goes with its reason. */
  let said = "";
  function unsay() {
    const now = obstacle();
    if (!said || (now && now.words === said)) return;
    const note = document.getElementById("toast");
    if (note && note.textContent === said) note.hidden = true;
    said = "";
  }

  function show(chip) {
    chip.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  // Taking files

  function add(files) {
    if (!list() || !files.length) return;
    const room = MOST - chips().length;
    if (files.length > room) {
      const rest = room > 0 ? "the last ones were not attached." : "no more were attached.";
      window.lerix.toast("A message may have " + MOST + " files, so " + rest);
    }
    for (const file of [...files].slice(0, Math.max(0, room))) begin(file);
    changed();
    const field = document.getElementById("message");
    if (field && !matchMedia("(pointer: coarse)").matches) field.focus();
  }

  function begin(file) {
    const chip = document.getElementById("chip-coming").content.firstElementChild.cloneNode(true);
    const name = file.name || "file";
    chip.dataset.name = name;
    chip.querySelector(".chip-name").textContent = name;
    chip.querySelector(".chip-remove").setAttribute("aria-label", "Remove " + name);
    chip.querySelector("progress").setAttribute("aria-label", "Uploading " + name);
    chip.querySelector(".chip-again").addEventListener("click", () => {
      comes(chip);
      line(chip, file);
    });
    list().hidden = false;
    list().append(chip);
    show(chip);
    const most = "Too large: at most 32 MB for a PDF, 20 MB for an image, 2 MB for a text";
    if (file.size > LARGEST) fail(chip, most, false);
    else line(chip, file);
  }

  function line(chip, file) {
    waiting.push({ chip, file });
    state(chip, "Waiting");
    next();
  }

  function next() {
    while (running.size < AT_ONCE && waiting.length) {
      const { chip, file } = waiting.shift();
      if (chip.isConnected) upload(chip, file);
    }
  }

  async function upload(chip, file) {
    const job = { abort: () => {}, gone: false };
    running.set(chip, job);
    try {
      const sent = await asTaken(file);
      if (job.gone) return;
      const form = new FormData();
      form.append("file", sent, sent.name || "file");
      const address = list().dataset.upload;
      const told = (part) => {
        const percent = Math.floor(part * 100);
        chip.querySelector("progress").value = percent;
        state(chip, percent < 100 ? "Uploading " + percent + " %" : "Reading");
      };
      state(chip, "Uploading");
      const answer = await post(address, form, told, job);
      if (job.gone) return;
      if (answer.ok) await arrive(chip, answer.text);
      else fail(chip, answer.words, answer.status >= 500 && answer.status !== 507);
    } catch {
      if (!job.gone) fail(chip, "It could not be uploaded. Lerix did not answer, or the file cannot be read.", true);
    } finally {
      running.delete(chip);
      next();
    }
  }

  /* By XMLHttpRequest, which tells how far it is; in the frame of another device by the fetch there, which does too. */
  function post(address, form, told, job) {
    if (typeof XMLHttpRequest !== "function") {
      const cut = new AbortController();
      job.abort = () => cut.abort();
      const onsent = (bytes) => told(Math.min(1, bytes / job.size));
      job.size = [...form.values()].reduce((sum, value) => sum + (value.size || 0), 0) + 200;
      const asked = { method: "POST", body: form, headers: { "HX-Request": "true" }, signal: cut.signal, onsent };
      return fetch(address, asked).then(async (answer) => ({
        ok: answer.ok,
        status: answer.status,
        text: answer.ok ? await answer.text() : "",
        words: answer.ok ? "" : window.lerix.reason(answer),
      }));
    }
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      job.abort = () => request.abort();
      request.open("POST", address);
      request.setRequestHeader("HX-Request", "true");
      request.upload.addEventListener("progress", (event) => {
        if (event.lengthComputable) told(event.loaded / event.total);
      });
      request.addEventListener("load", () => {
        const ok = request.status === 200;
        const headers = { get: (name) => request.getResponseHeader(name) };
        const words = ok ? "" : window.lerix.reason({ status: request.status, headers });
        resolve({ ok, status: request.status, text: request.responseText, words });
      });
      request.addEventListener("error", reject);
      request.addEventListener("abort", reject);
      request.send(form);
    });
  }

  /* A photo in a form that only some programs read is drawn anew as JPEG; what cannot be drawn goes as it is, and the
     server says why it is not taken. */
  async function asTaken(file) {
    const odd = file.type.startsWith("image/") ? !KNOWN.has(file.type) : PICTURE.test(file.name || "");
    if (!odd || file.size > LARGEST) return file;
    try {
      const drawn = await createImageBitmap(file);
      const canvas = document.createElement("canvas");
      canvas.width = drawn.width;
      canvas.height = drawn.height;
      canvas.getContext("2d").drawImage(drawn, 0, 0);
      drawn.close();
      const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
      return blob ? new File([blob], (file.name || "image").replace(/\.\w+$/, "") + ".jpg", { type: blob.type }) : file;
    } catch {
      return file;
    }
  }

  async function arrive(chip, html) {
    if (!chip.isConnected) return;
    const name = chip.dataset.name;
    const held = chip.contains(document.activeElement);
    chip.id = "chip-arriving";
    await htmx.swap({ sourceElement: chip, target: chip, swap: "outerHTML", text: html });
    changed();
    if (held) document.getElementById("message").focus();
    window.lerix.say(name + " is attached");
  }

  function comes(chip) {
    chip.classList.remove("is-bad");
    chip.classList.add("is-coming");
    chip.setAttribute("aria-busy", "true");
    chip.querySelector(".chip-again").hidden = true;
    const bar = chip.querySelector("progress");
    bar.hidden = false;
    bar.value = 0;
    changed();
  }

  function fail(chip, words, again) {
    chip.classList.remove("is-coming");
    chip.classList.add("is-bad");
    chip.removeAttribute("aria-busy");
    chip.querySelector("progress").hidden = true;
    chip.querySelector(".chip-again").hidden = !again;
    state(chip, words);
    window.lerix.say(chip.dataset.name + ": " + words);
    changed();
    show(chip);
  }

  function state(chip, words) {
    chip.querySelector(".chip-state").textContent = words;
  }

  function remove(chip) {
    const job = running.get(chip);
    if (job) {
      job.gone = true;
      job.abort();
    }
    const other = chip.nextElementSibling || chip.previousElementSibling;
    const button = chip.querySelector(".chip-remove");
    // Told without waiting: if it does not arrive, the server forgets the file after a day.
    if (button.dataset.remove) fetch(button.dataset.remove, form()).catch(() => {});
    chip.remove();
    changed();
    const target = other ? other.querySelector(".chip-remove") : document.getElementById("message");
    if (target) target.focus();
    window.lerix.say(chip.dataset.name + " is removed");
  }

  function form() {
    return { method: "POST", body: new URLSearchParams(), headers: { "HX-Request": "true" }, keepalive: true };
  }

  // How files come

  document.addEventListener("click", (event) => {
    if (event.target.closest("#attach")) document.getElementById("attach-input").click();
    const gone = event.target.closest("#chips .chip-remove");
    if (gone) remove(gone.closest(".chip"));
    if (event.target.closest("[data-dialog=viewer]")) document.getElementById("viewer-content").replaceChildren();
  });

  document.addEventListener("change", (event) => {
    if (event.target.id !== "attach-input") return;
    add([...event.target.files]);
    event.target.value = "";
  });

  document.addEventListener("paste", (event) => {
    const data = event.clipboardData;
    const free = event.target.id === "message" || !event.target.closest("input, textarea, [contenteditable]");
    if (!data || !data.files.length || !free || document.querySelector("dialog[open]")) return;
    // Office programs put a picture of the text beside the text: the text is meant.
    if (data.types.includes("text/html") && data.getData("text/plain").trim()) return;
    event.preventDefault();
    add([...data.files]);
  });

  let depth = 0;
  const brings = (event) => Boolean(event.dataTransfer) && [...event.dataTransfer.types].includes("Files");
  function showDrop(on) {
    const drop = document.getElementById("drop");
    if (drop) drop.hidden = !on;
  }
  document.addEventListener("dragenter", (event) => {
    if (!brings(event) || !list()) return;
    event.preventDefault();
    depth += 1;
    showDrop(true);
  });
  document.addEventListener("dragover", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = list() ? "copy" : "none";
  });
  document.addEventListener("dragleave", (event) => {
    if (!brings(event)) return;
    depth = Math.max(0, depth - 1);
    if (depth === 0) showDrop(false);
  });
  document.addEventListener("drop", (event) => {
    depth = 0;
    showDrop(false);
    if (!brings(event)) return;
    // Anywhere: the browser would leave the page for the file.
    event.preventDefault();
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry());
    const folder = entries.some((entry) => entry && entry.isDirectory);
    if (folder) window.lerix.toast("Folders are not attached. Choose the files in it.");
    else add([...event.dataTransfer.files]);
  });

  // How they go

  document.addEventListener(
    "submit",
    (event) => {
      if (event.target.id !== "composer") return;
      const why = obstacle();
      const empty = !chips().length && document.getElementById("message").value.trim() === "";
      if (!why && !empty) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      if (why) {
        said = why.words;
        window.lerix.toast(said);
        show(why.chip);
      }
      document.getElementById("message").focus();
    },
    true,
  );

  /* What was sent leaves at once with its text, and comes back with it where it was not taken. */
  const sent = new WeakMap();
  document.addEventListener("htmx:config:request", (event) => {
    if (event.detail.ctx.sourceElement.id !== "composer") return;
    sent.set(event.detail.ctx, chips());
    for (const chip of chips()) chip.remove();
    changed();
  });
  document.addEventListener("htmx:finally:request", (event) => {
    const ctx = event.detail.ctx;
    if (ctx.sourceElement.id !== "composer") return;
    const failed = !ctx.response || ctx.response.status >= 400;
    if (failed && list()) list().prepend(...(sent.get(ctx) || []));
    sent.delete(ctx);
    changed();
  });

  /* The first message brings a new composer: what was attached since then goes along. */
  let old = null;
  document.addEventListener("htmx:before:swap", () => {
    old = list();
  });
  document.addEventListener("htmx:after:swap", () => {
    const now = list();
    if (old && now && old !== now && !old.isConnected) now.append(...old.children);
    old = now;
    changed();
    const viewer = document.getElementById("viewer");
    if (viewer && viewer.open && document.activeElement === viewer) viewer.querySelector("[data-close]")?.focus();
  });

  /* Nothing large stays behind a dialog that is closed. */
  document.addEventListener(
    "close",
    (event) => {
      if (event.target.id === "viewer") document.getElementById("viewer-content").replaceChildren();
    },
    true,
  );

  document.addEventListener("DOMContentLoaded", changed);
  // The page has gone to another chat, and what was attached there is back.
  document.addEventListener("lerix:chips", changed);
})();
