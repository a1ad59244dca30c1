"""Editing a question, and deleting messages with what follows them."""

import asyncio
import uuid
from urllib.parse import unquote

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient
from django.utils import timezone

from chat import generate, sending, waiting
from chat.conversation import removal, versions
from chat.feed import feeds
from chat.models import Attachment, Chat, File, FileKind, Message, Role, State
from tests.chat.conversing import ask, at_rest, form, message, posted, questions, texts
from tests.chat.fakes import READY, FakePath, Held, KeepingPath
from tests.connections.waiting import until


async def refused(browser: AsyncClient, address: str, **fields: str) -> str:
    response = await browser.post(address, fields)
    assert response.status_code >= 400
    return unquote(response.headers["X-Lerix-Sentence"])


async def test_an_edited_question_is_asked_anew_beside_the_first(fake: FakePath, browser: AsyncClient) -> None:
    chat = await ask(fake, "One")
    await ask(fake, "Two", chat)
    first = await message("One")
    await posted(browser, f"/messages/{first.pk}/edit/", **form("One, better", model="gpt-other"))
    await at_rest()
    assert await texts(chat) == ["One, better", "Hello, **world**"]
    assert [turn.text for turn in fake.asked[-1].turns] == ["One, better"]
    assert fake.asked[-1].model.slug == "gpt-other"
    page = (await browser.get(f"/chats/{chat.pk}/")).content.decode()
    assert "Version 2 of 2" in page
    await posted(browser, f"/messages/{first.pk}/show/")
    assert await questions(chat) == ["One", "Two"]


async def test_a_later_question_is_edited_below_what_was_before_it(fake: FakePath, browser: AsyncClient) -> None:
    chat = await ask(fake, "One")
    await ask(fake, "Two", chat)
    await posted(browser, f"/messages/{(await message('Two')).pk}/edit/", **form("Two, better"))
    await at_rest()
    assert [turn.text for turn in fake.asked[-1].turns] == ["One", "Hello, **world**", "Two, better"]


async def test_an_edit_that_is_sent_twice_is_one_version(fake: FakePath, browser: AsyncClient) -> None:
    chat = await ask(fake, "One")
    address = f"/messages/{(await message('One')).pk}/edit/"
    edit = form("Better")
    await asyncio.gather(*(posted(browser, address, **edit) for _ in range(3)))
    await at_rest()
    assert await chat.messages.acount() == 4


async def test_an_edit_keeps_the_files_and_leaves_them_to_the_first(fake: FakePath, browser: AsyncClient) -> None:
    await ask(fake, "One")
    first = await message("One")
    facts = {"kind": FileKind.TEXT, "media_type": "text/plain", "size": 5, "text": "Hello"}
    kept = await File.objects.acreate(digest="0" * 64, **facts)
    await Attachment.objects.acreate(file=kept, name="hello.txt", message=first)
    await generate.edit(first.pk, "Better", uuid.uuid4(), fake.choice())
    await at_rest()
    owners = [each.message_id async for each in Attachment.objects.all()]
    assert owners == [first.pk, (await message("Better")).pk]


async def test_an_edit_is_refused_with_a_sentence_while_an_answer_comes(fake: FakePath, browser: AsyncClient) -> None:
    chat = await ask(fake, "One")
    fake.script = held = Held()
    await generate.send(chat, "Two", uuid.uuid4(), fake.choice())
    address = f"/messages/{(await message('One')).pk}/edit/"
    assert "An answer is still coming" in await refused(browser, address, **form("Better"))
    held.end()
    await at_rest()
    assert "Write a message first." in await refused(browser, address, **form(" "))
    assert "The chosen access is not there any more" in await refused(browser, address, **form("Better", access="gone"))
    await Message.objects.filter(text="One").aupdate(deleted=timezone.now())
    assert "deleted meanwhile" in await refused(browser, address, **form("Better"))
    answer = await Message.objects.filter(role=Role.ASSISTANT).afirst()
    assert answer is not None
    assert "deleted meanwhile" in await refused(browser, f"/messages/{answer.pk}/edit/", **form("Better"))


async def test_an_edit_for_a_computer_that_is_away_waits_and_is_taken_back(mac: KeepingPath, fake: FakePath) -> None:
    chat = await ask(fake, "One")
    await generate.edit((await message("One")).pk, "For the Mac", uuid.uuid4(), mac.choice())
    assert await texts(chat) == ["For the Mac", ""]
    waits = await Message.objects.aget(state=State.WAITING)
    assert await waiting.take_back(waits.pk) is not None
    assert await questions(chat) == ["One"]


