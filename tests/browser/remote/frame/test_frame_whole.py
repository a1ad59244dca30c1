"""The whole way: a browser signs in at a real broker, and uses a real Mac through the encrypted channel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import picture
from tests.browser.remote.firefox import Firefox, MarionetteError, firefox_path
from tests.browser.remote.frame.conftest import complete, inside, send, shown
from tests.browser.remote.people import People, Visitor, sign_in
from tests.relay.broker.desk import PASSWORD
from tests.relay.proof.computers import MAC, Household, household, until
from tests.upstream import Gate, Reply

ENTER = "\ue007"
FRAME = "iframe.frame:not(.is-waiting)"
CHAT = re.compile(r"/app/chats/[0-9a-f-]{36}/$")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    with household(tmp_path_factory.mktemp("house")) as made:
        yield made


@pytest.fixture(scope="module")
def phone(chromium: Browser, house: Household) -> Iterator[Visitor]:
    """A browser that is signed in: once for all tests here."""
    people = People(chromium, house.broker)
    visitor = people.visitor(viewport={"width": 390, "height": 844}, has_touch=True)
    page = visitor.page()
    sign_in(page, house.broker, house.person.email, name="Phone")
    page.close()
    yield visitor
    for context in people.contexts:
        context.close()
    assert people.problems == []


@pytest.fixture
def page(house: Household, phone: Visitor) -> Iterator[Page]:
    opened = phone.page("/app/")
    yield opened
    house.heal()
    for each in phone.context.pages:
        each.close()


def test_an_answer_streams_to_a_phone(house: Household, page: Page) -> None:
    gate = Gate()
    house.up.reply(Reply(chunks=["First words. ", "Last words."], gate=gate))
    frame = shown(page)
    expect(frame.get_by_role("link", name="Settings")).to_have_count(0)
    send(frame, "hello from the phone")
    gate.step()
    expect(frame.get_by_role("log")).to_contain_text("First words.")
    picture(page, "whole-streams")
    gate.open()
    complete(frame, 1)
    expect(page).to_have_url(CHAT)
    page.reload()
    expect(shown(page).get_by_role("log")).to_contain_text("First words. Last words.")
    frame.get_by_role("button", name="Model", exact=True).click()
    menu = frame.get_by_role("menu", name="Model")
    expect(menu.get_by_role("menuitemradio", name=f"Codex Relay · {MAC}")).to_be_visible()
    expect(menu.get_by_role("menuitemradio", name="Codex auth")).to_have_count(0)
    picture(page, "whole-menu")
    assert page.evaluate("document.querySelectorAll('iframe').length") == 2


def test_the_mac_is_quit_in_mid_answer_and_opened_again(house: Household, page: Page) -> None:
    frame = shown(page)
    send(frame, "before you go")
    complete(frame, 1)
    house.mac.terminate()
    expect(page.locator("#bar")).to_contain_text(f"Lerix was quit on {MAC} at ")
    send(frame, "are you still there")
    expect(page.get_by_text("1 message waits")).to_be_visible()
    fresh = page.context.new_page()
    page.close()
    fresh.goto(f"{house.broker.url}/app/")
    expect(fresh.get_by_role("heading", name=f"{MAC} is away")).to_be_visible()
    send(fresh, "one more thing")
    expect(fresh.get_by_role("listitem")).to_have_count(2)
    picture(fresh, "whole-waiting")
    house.mac.restart()
    until(lambda: {"are you still there", "one more thing"} <= {said.text for said in house.mac.messages()})
    complete(inside(fresh), 1)
    fresh.wait_for_timeout(1000)
    sent = [said.text for said in house.mac.messages() if said.role == "user"]
    assert [sent.count(text) for text in ("before you go", "are you still there", "one more thing")] == [1, 1, 1]


def test_two_tabs_take_turns(house: Household, page: Page) -> None:
    one = shown(page)
    send(one, "from the first tab")
    complete(one, 1)
    other = page.context.new_page()
    other.goto(f"{house.broker.url}/app/")
    send(shown(other), "from the second tab")
    complete(inside(other), 1)
    page.bring_to_front()
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(one.locator("#history a", has_text="from the second tab")).to_have_count(1)
    send(one, "and the first again")
    complete(one, 2)
    other.close()
    send(one, "alone now")
    complete(one, 3)


def test_firefox_goes_the_whole_way(house: Household, tmp_path: Path) -> None:
    program = firefox_path()
    if program is None:
        pytest.skip("this test needs Firefox (Debian: apt install firefox-esr)")
    with Firefox(program, tmp_path) as firefox:

        def shows(count: int) -> bool:
            """Whether the page that is shown now has so many answers."""
            firefox.leave()
            firefox.enter(FRAME)
            found = firefox.run("return document.querySelectorAll('article[aria-busy=false]').length")
            firefox.leave()
            return bool(found == count)

        firefox.go(f"{house.broker.url}/sign-in/#to=/")
        firefox.until(lambda: firefox.run("return !document.querySelector('[data-step=start]').hidden"))
        firefox.type("input[name=email]", house.person.email)
        firefox.type("input[name=password]", PASSWORD + ENTER)
        firefox.until(lambda: firefox.address == f"{house.broker.url}/app/")
        firefox.enter(FRAME)
        firefox.type("#message", f"hello from Firefox{ENTER}")
        firefox.until(lambda: shows(1))
        assert CHAT.search(firefox.address)
        firefox.command("WebDriver:Refresh")
        firefox.until(lambda: shows(1))
        firefox.enter(FRAME)
        taken = ["XMLHttpRequest", "WebSocket", "EventSource", "RTCPeerConnection"]
        assert firefox.run("return arguments[0].filter((name) => name in window)", taken) == []
        with pytest.raises(MarionetteError, match="SecurityError"):
            firefox.run("return localStorage.length")
        firefox.click("#sidebar a.side-link")
        firefox.leave()
        firefox.until(lambda: firefox.address == f"{house.broker.url}/app/")
        firefox.until(lambda: shows(0))
        firefox.command("WebDriver:Back")
        firefox.until(lambda: shows(1))
        assert CHAT.search(firefox.address)
