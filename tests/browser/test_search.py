"""Search over all chats as one types, the way from a hit to its message, and finding words in one chat."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.chats import store
from tests.browser.conftest import Desk, picture
from tests.browser.test_layout import healthy
from tests.serving import LerixProcess

pytestmark = pytest.mark.usefixtures("models_on")
NEEDLE = 41


@pytest.fixture(scope="module")
def stored(lerix: LerixProcess) -> str:
    """A long chat with a few rare words far from its end, and others. Returns the long one's id."""
    texts = [
        f"Message {number} of a long talk. " + ("The saffron costs more in Zürich." if number % 60 == NEEDLE else "")
        for number in range(240)
    ]
    store(lerix, "A bouillabaisse for ten", ["What goes in?", "Fish, fennel and <b>saffron</b>, says `the book`."])
    return store(lerix, "A long talk", texts, minutes=5)


def field(page: Page) -> Locator:
    return page.get_by_role("searchbox", name="Search chats")


def found(page: Page) -> Locator:
    return page.locator("#panel .found-chat")


def test_a_word_is_found_as_it_is_typed_and_its_message_is_opened_and_marked(desk: Desk, stored: str) -> None:
    page = desk.page()
    field(page).press_sequentially("safr")
    expect(page.get_by_text("No chat has “safr”.")).to_be_visible()
    field(page).press("Backspace")
    field(page).press_sequentially("FRO")
    expect(found(page)).to_have_count(2)
    expect(page.get_by_role("status").filter(has_text="2 chats found")).to_have_count(1)
    # The newest message first, the words marked, and what a message holds stays text.
    expect(found(page).nth(0)).to_contain_text("A long talk")
    expect(found(page).locator("mark")).to_have_text(["saffron"] * 4)
    expect(found(page).nth(1)).to_contain_text("<b>saffron</b>, says the book.")
    expect(found(page).nth(0).get_by_role("link", name="More in this chat")).to_be_visible()
    healthy(page, "search")
    field(page).press_sequentially(" zurich")
    # What all of the words found, and not some of them.
    expect(found(page).locator(".found-hit").first).to_have_attribute("href", re.compile("zurich"))
    expect(found(page)).to_have_count(1)
    # By the keyboard to the oldest of the hits that are shown, which no page has at its end.
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"/chats/{stored}/"))
    message = page.get_by_role("article").filter(has_text=f"Message {60 + NEEDLE} of")
    expect(message).to_be_in_viewport()
    # What was found is still there, for the next look.
    expect(found(page)).to_have_count(1)
    bar = page.get_by_role("search", name="This chat")
    expect(bar.get_by_role("textbox", name="Find in this chat")).to_have_value("safFRO zurich")
    expect(bar).to_contain_text("2 of 4")
    marked = "[...(CSS.highlights.get('find-here') || [])].map((range) => range.toString())"
    assert page.evaluate(marked) == ["saffro", "Zürich"]
    bar.get_by_role("button", name="Next message found").click()
    expect(bar).to_contain_text("3 of 4")
    expect(page.get_by_role("article").filter(has_text=f"Message {120 + NEEDLE} of")).to_be_in_viewport()
    picture(page, "find")
    field(page).press("Escape")
    expect(found(page)).to_have_count(0)
    expect(page.get_by_role("navigation", name="Chats").get_by_role("link", name="A long talk")).to_be_visible()
    expect(field(page)).to_have_value("")
    # The same words again are looked for again.
    field(page).fill("safFRO zurich")
    expect(found(page)).to_have_count(1)
    page.get_by_role("button", name="Clear the search").click()
    expect(field(page)).to_be_focused()
    field(page).fill("safFRO zurich")
    expect(found(page)).to_have_count(1)


def test_what_is_found_late_leaves_the_focus_in_it(desk: Desk, stored: str) -> None:
    page = desk.page()
    field(page).fill("saffron")
    expect(found(page)).to_have_count(2)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/search/?**", hold)
    with page.expect_request("**/search/?**"):
        field(page).fill("saffron zurich")
    page.keyboard.press("ArrowDown")
    expect(found(page).get_by_role("link").first).to_be_focused()
    held.pop().continue_()
    expect(found(page)).to_have_count(1)
    expect(found(page).get_by_role("link").first).to_be_focused()


def test_words_are_found_in_the_whole_of_a_chat(desk: Desk, stored: str) -> None:
    page = desk.page(at=f"/chats/{stored}/")
    page.get_by_role("button", name="Chat options").click()
    page.get_by_role("menuitem", name="Find in this chat").click()
    words = page.get_by_role("textbox", name="Find in this chat")
    expect(words).to_be_focused()
    bar = page.get_by_role("search", name="This chat")
    page.keyboard.type("AFFRÓN")
    # The whole word: a part of it may have been looked for before, and found as often.
    page.wait_for_function("() => [...(CSS.highlights.get('find-here') || [])].join() === 'affron'")
    expect(bar).to_contain_text("4 of 4")
    expect(page.get_by_role("article").filter(has_text=f"Message {180 + NEEDLE} of")).to_be_in_viewport()
    # Back through the chat, to a message that the page has not yet.
    for left in (3, 2, 1):
        page.keyboard.press("Enter")
        expect(bar).to_contain_text(f"{left} of 4")
    expect(page.get_by_role("article").filter(has_text=f"Message {NEEDLE} of")).to_be_in_viewport()
    page.keyboard.press("Shift+Enter")
    expect(bar).to_contain_text("2 of 4")
    words.fill("nowhere")
    expect(bar).to_contain_text("Not found")
    expect(bar.get_by_role("button", name="Next message found")).to_be_disabled()
    healthy(page, "find-none")
    page.keyboard.press("Escape")
    expect(bar).to_be_hidden()
    expect(page.get_by_role("button", name="Chat options")).to_be_focused()
    assert page.evaluate("CSS.highlights.size") == 0


def test_on_a_phone_the_search_is_in_the_drawer_and_the_words_are_in_the_chat(desk: Desk, stored: str) -> None:
    page = desk.page(390, 844, dark=True, touch=True)
    page.get_by_role("button", name="Open sidebar").tap()
    field(page).fill("saffron")
    expect(found(page)).to_have_count(2)
    healthy(page, "search-phone")
    found(page).nth(0).get_by_role("link").nth(1).tap()
    expect(page.get_by_role("search", name="This chat")).to_contain_text("4 of 4")
    expect(field(page)).to_be_hidden()
    expect(page.get_by_role("article").filter(has_text=f"Message {180 + NEEDLE} of")).to_be_in_viewport()
    healthy(page, "find-phone")
