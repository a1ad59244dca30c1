"""The end of an answer reaches a tab also where its look falls between the database and the word that it has ended."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable

import pytest

from chat import generate
from chat.feed import LiveAnswer, feeds
from chat.models import Chat, Message, State
from tests.chat.conversing import at_rest
from tests.chat.fakes import FakePath, Held
from tests.chat.tab import Tab
from tests.connections.waiting import until


async def loaded(tab: Tab) -> None:
    await tab.load()


async def comes_again(tab: Tab) -> None:
    tab.join()


async def follows(tab: Tab) -> None:
    """It has looked all the time."""


@pytest.mark.parametrize("before", [loaded, comes_again, follows])
@pytest.mark.parametrize("parts", [["Short"], ["Short", "and more", "of it"]])
async def test_a_look_in_the_last_moment_of_an_answer_leaves_nothing_out(
    fake: FakePath, monkeypatch: pytest.MonkeyPatch, before: Callable[[Tab], Awaitable[None]], parts: list[str]
) -> None:
    ended: list[LiveAnswer] = []
    end = feeds.end
    monkeypatch.setattr(feeds, "end", ended.append)
    fake.script = held = Held()
    chat, _ = await generate.send(None, "Question", uuid.uuid4(), fake.choice())
    tab = Tab(chat)
    await tab.load()
    await tab.look()
    held.say("\n\n".join(parts))
    held.end()
    await until(lambda: bool(ended))
    # The database has its end, and it still counts as one that comes.
    assert (await Message.objects.aget(role="assistant")).state == State.COMPLETE
    assert feeds.live_in(chat.pk) is ended[0]
    await before(tab)
    # Somebody else's change has the tab look.
    feeds.chat(chat.pk).rows_changed()
    await tab.look()
    end(ended[0])
    await tab.look()
    (body,) = tab.bodies.values()
    assert body.busy == "false"
    assert body.html.split() == " ".join(f"<p>{part}</p>" for part in parts).split()
    await at_rest()


async def test_a_new_chat_whose_answer_ends_while_its_page_is_made_is_told_so(
    fake: FakePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a short answer is complete before the page of its chat has joined the stream."""
    ended: list[LiveAnswer] = []
    end = feeds.end
    monkeypatch.setattr(feeds, "end", ended.append)
    chat, _ = await generate.send(None, "Question", uuid.uuid4(), fake.choice())
    tab = Tab(chat)
    await tab.load()
    await until(lambda: bool(ended))
    await tab.look()
    end(ended[0])
    await asyncio.sleep(0)
    await tab.look()
    (body,) = tab.bodies.values()
    assert body.busy == "false"
    assert (await Chat.objects.aget()).pk == chat.pk
    await at_rest()
