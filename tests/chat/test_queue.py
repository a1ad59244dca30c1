"""Messages that are sent while an answer comes: in order, once, and held where the answer before does not complete."""

import asyncio
import uuid
from datetime import timedelta
from urllib.parse import unquote

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient
from django.utils import timezone

from chat import generate, waiting
from chat.conversation import queue, removal, versions
from chat.conversation.queue import MOST, Held, QueueIsFull
from chat.conversation.storing import ChatIsBusy
from chat.feed import feeds
from chat.history import bulk
from chat.models import Chat, Draft, Message, Queued, Role, State
from connections.errors import Unreachable
from connections.models import CatalogueEntry
from tests.chat.conversing import (
    ask,
    at_rest,
    begun,
    form,
    held_texts,
    later,
    message,
    posted,
    questions,
    queue_empty,
    texts,
)
from tests.chat.fakes import OTHER, READY, FakePath, KeepingPath
from tests.chat.fakes import Held as HeldBack
from tests.connections.waiting import until


class NotSent(Unreachable):
    """The far side was lost before anything was sent."""

    nothing_sent = True


async def test_they_are_sent_one_by_one_in_order_each_when_the_answer_before_is_complete(fake: FakePath) -> None:
    script = HeldBack()
    chat = await begun(fake, script)
    await later(chat, fake, "Two", "Three")
    assert await texts(chat) == ["One", ""]
    script.say("1")
    script.end()

    async def two() -> bool:
        return await questions(chat) == ["One", "Two"]

    await until(two)
    assert [each.text async for each in Queued.objects.all()] == ["Three"]
    for text in "23":
        script.say(text)
        script.end()
    await queue_empty(chat)
    await at_rest()
    assert await texts(chat) == ["One", "1", "Two", "2", "Three", "3"]
    assert [turn.text for turn in fake.asked[2].turns] == ["One", "1", "Two", "2", "Three"]


async def test_the_same_form_twice_is_one_message_also_once_it_was_sent(fake: FakePath) -> None:
    script = HeldBack()
    chat = await begun(fake, script)
    key = uuid.uuid4()
    for _ in range(2):
        await generate.send_later(chat.pk, "Two", key, fake.choice())
    assert await Queued.objects.acount() == 1
    script.end()
    await queue_empty(chat)
    await generate.send_later(chat.pk, "Two", key, fake.choice())
    script.end()
    await at_rest()
    assert await questions(chat) == ["One", "Two"]
    # More was written under a key whose first sending the page never heard of.
    await generate.send_later(chat.pk, "Two and more", key, fake.choice())
    script.end()
    await at_rest()
    assert await questions(chat) == ["One", "Two", "Two and more"]


async def test_two_messages_of_a_page_that_has_not_heard_of_its_chat_yet_are_one_chat(
    fake: FakePath, browser: AsyncClient
) -> None:
    fake.script = script = HeldBack()
    key = str(uuid.uuid4())
    for text in ("First", "Second", "Second"):
        assert (await browser.post("/chats/", {"text": text, "key": key})).status_code == 200
    chat = await Chat.objects.aget()
    assert [text for text, _ in await held_texts(chat)] == ["Second"]
    script.end()
    script.end()
    await at_rest()
    assert await questions(chat) == ["First", "Second"]
    # Also once nothing comes any more.
    script.end()
    await posted(browser, "/chats/", 200, text="Third", key=key)
    await at_rest()
    assert await questions(chat) == ["First", "Second", "Third"]


async def test_what_comes_too_late_to_wait_is_sent_at_once(fake: FakePath) -> None:
    chat = await ask(fake, "One")
    await later(chat, fake, "Two")
    await at_rest()
    assert await questions(chat) == ["One", "Two"]


async def test_a_chat_takes_only_so_many(fake: FakePath, browser: AsyncClient) -> None:
    script = HeldBack()
    chat = await begun(fake, script)
    await later(chat, fake, *(str(number) for number in range(MOST)))
    with pytest.raises(QueueIsFull):
        await later(chat, fake, "One too many")
    response = await browser.post(f"/chats/{chat.pk}/messages/", form("One too many"))
    assert response.status_code == 409
    assert "Ten messages wait" in unquote(response.headers["X-Lerix-Sentence"])
    feeds.live[max(feeds.live)].stop()
    await at_rest()


