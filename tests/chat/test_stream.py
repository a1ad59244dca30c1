"""The event stream: from any point, to any number of tabs, nothing missing and nothing twice."""

import asyncio
import random
import uuid

import pytest

from chat import generate
from chat.feed import feeds
from chat.markdown import render
from chat.models import Chat, Message, State
from chat.pages import Cursor, page
from chat.stream import Reader
from connections.changes import connections_changed
from connections.push import ALIVE, WAITING, html
from connections.status import NextStep, Status
from tests.chat.fakes import FakePath, Held
from tests.chat.tab import Tab
from tests.connections.waiting import until

TEXT = (
    "# Title\n\nSome **words** and [a link][r].\n\n```python\n" + "x = [1, 2]  # <tag>\n" * 250 + "```\n\n"
    "- one\n- two\n\n- three\n\n| a | b |\n|---|---|\n"
    + "| 1 | *2* and some more words in it |\n" * 110
    + "\nThe end.\n\n[r]: https://a.example\n"
)


def up_to_date() -> Cursor:
    """The cursor of an empty page that lacks nothing."""
    return Cursor(boot=feeds.boot, history=feeds.history.version, connections=connections_changed.version)


async def begin(path: FakePath) -> tuple[Chat, Held]:
    path.script = held = Held()
    chat, _ = await generate.send(None, "Question", uuid.uuid4(), path.choice())
    return chat, held


async def settle(held: Held) -> None:
    """Let the answer's task take what was said."""
    await until(held.queue.empty)
    await asyncio.sleep(0)


async def finish(chat: Chat, held: Held) -> None:
    live = feeds.live_in(chat.pk)
    assert live is not None
    assert live.task is not None
    held.end()
    await asyncio.wait_for(asyncio.wait([live.task]), 60)


@pytest.mark.parametrize("seed", range(12))
async def test_tabs_that_come_go_reload_and_rejoin_all_end_with_the_same_answer(fake: FakePath, seed: int) -> None:
    chance = random.Random(seed)
    chat, held = await begin(fake)
    tabs = [Tab(chat) for _ in range(4)]
    for tab in tabs:
        await tab.load()
    at = 0
    while at < len(TEXT):
        step = chance.choice((1, 7, 40, 300, 2000))
        held.say(TEXT[at : at + step])
        at += step
        await settle(held)
        for tab in tabs:
            match chance.randrange(6):
                case 0:
                    await tab.load()
                case 1:
                    tab.join()
                case 2:
                    continue
            await tab.look()
    await finish(chat, held)
    for tab in tabs:
        if chance.random() < 0.3:
            tab.join()
        await tab.look()
        (body,) = tab.bodies.values()
        assert body.html.strip() == render(TEXT).strip()
        assert body.busy == "false"
        assert tab.users == 1


async def test_the_first_words_take_the_place_of_the_waiting_line_once(fake: FakePath) -> None:
    chat, held = await begin(fake)
    tab = Tab(chat)
    await tab.load()
    await tab.look()
    (item,) = [item for item in (await page(chat)).messages if item.text.live]
    assert "is thinking" in await html("chat/message.html", {"item": item})
    gone = (f"#m{item.message.pk}-state &gt; .waiting", "delete")
    assert gone not in tab.pieces
    for word in ("Yes", ", it", " is.\n\nAnd"):
        held.say(word)
        await settle(held)
        await tab.look()
    assert tab.pieces.count(gone) == 1
    (item,) = [item for item in (await page(chat)).messages if item.text.live]
    assert "is thinking" not in await html("chat/message.html", {"item": item})
    await finish(chat, held)


async def test_a_new_message_reaches_every_tab_of_the_chat_once(fake: FakePath) -> None:
    chat, held = await begin(fake)
    await finish(chat, held)
    tabs = [Tab(chat), Tab(chat)]
    for tab in tabs:
        await tab.load()
        await tab.look()
    fake.script = held = Held()
    await chat.arefresh_from_db()
    await generate.send(chat, "More", uuid.uuid4(), fake.choice())
    held.say("Yes")
    await settle(held)
    for tab in tabs:
        await tab.look()
        await tab.look()
        assert tab.users == 2
        assert [body.html for body in tab.bodies.values()][-1] == "<p>Yes</p>\n"
        assert ("#log", "beforeend") in tab.pieces
        assert ("#log", "innerMorph") not in tab.pieces
    await finish(chat, held)


