"""What is done to chats from the list: to one, to many, and taken back."""

import asyncio
import json
import re
import uuid
from typing import Any

import pytest
from django.test import AsyncClient
from django.utils import timezone

from chat.feed import feeds
from chat.history import bulk
from chat.history.bulk import Do, NoSuchFolder
from chat.history.forms import MOST
from chat.history.listing import sidebar
from chat.models import Chat, Folder, Message, Queued, State
from tests.chat.fakes import FakePath, Held
from tests.chat.tab import sentence

FIELD = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


@pytest.fixture
def browser(fake: FakePath) -> AsyncClient:
    sidebar.forget()
    return AsyncClient(headers={"host": "localhost"})


async def chats(count: int = 1, **fields: Any) -> list[str]:
    return [str((await Chat.objects.acreate(title=f"Chat {number}", **fields)).pk) for number in range(count)]


async def post(browser: AsyncClient, do: str, which: list[str], **fields: str) -> Any:
    return await browser.post("/history/change/", {"do": do, "chats": which, **fields})


def undo_fields(response: Any) -> dict[str, list[str]]:
    """What the button Undo of an answer posts."""
    form = response.content.decode().partition('class="undo"')[2].partition("</form>")[0]
    fields: dict[str, list[str]] = {}
    for name, value in FIELD.findall(form):
        fields.setdefault(name, []).append(value)
    return fields


@pytest.mark.parametrize(("do", "back", "field"), [("pin", "unpin", "pinned"), ("archive", "unarchive", "archived")])
async def test_pinned_or_archived_and_back(browser: AsyncClient, do: str, back: str, field: str) -> None:
    one, two, other = await chats(3)
    version = feeds.history.version
    response = await post(browser, do, [one, two])
    assert response.status_code == 200
    assert feeds.history.version > version
    assert f'id="chat-{other}"' in response.content.decode()
    assert json.loads(response.headers["HX-Trigger"]) == {"lerix:chats": {"do": do, "chats": [one, two]}}
    done = Chat.objects.exclude(**{field: None})
    assert {str(pk) async for pk in done.values_list("pk", flat=True)} == {one, two}
    await post(browser, back, [one, two])
    assert not await done.aexists()


async def test_what_is_done_moves_no_chat_in_the_list(browser: AsyncClient) -> None:
    (one,) = await chats()
    before = (await Chat.objects.aget(pk=one)).updated
    for do in ("pin", "archive", "unarchive", "move", "delete", "restore"):
        await post(browser, do, [one])
    assert (await Chat.objects.aget(pk=one)).updated == before


async def test_moved_to_a_folder_and_out_of_it(browser: AsyncClient) -> None:
    one, two = await chats(2)
    folder = await Folder.objects.acreate(name="Work")
    await post(browser, "move", [one, two], folder=str(folder.pk))
    assert await folder.chats.acount() == 2
    await post(browser, "move", [one])
    assert [str(chat.pk) async for chat in folder.chats.all()] == [two]
    await Folder.objects.filter(pk=folder.pk).aupdate(deleted=timezone.now())
    response = await post(browser, "move", [one], folder=str(folder.pk))
    assert (response.status_code, "folder is not here" in sentence(response)) == (409, True)


async def test_deleting_is_undone_by_the_note(browser: AsyncClient) -> None:
    one, two, other = await chats(3)
    response = await post(browser, "delete", [one, two])
    html = response.content.decode()
    assert "2 chats deleted." in html
    assert f'id="chat-{one}"' not in html
    assert "HX-Push-Url" not in response.headers
    assert (await browser.get(f"/chats/{one}/")).status_code == 404
    assert (await browser.get(f"/chats/{other}/")).status_code == 200
    fields = undo_fields(response)
    assert fields == {"do": ["restore"], "chats": [one, two]}
    response = await browser.post("/history/change/", fields)
    assert f'id="chat-{one}"' in response.content.decode()
    assert (await browser.get(f"/chats/{one}/")).status_code == 200
    # A second press finds nothing to bring back.
    assert (await browser.post("/history/change/", fields)).status_code == 409


async def test_the_page_of_a_deleted_chat_shows_a_new_one_and_undo_brings_it_back(browser: AsyncClient) -> None:
    (one,) = await chats()
    response = await post(browser, "delete", [one], chat=one)
    assert response.headers["HX-Push-Url"] == "/"
    assert response.headers["HX-Retarget"] == "#main"
    assert "What would you like to know?" in response.content.decode()
    response = await browser.post("/history/change/", undo_fields(response))
    assert response.headers["HX-Push-Url"] == f"/chats/{one}/"
    assert "<title>Chat 0 · Lerix</title>" in response.content.decode()


