"""The model menu while the server sends it anew: open or closed, and where the focus is, are the reader's affair."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import Desk, answers, send
from tests.upstream import Upstream

pytestmark = pytest.mark.usefixtures("models_on")

LUNA = "GPT-6 Luna"


def button(page: Page) -> Locator:
    return page.get_by_role("button", name="Model", exact=True)


def menu(page: Page) -> Locator:
    return page.get_by_role("menu", name="Model")


def item(page: Page, name: str) -> Locator:
    return menu(page).get_by_role("menuitemradio", name=name, exact=True)


def is_open(page: Page) -> None:
    expect(menu(page)).to_be_visible()
    expect(button(page)).to_have_attribute("aria-expanded", "true")


def is_closed(page: Page) -> None:
    expect(menu(page)).to_be_hidden()
    expect(button(page)).to_have_attribute("aria-expanded", "false")


@pytest.fixture
def luna(desk: Desk) -> Iterator[Callable[[bool], None]]:
    """Switches Luna on and off, as the settings in another tab do; off before and after."""

    def switch(enabled: bool) -> None:
        form = {"model": "gpt-6-luna", "enabled": "on" if enabled else ""}
        with desk.requests() as client:
            client.post("/settings/connections/codex/models/switch/", data=form).raise_for_status()

    switch(False)
    yield switch
    switch(False)


def test_news_go_into_an_open_menu_and_leave_it_open_with_its_focus(page: Page, luna: Callable[[bool], None]) -> None:
    button(page).press("Enter")
    page.keyboard.type("gpt-5.5")
    expect(item(page, "GPT-5.5")).to_be_focused()
    luna(True)
    expect(item(page, LUNA)).to_be_visible()
    is_open(page)
    expect(item(page, "GPT-5.5")).to_be_focused()
    page.keyboard.press("Escape")
    is_closed(page)
    expect(button(page)).to_be_focused()
    # It opens, finds and chooses as before. One letter: those that are typed too slowly are no word.
    button(page).click()
    page.keyboard.press("5")
    expect(item(page, "GPT-5.5")).to_be_focused()
    item(page, "GPT-5.5").click()
    is_closed(page)
    expect(page.locator("#model-now")).to_contain_text("GPT-5.5")


def test_an_item_that_goes_leaves_its_focus_inside_the_open_menu(page: Page, luna: Callable[[bool], None]) -> None:
    luna(True)
    button(page).press("Enter")
    expect(item(page, LUNA)).to_be_visible()
    item(page, LUNA).focus()
    expect(item(page, LUNA)).to_be_focused()
    luna(False)
    expect(item(page, LUNA)).to_have_count(0)
    is_open(page)
    expect(menu(page).locator(":focus")).to_have_attribute("aria-checked", "true")
    page.keyboard.press("Escape")
    is_closed(page)


def test_the_end_of_an_answer_leaves_an_open_menu_open(page: Page, up: Upstream) -> None:
    up.set_usage(primary_percent=85)
    gate = up.gate()
    send(page, "While I choose")
    gate.wait_held()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    button(page).press("Enter")
    expect(item(page, "Codex auth")).to_be_focused()
    gate.open()
    answers(page)(1)
    expect(page.locator("#composer-note")).to_contain_text("85 % of the limit")
    is_open(page)
    expect(item(page, "Codex auth")).to_be_focused()


def test_a_menu_that_is_closed_before_its_choice_is_answered_stays_closed(page: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/choice/", hold)
    button(page).click()
    with page.expect_request("**/choice/"):
        item(page, "Codex auth").click()
    page.keyboard.press("Escape")
    is_closed(page)
    page.evaluate(
        """() => {
            window.swapped = new Promise(done => {
                document.addEventListener("htmx:after:swap", event => {
                    if (event.detail.ctx.sourceElement.closest("#picker")) done(true);
                });
            });
        }"""
    )
    held.pop().continue_()
    assert page.evaluate("window.swapped")
    is_closed(page)
    expect(button(page)).to_be_focused()


def test_a_choice_of_access_leaves_the_menu_open_with_its_focus(page: Page) -> None:
    button(page).press("Enter")
    with page.expect_response(re.compile("/choice/$")):
        page.keyboard.press("Enter")
    is_open(page)
    expect(item(page, "Codex auth")).to_be_focused()


def test_whoever_goes_elsewhere_closes_the_menu(page: Page) -> None:
    field = page.get_by_role("textbox", name="Message")
    ways: list[Callable[[], None]] = [
        field.focus,
        lambda: page.locator("#title").click(),
        lambda: page.keyboard.press("Tab"),
    ]
    for leave in ways:
        button(page).click()
        is_open(page)
        leave()
        is_closed(page)
