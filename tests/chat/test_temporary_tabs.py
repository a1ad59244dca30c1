"""When a temporary chat is gone: with its last tab, a while after a tab was lost, and with all that belongs to it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator
from urllib.parse import unquote

import pytest
from django.test import AsyncClient

from chat.database import MEMORY, about, using
from chat.feed import feeds
from chat.models import Attachment, Chat, Draft, File, Message, Piece, Queued
from chat.temporary import ending
from chat.temporary.tabs import HIDDEN, HIDDEN_ELSEWHERE, LEFT, LOST, MOST, Tabs, tabs
from tests.chat.fakes import FakePath, Held
from tests.chat.temporary import SECRET, Clock, begin
from tests.connections.waiting import until

pytestmark = pytest.mark.usefixtures("no_tabs")


async def is_there(chat_id: uuid.UUID) -> bool:
    with about(chat_id):
        return await Chat.objects.filter(pk=chat_id).aexists()


async def silence() -> AsyncGenerator[bytes, None]:
    """The events of a stream that never has any."""
    yield b"first"
    await asyncio.Event().wait()


async def test_it_goes_with_its_last_tab_and_takes_everything_with_it(
    fake: FakePath, browser: AsyncClient, clock: Clock
) -> None:
    chat_id = await begin(browser)
    with about(chat_id):
        file = await File.objects.acreate(digest="d", kind="text", media_type="text/plain", size=1, data=b"x")
        await Attachment.objects.acreate(file=file, message=await Message.objects.afirst(), name="a")
        await Draft.objects.acreate(text=SECRET, chat_id=chat_id)
        await Queued.objects.acreate(text=SECRET, chat_id=chat_id, key=uuid.uuid4())
    one, other = uuid.uuid4(), uuid.uuid4()
    streams = [tabs.following(each, chat_id, silence()) for each in (one, other)]
    for stream in streams:
        await anext(stream)
    clock.now += LOST + 1
    await ending.sweep()
    await browser.post(f"/temporary/tabs/{one}/left/?chat={chat_id}", {})
    await streams[0].aclose()
    clock.now += LEFT + 1
    await ending.sweep()
    assert await is_there(chat_id), "another tab shows it"
    await browser.post(f"/temporary/tabs/{other}/left/?chat={chat_id}", {})
    await streams[1].aclose()
    clock.now += LEFT - 1
    assert await ending.sweep() == pytest.approx(1)
    assert await is_there(chat_id), "it may have been loaded anew"
    clock.now += 2
    assert await ending.sweep() is None
    gone = await browser.get(f"/chats/{chat_id}/")
    assert gone.status_code == 404
    assert "It was in memory only" in gone.content.decode()
    with using(MEMORY):
        for model in (Chat, Message, Piece, Queued, Draft, File, Attachment):
            assert not await model._default_manager.aexists(), model
    refused = await browser.post(f"/chats/{chat_id}/messages/", {"text": "And?", "key": str(uuid.uuid4())})
    assert refused.status_code == 404
    assert "stays in its field" in unquote(refused.headers["X-Lerix-Sentence"])


async def test_an_answer_that_comes_is_stopped_with_its_chat(
    fake: FakePath, browser: AsyncClient, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "PATIENCE", 60.0)  # one look is enough, however slow the machine
    fake.script = held = Held()
    response = await browser.post("/chats/?temporary=1", {"text": SECRET, "key": str(uuid.uuid4())})
    chat_id = uuid.UUID(response.headers["HX-Push-Url"].split("/")[2])
    held.say("Half")
    clock.now += LOST + 1
    await ending.sweep()
    assert feeds.live_in(chat_id) is None
    with using(MEMORY):
        assert not await Chat.objects.aexists()


async def test_a_chat_in_the_background_stays_for_hours(fake: FakePath, browser: AsyncClient, clock: Clock) -> None:
    chat_id = await begin(browser)
    tab = uuid.uuid4()
    stream = tabs.following(tab, chat_id, silence())
    await anext(stream)
    await browser.post(f"/temporary/tabs/{tab}/hidden/?chat={chat_id}", {})
    await stream.aclose()
    clock.now += HIDDEN - 1
    await ending.sweep()
    assert await is_there(chat_id)
    clock.now += 2
    await ending.sweep()
    assert not await is_there(chat_id)


async def test_what_was_never_sent_goes_when_there_are_no_tabs(fake: FakePath, clock: Clock) -> None:
    with using(MEMORY):
        file = await File.objects.acreate(digest="d", kind="text", media_type="text/plain", size=1, data=b"x")
        await Attachment.objects.acreate(file=file, name="unsent")
    stream = tabs.following(uuid.uuid4(), None, silence())
    await anext(stream)
    await ending.sweep()
    with using(MEMORY):
        assert await File.objects.aexists()
    await stream.aclose()
    clock.now += LOST + 1
    await ending.sweep()
    with using(MEMORY):
        assert not await File.objects.aexists()


async def test_the_server_removes_it_by_itself(
    fake: FakePath, browser: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.temporary.tabs.LEFT", 0.01)
    monkeypatch.setattr("chat.temporary.tabs.LOST", 0.01)
    chat_id = await begin(browser)
    follower = asyncio.create_task(ending.follow())
    await browser.post(f"/temporary/tabs/{uuid.uuid4()}/left/?chat={chat_id}", {})

    async def is_gone() -> bool:
        return not await is_there(chat_id)

    await until(is_gone)
    follower.cancel()


# Tabs by themselves


async def test_a_tab_comes_back_after_it_was_left_or_hidden() -> None:
    clock = Clock()
    book, tab, chat = Tabs(clock), uuid.uuid4(), uuid.uuid4()
    book.leave(tab, chat)
    book.hide(tab, chat)  # the two may come in either order
    assert book.soonest == LEFT
    stream = book.following(tab, chat, silence())
    await anext(stream)
    assert book.soonest is None
    await stream.aclose()
    assert book.soonest == LOST
    clock.now += LOST
    book.forget()
    assert book.soonest is None
    assert book.is_empty


async def test_a_second_stream_of_a_tab_keeps_it_there() -> None:
    book, tab, chat = Tabs(Clock()), uuid.uuid4(), uuid.uuid4()
    first, second = (book.following(tab, chat, silence()) for _ in range(2))
    await anext(first)
    await anext(second)
    await first.aclose()
    assert book.soonest is None
    assert not book.unseen([chat])
    await second.aclose()


async def test_tabs_are_bounded_and_open_ones_stay() -> None:
    book, chat = Tabs(Clock()), uuid.uuid4()
    stream = book.following(uuid.uuid4(), chat, silence())
    await anext(stream)
    for _ in range(2 * MOST):
        book.leave(uuid.uuid4(), uuid.uuid4())
    assert len(book._tabs) == MOST
    assert not book.unseen([chat])
    await stream.aclose()


def test_a_chat_that_no_tab_has_shown_yet_is_waited_for_a_moment_once() -> None:
    clock = Clock()
    book, chat = Tabs(clock), uuid.uuid4()
    assert book.unseen([chat]) == []
    clock.now += LEFT
    book.forget()
    assert book.unseen([chat]) == [chat]
    assert book.unseen([chat]) == [chat]


def test_a_page_that_was_made_is_waited_for() -> None:
    clock = Clock()
    book, chat = Tabs(clock), uuid.uuid4()
    book.open(uuid.uuid4(), chat)
    clock.now += LOST - 1
    book.forget()
    assert book.unseen([chat]) == []


async def test_a_page_on_another_device_is_there_while_it_says_so_whatever_its_stream_does() -> None:
    clock = Clock()
    book, tab, chat = Tabs(clock), uuid.uuid4(), uuid.uuid4()
    stream = book.following(tab, chat, silence(), beats=True)
    await anext(stream)
    for _ in range(4):
        clock.now += LOST - 1
        book.beat(tab, chat)
        book.forget()
        assert not book.unseen([chat])
    clock.now += LOST
    book.forget()
    assert book.unseen([chat]) == [chat], "the stream goes on, and nobody is there"
    await stream.aclose()
    assert book.is_empty


async def test_one_in_the_background_of_another_device_stays_for_a_while_after_its_last_word() -> None:
    clock = Clock()
    book, tab, chat = Tabs(clock), uuid.uuid4(), uuid.uuid4()
    stream = book.following(tab, chat, silence(), beats=True)
    await anext(stream)
    book.hide(tab, chat)
    await stream.aclose()
    assert book.soonest == HIDDEN_ELSEWHERE
    clock.now += HIDDEN_ELSEWHERE - 1
    book.beat(tab, chat)
    assert book.soonest == HIDDEN_ELSEWHERE


def test_a_late_word_of_a_page_that_was_left_does_not_bring_it_back() -> None:
    book, tab, chat = Tabs(Clock()), uuid.uuid4(), uuid.uuid4()
    book.leave(tab, chat)
    book.beat(tab, chat)
    assert book.soonest == LEFT