async def test_a_deleted_chat_takes_no_message_and_none_of_its_parts_can_be_had(
    fake: FakePath, browser: AsyncClient
) -> None:
    await browser.post("/chats/", {"text": "One", "key": str(uuid.uuid4())})
    if tasks := [answer.task for answer in feeds.live.values() if answer.task]:
        await asyncio.wait_for(asyncio.wait(tasks), 60)
    chat = await Chat.objects.aget()
    answer = await Message.objects.aget(role="assistant")
    await post(browser, "delete", [str(chat.pk)])
    response = await browser.post(f"/chats/{chat.pk}/messages/", {"text": "Two", "key": str(uuid.uuid4())})
    assert (response.status_code, "was deleted" in sentence(response)) == (404, True)
    assert (await browser.get(f"/messages/{answer.pk}/source/")).status_code == 404
    assert (await browser.post(f"/messages/{answer.pk}/retry/", {})).status_code == 404
    assert (await browser.get(f"/chats/{chat.pk}/options/")).status_code == 404
    assert await Message.objects.acount() == 2


async def test_deleting_stops_the_answer_that_is_coming_and_keeps_what_came(
    fake: FakePath, browser: AsyncClient
) -> None:
    fake.script = held = Held()
    await browser.post("/chats/", {"text": "One", "key": str(uuid.uuid4())})
    (live,) = feeds.live.values()
    assert live.task is not None
    held.say("What came")
    async with asyncio.timeout(20):
        bell = asyncio.Event()
        feeds.chat(live.message.chat_id).ring(bell)
        while not live.text:
            bell.clear()
            await bell.wait()
    await post(browser, "delete", [str(live.message.chat_id)])
    await asyncio.wait_for(asyncio.wait([live.task]), 60)
    await post(browser, "restore", [str(live.message.chat_id)])
    answer = await Message.objects.aget(role="assistant")
    assert (answer.state, answer.text) == (State.STOPPED, "What came")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"do": "pin"}, 422),
        ({"do": "pin", "chats": ["x"]}, 422),
        ({"do": "burn", "chats": [str(uuid.uuid4())]}, 422),
        ({"do": "pin", "chats": [str(uuid.uuid4())]}, 409),
        ({"do": "move", "folder": "-1", "chats": [str(uuid.uuid4())]}, 422),
        ({"do": "restore", "chats": [str(uuid.uuid4())]}, 409),
        ({"do": "pin", "chats": [str(uuid.uuid4()) for _ in range(MOST + 1)]}, 422),
    ],
)
async def test_what_cannot_be_is_refused_with_a_sentence(
    browser: AsyncClient, fields: dict[str, Any], status: int
) -> None:
    response = await browser.post("/history/change/", fields)
    assert response.status_code == status
    assert sentence(response)


async def test_what_is_gone_is_left_out_and_the_rest_is_done(fake: FakePath) -> None:
    here = await Chat.objects.acreate(title="Here")
    gone = await Chat.objects.acreate(title="Gone", deleted=timezone.now())
    assert await bulk.change(Do.PIN, [here.pk, gone.pk, uuid.uuid4()]) == [here.pk]
    with pytest.raises(NoSuchFolder):
        await bulk.change(Do.MOVE, [here.pk], 12345)


async def test_the_menu_offers_what_can_be_done_now(browser: AsyncClient) -> None:
    (one,) = await chats()
    menu = (await browser.get(f"/chats/{one}/options/")).content.decode()
    assert all(words in menu for words in ("Rename", "Pin<", "Move to folder", "Archive<", "Export", "Delete"))
    assert "Find in this chat" not in menu
    await Chat.objects.filter(pk=one).aupdate(pinned=timezone.now(), archived=timezone.now())
    menu = (await browser.get(f"/chats/{one}/options/?from=topbar")).content.decode()
    assert all(words in menu for words in ("Unpin", "Unarchive", "Find in this chat"))


async def test_what_was_queued_in_a_deleted_chat_is_sent_when_it_is_brought_back(
    fake: FakePath, browser: AsyncClient
) -> None:
    await browser.post("/chats/", {"text": "One", "key": str(uuid.uuid4())})
    if tasks := [answer.task for answer in feeds.live.values() if answer.task]:
        await asyncio.wait_for(asyncio.wait(tasks), 60)
    chat = await Chat.objects.aget()
    await post(browser, "delete", [str(chat.pk)])
    choice = {"access": "fake", "model": "gpt-test", "effort": "low"}
    await Queued.objects.acreate(chat=chat, text="Two", key=uuid.uuid4(), choice=choice)
    await post(browser, "restore", [str(chat.pk)])
    assert await chat.messages.filter(text="Two").aexists()
    assert not await Queued.objects.aexists()


async def test_whoever_writes_in_an_archived_chat_has_it_in_the_list_again(
    fake: FakePath, browser: AsyncClient
) -> None:
    (one,) = await chats(archived=timezone.now())
    await browser.post(f"/chats/{one}/messages/", {"text": "On", "key": str(uuid.uuid4())})
    assert (await Chat.objects.aget()).archived is None
