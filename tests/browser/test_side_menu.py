"""The menu of a chat in the list, while something else goes on."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import answers, send
from tests.upstream import Reply, Upstream

pytestmark = pytest.mark.usefixtures("models_on")


def test_it_stays_open_while_an_answer_grows_and_scrolls(page: Page, up: Upstream) -> None:
    up.reply(Reply(chunks=[f"Paragraph {number}.\n\n" for number in range(60)]))
    gate, log = up.gate(), page.get_by_role("log")
    send(page, "Something long")
    gate.wait_held()
    gate.step(40)
    expect(log.get_by_text("Paragraph 38.", exact=True)).to_be_in_viewport()
    entry = page.locator("#history li").filter(has_text="Something long")
    entry.hover()
    entry.get_by_role("button", name="Options for Something long").click()
    menu = page.get_by_role("menu", name="Options for Something long")
    expect(menu.get_by_role("menuitem", name="Rename")).to_be_visible()
    gate.step(15)
    expect(log.get_by_text("Paragraph 53.", exact=True)).to_be_in_viewport()
    gate.open()
    answers(page)(1)
    expect(log.get_by_text("Paragraph 59.", exact=True)).to_be_in_viewport()
    expect(menu.get_by_role("menuitem", name="Rename")).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
