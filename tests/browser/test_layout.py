"""Every page at three sizes, light and dark: nothing overflows, axe finds nothing serious."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Desk, answers, picture, scrolled_out, send
from tests.upstream import RESPONSES, Reply, Upstream, faults

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
SIZES = {"desktop": (1440, 900), "tablet": (820, 1180), "phone": (390, 844)}
#: Each size once, and each scheme; all of them where pictures are wanted.
LOOKS = [("desktop", False), ("tablet", True), ("phone", False)]
if os.environ.get("SCREENSHOTS"):
    LOOKS = [(name, dark) for name in SIZES for dark in (False, True)]
WIDE = (
    "# A heading that is long enough to wrap on a phone\n\n"
    "A paragraph with `inline code` and averyverylongwordwithoutanyplacetobreak" + "x" * 120 + ".\n\n"
    "| " + " | ".join(f"column {n}" for n in range(12)) + " |\n" + "|---" * 12 + "|\n"
    "| " + " | ".join("cell" for _ in range(12)) + " |\n\n"
    "```python\n" + "result = compute(" + ", ".join(f"argument_{n}" for n in range(30)) + ")  # comment\n```\n\n"
    "> A quotation\n\n1. one\n2. two\n   - nested\n\n- [x] done\n- [ ] open\n\n---\n\nThe end."
)

pytestmark = pytest.mark.usefixtures("models_on")


def healthy(page: Page, name: str) -> None:
    """Hold a page to our rules and keep its picture."""
    picture(page, name)
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{name} is {overflow} px wider than the window"
    if page.evaluate("!window.axe"):  # half a megabyte, once for a document
        page.evaluate(AXE)
    # axe would load style sheets into elements of its own, which our policy refuses.
    found = page.evaluate(
        "axe.run(document, {resultTypes: ['violations'], preload: false}).then(r => r.violations"
        ".filter(v => ['serious', 'critical'].includes(v.impact))"
        ".map(v => v.id + ': ' + v.nodes.map(n => n.target + ' ' + n.failureSummary).join(' | ')))"
    )
    assert not found, f"{name}: {found}"


@pytest.fixture(params=LOOKS, ids=[f"{name}-{'dark' if dark else 'light'}" for name, dark in LOOKS])
def look(request: pytest.FixtureRequest, desk: Desk) -> tuple[Page, str]:
    name, dark = request.param
    width, height = SIZES[name]
    page = desk.page(width, height, dark=dark, touch=name != "desktop", at="/settings/connections/")
    return page, f"{name}-{'dark' if dark else 'light'}"


def test_every_page(look: tuple[Page, str], desk: Desk, up: Upstream) -> None:
    page, name = look
    phone = name.startswith("phone")
    # Settings, then Connections and its dialog.
    expect(page.get_by_text("Connected", exact=True)).to_be_visible()
    healthy(page, f"{name}-connections")
    page.get_by_role("button", name="Edit models").click()
    expect(page.get_by_role("switch").first).to_be_visible()
    healthy(page, f"{name}-models")
    page.get_by_role("button", name="Close").click()
    page.goto(desk.lerix.url)
    healthy(page, f"{name}-empty")
    # A chat with everything in it.
    up.reply(Reply(WIDE, reasoning="**Looking at it**\n\nFirst this, then that."))
    send(page, "Show me everything, please, in one long question that wraps on a phone.")
    answers(page)(1)
    page.get_by_text("Reasoning summary").click()
    healthy(page, f"{name}-chat")
    page.get_by_role("button", name="Model", exact=True).click()
    expect(page.get_by_role("menu", name="Model")).to_be_visible()
    healthy(page, f"{name}-menu")
    page.keyboard.press("Escape")
    if phone:
        page.get_by_role("button", name="Open sidebar").click()
        expect(page.get_by_role("link", name="New chat").first).to_be_in_viewport()
        healthy(page, f"{name}-drawer")
        page.keyboard.press("Escape")
    # While it streams, and when it fails.
    gate = up.gate()
    send(page, "Slowly")
    gate.wait_held()
    expect(page.get_by_text("is thinking")).to_be_visible()
    healthy(page, f"{name}-thinking")
    gate.step(8)
    expect(page.locator("article.message-assistant").last).to_contain_text("short answer")
    healthy(page, f"{name}-streaming")
    gate.open()
    answers(page)(2)
    up.fail(RESPONSES, faults.usage_not_included())
    send(page, "Fail")
    expect(page.get_by_role("group", name="What went wrong")).to_be_visible()
    healthy(page, f"{name}-error")
    page.goto(f"{desk.lerix.url}/chats/00000000-0000-0000-0000-000000000000/")
    healthy(page, f"{name}-missing")
    page.context.clear_cookies()
    page.goto(desk.lerix.url)
    healthy(page, f"{name}-locked")


def is_at_end(page: Page) -> None:
    """Wait until the end of the conversation is in view."""
    page.wait_for_function(
        """() => {
            const box = document.getElementById("scroller");
            return box.scrollHeight - box.scrollTop - box.clientHeight < 5;
        }"""
    )


def test_the_page_follows_the_end_only_while_the_reader_is_there(desk: Desk, up: Upstream) -> None:
    page = desk.page(820, 700)
    up.reply(Reply(chunks=[f"Line {number} of many, long enough to fill the page.\n\n" for number in range(120)]))
    gate = up.gate()
    send(page, "Long")
    gate.wait_held()
    gate.step(60)
    answer = page.locator("article.message-assistant")
    expect(answer).to_contain_text("Line 59")
    box = page.locator("#scroller")
    is_at_end(page)
    expect(page.get_by_role("button", name="Jump to latest")).to_be_hidden()
    box.hover()
    page.mouse.wheel(0, -600)
    expect(page.get_by_role("button", name="Jump to latest")).to_be_visible()
    # The wheel moves the page little by little.
    scrolled_out(page, "scroller")
    before = box.evaluate("box => box.scrollTop")
    gate.step(40)
    expect(answer).to_contain_text("Line 98")
    assert box.evaluate("box => box.scrollTop") == before
    page.get_by_role("button", name="Jump to latest").click()
    is_at_end(page)
    gate.open()
    answers(page)(1)
    is_at_end(page)


def test_the_sidebar_closes_and_opens(desk: Desk) -> None:
    page = desk.page()
    page.get_by_role("button", name="Close sidebar").click()
    expect(page.get_by_role("navigation", name="Chats")).to_be_hidden()
    page.get_by_role("button", name="Open sidebar").click()
    expect(page.get_by_role("navigation", name="Chats")).to_be_visible()


def test_a_live_answer_is_spoken_in_whole_blocks(desk: Desk, up: Upstream) -> None:
    page = desk.page()
    up.reply(Reply(chunks=["First ", "block", ".\n\n", "Second ", "block."]))
    gate = up.gate()
    send(page, "Speak")
    gate.wait_held()
    spoken = page.locator("#spoken")
    # One by one: a page that came late has the first of it, and hears of the second where it has joined the stream.
    for words in ("First", "First block"):
        gate.step(1)
        expect(page.locator("article.message-assistant")).to_contain_text(words)
    expect(spoken).to_be_empty()
    gate.step(2)
    expect(spoken).to_have_text("First block.")
    gate.open()
    answers(page)(1)
    expect(spoken).to_have_text("Second block.")
