"""Formulas, footnotes, tables and code of an answer, as somebody reads, copies and keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Desk, answers, picture, send
from tests.upstream import Reply, Upstream

LONG = " + ".join(f"a_{{{number}}}" for number in range(1, 60))

ANSWER = rf"""## Energy

Mass and energy are one: $E = mc^2$.[^1] It costs $5, not $6, to say so.

$$
\left( \sum_{{k=1}}^n a_k b_k \right)^2 \le \frac{{x}}{{y}}
$$

A long one: ${LONG}$, and

\[{LONG}\]

- [x] done
- [ ] open **soon**

| Name | Formula | Number |
|:-----|:-------:|-------:|
| a \| b | $x^2$ | 1,234 |
| `code` | none | 5 |

```python title=tools/energy.py
def energy(mass): return mass * 299_792_458 ** 2  # {"a long line " * 12}
```

The end.[^note]

[^1]: Einstein, 1905.
[^note]: With a **second** note.
"""

TABLE = "| Name | Formula | Number |\n| --- | :-: | --: |\n| a \\| b | $x^2$ | 1,234 |\n| `code` | none | 5 |"


def clipboard(page: Page) -> str:
    return str(page.evaluate("navigator.clipboard.readText()"))


def copy_between(page: Page, first: str, last: str) -> str:
    """Select from the first element that fits to the last, copy as the keyboard does, and read it back."""
    page.evaluate(
        """([first, last]) => {
          const [from, to] = [document.querySelector(first), [...document.querySelectorAll(last)].at(-1)];
          getSelection().setBaseAndExtent(from, 0, to, to.childNodes.length);
        }""",
        [first, last],
    )
    page.keyboard.press("Control+c")
    page.evaluate("getSelection().removeAllRanges()")
    return clipboard(page)


def shape(page: Page, selector: str) -> dict[str, Any]:
    """Sizes of the first element that fits."""
    made: dict[str, Any] = page.locator(selector).first.evaluate(
        """(each) => ({width: each.clientWidth, whole: each.scrollWidth, height: each.getBoundingClientRect().height,
                       top: each.getBoundingClientRect().top})"""
    )
    return made


@pytest.mark.usefixtures("models_on")
def test_an_answer_with_formulas_notes_tables_and_code(desk: Desk, up: Upstream, tmp_path: Path) -> None:
    page = desk.page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    up.reply(Reply(ANSWER))
    send(page, "Tell me of energy")
    answers(page)(1)
    answer = page.get_by_role("article", name="GPT-6.1 Sol")

    # A formula is mathematics for the browser, and money is text.
    expect(answer.locator("math")).to_have_count(5)
    expect(answer).to_contain_text("It costs $5, not $6, to say so.")
    assert shape(page, ".body mfrac")["height"] > 20
    # What is too wide scrolls by itself, and the page does not.
    for selector in (".body .math-wide", ".body div.math[tabindex]"):
        wide = shape(page, selector)
        assert wide["whole"] > wide["width"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("#log").evaluate("(each) => each.scrollWidth <= each.clientWidth")

    # It is read out in words, without its buttons.
    words = page.evaluate("window.lerixText.spoken(document.querySelector('[id$=-body]'))")
    assert "Mass and energy are one: E = mc^2.1 It costs $5" in words
    assert "formula" in words
    assert "Copy table" not in words

    # From a reference to its note and back, with the address as it was.
    address = page.url
    answer.get_by_role("link", name="Footnote 2", exact=True).click()
    note = answer.locator("[role=doc-footnote]").nth(1)
    expect(note).to_be_focused()
    expect(note).to_be_in_viewport()
    note.get_by_role("link", name="Back to footnote 2 in the text").click()
    expect(answer.get_by_role("link", name="Footnote 2", exact=True)).to_be_focused()
    assert page.url == address

    # Copied: a table, and what is selected.
    answer.get_by_role("group", name="Table").hover()
    answer.get_by_role("button", name="Copy table").click()
    expect(answer.get_by_role("button", name="Copied")).to_be_visible()
    assert clipboard(page) == TABLE
    copied = copy_between(page, ".body h2", ".body .contains-task-list")
    assert copied.startswith("## Energy\n\nMass and energy are one: $E = mc^2$.[^1] It costs $5")
    assert "\n\n$$\n\\left( \\sum_{k=1}^n a_k b_k \\right)^2 \\le \\frac{x}{y}\n$$\n\n" in copied
    assert copied.endswith("- [x] done\n- [ ] open **soon**")
    first = '.body p:has([role="doc-noteref"])'
    assert copy_between(page, first, f"{first} math") == "Mass and energy are one: $E = mc^2$"
    copied = copy_between(page, ".body .code", ".body .note")
    assert copied.startswith("```python\ndef energy(mass)")
    assert copied.endswith("\n```\n\nThe end.[^2]\n\n[^1]: Einstein, 1905.\n\n[^2]: With a **second** note.")

    # Code: wrapped and not, and kept under its own name.
    before = shape(page, ".code pre")
    wrap = answer.get_by_role("button", name="Wrap")
    wrap.click()
    expect(wrap).to_have_attribute("aria-pressed", "true")
    wrapped = shape(page, ".code pre")
    assert before["whole"] > before["width"]
    assert wrapped["whole"] == wrapped["width"]
    wrap.click()
    expect(wrap).to_have_attribute("aria-pressed", "false")
    with page.expect_download() as coming:
        answer.get_by_role("button", name="Download").click()
    assert coming.value.suggested_filename == "energy.py"
    coming.value.save_as(tmp_path / "energy.py")
    assert (tmp_path / "energy.py").read_text().startswith("def energy(mass): return mass * 299_792_458 ** 2")

    # The whole chat, from its options.
    page.get_by_role("banner").or_(page.locator(".topbar")).first.get_by_role("button", name="Chat options").click()
    with page.expect_download() as coming:
        page.get_by_role("menuitem", name="Export as Markdown").click()
    assert coming.value.suggested_filename == "Tell me of energy.md"
    coming.value.save_as(tmp_path / "chat.md")
    assert ANSWER.strip() in (tmp_path / "chat.md").read_text()
    picture(page, "texts")


@pytest.mark.usefixtures("models_on")
def test_formulas_and_notes_that_come_stay_where_they_are_when_the_answer_is_complete(desk: Desk, up: Upstream) -> None:
    page = desk.page()
    text = (
        "Text with $x^2$ and a note[^1].\n\n"
        "$$\n\\begin{aligned}\na &= \\frac{b}{c} \\\\\nd &= e\n\\end{aligned}\n$$\n\nMore.\n\n[^1]: The note."
    )
    gate = up.gate()
    up.reply(Reply(chunks=[text[:70], text[70:130], text[130:], "\n"]))
    send(page, "Grow")
    gate.wait_held()
    gate.step(1)
    # Half of a formula is shown as half a formula, and a note is referred to before it is there.
    expect(page.locator(".body .open mfrac, .body .open mtable").first).to_be_visible()
    expect(page.get_by_role("link", name="Footnote 1")).to_be_visible()
    assert "$$" not in page.locator("[id$=-body]").inner_text()
    gate.step(2)
    expect(page.locator("[role=doc-footnote]")).to_contain_text("The note.")
    places = "[...document.querySelectorAll('.body p, .body math')].map((each) => each.getBoundingClientRect().height)"
    page.evaluate(
        """() => {
          window.corrected = 0;
          const body = document.querySelector("[id$=-body]");
          window.first = body.querySelector("p");
          new MutationObserver((records) => {
            for (const each of records) {
              if (each.target.closest && each.target.closest(".chunk")) window.corrected += 1;
            }
          }).observe(body, { childList: true, subtree: true });
        }"""
    )
    before = page.evaluate(places)
    gate.open()
    answers(page)(1)
    assert page.evaluate(places) == before
    assert page.evaluate("window.corrected") == 0
    assert page.evaluate("window.first.isConnected")
