"""While the Mac is away: what the page says, and that whatever is written reaches the Mac exactly once."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from itertools import product

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import picture
from tests.browser.remote.frame.conftest import Away, complete, inside, kept, send, shown
from tests.browser.remote.frame.double import MAC, OTHER
from tests.browser.test_layout import healthy
from tests.relay.proof.computers import until
from tests.serving import SLACK, LerixProcess
from tests.upstream import Gate, Reply, Upstream

SIZES = [(1440, 900), (820, 1180), (390, 844)]


def waiting(page: Page) -> None:
    expect(page.get_by_role("heading", name="Ada’s Mac is away")).to_be_visible()


def stored(lerix: LerixProcess, text: str) -> int:
    """How often the Mac has a message of this text from the person."""
    with closing(sqlite3.connect(lerix.home / "lerix.sqlite3", timeout=30)) as database:
        rows = database.execute("SELECT count(*) FROM chat_message WHERE role = 'user' AND text = ?", (text,))
        return int(rows.fetchone()[0])


def test_the_waiting_page_says_which_mac_since_when_and_why(away: Away) -> None:
    away.double.away(None)
    page = away.page()
    waiting(page)
    expect(page.get_by_role("textbox", name="Message")).to_be_focused()
    for why, sentence in (
        (None, "Ada’s Mac cannot be reached since "),
        ("off", "Codex Relay was switched off on Ada’s Mac on "),
        ("closed", "Lerix was quit on Ada’s Mac on "),
        ("asleep", "Ada’s Mac went to sleep on "),
        ("lost", "Ada’s Mac cannot be reached since "),
        ("signed-out", "Ada’s Mac was signed out of the account on "),
    ):
        away.double.away(why)
        expect(page.get_by_text(sentence)).to_have_text(re.compile(r"(on|since) Tue 14 Nov, \d\d:\d\d\."))
    away.double.away("lost", code=4433)
    expect(page.get_by_role("heading", name="Codex Relay needs Pro")).to_be_visible()
    away.double.away("lost", code=4431)
    expect(page.get_by_role("heading", name="Sign in again")).to_be_visible()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()


def test_a_message_written_on_the_waiting_page_is_sent_once_when_the_mac_is_back(
    away: Away, up: Upstream, lerix: LerixProcess
) -> None:
    away.double.away()
    page = away.page()
    waiting(page)
    send(page, "written while away")
    expect(page.get_by_role("list", name="Messages that wait")).to_contain_text("written while away")
    page.reload()
    expect(page.get_by_role("list", name="Messages that wait")).to_contain_text("written while away")
    away.double.back()
    complete(inside(page), 1)
    expect(page).to_have_url(re.compile(r"/app/chats/[0-9a-f-]{36}/$"))
    page.reload()
    complete(inside(page), 1)
    assert stored(lerix, "written while away") == 1


def test_a_message_that_waits_is_taken_back(away: Away, lerix: LerixProcess) -> None:
    away.double.away()
    page = away.page()
    waiting(page)
    send(page, "not this one")
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_role("textbox", name="Message")).to_have_value("not this one")
    expect(page.get_by_role("list", name="Messages that wait")).to_have_count(0)
    until(lambda: len(kept(page)) == 1)
    away.double.back()
    expect(shown(page).get_by_role("textbox", name="Message")).to_have_value("not this one")
    page.wait_for_timeout(500)
    assert stored(lerix, "not this one") == 0


def test_a_mac_that_goes_away_in_mid_page_leaves_it_readable_and_sending_goes_on(
    away: Away, up: Upstream, lerix: LerixProcess
) -> None:
    page = away.page()
    frame = shown(page)
    send(frame, "before it went")
    complete(frame, 1)
    away.double.away("asleep")
    expect(page.get_by_text("went to sleep")).to_contain_text("What you write is kept and sent once.")
    send(frame, "into the silence")
    expect(page.get_by_text("1 message waits")).to_be_visible()
    expect(frame.get_by_role("textbox", name="Message")).to_have_value("")
    expect(frame.get_by_role("log")).to_contain_text("A small tour")
    send(frame, "and another")
    expect(page.get_by_text("2 messages wait")).to_be_visible()
    picture(page, "frame-away-in-page")
    page.get_by_text("2 messages wait").click()
    page.get_by_role("listitem").filter(has_text="and another").get_by_role("button", name="Take back").click()
    expect(frame.get_by_role("textbox", name="Message")).to_have_value("and another")
    away.double.back()
    complete(frame, 2)
    expect(page.locator("#bar")).to_be_hidden()
    assert stored(lerix, "into the silence") == 1
    frame.get_by_role("textbox", name="Message").press("Enter")
    complete(frame, 3)
    assert stored(lerix, "and another") == 1


def test_a_message_whose_answer_was_lost_is_not_sent_twice(away: Away, up: Upstream, lerix: LerixProcess) -> None:
    page = away.page()
    frame = shown(page)
    away.double.lose = 1
    send(frame, "lost on the way back")
    complete(inside(page), 1)
    assert stored(lerix, "lost on the way back") == 1
    assert len(away.double.sent("/chats/")) == 2


def test_a_message_under_way_when_the_tab_is_reloaded_arrives_once(
    away: Away, up: Upstream, lerix: LerixProcess
) -> None:
    page = away.page()
    frame = shown(page)
    away.double.hold.clear()
    send(frame, "reloaded in between")
    away.double.wait_for("/chats/")
    page.reload()
    away.double.hold.set()
    expect(inside(page).get_by_role("link", name="reloaded in between")).to_be_visible()
    page.wait_for_timeout(1500)
    assert stored(lerix, "reloaded in between") == 1


def test_a_message_under_way_when_its_page_is_left_arrives_once(away: Away, up: Upstream, lerix: LerixProcess) -> None:
    page = away.page()
    frame = shown(page)
    away.double.hold.clear()
    send(frame, "left in between")
    away.double.wait_for("/chats/")
    page.evaluate("history.pushState(null, '', '/app/x/')")
    page.go_back()
    page.wait_for_timeout(500)
    away.double.hold.set()
    expect(inside(page).get_by_role("link", name="left in between")).to_be_visible()
    assert stored(lerix, "left in between") == 1


def test_the_answer_is_whole_when_the_mac_is_back(away: Away, up: Upstream) -> None:
    gate = Gate()
    up.reply(Reply(chunks=["Before. ", "Meanwhile. ", "After."], gate=gate))
    page = away.page()
    frame = shown(page)
    send(frame, "sleep in the middle")
    gate.step()
    expect(frame.get_by_role("log")).to_contain_text("Before.")
    away.double.away()
    expect(page.locator("#bar")).to_be_visible()
    gate.open()
    page.wait_for_timeout(700)
    away.double.back()
    # Before the page would ask by itself again, which is what it does where nobody tells it.
    expect(frame.get_by_role("log")).to_contain_text("Before. Meanwhile. After.", timeout=15_000 + 1000 * SLACK)
    complete(frame, 1)


def test_what_the_mac_does_not_take_stays_with_its_reason(away: Away) -> None:
    away.double.away()
    page = away.page("/app/chats/00000000-0000-4000-8000-000000000000/")
    waiting(page)
    send(page, "to a chat that is gone")
    expect(page.get_by_role("list", name="Messages that wait")).to_be_visible()
    away.double.back()
    page.get_by_text("1 message waits").click()
    expect(page.get_by_text("This chat was deleted.")).to_be_visible()
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_text("1 message waits")).to_have_count(0)


def test_drafts_are_sealed_where_they_are_kept(away: Away) -> None:
    away.double.away()
    page = away.page()
    waiting(page)
    send(page, "a secret plan")
    page.get_by_role("textbox", name="Message").fill("another secret")
    expect(page.get_by_role("list", name="Messages that wait")).to_contain_text("a secret plan")
    until(lambda: len(kept(page)) == 2)
    assert not any("secret" in each for each in kept(page))


def test_one_of_several_macs_is_chosen_and_the_last_used_comes_first(away: Away) -> None:
    assert away.double.account is not None
    away.double.account["macs"] = [{"id": MAC, "name": "Ada’s Mac"}, {"id": OTHER, "name": "Studio"}]
    page = away.page()
    shown(page)
    chooser = page.get_by_role("combobox", name="Mac")
    expect(chooser).to_have_value(MAC)
    chooser.select_option(label="Studio")
    away.double.wait_for("/", mac=OTHER)
    shown(page)
    fresh = away.page()
    shown(fresh)
    expect(fresh.get_by_role("combobox", name="Mac")).to_have_value(OTHER)
    away.double.away("off", mac=OTHER)
    fresh.reload()
    expect(fresh.get_by_role("heading", name="Studio is away")).to_be_visible()
    picture(fresh, "waiting-several")
    fresh.get_by_role("button", name="Use Ada’s Mac").click()
    shown(fresh)
    away.double.back(OTHER)


def test_a_browser_without_an_account_is_led_to_sign_in(away: Away) -> None:
    away.double.account = None
    page = away.page("/app/chats/?q=word")
    expect(page.get_by_role("heading", name="Sign in to open Lerix")).to_be_visible()
    expect(page.get_by_role("link", name="Sign in")).to_have_attribute("href", "/sign-in/#to=%2Fchats%2F")


def test_the_waiting_page_fits(away: Away) -> None:
    away.double.away("asleep")
    page = away.page()
    waiting(page)
    page.get_by_role("textbox", name="Message").fill("Remind me what we said about the garden")
    page.get_by_role("button", name="Send when it is back").click()
    expect(page.get_by_role("button", name="Take back")).to_be_visible()
    for (width, height), dark in product(SIZES, (False, True)):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if dark else "light")
        healthy(page, f"waiting-{width}-{'dark' if dark else 'light'}")


# One database of the browser does not answer: it does not open, or opens and does nothing.
SILENT = """(() => {
  const open = IDBFactory.prototype.open;
  IDBFactory.prototype.open = function (name, version) {
    return name === "lerix-drafts" && WHEN ? {} : open.call(this, name, version);
  };
  const transaction = IDBDatabase.prototype.transaction;
  IDBDatabase.prototype.transaction = function (...given) {
    if (this.name !== "lerix-drafts") return transaction.apply(this, given);
    return { objectStore: () => new Proxy({}, { get: () => () => ({}) }), abort() {} };
  };
})()"""


@pytest.mark.parametrize("opens", [False, True])
def test_a_browser_whose_database_does_not_answer_shows_the_page_and_sends(
    away: Away, up: Upstream, lerix: LerixProcess, opens: bool
) -> None:
    page = away.page("/devices/")
    page.add_init_script(SILENT.replace("WHEN", "false" if opens else "true"))
    page.goto(f"{away.double.url}/app/")
    frame = shown(page)
    text = f"kept nowhere {opens}"
    send(frame, text)
    complete(frame, 1)
    assert stored(lerix, text) == 1


# To seal takes its time.
SLOW = """(() => {
  const encrypt = SubtleCrypto.prototype.encrypt;
  SubtleCrypto.prototype.encrypt = async function (...given) {
    await new Promise((done) => setTimeout(done, 700));
    return encrypt.apply(this, given);
  };
})()"""


def test_what_was_sent_does_not_come_back_where_sealing_is_slow(away: Away) -> None:
    away.double.away()
    page = away.page("/devices/")
    page.add_init_script(SLOW)
    page.goto(f"{away.double.url}/app/")
    waiting(page)
    field = page.get_by_role("textbox", name="Message")
    field.fill("sent already")
    field.press("Enter")
    expect(page.get_by_role("button", name="Take back")).to_be_visible()
    # What was typed first would be written last.
    page.wait_for_timeout(1500)
    page.reload()
    waiting(page)
    expect(page.get_by_role("button", name="Take back")).to_be_visible()
    expect(field).to_have_value("")


def test_a_frame_that_did_not_load_is_fetched_again(away: Away, up: Upstream) -> None:
    page = away.page("/devices/")
    page.clock.install()
    frames: list[str] = []

    def second_is_lost(route: Route) -> None:
        frames.append(route.request.url)
        if len(frames) == 2:
            route.abort()
        else:
            route.continue_()

    page.route("**/frame/", second_is_lost)
    page.goto(f"{away.double.url}/app/")
    frame = shown(page)
    send(frame, "A chat")
    complete(frame, 1)
    until(lambda: len(frames) == 2)
    page.clock.fast_forward(21_000)
    page.go_back()
    expect(inside(page).get_by_text("What would you like to know?")).to_be_visible()