async def test_a_deleted_message_takes_what_follows_and_comes_back_with_it(
    fake: FakePath, browser: AsyncClient
) -> None:
    chat = await ask(fake, "One")
    for text in ("Two", "Three"):
        await ask(fake, text, chat)
    two = await message("Two")
    answer = await posted(browser, f"/messages/{two.pk}/delete/", 200)
    assert "Message deleted, with what followed it." in answer
    assert f"/messages/{two.pk}/restore/" in answer
    assert await questions(chat) == ["One"]
    assert (await browser.get(f"/messages/{two.pk}/source/")).status_code == 404
    await ask(fake, "Instead", chat)
    assert [turn.text for turn in fake.asked[-1].turns] == ["One", "Hello, **world**", "Instead"]
    await posted(browser, f"/messages/{two.pk}/restore/")
    assert await questions(chat) == ["One", "Two", "Three"]
    assert (await versions.of([await message("Two")]))[two.pk].count == 2


async def test_a_deleted_version_shows_the_one_beside_it(fake: FakePath, browser: AsyncClient) -> None:
    chat = await ask(fake, "One")
    first = await message("One")
    for text in ("Second", "Third"):
        await generate.edit(first.pk, text, uuid.uuid4(), fake.choice())
        await at_rest()
    await posted(browser, f"/messages/{(await message('Third')).pk}/delete/", 200)
    assert await questions(chat) == ["Second"]
    await posted(browser, f"/messages/{first.pk}/show/")
    await posted(browser, f"/messages/{first.pk}/delete/", 200)
    assert await questions(chat) == ["Second"]
    await posted(browser, f"/messages/{(await message('Second')).pk}/delete/", 200)
    assert await texts(chat) == []
    assert "<article" not in (await browser.get(f"/chats/{chat.pk}/")).content.decode()
    await posted(browser, f"/messages/{first.pk}/restore/")
    assert await questions(chat) == ["One"]


async def test_what_was_deleted_before_stays_deleted_when_a_later_deletion_is_undone(fake: FakePath) -> None:
    chat = await ask(fake, "One")
    for text in ("Two", "Three"):
        await ask(fake, text, chat)
    two, three = await message("Two"), await message("Three")
    for each in (three, two):
        assert await sync_to_async(removal.delete)(each.pk) is not None
    assert await sync_to_async(removal.restore)(three.pk) is None
    assert await sync_to_async(removal.restore)(two.pk) == chat.pk
    assert await questions(chat) == ["One", "Two"]
    assert await sync_to_async(removal.restore)(three.pk) == chat.pk
    assert await questions(chat) == ["One", "Two", "Three"]


async def test_deleting_what_is_coming_stops_it_and_the_chat_takes_the_next_message(
    fake: FakePath, browser: AsyncClient
) -> None:
    chat = await ask(fake, "One")
    fake.script = held = Held()
    await generate.send(chat, "Two", uuid.uuid4(), fake.choice())
    held.say("Half an ")

    async def came() -> bool:
        return any(live.text for live in feeds.live.values())

    await until(came)
    two = await message("Two")
    await posted(browser, f"/messages/{two.pk}/delete/", 200)
    held.end()
    await posted(browser, f"/chats/{chat.pk}/messages/", 200, **form("Three"))
    await at_rest()
    assert await questions(chat) == ["One", "Three"]
    # Stored with what had come, and deleted all the same.
    stopped = await Message.objects.aget(parent=two)
    assert (stopped.state, stopped.text) == (State.STOPPED, "Half an ")
    assert stopped.deleted is not None


async def test_a_deleted_message_that_waited_is_never_sent(mac: KeepingPath) -> None:
    await generate.send(None, "For later", uuid.uuid4(), mac.choice())
    assert await sync_to_async(removal.delete)((await message("For later")).pk) is not None
    mac.be(READY)
    answer = await Message.objects.aget(role=Role.ASSISTANT)
    assert answer.state == State.STOPPED
    assert await sync_to_async(sending._claim)(answer.pk, mac.choice()) is None


async def test_what_is_not_there_is_deleted_and_shown_quietly_or_refused(fake: FakePath, browser: AsyncClient) -> None:
    chat = await ask(fake, "One")
    one = await message("One")
    await posted(browser, "/messages/999/delete/")
    assert "not there any more" in await refused(browser, "/messages/999/show/")
    assert "too late" in await refused(browser, f"/messages/{one.pk}/restore/")
    await Chat.objects.filter(pk=chat.pk).aupdate(deleted=timezone.now())
    await posted(browser, f"/messages/{one.pk}/delete/")
    assert "not there any more" in await refused(browser, f"/messages/{one.pk}/show/")
    assert (await browser.post(f"/messages/{one.pk + 1}/retry/")).status_code == 404
    assert (await Message.objects.aget(pk=one.pk)).deleted is None


@pytest.mark.parametrize("what", ["edit", "show", "delete", "restore"])
async def test_what_changes_messages_takes_only_a_post(fake: FakePath, browser: AsyncClient, what: str) -> None:
    assert (await browser.get(f"/messages/1/{what}/")).status_code == 405
