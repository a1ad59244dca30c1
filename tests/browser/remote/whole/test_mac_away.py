"""A browser on another device whose Mac quits, crashes or is switched off, and one that does not belong any more."""

from __future__ import annotations

import re
import time

from playwright.sync_api import Page, expect

from tests.browser.conftest import picture
from tests.browser.remote.whole.way import CHAT, Way, complete, inside, say, shown, write
from tests.relay.proof.computers import MAC, until
from tests.serving import SLACK
from tests.upstream import Gate, Reply

#: A moment as the page says it, also where midnight has passed since.
AT = r"(at|on \w+ \d+ \w+,) \d\d:\d\d"
SINCE = r"since (\w+ \d+ \w+, )?\d\d:\d\d"


def test_a_mac_that_quits_is_waited_for_and_gets_what_was_written_exactly_once(way: Way, page: Page) -> None:
    say(page, "before you quit")
    complete(page)
    expect(page).to_have_url(CHAT)
    chat = page.url.removeprefix(way.url)
    way.house.mac.terminate()
    expect(page.locator("#bar")).to_contain_text(re.compile(f"Lerix was quit on {MAC} {AT}"))
    expect(inside(page).get_by_role("log")).to_contain_text("before you quit")
    page.reload()
    expect(page.get_by_role("heading", name=f"{MAC} is away")).to_be_visible()
    expect(page.get_by_text(re.compile(f"^Lerix was quit on {MAC} {AT}"))).to_be_visible()
    expect(page.get_by_role("textbox", name="Message")).to_be_focused()
    for text in ("taken back", "sent when it is back"):
        write(page, text)
    expect(page.get_by_role("listitem")).to_have_count(2)
    picture(page, "whole-mac-quit")
    letter = page.get_by_role("listitem").filter(has_text="taken back")
    letter.get_by_role("button", name="Take back").click()
    expect(page.get_by_role("textbox", name="Message")).to_have_value("taken back")
    expect(page.get_by_role("listitem")).to_have_count(1)
    page.get_by_role("textbox", name="Message").fill("")
    # What waits is there in a tab that is opened later, too, and only one of them sends it.
    other = way.page(chat)
    expect(other.get_by_role("listitem")).to_have_count(1)
    way.house.mac.restart()
    until(lambda: way.sent("sent when it is back"))
    complete(other, 2)
    expect(other).to_have_url(way.url + chat)
    expect(inside(other).get_by_role("article", name="You")).to_have_text(["before you quit", "sent when it is back"])
    page.bring_to_front()
    page.evaluate("dispatchEvent(new Event('focus'))")
    complete(page, 2)
    page.wait_for_timeout(1000)
    assert [way.sent(text) for text in ("before you quit", "taken back", "sent when it is back")] == [1, 0, 1]
    expect(page.get_by_text("message waits")).to_have_count(0)


def test_the_page_says_of_a_mac_that_crashed_since_when_it_is_gone(way: Way, page: Page) -> None:
    shown(page)
    way.house.mac.kill()
    expect(page.locator("#bar")).to_contain_text(re.compile(f"{MAC} cannot be reached {SINCE}"))
    way.house.mac.restart()
    expect(page.locator("#bar .bar-text")).to_have_text("")
    say(page, "after the crash")
    complete(page)
    assert way.sent("after the crash") == 1


def test_a_mac_whose_relay_is_switched_off_says_so_and_comes_back_by_itself(way: Way, page: Page) -> None:
    shown(page)
    way.house.switch(on=False)
    try:
        expect(page.locator("#bar")).to_contain_text(re.compile(f"Codex Relay was switched off on {MAC} {AT}"))
        page.reload()
        expect(page.get_by_text(f"Codex Relay was switched off on {MAC}")).to_be_visible()
        expect(page.get_by_text("Switch it on there, in Settings, Connections.")).to_be_visible()
    finally:
        way.house.switch()
    shown(page)


def test_a_browser_that_is_removed_in_mid_answer_is_told_within_two_seconds(way: Way) -> None:
    context = way.browser("Lost phone", viewport={"width": 390, "height": 844}, has_touch=True)
    page = way.page(context=context)
    gate = Gate()
    way.house.up.reply(Reply(chunks=["Still here. ", "Never to be seen there."], gate=gate))
    say(page, "a long question")
    gate.step()
    expect(inside(page).get_by_role("log")).to_contain_text("Still here.")
    removed = way.remove("Lost phone")
    expect(page.locator("body")).to_contain_text("This browser was removed from the account.")
    assert time.monotonic() - removed < 2 + SLACK
    gate.open()
    until(lambda: way.house.mac.answer().state in {"complete", "stopped"})
    page.wait_for_timeout(500)
    expect(page.get_by_text("Never to be seen there.")).to_have_count(0)
    expect(inside(page).get_by_text("Never to be seen there.")).to_have_count(0)
    picture(page, "whole-removed")
    page.reload()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    expect(page.get_by_text("does not accept this browser any more: it was removed")).to_be_visible()
    # The others go on.
    other = way.page()
    say(other, "not removed")
    complete(other)


def test_a_browser_whose_storage_was_wiped_signs_in_again_and_its_old_self_is_listed(way: Way) -> None:
    context = way.browser("Library computer")
    page = way.page(context=context)
    shown(page)
    kept = {"origin": way.url, "storageTypes": "all"}
    context.new_cdp_session(page).send("Storage.clearDataForOrigin", kept)
    page.reload()
    expect(page.get_by_role("heading", name="Sign in to open Lerix")).to_be_visible()
    page.get_by_role("link", name="Sign in").click()
    way.fill_sign_in(page, "Library computer again")
    shown(page)
    page.goto(f"{way.url}/devices/")
    names = page.get_by_role("article").get_by_role("heading")
    expect(names.filter(has_text=re.compile("^Library computer"))).to_have_text(
        ["Library computer", "Library computer again"]
    )
    page.goto(f"{way.url}/app/")
    say(page, "as somebody new")
    complete(page)