async def test_a_stopped_answer_holds_them_until_the_person_says_so(fake: FakePath, browser: AsyncClient) -> None:
    script = HeldBack()
    chat = await begun(fake, script)
    await later(chat, fake, "Two", "Three")
    await posted(browser, f"/chats/{chat.pk}/stop/")
    await at_rest()
    assert await held_texts(chat) == [("Two", Held.STOPPED), ("Three", Held.STOPPED)]
    page = (await browser.get(f"/chats/{chat.pk}/")).content.decode()
    assert "because you stopped the answer before it" in page
    assert "Send now" in page
    await posted(browser, f"/chats/{chat.pk}/queue/send/", access="fake", model="gpt-other")
    script.end()
    script.end()
    await queue_empty(chat)
    await at_rest()
    assert await questions(chat) == ["One", "Two", "Three"]
    # By the choice that stands in the menu now.
    assert [request.model.slug for request in fake.asked][-2:] == ["gpt-other", "gpt-other"]


async def test_a_failed_answer_holds_them_and_what_is_written_then_goes_first(fake: FakePath) -> None:
    script = HeldBack()
    chat = await begun(fake, script)
    await later(chat, fake, "Two")
    script.queue.put_nowait(Unreachable())
    await at_rest()
    assert await held_texts(chat) == [("Two", Held.FAILED)]
    script.end()
    await ask(fake, "Instead", chat)
    assert await questions(chat) == ["One", "Instead"]
    assert await held_texts(chat) == [("Two", Held.FAILED)]


async def test_a_restart_keeps_and_holds_them(fake: FakePath) -> None:
    script = HeldBack()
    chat = await begun(fake, script)
    await later(chat, fake, "Two")
    await generate.stop_all()
    await at_rest()
    assert await texts(chat) == ["One", ""]
    await Queued.objects.aupdate(held="")
    await Queued.objects.acreate(chat=chat, text="Removed", key=uuid.uuid4(), removed=timezone.now())
    await sync_to_async(generate.recover)()
    assert await Queued.objects.acount() == 1
    assert await held_texts(chat) == [("Two", Held.RESTARTED)]


async def test_what_is_sent_between_two_of_them_comes_behind_them(fake: FakePath) -> None:
    chat = await ask(fake, "One")
    choice = fake.choice()
    await sync_to_async(queue.add)(chat.pk, "Two", uuid.uuid4(), choice.as_wanted(), None)
    with pytest.raises(ChatIsBusy):
        await generate.send(chat, "Three", uuid.uuid4(), choice)
    with pytest.raises(ChatIsBusy):
        await generate.retry(await Message.objects.aget(role=Role.ASSISTANT), choice)
    await later(chat, fake, "Three")
    await queue_empty(chat)
    await at_rest()
    assert await questions(chat) == ["One", "Two", "Three"]


async def test_one_is_edited_removed_and_put_back(fake: FakePath, browser: AsyncClient) -> None:
    script = HeldBack()
    chat = await begun(fake, script)
    await later(chat, fake, "Two", "Three", "Four")
    two, three, four = [each.pk async for each in Queued.objects.all()]
    await posted(browser, f"/queue/{two}/edit/", text="Two, better")
    assert "Undo" in await posted(browser, f"/queue/{three}/remove/", 200)
    assert "Undo" in await posted(browser, f"/queue/{four}/remove/", 200)
    assert [text for text, _ in await held_texts(chat)] == ["Two, better"]
    await posted(browser, f"/queue/{three}/restore/")
    for _ in range(3):
        script.end()
    await queue_empty(chat)
    await at_rest()
    assert await questions(chat) == ["One", "Two, better", "Three"]
    await posted(browser, f"/queue/{two}/edit/", 409, text="Too late")
    await posted(browser, f"/queue/{two}/remove/", 409)
    await posted(browser, f"/queue/{two}/restore/", 409)
    await posted(browser, f"/queue/{four}/edit/", 422, text=" \n ")
    await Queued.objects.aupdate(removed=timezone.now() - timedelta(minutes=2))
    await sync_to_async(queue.forget_removed)()
    assert not await Queued.objects.aexists()


async def test_one_that_is_put_back_when_nothing_comes_is_sent(fake: FakePath, browser: AsyncClient) -> None:
    script = HeldBack()
    chat = await begun(fake, script)
    await later(chat, fake, "Two")
    (two,) = [each.pk async for each in Queued.objects.all()]
    await posted(browser, f"/queue/{two}/remove/", 200)
    script.end()
    await at_rest()
    script.end()
    await posted(browser, f"/queue/{two}/restore/")
    await at_rest()
    assert await questions(chat) == ["One", "Two"]


