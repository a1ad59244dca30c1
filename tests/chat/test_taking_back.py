"""A message that waits, on the pages: what they say of it, and taking it back."""

import asyncio
import re
import uuid
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import AsyncClient
from django.utils import timezone

from chat import generate, waiting
from chat.feed import feeds
from chat.models import Chat, Draft, Message, Role, State
from chat.pages import Cursor
from chat.stream import Reader
from connections.changes import connections_changed
from connections.errors import Unavailable
from connections.paths import paths
from tests.chat.fakes import AWAY, MODEL, READY, FakePath, Held, KeepingPath
from tests.chat.tab import Tab, sentence
from tests.chat.test_generate import ended
from tests.chat.test_waiting import following, losing, now, write
from tests.connections.waiting import until

OUTLOOK = "Your message is kept. It is sent as soon as Anna's Mac is back."


def text_of(response: Any) -> str:
    """What a page says, without its markup."""
    html = re.sub(r"<svg.*?</svg>", "", response.content.decode(), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", "", html)).split())


def form(text: str, path: FakePath) -> dict[str, str]:
    return {"text": text, "key": str(uuid.uuid4()), "access": path.key, "model": MODEL.slug}


def drafts_in(response: Any) -> list[str]:
    found = re.findall(r'<span data-draft="[^"]+">(.*?)</span>', response.content.decode(), re.DOTALL)
    return [unescape(text) for text in found]


async def test_the_page_says_why_the_message_waits_and_offers_to_take_it_back(
    mac: KeepingPath, browser: AsyncClient
) -> None:
    response = await browser.post("/chats/", form("For later", mac))
    answer = await Message.objects.aget(role=Role.ASSISTANT)
    for shown in (response, await browser.get(f"/chats/{answer.chat_id}/")):
        html, words = shown.content.decode(), text_of(shown)
        article = html[html.index('aria-label="GPT Test"') : html.index("</article>", html.index('"GPT Test"'))]
        assert 'aria-busy="false"' in article
        assert 'role="group" aria-label="Waiting to be sent"' in article
        assert re.search(r"<button[^>]*>(<svg.*?</svg>)?Take back</button>", article, re.DOTALL)
        assert f"Since Mon 2 Mar, 09:30: Anna's Mac is not on line. {OUTLOOK}" in words
        assert 'aria-label="Send"' in html
        assert 'aria-label="Stop"' not in html
        assert "Retry" not in article
    # The list of chats shows it like any other.
    listed = (await browser.get("/")).content.decode()
    assert re.search(rf'<a [^>]*href="/chats/{answer.chat_id}/"[^>]*>.*?For later</a>', listed, re.DOTALL)
    assert "waiting" not in listed[listed.index('id="history"') : listed.index('class="side-foot"')]


async def test_the_composer_says_beforehand_that_a_message_would_wait(mac: KeepingPath, browser: AsyncClient) -> None:
    await browser.post("/choice/", {"access": mac.key})
    assert "What you send now is kept, and sent as soon as that is over." in text_of(await browser.get("/"))
    mac.be(READY)
    assert "What you send now is kept" not in text_of(await browser.get("/"))


async def test_where_a_message_waits_only_its_own_notice_says_why(mac: KeepingPath, browser: AsyncClient) -> None:
    mac.state = READY
    first = await ended(await write(mac))
    mac.be(AWAY)
    await browser.post("/choice/", {"access": mac.key, "chat": str(first.chat_id)})
    reader = Reader(first.chat_id, Cursor())
    while await reader.catch_up():
        pass
    second = await write(mac, "More", first.chat)
    html = "".join(await reader.catch_up())
    assert "What you send now" not in html[html.index('hx-target="#composer-note"') :]
    connections_changed.set()
    assert "What you send now" not in "".join(await reader.catch_up())
    page = f"/chats/{first.chat_id}/"
    assert text_of(await browser.get(page)).count(AWAY.sentence) == 2  # in the menu, and in the place of the answer
    again = await browser.post("/choice/", {"access": mac.key, "chat": str(first.chat_id)})
    assert "What you send now" not in text_of(again)
    await browser.post(f"/messages/{second.pk}/take-back/")
    html = "".join(await reader.catch_up())
    assert "What you send now" in html[html.index('hx-target="#composer-note"') :]
    assert "What you send now" in text_of(await browser.get(page))


async def test_the_notice_follows_the_status_of_the_path(mac: KeepingPath, fake: FakePath) -> None:
    answer = await write(mac)
    assert waiting.notice(answer) == waiting.Notice(AWAY.sentence, OUTLOOK, AWAY.since)
    mac.state = replace(AWAY, sentence="It has reached its limit.", until=timezone.now() + timedelta(hours=1))
    limit = waiting.notice(answer)
    assert limit.outlook == "Your message is kept. It is sent as soon as Anna's Mac can answer again."
    assert limit.since is None
    mac.state = READY
    assert waiting.notice(answer).sentence == "Anna's Mac is there."
    assert "in its turn" in waiting.notice(answer).outlook
    paths.remove(mac.key)
    gone = waiting.notice(answer)
    assert gone.sentence == "Lerix has no way to Anna's Mac now."
    assert "take the message back and choose another access" in gone.outlook


async def test_open_pages_hear_each_change_and_then_the_answer(mac: KeepingPath) -> None:
    answer = await write(mac)
    tab = Tab(answer.chat)
    await tab.load()
    await tab.look()
    assert tab.bodies[f"m{answer.pk}-body"].busy == "false"
    mac.script = held = Held()
    mac.be(replace(AWAY, sentence="Lerix was closed on Anna's Mac."))
    connections_changed.set()
    assert tab.reader is not None
    html = "".join(await tab.reader.catch_up())
    assert f'hx-target="#m{answer.pk}-state"' in html
    assert "Lerix was closed on Anna&#x27;s Mac." in html
    async with following():
        mac.be(READY)
        # The row says so a moment before pages can hear of it.
        await until(lambda: answer.pk in feeds.live)
        await tab.look()
        assert tab.bodies[f"m{answer.pk}-body"].busy == "true"
        held.say("Here I am")
        held.end()
        assert (await ended(answer)).state == State.COMPLETE
        await tab.look()
    body = tab.bodies[f"m{answer.pk}-body"]
    assert (body.html, body.busy, tab.users) == ("<p>Here I am</p>\n", "false", 1)


@pytest.mark.parametrize("looks", range(6))
async def test_a_page_shows_the_truth_of_an_answer_that_goes_back_to_waiting(mac: KeepingPath, looks: int) -> None:
    mac.state = READY
    mac.script = losing(times=1)  # type: ignore[assignment]
    answer = await write(mac, "Back and forth")
    tab = Tab(answer.chat)
    await tab.load()
    if looks & 1:
        await tab.look()
    mac.be(AWAY)
    await ended(answer)
    if looks & 2:
        await tab.look()
        assert tab.bodies[f"m{answer.pk}-body"].busy == "false"
    mac.script = held = Held()
    async with following():
        mac.be(READY)
        await until(lambda: answer.pk in feeds.live)
        if looks & 4:
            await tab.look()
            assert tab.bodies[f"m{answer.pk}-body"].busy == "true"
        held.say("In the end")
        await until(lambda: bool(feeds.live[answer.pk].text))
        await tab.look()
        assert "In the end" in tab.bodies[f"m{answer.pk}-body"].html
        held.end()
        assert (await ended(answer)).state == State.COMPLETE
        await tab.look()
    assert tab.bodies[f"m{answer.pk}-body"].html == "<p>In the end</p>\n"


async def test_a_page_that_looked_before_the_answer_was_live_follows_it_all_the_same(mac: KeepingPath) -> None:
    answer = await write(mac)
    tab = Tab(answer.chat)
    await tab.load()
    await tab.look()
    await Message.objects.filter(pk=answer.pk).aupdate(state=State.STREAMING)
    await sync_touch(answer)
    await tab.look()
    mac.script = held = Held()
    live = generate.begin(await now(answer), mac.choice())
    held.say("Now")
    await until(lambda: bool(live.text))
    await tab.look()
    assert tab.bodies[f"m{answer.pk}-body"].html == "<p>Now</p>\n"
    held.end()
    assert live.task is not None
    await asyncio.wait([live.task])


async def sync_touch(answer: Message) -> None:
    """Change the chat's revision, and tell its readers."""
    chat = await Chat.objects.aget(pk=answer.chat_id)
    await Chat.objects.filter(pk=chat.pk).aupdate(revision=chat.revision + 1)
    feeds.changed(chat.pk)


async def test_taking_back_the_first_message_leaves_no_chat_and_its_text_in_the_field_of_a_new_one(
    mac: KeepingPath, browser: AsyncClient
) -> None:
    text = 'Two lines\n\n  and <b>"signs"</b> &amp; all'
    await browser.post("/chats/", form(text, mac))
    answer = await Message.objects.aget(role=Role.ASSISTANT)
    response = await browser.post(f"/messages/{answer.pk}/take-back/")
    assert response.status_code == 200
    assert response.headers["HX-Push-Url"] == "/"
    assert (response.headers["HX-Retarget"], response.headers["HX-Reswap"]) == ("#main", "innerHTML")
    assert 'hx-post="/chats/"' in response.content.decode()
    assert "<title>Lerix</title>" in response.content.decode()
    assert drafts_in(response) == [text]
    assert not await Chat.objects.aexists()
    assert not await Message.objects.aexists()
    assert mac.asked == []


async def test_a_text_that_was_taken_back_is_in_every_new_page_until_one_has_put_it_into_its_field(
    mac: KeepingPath, browser: AsyncClient
) -> None:
    await waiting.take_back((await write(mac, "Not lost")).pk)
    for _ in range(2):
        assert drafts_in(await browser.get("/")) == ["Not lost"]
    draft = await Draft.objects.aget()
    for _ in range(2):
        assert (await browser.post(f"/drafts/{draft.pk}/placed/")).status_code == 204
    assert drafts_in(await browser.get("/")) == []
    assert (await browser.get(f"/drafts/{draft.pk}/placed/")).status_code == 405


async def test_taking_back_a_later_message_shows_the_chat_as_it_was(mac: KeepingPath, browser: AsyncClient) -> None:
    mac.state = READY
    first = await ended(await write(mac, "First"))
    mac.be(AWAY)
    second = await write(mac, "Second", first.chat)
    tab = Tab(first.chat)
    await tab.load()
    await tab.look()
    assert tab.users == 2
    response = await browser.post(f"/messages/{second.pk}/take-back/")
    assert drafts_in(response) == ["Second"]
    assert "HX-Push-Url" not in response.headers
    await tab.look()
    assert (tab.users, len(tab.bodies)) == (1, 1)
    page = await browser.get(f"/chats/{first.chat_id}/")
    assert drafts_in(page) == ["Second"]
    assert drafts_in(await browser.get("/")) == []
    assert (await Chat.objects.aget()).head_id == first.pk
    assert [row.text async for row in Message.objects.all()] == ["First", first.text]
    mac.be(READY)
    await ended(await write(mac, "Second", await Chat.objects.aget()))
    assert [ask.turns[-1].text for ask in mac.asked] == ["First", "Second"]


@pytest.mark.parametrize("again", ["retry", "continue"])
async def test_taking_back_an_answer_that_was_asked_for_again_shows_the_older_one(
    mac: KeepingPath, browser: AsyncClient, again: str
) -> None:
    mac.state = READY
    first = await ended(await write(mac, "First"))
    await Message.objects.filter(pk=first.pk).aupdate(state=State.STOPPED)
    mac.be(AWAY)
    response = await browser.post(f"/messages/{first.pk}/{again}/", {"access": mac.key})
    assert response.status_code == 204
    chat = await Chat.objects.aget()
    assert chat.head_id is not None
    second = await Message.objects.aget(pk=chat.head_id)
    assert (second.state, second.pk != first.pk) == (State.WAITING, True)
    assert OUTLOOK in text_of(await browser.get(f"/chats/{chat.pk}/"))
    response = await browser.post(f"/messages/{second.pk}/take-back/")
    assert (response.status_code, drafts_in(response)) == (200, [])
    await chat.arefresh_from_db()
    assert [row.pk for row in await chat.conversation()] == [first.parent_id, first.pk]
    assert not await Draft.objects.aexists()


async def test_a_question_whose_first_answer_failed_stays_when_its_second_is_taken_back(mac: KeepingPath) -> None:
    mac.state = READY
    mac.script = losing(times=1, first="So far")  # type: ignore[assignment]
    failed = await ended(await write(mac, "Keep me"))
    mac.be(AWAY)
    again = await generate.retry(failed, mac.choice())
    await waiting.take_back(again.pk)
    chat = await Chat.objects.aget()
    assert [row.text for row in await chat.conversation()] == ["Keep me", "So far"]


async def test_a_message_that_fell_back_to_waiting_can_be_taken_back_too(mac: KeepingPath) -> None:
    mac.state = READY
    mac.script = losing(times=1, error=Unavailable(AWAY))  # type: ignore[assignment]
    answer = await write(mac, "Lost on the way")
    mac.be(AWAY)
    assert (await ended(answer)).state == State.WAITING
    taken = await waiting.take_back(answer.pk)
    assert taken == waiting.TakenBack(None)
    assert [draft.text for draft in await waiting.drafts(None)] == ["Lost on the way"]


async def test_the_second_press_does_nothing_and_a_press_too_late_says_so(
    mac: KeepingPath, browser: AsyncClient
) -> None:
    answer = await write(mac, "Twice")
    presses = [browser.post(f"/messages/{answer.pk}/take-back/") for _ in range(3)]
    assert sorted(response.status_code for response in await asyncio.gather(*presses)) == [200, 204, 204]
    assert await Draft.objects.acount() == 1
    mac.script = held = Held()
    mac.be(READY)
    sent = await write(mac, "Sent")
    response = await browser.post(f"/messages/{sent.pk}/take-back/")
    assert response.status_code == 409
    assert sentence(response).startswith("It is too late to take this message back")
    held.end()
    assert (await ended(sent)).state == State.COMPLETE


async def test_another_message_is_refused_with_what_to_do(mac: KeepingPath, browser: AsyncClient) -> None:
    answer = await write(mac)
    response = await browser.post(f"/chats/{answer.chat_id}/messages/", form("Another", mac))
    assert response.status_code == 409
    assert sentence(response) == (
        "A message still waits in this chat. It is sent by itself; to write another one first, take it back."
    )
    response = await browser.post(f"/messages/{answer.pk}/retry/", {"access": mac.key})
    assert (response.status_code, await Message.objects.acount()) == (409, 2)


async def test_a_page_of_a_chat_that_was_taken_back_elsewhere_says_so_and_takes_no_message(
    mac: KeepingPath, browser: AsyncClient
) -> None:
    answer = await write(mac)
    tab = Tab(answer.chat)
    await tab.load()
    await tab.look()
    await waiting.take_back(answer.pk)
    assert tab.reader is not None
    html = "".join(await tab.reader.catch_up())
    assert 'hx-target="#log"' in html
    assert "This chat is no longer here. What you typed is still in its field." in html
    assert 'hx-target="#log"' not in "".join(await tab.reader.catch_up())
    response = await browser.post(f"/chats/{answer.chat_id}/messages/", form("Typed here", mac))
    assert response.status_code == 404
    assert "Your message stays in its field" in sentence(response)


async def test_stop_does_nothing_to_a_message_that_waits(mac: KeepingPath, browser: AsyncClient) -> None:
    answer = await write(mac)
    assert (await browser.post(f"/chats/{answer.chat_id}/stop/")).status_code == 204
    assert (await now(answer)).state == State.WAITING
