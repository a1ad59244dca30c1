"""What models are told before a conversation: our words, the user's for all chats, and those for one chat."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from django.test import AsyncClient

from chat import preferences
from chat.feed import feeds
from chat.instructions import INSTRUCTIONS, OF_THE_CHAT, OF_THE_USER, instructions
from chat.models import Chat
from chat.pages import Cursor
from chat.preferences import LONGEST_INSTRUCTIONS, Preferences
from chat.stream import Reader
from tests.chat.fakes import FakePath


@pytest.fixture(autouse=True)
def held() -> Iterator[None]:
    before = preferences._held
    yield
    preferences._held = before


async def send(browser: AsyncClient, path: str, **fields: str) -> str:
    """Send a message, and wait for its answer; return the address that the page goes to."""
    response = await browser.post(path, {"text": "Hi", "key": str(uuid.uuid4()), **fields})
    assert response.status_code == 200, unquote(response.headers["X-Lerix-Sentence"])
    tasks = [answer.task for answer in feeds.live.values() if answer.task]
    if tasks:
        await asyncio.wait_for(asyncio.wait(tasks), 60)
    return response.headers.get("HX-Push-Url", "")


def test_each_part_stands_after_the_one_it_overrules() -> None:
    assert instructions() == instructions(" \n") == INSTRUCTIONS
    assert instructions("Be brief.\n") == f"{INSTRUCTIONS}\n\n{OF_THE_CHAT}\nBe brief."
    preferences._held = Preferences(instructions="Be kind.")
    assert instructions("Be brief.") == f"{INSTRUCTIONS}\n\n{OF_THE_USER}\nBe kind.\n\n{OF_THE_CHAT}\nBe brief."


def test_the_sum_is_bounded() -> None:
    preferences._held = Preferences(instructions="x" * LONGEST_INSTRUCTIONS)
    assert len(instructions("y" * LONGEST_INSTRUCTIONS)) < 2 * LONGEST_INSTRUCTIONS + 1000


@pytest.mark.parametrize("begin", ["/chats/", "/chats/?temporary=1"])
async def test_those_of_a_new_chat_hold_from_its_first_message(
    fake: FakePath, browser: AsyncClient, begin: str
) -> None:
    address = await send(browser, begin, instructions="Be\r\nbrief.")
    await send(browser, f"{address}messages/", instructions="Of a chat that is there a message says nothing.")
    assert [ask.instructions for ask in fake.asked] == [instructions("Be\nbrief.")] * 2
    form = (await browser.get(f"{address}instructions/")).content.decode()
    assert "\nBe\nbrief.</textarea>" in form


async def test_they_are_saved_for_the_answers_from_then_on_and_told_to_every_page(
    fake: FakePath, browser: AsyncClient
) -> None:
    address = await send(browser, "/chats/")
    chat = await Chat.objects.aget()
    reader = Reader(chat.pk, Cursor(revision=chat.revision))
    await reader.catch_up()
    assert (await browser.post(f"{address}instructions/save/", {"instructions": "Be brief."})).status_code == 204
    (marks,) = [piece for piece in await reader.catch_up() if "#chat-marks" in piece]
    assert "Instructions for this chat" in marks
    updated = chat.updated
    await chat.arefresh_from_db()
    assert chat.updated == updated, "it keeps its place in the list"
    await send(browser, f"{address}messages/")
    assert fake.asked[-1].instructions == instructions("Be brief.")
    assert (await browser.post(f"{address}instructions/save/", {"instructions": " "})).status_code == 204
    await send(browser, f"{address}messages/")
    assert fake.asked[-1].instructions == INSTRUCTIONS


async def test_what_is_too_long_is_refused_with_both_lengths_and_nothing_is_changed(
    fake: FakePath, browser: AsyncClient
) -> None:
    address = await send(browser, "/chats/", instructions="Be brief.")
    long = "x" * (LONGEST_INSTRUCTIONS + 1)
    refused = await browser.post(f"{address}instructions/save/", {"instructions": long})
    assert refused.status_code == 422
    assert "8,001 characters, at most 8,000" in unquote(refused.headers["X-Lerix-Sentence"])
    assert (await Chat.objects.aget()).instructions == "Be brief."
    refused = await browser.post("/chats/", {"text": "Hi", "key": str(uuid.uuid4()), "instructions": long})
    assert refused.status_code == 422
    assert "Nothing was sent" in unquote(refused.headers["X-Lerix-Sentence"])
    assert await Chat.objects.acount() == 1


async def test_a_chat_that_is_gone_is_said_and_the_text_is_not_lost(fake: FakePath, browser: AsyncClient) -> None:
    address = f"/chats/{uuid.uuid4()}/instructions/"
    for response in (await browser.get(address), await browser.post(f"{address}save/", {"instructions": "Be brief."})):
        assert response.status_code == 404
        assert "stays in its field" in unquote(response.headers["X-Lerix-Sentence"])
