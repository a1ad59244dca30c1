/* What can be done with the text of an answer: long lines of code wrapped, code kept as a file, tables and selections
   copied as Markdown, footnotes found and left again. Nothing is remembered: a page that is loaded anew begins anew. */

(() => {
  "use strict";

  /* Markdown of what is shown: the way back from the page to the text. Formulas are their source. */

  const MARKS = { STRONG: "**", EM: "*", S: "~~" };

  function inline(node) {
    if (node.nodeType === 3) return node.data.replace(/\s+/g, " ");
    if (node.nodeType !== 1) return "";
    const name = node.nodeName.toUpperCase();
    if (name === "MATH") return formula(node);
    if (name === "BR") return "  \n";
    if (name === "BUTTON") return "";
    if (name === "CODE") return ticked(node.textContent);
    const inner = [...node.childNodes].map(inline).join("");
    if (node.classList.contains("noteref")) return "[^" + inner + "]";
    if (name === "A") return linked(node, inner);
    const mark = MARKS[name];
    if (!mark || inner.trim() === "") return inner;
    // Marks stand at words, not at the spaces around them.
    return inner.replace(/^(\s*)(.*?)(\s*)$/s, (_, before, words, after) => before + mark + words + mark + after);
  }

  function formula(math) {
    const mark = math.getAttribute("display") === "block" ? "$$" : "$";
    return mark + (math.dataset.tex || math.textContent).trim() + mark;
  }

  function ticked(source) {
    const longest = Math.max(0, ...(source.match(/`+/g) || []).map((each) => each.length));
    const ticks = "`".repeat(longest + 1);
    return longest ? ticks + " " + source + " " + ticks : ticks + source + ticks;
  }

  function linked(link, words) {
    const address = link.getAttribute("href");
    if (!address || address.startsWith("#")) return words;
    return address === words ? "<" + address + ">" : "[" + words + "](" + address + ")";
  }

  const BLOCKS = "P H1 H2 H3 H4 H5 H6 UL OL LI BLOCKQUOTE PRE HR TABLE DIV THEAD TBODY TR ARTICLE".split(" ");

  function isBlock(node) {
    return node.nodeType === 1 && BLOCKS.includes(node.nodeName);
  }

  /* The blocks in a node; text between them is a paragraph of its own. */
  function blocks(node) {
    const found = [];
    let loose = "";
    const end = () => {
      if (loose.trim()) found.push(loose.trim());
      loose = "";
    };
    for (const child of node.childNodes) {
      if (!isBlock(child)) {
        loose += inline(child);
        continue;
      }
      end();
      const text = block(child);
      if (text.trim()) found.push(text);
    }
    end();
    return found;
  }

  function block(node) {
    const name = node.nodeName;
    if (/^H[1-6]$/.test(name)) return "#".repeat(Number(name[1])) + " " + inline(node).trim();
    if (name === "P") return inline(node).trim();
    if (name === "HR") return "---";
    if (name === "UL" || name === "OL") return list(node);
    if (name === "BLOCKQUOTE") return indented(blocks(node).join("\n\n"), "> ", "> ");
    if (name === "PRE") return fenced(node, "");
    if (name === "TABLE") return table(node);
    if (node.classList.contains("code")) return codeOf(node);
    if (node.classList.contains("math")) return "$$\n" + tex(node) + "\n$$";
    if (node.classList.contains("note")) return note(node);
    return blocks(node).join("\n\n");
  }

  function tex(node) {
    const math = node.querySelector("math");
    return math ? (math.dataset.tex || math.textContent).trim() : "";
  }

  function codeOf(box) {
    const pre = box.querySelector("pre");
    const language = box.querySelector(".code-language");
    return pre ? fenced(pre, language ? language.textContent : "") : "";
  }

  function fenced(pre, language) {
    const source = pre.textContent.replace(/\n$/, "");
    const longest = Math.max(2, ...(source.match(/`+/g) || []).map((each) => each.length));
    const fence = "`".repeat(longest + 1);
    return fence + (language === "text" ? "" : language) + "\n" + source + "\n" + fence;
  }

  function note(node) {
    const number = node.querySelector(".noteback");
    const text = node.querySelector(".note-text");
    const words = text ? blocks(text).join("\n\n") : "";
    return number ? indented(words, "[^" + number.textContent + "]: ", "    ") : words;
  }

  function list(node) {
    const from = Number(node.getAttribute("start") || 1);
    const loose = Boolean(node.querySelector(":scope > li > p"));
    const items = [...node.children].map((item, place) => {
      const mark = node.nodeName === "OL" ? from + place + ". " : "- ";
      const text = blocks(item).join(loose ? "\n\n" : "\n").replace(/^☐\s*/, "[ ] ").replace(/^☑\s*/, "[x] ");
      return indented(text, mark, " ".repeat(mark.length));
    });
    return items.join(loose ? "\n\n" : "\n");
  }

  function indented(text, first, rest) {
    return text
      .split("\n")
      .map((line, place) => (place === 0 ? first + line : line === "" ? rest.trimEnd() : rest + line))
      .join("\n");
  }

  function table(node) {
    const rows = [...node.querySelectorAll("tr")].map((row) =>
      [...row.children].map((cell) => inline(cell).trim().replace(/\s*\n/g, "<br>").replace(/\|/g, "\\|")),
    );
    if (!rows.length) return "";
    const sides = [...node.querySelector("tr").children].map((cell) =>
      cell.classList.contains("align-center") ? ":-:" : cell.classList.contains("align-right") ? "--:" : "---",
    );
    const line = (cells) => "| " + cells.join(" | ") + " |";
    return [line(rows[0]), line(sides), ...rows.slice(1).map(line)].join("\n");
  }

  function markdown(node) {
    return blocks(node).join("\n\n");
  }

  /* What is read out of an answer: its words, not its buttons; a formula only where its source reads like one. */
  function spoken(node) {
    const copy = node.cloneNode(true);
    for (const each of copy.querySelectorAll("button, .noteback")) each.replaceWith(" ");
    for (const math of copy.querySelectorAll("math")) {
      const source = math.dataset.tex || "";
      math.replaceWith(/[\\{}]/.test(source) || source === "" ? " formula " : source);
    }
    return copy.textContent.replace(/\s+/g, " ").trim();
  }

  /* What is selected in an answer, where it is more than plain words: as a copy, and as Markdown. A selection of several
     blocks becomes Markdown; of one it stays as it is, but for the source of its formulas. */
  function chosen(range) {
    const common = range.commonAncestorContainer;
    const around = common.nodeType === 1 ? common : common.parentElement;
    if (!around || around.closest("pre") || !around.closest(".body")) return null;
    const box = document.createElement("div");
    const whole = around.closest("math");
    box.append(whole ? whole.cloneNode(true) : range.cloneContents());
    const several = isBlock(around) && [...box.children].some(isBlock);
    if (!several && !box.querySelector("math")) return null;
    return { box, words: (several ? markdown(box) : inline(box)).trim() };
  }

  function onCopy(event) {
    const selection = getSelection();
    if (!selection || selection.isCollapsed || selection.rangeCount !== 1 || !event.clipboardData) return;
    if (event.target instanceof Element && event.target.closest("input, textarea, [contenteditable]")) return;
    const found = chosen(selection.getRangeAt(0));
    if (!found || !found.words) return;
    for (const each of found.box.querySelectorAll("button, .code-head")) each.remove();
    event.clipboardData.setData("text/plain", found.words);
    event.clipboardData.setData("text/html", found.box.innerHTML);
    event.preventDefault();
  }

  /* Buttons in code and tables. */

  function wrap(button) {
    const wrapped = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(wrapped));
    button.closest(".code").classList.toggle("is-wrapped", wrapped);
  }

  /* A plain address, for a page on another device may make no file: the server knows the text and names it. */
  function download(button) {
    const body = button.closest(".body");
    const number = [...body.querySelectorAll(".code")].indexOf(button.closest(".code")) + 1;
    const link = document.createElement("a");
    link.href = "/messages/" + body.id.replace(/\D/g, "") + "/code/" + number + "/";
    link.download = "";
    link.hidden = true;
    document.body.append(link);
    link.click();
    link.remove();
  }

  async function copyTable(button) {
    try {
      await navigator.clipboard.writeText(table(button.parentElement.querySelector("table")));
    } catch {
      window.lerix.toast("Your browser did not allow copying. Select the table and copy it by hand.");
      return;
    }
    window.lerix.say("Copied");
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => {
      button.textContent = before;
    }, 1500);
  }

  /* Footnotes are gone to without leaving the page's address. */
  function goTo(event, link) {
    const part = document.getElementById(decodeURIComponent(link.getAttribute("href").slice(1)));
    if (!part) return;
    event.preventDefault();
    part.scrollIntoView({ block: "nearest" });
    part.focus({ preventScroll: true, focusVisible: true });
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.noteref, a.noteback");
    if (link) goTo(event, link);
    const button = event.target.closest("[data-text]");
    if (!button) return;
    if (button.dataset.text === "wrap") wrap(button);
    else if (button.dataset.text === "download") download(button);
    else if (button.dataset.text === "table") copyTable(button);
  });

  document.addEventListener("copy", onCopy);

  window.lerixText = Object.freeze({ chosen, spoken });
})();
