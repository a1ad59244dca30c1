"""What is pressed or written before the scripts of a page are there is done once they are."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Desk, answers
from tests.upstream import Upstream

pytestmark = pytest.mark.usefixtures("models_on")


@contextlib.contextmanager
def without(page: Page, script: str, address: str) -> Iterator[None]:
    """Open a page, of which one script is on its way until the end of the block."""
    held: list[Route] = []
    page.context.route(f"**/{script}", lambda route, _: held.append(route))
    page.goto(address, wait_until="commit")
    yield
    assert held
    # They go on by this.
    page.context.unroute(f"**/{script}")


@pytest.mark.parametrize("script", ["hx-sse.min.js", "lerix.js", "keys.js"])
def test_a_button_that_is_pressed_too_early_is_pressed_once(desk: Desk, page: Page, script: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with without(page, script, f"{desk.lerix.url}/settings/connections/"):
        page.get_by_role("button", name="Edit models").click()
        page.get_by_role("button", name="Edit models").click()
    dialog = page.get_by_role("dialog", name="Edit models")
    expect(dialog.get_by_role("switch", name="GPT-6.1 Sol")).to_be_visible()
    assert sum(url.endswith("/models/") for url in asked) == 1
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()


@pytest.mark.parametrize("script", ["hx-sse.min.js", "composer.js", "undo.js"])
def test_a_message_that_is_sent_too_early_is_sent_once_and_never_in_the_address(
    desk: Desk, page: Page, up: Upstream, script: str
) -> None:
    up.reply("Here.")
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    with without(page, script, desk.lerix.url):
        page.get_by_role("textbox", name="Message", exact=True).fill("Before all scripts")
        page.get_by_role("button", name="Send").click()
        page.get_by_role("button", name="Send").click()
    answers(page)(1)
    expect(page.locator("article.message-user .bubble")).to_have_text(["Before all scripts"])
    expect(page).to_have_url(re.compile("/chats/"))
    assert not [url for url in addresses if "Before" in url]


def test_words_that_are_searched_too_early_are_found(desk: Desk, page: Page, up: Upstream) -> None:
    up.reply("Here.")
    page.get_by_role("textbox", name="Message", exact=True).fill("Of zebras")
    page.get_by_role("button", name="Send").click()
    answers(page)(1)
    with without(page, "sidebar.js", desk.lerix.url):
        page.get_by_role("searchbox").fill("zebr")
    expect(page.locator("#panel mark").first).to_have_text("zebras")


def test_a_link_goes_where_it_leads_without_any_script(desk: Desk, page: Page) -> None:
    with without(page, "lerix.js", desk.lerix.url):
        page.get_by_role("link", name="Settings").click()
        expect(page).to_have_url(re.compile("/settings/"))
