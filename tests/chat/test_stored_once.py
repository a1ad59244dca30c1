"""A message that is sent is stored once, whatever becomes of the request that brought it."""

import asyncio
import uuid

import pytest

from chat import generate
from chat.models import Chat, Message, Role, State
from tests.chat.fakes import FakePath
from tests.chat.test_generate import ended
from tests.chat.test_waiting import texts, write
from tests.connections.waiting import until


async def test_more_text_under_a_key_that_is_known_is_another_message_and_not_lost(fake: FakePath) -> None:
    key = uuid.uuid4()
    first, _ = await generate.send(None, "Once", key, fake.choice())
    assert first.head_id is not None
    await ended(await Message.objects.aget(pk=first.head_id))
    for begun in (True, False):
        chat, done = await generate.send(first, "Once and more", key, fake.choice())
        assert done is begun
        assert chat.pk == first.pk
        assert chat.head_id is not None
        await ended(await Message.objects.aget(pk=chat.head_id))
    assert texts(fake) == ["Once", "Once and more"]


async def test_a_request_that_is_given_up_still_stores_its_message_and_begins_the_answer(fake: FakePath) -> None:
    request = asyncio.create_task(generate.send(None, "Do not lose me", uuid.uuid4(), fake.choice()))
    await asyncio.sleep(0)
    request.cancel()
    await asyncio.wait([request])
    assert request.cancelled()

    async def answered() -> bool:
        return await Message.objects.filter(role=Role.ASSISTANT, state=State.COMPLETE).aexists()

    await until(answered)
    assert texts(fake) == ["Do not lose me"]


async def test_a_message_for_a_chat_that_was_deleted_meanwhile_is_not_stored(fake: FakePath) -> None:
    chat = (await ended(await write(fake))).chat
    await Chat.objects.filter(pk=chat.pk).adelete()
    with pytest.raises(Chat.DoesNotExist):
        await generate.send(chat, "Too late", uuid.uuid4(), fake.choice())