async def test_without_its_model_one_is_held_rather_than_sent_to_another(fake: FakePath) -> None:
    script = HeldBack()
    chat = await begun(fake, script)
    await generate.send_later(chat.pk, "Two", uuid.uuid4(), fake.choice(OTHER))
    await CatalogueEntry.objects.filter(slug=OTHER.slug).aupdate(enabled=False)
    script.end()
    await at_rest()
    assert await held_texts(chat) == [("Two", Held.NO_ACCESS)]
    assert len(fake.asked) == 1


async def test_a_chat_that_is_deleted_and_restored_holds_its_queue(fake: FakePath) -> None:
    script = HeldBack()
    chat = await begun(fake, script)
    await later(chat, fake, "Two")
    # Not the other way round: complete before it is deleted, the answer would have the next message sent.
    await bulk.change(bulk.Do.DELETE, [chat.pk])
    script.end()
    await at_rest()
    await bulk.change(bulk.Do.RESTORE, [chat.pk])
    assert await held_texts(chat) == [("Two", Held.CHAT_DELETED)]
    script.end()
    await ask(fake, "Three", chat)
    assert await questions(chat) == ["One", "Three"]


async def test_a_message_that_is_taken_back_holds_what_stands_behind_it(mac: KeepingPath, fake: FakePath) -> None:
    chat = await ask(fake, "One")
    mac.state = READY
    script = HeldBack()
    mac.script = script
    await generate.send(chat, "To the Mac", uuid.uuid4(), mac.choice())
    await later(chat, mac, "Two")
    mac.be(mac.__class__().state)
    script.queue.put_nowait(NotSent())
    await at_rest()
    waits = await Message.objects.aget(state=State.WAITING)
    assert await held_texts(chat) == [("Two", "")]
    assert await waiting.take_back(waits.pk) is not None
    assert await held_texts(chat) == [("Two", Held.TAKEN_BACK)]


async def test_the_first_message_taken_back_gives_all_texts_back(mac: KeepingPath) -> None:
    chat, _ = await generate.send(None, "First", uuid.uuid4(), mac.choice())
    await sync_to_async(queue.add)(chat.pk, "Second", uuid.uuid4(), mac.choice().as_wanted(), None)
    waits = await Message.objects.aget(state=State.WAITING)
    taken = await waiting.take_back(waits.pk)
    assert taken is not None
    assert taken.chat is None
    assert [draft.text async for draft in Draft.objects.all()] == ["First", "Second"]


async def test_another_version_and_a_deletion_hold_them(fake: FakePath) -> None:
    script = HeldBack()
    chat = await begun(fake, script)
    script.end()
    await at_rest()
    script.end()
    first = await message("One")
    await generate.edit(first.pk, "One, better", uuid.uuid4(), fake.choice())
    await at_rest()
    script = HeldBack()
    fake.script = script
    await generate.send(chat, "Two", uuid.uuid4(), fake.choice())
    await later(chat, fake, "Three")
    await sync_to_async(versions.show)(first.pk)
    assert await held_texts(chat) == [("Three", Held.MOVED)]
    script.end()
    await at_rest()
    assert await questions(chat) == ["One"]
    await Queued.objects.aupdate(held="")
    await sync_to_async(removal.delete)(first.pk)
    assert await held_texts(chat) == [("Three", Held.DELETED)]


async def test_nothing_is_sent_in_a_deleted_chat(fake: FakePath) -> None:
    script = HeldBack()
    chat = await begun(fake, script)
    await later(chat, fake, "Two")
    await Chat.objects.filter(pk=chat.pk).aupdate(deleted=timezone.now())
    script.end()
    await at_rest()
    assert len(fake.asked) == 1
    with pytest.raises(Chat.DoesNotExist):
        await later(chat, fake, "Three")


async def test_a_fault_of_our_own_holds_and_is_logged(
    fake: FakePath, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    script = HeldBack()
    chat = await begun(fake, script)
    await later(chat, fake, "Not in the log")
    monkeypatch.setattr("chat.conversation.advance.exactly", None)
    script.end()
    await at_rest()
    assert await held_texts(chat) == [("Not in the log", Held.OWN_FAULT)]
    assert "A queued message could not be sent" in caplog.text
    assert "Not in the log" not in caplog.text


async def test_many_senders_at_once_lose_and_double_nothing(fake: FakePath) -> None:
    script = HeldBack()
    chat = await begun(fake, script)
    await asyncio.gather(*(later(chat, fake, str(number)) for number in range(MOST)))
    for _ in range(MOST + 1):
        script.end()
    await queue_empty(chat)
    await at_rest()
    sent = await questions(chat)
    assert sorted(sent[1:], key=int) == [str(number) for number in range(MOST)]
    assert len(fake.asked) == MOST + 1