async def test_a_tab_that_missed_the_whole_answer_gets_it_when_it_comes_back(fake: FakePath) -> None:
    chat, held = await begin(fake)
    tab = Tab(chat)
    await tab.load()
    held.say(TEXT)
    await finish(chat, held)
    tab.join()
    await tab.look()
    (body,) = tab.bodies.values()
    assert body.html.strip() == render(TEXT).strip()
    assert body.busy == "false"


async def test_a_position_of_an_earlier_process_is_taken_up_by_the_database(fake: FakePath) -> None:
    chat, held = await begin(fake)
    tab = Tab(chat)
    await tab.load()
    held.say("Half")
    await settle(held)
    await tab.look()
    live = feeds.live_in(chat.pk)
    assert live is not None
    assert live.task is not None
    await generate.stop_all()
    feeds.boot = "another"
    tab.join()
    await tab.look()
    (body,) = tab.bodies.values()
    assert body.html == "<p>Half</p>\n"
    row = await Message.objects.aget(pk=live.message.pk)
    assert row.state == State.INTERRUPTED


async def test_asking_again_shows_the_new_answer_in_place_of_the_old(fake: FakePath) -> None:
    chat, held = await begin(fake)
    held.say("Old")
    await finish(chat, held)
    tab = Tab(chat)
    await tab.load()
    await tab.look()
    await chat.arefresh_from_db()
    assert chat.head_id is not None
    fake.script = held = Held()
    await generate.retry(await Message.objects.aget(pk=chat.head_id), fake.choice())
    held.say("New")
    await finish(chat, held)
    await tab.look()
    (body,) = tab.bodies.values()
    assert body.html == "<p>New</p>\n"


async def test_a_change_of_a_connection_brings_the_menu_and_its_reason(fake: FakePath) -> None:
    reader = Reader(None, up_to_date())
    assert await reader.catch_up() == []
    fake.state = Status(False, "signed-out", "Not signed in", "Codex is not signed in.", NextStep.SIGN_IN)
    connections_changed.set()
    html = "".join(await reader.catch_up())
    assert 'hx-target="#picker"' in html
    assert "Codex is not signed in." in html


async def test_a_silent_stream_shows_that_it_lives(fake: FakePath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.stream.KEEP_ALIVE", 0.01)
    reader = Reader(None, up_to_date())
    events = reader.events()
    assert [await anext(events) for _ in range(4)] == [ALIVE, WAITING, ALIVE, ALIVE]
    await events.aclose()


@pytest.mark.parametrize("text", ["", "nonsense", "1.2.3", "a.b.c.d.e.f.g", "1" * 10_000, "1.1.1.1.x.1.1.1"])
def test_a_position_that_cannot_be_read_is_the_beginning(text: str) -> None:
    assert Cursor.parse(text) == Cursor()


def test_a_position_comes_back_as_it_was_written() -> None:
    cursor = Cursor(3, 12, 5, 1, "ab12cd34", 7, 9)
    assert Cursor.parse(str(cursor)) == cursor


async def test_an_answer_that_ends_between_the_page_and_its_stream_is_shown_all_the_same(fake: FakePath) -> None:
    chat, held = await begin(fake)
    tab = Tab(chat)
    await tab.load()
    assert tab.reader is not None
    snapshot = tab.reader._snapshot

    async def ends_meanwhile() -> object:
        found = await snapshot()
        if feeds.live_in(chat.pk):
            held.say("Quick")
            await finish(chat, held)
        return found

    tab.reader._snapshot = ends_meanwhile  # type: ignore[method-assign, assignment]
    await tab.look()
    await tab.look()
    (body,) = tab.bodies.values()
    assert (body.html, body.busy) == ("<p>Quick</p>\n", "false")
