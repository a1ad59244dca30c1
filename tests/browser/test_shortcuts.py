"""Every keyboard shortcut does what its sheet says, and the sheet says each."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Desk, answers, send
from tests.browser.test_layout import LOOKS, SIZES, healthy
from tests.upstream import Reply, Upstream

pytestmark = pytest.mark.usefixtures("models_on")


def sheet(page: Page) -> None:
    """Wait for the sheet."""
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()


@pytest.mark.parametrize(("size", "dark"), LOOKS, ids=[f"{size}-{'dark' if dark else 'light'}" for size, dark in LOOKS])
def test_the_sheet_looks_well(desk: Desk, size: str, dark: bool) -> None:
    page = desk.page(*SIZES[size], dark=dark, touch=size != "desktop")
    page.keyboard.press("Control+/")
    sheet(page)
    healthy(page, f"{size}-{'dark' if dark else 'light'}-shortcuts")


def test_the_sheet_opens_by_its_button_and_two_keys_and_closes_again(page: Page) -> None:
    field = page.get_by_role("textbox", name="Message")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    page.get_by_role("button", name="Keyboard shortcuts").click()
    sheet(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    field.focus()
    page.keyboard.type("Why?")
    expect(field).to_have_value("Why?")
    page.keyboard.press("Control+/")
    sheet(page)
    page.keyboard.press("?")
    expect(dialog).to_be_hidden()
    expect(field).to_be_focused()
    field.blur()
    page.keyboard.press("?")
    sheet(page)
    # A key that does something else does nothing behind the sheet.
    page.keyboard.press("Control+Shift+S")
    page.keyboard.press("Control+/")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Close sidebar")).to_be_visible()
    expect(field).to_have_value("Why?")


def test_keys_go_where_the_sheet_says(page: Page, up: Upstream) -> None:
    # Listened for from the start: told just before the key, the browser may hear of the key first.
    page.on("filechooser", lambda chooser: None)
    field = page.get_by_role("textbox", name="Message")
    expect(field).to_be_focused()
    page.keyboard.press("Control+Shift+S")
    expect(page.get_by_role("button", name="Close sidebar")).to_be_hidden()
    page.keyboard.press("Control+Shift+S")
    expect(page.get_by_role("button", name="Close sidebar")).to_be_visible()
    page.keyboard.press("Shift+Escape")
    expect(field).to_be_focused()
    page.keyboard.press("Control+Shift+M")
    expect(page.get_by_role("menu", name="Model")).to_be_visible()
    page.keyboard.press("Escape")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    up.reply(Reply("Some words.\n\n```python\nprint('hello')\n```\n\nThe end."))
    send(page, "First question")
    answers(page)(1)
    page.keyboard.press("Control+Shift+:")
    page.wait_for_function("() => navigator.clipboard.readText().then((text) => text.trim() === \"print('hello')\")")
    page.keyboard.press("Control+Shift+C")
    page.wait_for_function("() => navigator.clipboard.readText().then((text) => text.startsWith('Some words.'))")
    gate = up.gate()
    send(page, "Second question")
    gate.wait_held()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.keyboard.press("Control+.")
    answers(page)(2)
    # From message to message, from the field that is empty and from a message.
    field.focus()
    page.keyboard.press("Alt+ArrowUp")
    expect(page.get_by_role("log").get_by_role("article").first).to_be_focused()
    for number in (1, 2, 3, 3):
        page.keyboard.press("Alt+ArrowDown")
        expect(page.get_by_role("log").get_by_role("article").nth(number)).to_be_focused()
    # Found, edited, searched, deleted and brought back.
    page.keyboard.press("Control+Shift+F")
    expect(page.get_by_role("textbox", name="Find in this chat")).to_be_focused()
    page.keyboard.press("Escape")
    field.focus()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("textbox", name="Edit message")).to_have_value("Second question")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+K")
    expect(page.get_by_role("searchbox", name="Search chats")).to_be_focused()
    with page.expect_file_chooser():
        page.keyboard.press("Control+U")
    page.keyboard.press("Control+Shift+Backspace")
    expect(page.get_by_text("What would you like to know?")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#history").get_by_role("link", name="First question")).to_be_visible()
    page.locator("#history").get_by_role("link", name="First question").click()
    expect(page.get_by_role("log").get_by_role("article")).to_have_count(4)
    page.keyboard.press("Control+Shift+O")
    expect(page.get_by_text("What would you like to know?")).to_be_visible()
    expect(page.get_by_role("textbox", name="Message")).to_be_focused()
