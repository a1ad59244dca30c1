"""The meter in the composer's foot: what the service counted, and an estimate of what it has not counted yet."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace

import pytest
from django.test import AsyncClient

from chat import generate
from chat.choices import Picker
from chat.context import FRAME
from chat.feed import feeds
from chat.meter import Meter, meter
from chat.models import Chat, Message, Role, State
from chat.pages import page
from chat.stream import Reader
from connections.models import CatalogueEntry
from connections.push import html
from tests.chat.fakes import MODEL, OTHER, FakePath, Held
from tests.chat.tab import PARTIAL

USAGE = {"input": 1_200, "cached": 1_000, "output": 300, "reasoning": 100, "total": 1_500}


def menu(fake: FakePath, window: int | None = 10_000) -> Picker:
    return Picker(fake.choice(replace(MODEL, context_window=window)), [], [], [], None)


async def exchange(*rows: tuple[str, dict[str, int] | None]) -> list[int]:
    """Store a question with answers and questions after it, each with what the service counted."""
    chat = await Chat.objects.acreate(title="Counted")
    ids: list[int] = []
    for number, (text, usage) in enumerate(rows):
        made = await Message.objects.acreate(
            chat=chat,
            parent_id=ids[-1] if ids else None,
            role=(Role.USER, Role.ASSISTANT)[number % 2],
            text=text,
            usage=usage,
        )
        ids.append(made.pk)
    return ids


async def test_the_newest_count_is_what_is_used(fake: FakePath) -> None:
    ids = await exchange(("One", None), ("Old", {"input": 5, "output": 5}), ("Two", None), ("New", USAGE))
    found = await meter(ids, menu(fake))
    assert found == Meter(1_500, 10_000, 2_500, exact=True, read=1_200, cached=1_000, written=300, reasoned=100)
    assert (found.percent, found.nearly) == (15, False)


async def test_what_came_after_it_is_estimated(fake: FakePath) -> None:
    ids = await exchange(("One", None), ("Counted", USAGE), ("four" * 25, None), ("", None))
    found = await meter(ids, menu(fake))
    assert found is not None
    assert (found.used, found.exact) == (1_500 + FRAME + 25, False)


async def test_without_a_count_all_is_estimated_where_the_context_is_known(fake: FakePath) -> None:
    ids = await exchange(("four" * 100, None), ("four" * 50, None))
    found = await meter(ids, menu(fake))
    assert found is not None
    assert (found.used, found.exact, found.read) == (150 + 2 * FRAME, False, 0)
    assert await meter(ids, menu(fake, None)) is None
    assert await meter([], menu(fake)) is None


async def test_a_full_context_is_said_in_words(fake: FakePath) -> None:
    ids = await exchange(("One", None), ("Counted", {**USAGE, "total": 12_000}))
    found = await meter(ids, menu(fake))
    assert found is not None
    assert (found.percent, found.nearly) == (100, True)
    await Message.objects.filter(pk=ids[1]).aupdate(usage=USAGE, cut=ids[0])
    found = await meter(ids, menu(fake))
    assert found is not None
    assert (found.cut, found.percent, found.nearly) == (ids[0], 15, True)


@pytest.mark.parametrize("window", [10_000, None])
async def test_its_card_tells_the_numbers(fake: FakePath, window: int | None) -> None:
    ids = await exchange(("One", None), ("Counted", USAGE))
    text = re.sub(r"<[^>]+>|\s+", " ", await html("chat/meter.html", {"meter": await meter(ids, menu(fake, window))}))
    text = " ".join(text.split())
    assert "1,200" in text
    assert "of that from the cache 1,000" in text
    assert ("1,500 of 10,000 tokens of the context are used." in text) is (window is not None)
    assert ("How many the model can read is not known here." in text) is (window is None)


async def test_it_follows_each_answer_by_the_stream(fake: FakePath) -> None:
    chat, _ = await generate.send(None, "Hello", uuid.uuid4(), fake.choice())
    live = feeds.live_in(chat.pk)
    assert live is not None
    assert live.task is not None
    await live.task
    await chat.arefresh_from_db()
    reader = Reader(chat.pk, (await page(chat)).cursor)
    # The list of chats follows in its own time.
    before = "".join([piece for _ in range(3) for piece in await reader.catch_up()])
    assert {target for target, _, _ in PARTIAL.findall(before)} <= {"#history"}
    fake.script = held = Held()
    await generate.send(chat, "More", uuid.uuid4(), fake.choice())
    assert 'hx-target="#meter"' in "".join(await reader.catch_up())
    held.end()
    live = feeds.live_in(chat.pk)
    assert live is not None
    assert live.task is not None
    await live.task
    assert (await Message.objects.aget(pk=live.message.pk)).state == State.COMPLETE
    assert 'hx-target="#meter"' in "".join([piece for _ in range(3) for piece in await reader.catch_up()])


async def test_it_is_told_with_another_model(fake: FakePath) -> None:
    chat, _ = await generate.send(None, "Hello", uuid.uuid4(), fake.choice())
    live = feeds.live_in(chat.pk)
    assert live is not None
    assert live.task is not None
    await live.task
    await CatalogueEntry.objects.filter(slug=OTHER.slug).aupdate(facts=replace(OTHER, context_window=50).to_json())
    browser = AsyncClient(headers={"host": "localhost"})
    response = await browser.post("/choice/", {"chat": str(chat.pk), "access": fake.key, "model": OTHER.slug})
    assert 'hx-target="#meter"' in response.content.decode()
    assert "10 %" in response.content.decode()
