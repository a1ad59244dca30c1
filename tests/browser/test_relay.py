"""Codex Relay as a person uses it: switched on at one computer, used at another, through a sleep of the first one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import Desk, answers, send
from tests.browser.test_layout import LOOKS, SIZES, healthy
from tests.relay.proof.computers import MAC, Computer, Household, household
from tests.upstream import RESPONSES, Gate, Reply

ACCESS = f"Codex Relay · {MAC}"
#: When the other computer went.
SINCE = re.compile(r"\bsince\s+\d\d:\d\d", re.IGNORECASE)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    """Two computers that are signed in, with the relay off."""
    with household(tmp_path_factory.mktemp("house"), on=False) as made:
        yield made


def desk_of(chromium: Browser, computer: Computer, folder: Path) -> Desk:
    """A browser that the computer knows already."""
    cookies = [
        {"name": each.name, "value": each.value, "domain": "localhost", "path": "/", "expires": -1}
        | {"httpOnly": True, "secure": False, "sameSite": "Strict"}
        for each in computer.pages.cookies.jar
    ]
    state = folder / f"{computer.port}.json"
    state.write_text(json.dumps({"cookies": cookies, "origins": []}))
    return Desk(chromium, computer, [], [], state)


@pytest.fixture
def desks(chromium: Browser, house: Household, tmp_path: Path) -> Iterator[tuple[Desk, Desk]]:
    """The Mac's and the laptop's, both running."""
    if house.mac.process is None or house.mac.process.poll() is not None:
        house.mac.kill()
        house.mac.start()
    made = [desk_of(chromium, computer, tmp_path) for computer in (house.mac, house.laptop)]
    yield made[0], made[1]
    house.up.clear()
    for desk in made:
        for context in desk.contexts:
            context.close()
        assert not desk.problems


def card(page: Page) -> Locator:
    return page.get_by_role("region", name="Codex Relay", exact=True)


def choose(page: Page, name: str) -> None:
    """Choose something in the model menu."""
    menu = page.get_by_role("menu", name="Model")
    if not menu.is_visible():
        page.get_by_role("button", name="Model", exact=True).click()
    menu.get_by_role("menuitemradio", name=name, exact=True).click()


def test_it_is_switched_on_used_elsewhere_and_waits_for_a_computer_that_quits(
    house: Household, desks: tuple[Desk, Desk]
) -> None:
    mac, laptop = desks
    here = mac.page(at="/settings/connections/")
    switch = card(here).get_by_role("switch", name="Codex Relay")
    expect(switch).to_be_enabled()
    switch.click()
    expect(card(here).get_by_text("On line", exact=True)).to_be_visible()
    # On the other computer.
    there = laptop.page()
    there.get_by_role("button", name="Model", exact=True).click()
    menu = there.get_by_role("menu", name="Model")
    # A device that hears of it late looks by itself, each half minute.
    expect(menu.get_by_role("menuitemradio", name=ACCESS)).to_be_visible(timeout=60_000)
    choose(there, ACCESS)
    expect(menu.get_by_role("menuitemradio", name=ACCESS)).to_have_attribute("aria-checked", "true")
    choose(there, "GPT-5.5")
    expect(menu).to_be_hidden()
    gate = Gate()
    house.up.reply(Reply(chunks=["Through ", "the ", "relay."], gate=gate))
    send(there, "Do you hear me?")
    gate.wait_held()
    gate.step(2)
    expect(there.locator("article.message-assistant")).to_contain_text("Through the")
    expect(there.locator("article.message-assistant")).to_have_attribute("aria-busy", "true")
    gate.open()
    answers(there)(1)
    expect(there.get_by_role("log")).to_contain_text("Through the relay.")
    expect(card(here)).to_contain_text("Connected now: Ada’s travelling laptop.")
    here.close()
    # The Mac quits, and the other one says so before anything is sent.
    house.mac.terminate()
    there.get_by_role("button", name="Model", exact=True).click()
    away = there.locator(f"#why-{house.access}")
    expect(away).to_contain_text(f"Lerix was closed on {MAC}")
    expect(away).to_contain_text(SINCE)
    there.keyboard.press("Escape")
    # A message is kept, taken back, written anew, and sent once when it is there again.
    send(there, "Are you asleep?")
    waiting = there.get_by_role("group", name="Waiting to be sent")
    expect(waiting).to_contain_text(SINCE)
    waiting.get_by_role("button", name="Take back").click()
    expect(waiting).to_be_hidden()
    field = there.get_by_role("textbox", name="Message")
    expect(field).to_have_value("Are you asleep?")
    expect(there.get_by_role("article")).to_have_count(2)
    field.fill("Good morning?")
    there.get_by_role("button", name="Send", exact=True).click()
    expect(waiting).to_be_visible()
    there.reload()
    expect(waiting).to_be_visible()
    asked = len(house.up.to(RESPONSES))
    house.up.reply("Good morning.")
    house.mac.kill()
    house.mac.start()
    expect(waiting).to_be_hidden(timeout=60_000)
    answers(there)(2)
    expect(there.get_by_role("log")).to_contain_text("Good morning.")
    expect(waiting).to_be_hidden()
    there.wait_for_timeout(500)
    sent = house.up.to(RESPONSES)[asked:]
    assert len(sent) == 1
    assert "Are you asleep?" not in json.dumps(sent[0].json)


def test_its_card_at_three_sizes(house: Household, desks: tuple[Desk, Desk]) -> None:
    if "checked" not in house.card()[: house.card().index("hx-post")]:
        house.switch()
    for name, dark in LOOKS:
        width, height = SIZES[name]
        page = desks[0].page(width, height, dark=dark, touch=name != "desktop", at="/settings/connections/")
        expect(card(page).get_by_text("On line", exact=True)).to_be_visible()
        card(page).scroll_into_view_if_needed()
        healthy(page, f"relay-card-{name}-{'dark' if dark else 'light'}")
        page.close()


def test_a_message_that_waits_at_three_sizes(house: Household, desks: tuple[Desk, Desk]) -> None:
    house.switch()
    house.ready()
    house.up.reply("All is well.")
    assert house.whole(house.ask("How are you?")) == "All is well."
    page = desks[1].page()
    page.get_by_role("link", name="How are you?").click()
    expect(page.get_by_role("article")).to_have_count(2)
    house.mac.terminate()
    try:
        expect(page.locator(f"#why-{house.access}")).to_contain_text(SINCE)
        page.get_by_role("button", name="Model", exact=True).click()
        healthy(page, "relay-menu-away")
        page.keyboard.press("Escape")
        send(page, "And now?")
        expect(page.get_by_role("group", name="Waiting to be sent")).to_be_visible()
        path = page.url.removeprefix(house.laptop.url)
        for name, dark in LOOKS:
            width, height = SIZES[name]
            look = desks[1].page(width, height, dark=dark, touch=name != "desktop", at=path)
            expect(look.get_by_role("group", name="Waiting to be sent")).to_be_visible()
            healthy(look, f"relay-waiting-{name}-{'dark' if dark else 'light'}")
            look.close()
        there = desks[1].page(at="/settings/connections/")
        healthy(there, "relay-away-connections")
    finally:
        house.mac.kill()
        house.mac.start()
