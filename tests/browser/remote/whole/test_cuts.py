"""A browser on another device whose page is reloaded, or whose network goes, at the worst moments."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.remote.whole.way import CHAT, Way, complete, document, inside, say, shown
from tests.relay.proof.computers import until
from tests.serving import SLACK
from tests.upstream import Gate, Reply

WORDS = [f"word{number} " for number in range(60)]
WHOLE = "".join(WORDS).strip()
#: Runs a Mac that forgets a session of a browser that is gone after a second, as else after ten minutes.
FORGETFUL = """
import sys
import relay.link.host as host
host.KEPT_SECONDS = 1.0
from lerix_web.cli import main
sys.argv[0] = "lerix"
sys.exit(main())
"""


def begin(way: Way, page: Page, text: str) -> Gate:
    """Ask something, and read the beginning of the answer; the rest waits at the gate."""
    gate = Gate()
    way.house.up.reply(Reply(chunks=WORDS, gate=gate))
    say(page, text)
    gate.step(5)
    expect(inside(page).get_by_role("log")).to_contain_text("word4")
    return gate


def is_whole(way: Way, page: Page, text: str, asked: int) -> None:
    """The answer is there to its last word, nothing of it twice, and was asked for once."""
    complete(page)
    expect(inside(page).locator("article.message-assistant .body:not(.reasoning-text)")).to_have_text(WHOLE)
    assert way.sent(text) == 1
    assert way.house.asked() == asked + 1
    assert way.house.mac.answer().text.strip() == WHOLE


@pytest.mark.parametrize("moment", [0, 30, 120, 300])
def test_a_reload_while_the_page_loads_gives_the_whole_page(moment: int, way: Way, page: Page) -> None:
    page.reload(wait_until="commit")
    page.wait_for_timeout(moment)
    page.reload()
    shown(page)
    expect(page.locator("iframe")).to_have_count(2)
    assert way.url + "/app/" == page.url


def test_a_reload_in_mid_answer_loses_and_doubles_nothing(way: Way, page: Page) -> None:
    asked = way.house.asked()
    gate = begin(way, page, "reload me twice")
    page.reload()
    expect(inside(page).get_by_role("log")).to_contain_text("word4")
    gate.step(20)
    page.reload(wait_until="domcontentloaded")
    page.reload()
    gate.open()
    is_whole(way, page, "reload me twice", asked)


def test_a_message_that_the_network_swallows_while_the_page_is_reloaded_is_sent_once(way: Way, page: Page) -> None:
    shown(page)
    asked = way.house.asked()
    way.line.silent.set()
    say(page, "swallowed by the network")
    page.wait_for_timeout(300)
    assert way.sent("swallowed by the network") == 0
    with way.cut():
        way.line.silent.clear()
    page.reload()
    until(lambda: way.sent("swallowed by the network"))
    until(lambda: way.house.mac.answer().state == "complete")
    page.wait_for_timeout(500)
    assert way.sent("swallowed by the network") == 1
    assert way.house.asked() == asked + 1


def test_a_long_message_whose_sending_is_broken_off_by_a_reload_is_sent_once(way: Way, page: Page) -> None:
    shown(page)
    asked, text = way.house.asked(), "long " * 50_000 + "to the end"

    def gone_out() -> int:
        return sum(len(data) for is_up, data in way.line.streams if is_up)

    before = gone_out()
    inside(page).get_by_role("textbox", name="Message").fill(text)
    way.line.delay = 3.0
    inside(page).get_by_role("button", name="Send", exact=True).click()
    until(lambda: gone_out() > before + 20_000)
    assert way.sent(text) == 0
    way.line.cut()
    way.line.delay = 0.0
    page.reload()
    until(lambda: way.sent(text))
    until(lambda: way.house.mac.answer().state == "complete")
    page.wait_for_timeout(500)
    assert way.sent(text) == 1
    assert way.house.asked() == asked + 1


def test_a_message_that_the_mac_has_but_not_answered_when_the_page_is_reloaded_is_sent_once(
    way: Way, page: Page
) -> None:
    shown(page)
    asked = way.house.asked()
    way.house.mac.signal(signal.SIGSTOP)
    try:
        say(page, "held by the Mac")
        page.wait_for_timeout(300)
        page.reload()
        page.wait_for_timeout(300)
    finally:
        way.house.mac.signal(signal.SIGCONT)
    until(lambda: way.sent("held by the Mac"))
    shown(page)
    until(lambda: way.house.mac.answer().state == "complete")
    page.wait_for_timeout(500)
    assert way.sent("held by the Mac") == 1
    assert way.house.asked() == asked + 1


@pytest.mark.parametrize("seconds", [1.0, 30.0])
def test_an_answer_over_a_network_that_goes_and_comes_back_is_whole_and_asked_once(
    seconds: float, way: Way, page: Page
) -> None:
    asked = way.house.asked()
    text = f"away for {seconds}"
    said = page.locator("#bar .bar-text")
    gate = begin(way, page, text)
    with way.cut():
        gate.step(20)
        if seconds < 2:
            page.wait_for_timeout(1000 * seconds)
        else:
            # Long enough for the device to notice, which tells the page when the network is back.
            way.context.set_offline(True)
            expect(said).to_contain_text("This device is not connected to the internet.")
            expect(inside(page).get_by_role("log")).to_contain_text("word4")
            page.wait_for_timeout(1000 * seconds)
    way.context.set_offline(False)
    gate.step(10)
    expect(inside(page).get_by_role("log")).to_contain_text("word34")
    gate.open()
    is_whole(way, page, text, asked)
    expect(said).to_have_text("")


def test_cuts_again_and_again_leave_the_answer_whole(way: Way, page: Page) -> None:
    asked = way.house.asked()
    gate = begin(way, page, "cut to pieces")
    before = way.line.cuts
    with way.line.cutting(0.35):
        for _ in range(10):
            gate.step(4)
            page.wait_for_timeout(200)
        until(lambda: way.line.cuts >= before + 4)
    gate.open()
    is_whole(way, page, "cut to pieces", asked)


def test_after_a_sleep_the_whole_answer_is_there_within_a_second_of_the_link(way: Way, page: Page) -> None:
    dialled: list[float] = []
    taken = []
    page.on("websocket", lambda _: dialled.append(time.monotonic()))
    for number in range(3):
        asked = way.house.asked()
        gate = begin(way, page, f"asleep {number}")
        with way.cut():
            gate.open()
            until(lambda: way.house.mac.answer().state == "complete")
            page.wait_for_timeout(300)
        page.evaluate("dispatchEvent(new Event('online'))")
        complete(page)
        expect(inside(page).locator("article.message-assistant .body:not(.reasoning-text)")).to_have_text(WHOLE)
        taken.append(time.monotonic() - dialled[-1])
        is_whole(way, page, f"asleep {number}", asked)
        if taken[-1] < 1.0:
            break
        page.goto(f"{way.url}/app/")
    assert min(taken) < 1.0 + SLACK, taken


@pytest.fixture
def forgetful(way: Way) -> Iterator[Way]:
    mac = way.house.mac
    command = list(mac.command)
    mac.command = [sys.executable, "-c", FORGETFUL, *command[command.index("serve") :]]
    mac.restart()
    way.house.ready()
    yield way
    mac.command = command
    mac.restart()
    way.house.ready()


def test_a_page_whose_session_the_mac_has_forgotten_is_complete_again(forgetful: Way) -> None:
    way, page = forgetful, forgetful.page()
    asked = way.house.asked()
    gate = begin(way, page, "forget me")
    document(page).evaluate("window.stillHere = true")
    with way.cut():
        gate.step(20)
        page.wait_for_timeout(2500)
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(inside(page).get_by_role("log")).to_contain_text("word24")
    gate.open()
    is_whole(way, page, "forget me", asked)
    assert document(page).evaluate("window.stillHere === true"), "the page was loaded again"
    say(page, "and once more")
    complete(page, 2)
    assert way.sent("and once more") == 1


def test_a_tab_that_is_closed_in_mid_answer_gives_the_way_back_to_the_other(way: Way, page: Page) -> None:
    asked = way.house.asked()
    gate = begin(way, page, "in two tabs")
    expect(page).to_have_url(CHAT)
    other = way.page(page.url.removeprefix(way.url))
    expect(inside(other).get_by_role("log")).to_contain_text("word4")
    gate.step(10)
    expect(inside(other).get_by_role("log")).to_contain_text("word14")
    other.close()
    page.bring_to_front()
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(inside(page).get_by_role("log")).to_contain_text("word14")
    gate.open()
    is_whole(way, page, "in two tabs", asked)


def test_a_page_that_was_idle_for_five_minutes_goes_on(way: Way) -> None:
    page = way.page(context=way.browser("Idle"))
    page.clock.install()
    page.reload()
    shown(page)
    page.clock.fast_forward("05:00")
    say(page, "after five minutes")
    complete(page)
    assert way.sent("after five minutes") == 1
