"""An answer belongs to the server: whatever happens to the tab, the network or the process, it is complete or
honestly marked, and never paid for twice.
"""

from __future__ import annotations

import contextlib
import random
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import Desk, answers, send
from tests.browser.cutting import CuttingProxy, Talker, free_port
from tests.serving import SLACK, LerixProcess
from tests.upstream import RESPONSES, Gate, Reply, Upstream

pytestmark = pytest.mark.usefixtures("models_on")

#: Text that came may be in the server's memory only for so long, in seconds: a quarter, and what a loaded machine adds.
LOSS = 0.25 + 2 * SLACK


def until(test: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until something holds that no page shows."""
    end = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def lerix(up: Upstream, codex_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LerixProcess]:
    """A Lerix that comes back at the same address after it was killed."""
    home = tmp_path_factory.mktemp("lerix") / "home"
    arguments = ("--port", str(free_port()))
    with LerixProcess(home, {**up.environment(codex_home), "TZ": "UTC"}, arguments) as process:
        yield process


def last_answer(page: Page) -> Locator:
    return page.locator("article.message-assistant").last


def words(page: Page) -> list[str]:
    """What the last answer says, as words."""
    text = last_answer(page).locator(".body").last.evaluate("body => body.textContent")
    assert isinstance(text, str)
    return text.split()


def said(page: Page) -> list[list[str]]:
    """What each message says, as words. Not as it is drawn: what is far from the screen is not."""
    return [text.split() for text in page.locator("article :is(.body, .bubble)").all_text_contents()]


def settled(page: Page) -> list[str]:
    """What the last answer says once nothing comes to it any more: what has arrived already is still shown."""
    before, now = [""], words(page)
    while now != before:
        page.wait_for_timeout(500)
        before, now = now, words(page)
    return now


def stored(lerix: LerixProcess) -> str:
    """What is in the database of the answer that is coming."""
    with contextlib.closing(sqlite3.connect(lerix.home / "lerix.sqlite3", timeout=30)) as database:
        last = "SELECT text FROM chat_piece WHERE message_id = (SELECT max(message_id) FROM chat_piece) ORDER BY id"
        return "".join(text for (text,) in database.execute(last))


def is_whole(page: Page, talker: Talker, turns: int = 1) -> None:
    """The answer is complete, with every word once, and no element is there twice."""
    answers(page)(turns)
    expect(last_answer(page).locator(".body").last).to_have_text(" ".join(talker.whole))
    assert words(page) == talker.whole
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(part => part.id)")
    assert len(ids) == len(set(ids))
    expect(page.get_by_role("article")).to_have_count(2 * turns)


def ask(page: Page, up: Upstream, talker: Talker, shown: str = "w5") -> None:
    """Send a question and wait until the answer is on its way to the page."""
    up.reply(talker.reply)
    send(page, "Talk")
    talker.begin()
    expect(last_answer(page)).to_contain_text(f"{shown} ")
    expect(page).to_have_url(re.compile("/chats/"))


def test_a_reload_in_the_middle_takes_up_the_answer_where_it_is(page: Page, up: Upstream) -> None:
    asked = len(up.to(RESPONSES))
    with Talker(60, 0.02) as talker:
        ask(page, up, talker)
        for word in ("w12", "w25", "w40"):
            page.reload()
            expect(last_answer(page)).to_contain_text(f"{word} ")
        is_whole(page, talker)
    assert len(up.to(RESPONSES)) == asked + 1


def test_a_closed_tab_changes_nothing_and_finds_the_answer_when_it_comes_back(
    page: Page, desk: Desk, up: Upstream
) -> None:
    with Talker(3_000, 0.02) as talker:
        ask(page, up, talker)
        context, address = page.context, page.url
        page.close()
        time.sleep(0.3)  # with nobody there
        early = desk.watched(context.new_page())
        early.goto(address)
        expect(last_answer(early)).to_have_attribute("aria-busy", "true")
        early.close()
        talker.finish()
        time.sleep(0.5)
        late = desk.watched(context.new_page())
        late.goto(address)
        is_whole(late, talker)


def test_two_tabs_one_of_them_reloaded_end_with_the_same_answer(page: Page, desk: Desk, up: Upstream) -> None:
    with Talker(60, 0.02) as talker:
        ask(page, up, talker)
        other = desk.watched(page.context.new_page())
        other.goto(page.url)
        expect(last_answer(other)).to_contain_text("w20 ")
        page.reload()
        for tab in (page, other):
            is_whole(tab, talker)
        assert said(page) == said(other)


def test_with_eight_tabs_open_every_one_follows_and_a_message_is_sent_at_once(
    page: Page, desk: Desk, up: Upstream
) -> None:
    with Talker(30, 0.01) as talker:
        ask(page, up, talker)
        is_whole(page, talker)
    tabs = [page]
    for _ in range(7):
        tabs.append(desk.watched(page.context.new_page()))
        tabs[-1].goto(page.url, wait_until="domcontentloaded")
        expect(tabs[-1].get_by_role("article")).to_have_count(2)
    # Long enough for every tab to hold its connection, if it would.
    time.sleep(1)
    for turn, tab in ((2, tabs[7]), (3, tabs[0])):
        with Talker(60, 0.01) as talker:
            up.reply(talker.reply)
            send(tab, "Ninth")
            # Without a connection left it would not be sent at all while the others hold theirs.
            talker.begin()
            expect(tab.get_by_role("article")).to_have_count(2 * turn)
            for each in tabs:
                is_whole(each, talker, turn)


@pytest.mark.parametrize("seed", range(4))
def test_after_a_crash_at_any_moment_the_answer_is_marked_and_a_retry_completes_it(
    page: Page, desk: Desk, up: Upstream, seed: int
) -> None:
    with Talker(10_000, 0.005) as talker:
        ask(page, up, talker, "w0")
        asked = len(up.to(RESPONSES))
        time.sleep(0.5 + random.Random(seed).uniform(0, 1.0))
        seen = len(words(page))
        until(lambda: len(stored(desk.lerix).split()) >= seen, LOSS)
        desk.lerix.kill()
        desk.lerix.start()
        notice = page.get_by_role("group", name="What went wrong")
        expect(notice).to_contain_text("Lerix ended before this answer was complete")
        kept = words(page)
        assert kept == talker.whole[: len(kept)]
        assert len(kept) >= seen
        expect(last_answer(page)).to_have_attribute("aria-busy", "false")
        expect(page.get_by_role("button", name="Send")).to_be_visible()
        page.reload()
        assert words(page) == kept
        assert len(up.to(RESPONSES)) == asked, "the service was asked again without anybody's wish"
    notice.get_by_role("button", name="Retry").click()
    expect(notice).to_be_hidden()
    answers(page)(1)
    expect(page.get_by_role("log")).to_contain_text("Ask me anything else")
    expect(page.get_by_role("article")).to_have_count(2)
    assert len(up.to(RESPONSES)) == asked + 1


def test_a_crash_before_the_first_word_is_said_too(page: Page, desk: Desk, up: Upstream) -> None:
    gate = up.gate()
    send(page, "Never mind")
    gate.wait_held()
    expect(last_answer(page)).to_have_attribute("aria-busy", "true")
    desk.lerix.kill()
    gate.open()
    desk.lerix.start()
    expect(page.get_by_role("group", name="What went wrong")).to_contain_text("Nothing had come yet")
    expect(page.get_by_role("article")).to_have_count(2)


def test_a_long_answer_cut_by_a_crash_is_marked_in_pages_that_come_early(page: Page, desk: Desk, up: Upstream) -> None:
    # Rendering what came takes about a second, and pages ask sooner than that.
    row = "|" + " **cell** |" * 20 + "\n"
    rows = [row, "|" + "-|" * 20 + "\n", *[row] * 1_000]
    gate = Gate()
    up.reply(Reply(chunks=[*rows, "The end."], gate=gate))
    send(page, "A long table")
    gate.wait_held()
    gate.step(len(rows))
    expect(last_answer(page)).to_contain_text("cell")
    expect(page).to_have_url(re.compile("/chats/"))
    until(lambda: stored(desk.lerix) == "".join(rows), 60)
    desk.lerix.kill()
    gate.open()
    desk.lerix.start()
    at_once = desk.watched(page.context.new_page())
    at_once.goto(page.url)
    for tab in (page, at_once):
        notice = tab.get_by_role("group", name="What went wrong")
        expect(notice).to_contain_text("What had come is kept", timeout=90_000)
        expect(last_answer(tab)).to_have_attribute("aria-busy", "false")
        expect(tab.get_by_role("button", name="Send")).to_be_visible()


def test_a_clean_stop_keeps_all_that_came_and_ends_in_time(page: Page, desk: Desk, up: Upstream) -> None:
    with Talker(10_000, 0.005) as talker:
        ask(page, up, talker, "w20")
        asked = len(up.to(RESPONSES))
        said = talker.said_by(time.monotonic())
        expect(last_answer(page)).to_contain_text(talker.whole[said - 1])
        seen = len(words(page))
        assert desk.lerix.terminate() == 0
        assert "Traceback" not in desk.lerix.stderr
        desk.lerix.restart()
        expect(page.get_by_role("group", name="What went wrong")).to_contain_text("What had come is kept")
        kept = words(page)
        assert kept == talker.whole[: len(kept)]
        assert len(kept) >= max(seen, said)
        assert len(up.to(RESPONSES)) == asked


def test_two_presses_of_enter_send_once(page: Page, up: Upstream) -> None:
    for turn in (1, 2):
        asked = len(up.to(RESPONSES))
        page.get_by_role("textbox", name="Message").fill("Once")
        page.evaluate(
            """() => {
                const field = document.getElementById("message");
                const enter = () => new KeyboardEvent("keydown", {key: "Enter", bubbles: true, cancelable: true});
                field.dispatchEvent(enter());
                field.dispatchEvent(enter());
            }"""
        )
        answers(page)(turn)
        expect(page.get_by_role("button", name="Send")).to_be_visible()
        expect(page.get_by_role("article")).to_have_count(2 * turn)
        assert len(up.to(RESPONSES)) == asked + 1


def test_the_same_form_posted_many_times_at_once_is_one_message(page: Page, up: Upstream) -> None:
    chats = page.locator("#history a")
    before, asked = chats.count(), len(up.to(RESPONSES))
    post = """async () => {
        const form = new FormData(document.getElementById("composer"));
        form.set("text", "Once only");
        const where = document.getElementById("composer").action;
        const all = await Promise.all([1, 2, 3, 4, 5].map(() => fetch(where, {method: "POST", body: form})));
        const last = await fetch(where, {method: "POST", body: form});
        return [...all, last].map(answer => answer.status);
    }"""
    assert page.evaluate(post) == [200] * 6
    expect(chats).to_have_count(before + 1)
    chats.first.click()
    answers(page)(1)
    expect(page.get_by_role("article")).to_have_count(2)
    assert len(up.to(RESPONSES)) == asked + 1
    assert page.evaluate(post) == [200] * 6
    answers(page)(2)
    expect(page.get_by_role("article")).to_have_count(4)
    assert len(up.to(RESPONSES)) == asked + 2


@pytest.fixture
def proxy(lerix: LerixProcess) -> Iterator[CuttingProxy]:
    with CuttingProxy(lerix.port, seed=7) as started:
        yield started


@pytest.fixture
def far(desk: Desk, proxy: CuttingProxy) -> Page:
    """A page that reaches Lerix through the proxy."""
    page = desk.page()
    page.goto(f"http://localhost:{proxy.port}/")
    page.evaluate("window.stillHere = true")
    return page


def test_a_network_that_cuts_the_stream_at_any_byte_leaves_the_answer_whole(
    far: Page, proxy: CuttingProxy, up: Upstream
) -> None:
    asked = len(up.to(RESPONSES))
    with Talker(3_000, 0.03) as talker:
        ask(far, up, talker, "w0")
        proxy.cutting.set()
        proxy.sever()
        until(lambda: proxy.cuts >= 4, 120)
        proxy.cutting.clear()
        talker.finish()
        is_whole(far, talker)
        assert far.evaluate("window.stillHere"), "the page was loaded anew"
        shown = said(far)
        far.reload()
        is_whole(far, talker)
        assert said(far) == shown
    assert len(up.to(RESPONSES)) == asked + 1


def test_a_browser_that_was_offline_for_a_while_catches_up_by_itself(
    far: Page, proxy: CuttingProxy, up: Upstream
) -> None:
    with Talker(3_000, 0.03) as talker:
        ask(far, up, talker)
        for offline in (0.0, 1.0):
            proxy.offline.set()
            far.context.set_offline(True)
            proxy.sever()
            expect(far.locator("body.is-cut-off")).to_have_count(1)
            before = settled(far)
            far.wait_for_timeout(1_000 * offline)
            assert words(far) == before
            assert len(before) < len(talker.whole)
            proxy.offline.clear()
            far.context.set_offline(False)
            expect(far.locator("body.is-cut-off")).to_have_count(0)
        talker.finish()
        is_whole(far, talker)
        assert far.evaluate("window.stillHere"), "the page was loaded anew"


@pytest.mark.parametrize("script", ["htmx.min.js", "hx-sse.min.js", "lerix.js"])
def test_a_script_that_comes_late_never_costs_a_page_its_stream(page: Page, up: Upstream, script: str) -> None:
    def late(route: Route) -> None:
        time.sleep(0.3)
        route.continue_()

    page.context.route(f"**/{script}", late)
    page.reload()
    up.reply("Here at once.")
    send(page, "Late")
    answers(page)(1)
    page.reload()
    send(page, "Late again")
    answers(page)(2)


HIDE = """hidden => {
    Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
    Object.defineProperty(document, "visibilityState", {value: hidden ? "hidden" : "visible", configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_hidden_tab_pauses_and_catches_up_when_it_is_shown(page: Page, up: Upstream) -> None:
    with Talker(3_000, 0.03) as talker:
        ask(page, up, talker)
        page.evaluate(HIDE, True)
        assert len(settled(page)) < len(talker.whole)
        talker.finish()
        page.evaluate(HIDE, False)
        is_whole(page, talker)


def test_an_interrupted_answer_is_continued_below_it(page: Page, desk: Desk, up: Upstream) -> None:
    with Talker(10_000, 0.005) as talker:
        ask(page, up, talker, "w20")
        until(lambda: len(stored(desk.lerix).split()) > 20)
        desk.lerix.kill()
        desk.lerix.start()
        notice = page.get_by_role("group", name="What went wrong")
        expect(notice).to_contain_text("What had come is kept")
        kept = words(page)
    asked = len(up.to(RESPONSES))
    up.reply("And this is the rest.")
    notice.get_by_role("button", name="Continue").click()
    continued = page.get_by_role("article", name="GPT-6.1 Sol").nth(1)
    expect(continued).to_have_attribute("aria-busy", "false")
    expect(continued).to_contain_text("And this is the rest.")
    expect(page.get_by_role("article", name="GPT-6.1 Sol").first).to_contain_text(f"{kept[0]} {kept[1]}")
    (request,) = up.to(RESPONSES)[asked:]
    assert kept[-1] in str(request.json)
