"""What the tests of editing, versions, the queue and titles share."""

from __future__ import annotations

import asyncio
import uuid

from django.test import AsyncClient

from chat import generate
from chat.feed import feeds
from chat.models import Chat, Message, Queued, Role
from tests.chat.fakes import FakePath, Held
from tests.connections.waiting import until

#: Seconds for whole conversations, each step of which goes through several threads.
LONG = 60.0


async def at_rest() -> None:
    """Wait until no answer comes, nothing is being stored, and no title is made."""

    def quiet() -> bool:
        here = asyncio.all_tasks()
        running = any(task.get_name().startswith("answer ") for task in here)
        # Of this loop: what an earlier test left behind never ends.
        return not (running or feeds.live or here & (generate._storing | generate._asides))

    async def still_quiet() -> bool:
        if not quiet():
            return False
        # An answer that has just ended begins what follows it in a callback, which may be due only now.
        await asyncio.sleep(0)
        return quiet()

    await until(still_quiet, LONG)


async def queue_empty(chat: Chat) -> None:
    """Wait until all that was queued in a chat has been sent."""

    async def empty() -> bool:
        return not await Queued.objects.filter(chat=chat, removed=None).aexists()

    await until(empty, LONG)


async def ask(fake: FakePath, text: str, chat: Chat | None = None) -> Chat:
    """Send a message and wait until all that follows from it is done; return the chat as it is then."""
    sent, _ = await generate.send(chat, text, uuid.uuid4(), fake.choice())
    await at_rest()
    return await Chat.objects.aget(pk=sent.pk)


async def texts(chat: Chat) -> list[str]:
    """The messages of the shown branch, an answer as what it was."""
    await chat.arefresh_from_db()
    return [message.text for message in await chat.conversation()]


async def questions(chat: Chat) -> list[str]:
    """The questions of the shown branch."""
    await chat.arefresh_from_db()
    return [message.text for message in await chat.conversation() if message.role == Role.USER]


async def message(text: str) -> Message:
    """The newest message with this text."""
    return await Message.objects.filter(text=text).order_by("-pk").select_related("chat").afirst()  # type: ignore[return-value]


def form(text: str, **more: str) -> dict[str, str]:
    """What a page sends to send a text."""
    return {"text": text, "key": str(uuid.uuid4()), **more}


async def posted(browser: AsyncClient, address: str, status: int = 204, /, **fields: str) -> str:
    """Post a form; return the body of the answer, which has this status."""
    response = await browser.post(address, fields)
    assert response.status_code == status, response.content
    return str(response.content.decode())


async def begun(fake: FakePath, script: Held, text: str = "One") -> Chat:
    """A chat in which an answer is coming, as `script` says it."""
    fake.script = script
    chat, _ = await generate.send(None, text, uuid.uuid4(), fake.choice())
    return chat


async def later(chat: Chat, fake: FakePath, *several: str) -> None:
    for text in several:
        await generate.send_later(chat.pk, text, uuid.uuid4(), fake.choice())


async def held_texts(chat: Chat) -> list[tuple[str, str]]:
    return [(each.text, each.held) async for each in Queued.objects.filter(chat=chat, removed=None)]
