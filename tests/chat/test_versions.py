"""Stepping through versions, and who answers again."""

import uuid

from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection
from django.test import AsyncClient
from django.test.utils import CaptureQueriesContext

from chat import generate
from chat.conversation import versions
from chat.conversation.versions import Versions
from chat.models import Chat, Message, Role
from connections.paths import paths
from connections.visitor import Visitor, visiting
from tests.chat.conftest import offer
from tests.chat.conversing import ask, at_rest, message, posted, questions
from tests.chat.fakes import AWAY, FakePath, KeepingPath
from tests.chat.tab import Tab


async def answers_of(text: str) -> list[int]:
    rows = Message.objects.filter(parent__text=text, role=Role.ASSISTANT).order_by("pk")
    return [each.pk async for each in rows]


async def asked_again(fake: FakePath, text: str) -> None:
    answer = await Message.objects.filter(parent__text=text).select_related("chat").afirst()
    assert answer is not None
    await generate.retry(answer, fake.choice())
    await at_rest()


async def test_each_of_several_answers_knows_its_place(fake: FakePath) -> None:
    chat = await ask(fake, "One")
    assert await versions.of(await chat.conversation()) == {}
    for _ in range(2):
        await asked_again(fake, "One")
    first, second, third = await answers_of("One")
    rows = [await Message.objects.aget(pk=pk) for pk in (first, second, third)]
    assert await versions.of(rows) == {
        first: Versions(1, 3, None, second),
        second: Versions(2, 3, first, third),
        third: Versions(3, 3, second, None),
    }
    assert await versions.of([]) == {}


async def test_a_version_is_shown_with_the_newest_of_what_followed_it(fake: FakePath, browser: AsyncClient) -> None:
    chat = await ask(fake, "One")
    await ask(fake, "Two", chat)
    await asked_again(fake, "Two")
    await asked_again(fake, "One")
    assert await questions(chat) == ["One"]
    first, second = await answers_of("One")
    await posted(browser, f"/messages/{first}/show/")
    await chat.arefresh_from_db()
    assert chat.head_id == (await answers_of("Two"))[1]
    await posted(browser, f"/messages/{second}/show/")
    await ask(fake, "Three", await Chat.objects.aget(pk=chat.pk))
    assert [turn.text for turn in fake.asked[-1].turns][::2] == ["One", "Three"]
    await posted(browser, f"/messages/{first}/show/")
    assert await questions(chat) == ["One", "Two"]


async def test_every_branch_stays_reachable_below_an_answer_that_was_continued(fake: FakePath) -> None:
    chat = await ask(fake, "One")
    await ask(fake, "Two", chat)
    (answer,) = await answers_of("One")
    await generate.go_on(await Message.objects.aget(pk=answer), fake.choice())
    await at_rest()
    two = await message("Two")
    assert (await versions.of([two]))[two.pk].count == 2
    await sync_to_async(versions.show)(two.pk)
    assert await questions(chat) == ["One", "Two"]


async def test_an_open_page_follows_to_the_other_version(fake: FakePath, browser: AsyncClient) -> None:
    chat = await ask(fake, "One")
    await asked_again(fake, "One")
    first, second = await answers_of("One")
    tab = Tab(chat)
    await tab.load()
    assert list(tab.bodies) == [f"m{second}-body"]
    await posted(browser, f"/messages/{first}/show/")
    await tab.look()
    assert f"m{first}-body" in tab.bodies
    assert tab.bodies[f"m{first}-body"].busy == "false"


async def test_showing_what_is_shown_changes_nothing_and_the_chat_keeps_its_place(
    fake: FakePath, browser: AsyncClient
) -> None:
    chat = await ask(fake, "One")
    await asked_again(fake, "One")
    before = await Chat.objects.aget(pk=chat.pk)
    first, second = await answers_of("One")
    await posted(browser, f"/messages/{second}/show/")
    assert (await Chat.objects.aget(pk=chat.pk)).revision == before.revision
    await posted(browser, f"/messages/{first}/show/")
    after = await Chat.objects.aget(pk=chat.pk)
    assert (after.revision, after.updated) == (before.revision + 1, before.updated)


async def test_the_menu_offers_the_models_of_the_access_and_the_other_accesses(
    mac: KeepingPath, fake: FakePath, browser: AsyncClient
) -> None:
    await ask(fake, "One")
    (answer,) = await answers_of("One")
    menu = (await browser.get(f"/messages/{answer}/again/")).content.decode()
    for name in ("GPT Test", "GPT Other"):
        assert f"<span>{name}</span>" in menu
    assert "Codex Relay · Anna&#x27;s Mac" in menu
    assert AWAY.sentence.replace("'", "&#x27;") in menu
    await posted(browser, f"/messages/{answer}/retry/", access="fake", model="gpt-other")
    await at_rest()
    newest = await Message.objects.aget(pk=(await answers_of("One"))[1])
    assert (newest.model, newest.access) == ("gpt-other", "fake")
    # What the composer stands at is not changed by it.
    assert (await Chat.objects.aget(pk=newest.chat_id)).choice.get("model", "") != "gpt-other"
    assert (await browser.get("/messages/999/again/")).status_code == 404


async def test_another_access_with_the_same_model_answers(fake: FakePath, browser: AsyncClient) -> None:
    spare = FakePath(key="spare", label="Spare access")
    await sync_to_async(offer)(spare)
    try:
        await ask(fake, "One")
        (answer,) = await answers_of("One")
        await posted(browser, f"/messages/{answer}/retry/", access="spare", model="gpt-test")
        await at_rest()
        assert (len(fake.asked), [each.model.slug for each in spare.asked]) == (1, ["gpt-test"])
    finally:
        paths.remove("spare")


async def test_a_browser_on_another_device_sees_nothing_of_other_accesses(
    mac: KeepingPath, fake: FakePath, browser: AsyncClient
) -> None:
    await ask(fake, "One")
    (answer,) = await answers_of("One")
    with visiting(Visitor(b"phone", "fake", "Codex Relay · this Mac")):
        menu = (await browser.get(f"/messages/{answer}/again/")).content.decode()
    assert "Anna" not in menu
    assert "GPT Other" in menu


def test_many_messages_cost_one_query(db: None) -> None:
    chat = Chat.objects.create(title="Long")
    parent = None
    for number in range(60):
        role = Role.ASSISTANT if number % 2 else Role.USER
        parent = Message.objects.create(chat=chat, parent=parent, role=role, text=str(number))
    rows = list(chat.messages.all())
    with CaptureQueriesContext(connection) as queries:
        assert async_to_sync(versions.of)(rows) == {}
    assert len(queries) == 1


async def test_a_key_that_was_used_elsewhere_begins_no_second_message(fake: FakePath) -> None:
    chat = await ask(fake, "One")
    known = await Message.objects.aget(text="One")
    assert isinstance(known.key, uuid.UUID)
    await generate.edit(known.pk, "One", known.key, fake.choice())
    await at_rest()
    assert await chat.messages.acount() == 2
