"""Temporary chats: in memory only, and reached by their addresses alone."""

from __future__ import annotations

import asyncio
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote

import pytest
from asgiref.sync import sync_to_async
from django.db import IntegrityError, OperationalError, connections
from django.test import AsyncClient, RequestFactory

from chat import sending
from chat.database import DISK, FIRST_NUMBER, MEMORY, about, alias, atomic, context, is_temporary, kept, new_id, using
from chat.feed import feeds
from chat.models import Chat, Draft, Message, Piece, Preference, Queued, Role, State
from chat.temporary import ending
from chat.temporary.requests import database_of
from chat.temporary.room import FULL, used
from chat.temporary.tabs import LOST, tabs
from connections.visitor import Visitor, visiting
from lerix_web.urls.remote import PAGES
from relay.host.pages import FORM, Pages
from relay.protocol.headers import Request
from tests.chat.fakes import READY, FakePath, Held, KeepingPath
from tests.chat.temporary import SECRET, Clock, begin, complete, on_disk
from tests.connections.waiting import until

pytestmark = pytest.mark.usefixtures("no_tabs")


# Which database


def test_an_id_says_where_it_is_kept() -> None:
    assert (new_id().version, alias()) == (4, DISK)
    with using(MEMORY):
        made = new_id()
        assert (made.version, made.variant) == (8, uuid.RFC_4122)
    assert is_temporary(made)
    assert is_temporary(FIRST_NUMBER)
    assert not is_temporary(uuid.uuid4())
    assert not is_temporary(FIRST_NUMBER - 1)
    with about(made):
        assert alias() == MEMORY
        assert context().run(alias) == MEMORY
        assert context(uuid.uuid4()).run(alias) == DISK
        with about(None):
            assert alias() == MEMORY
        with kept():
            assert alias() == DISK
    assert alias() == DISK


@pytest.mark.django_db
def test_rows_go_where_the_work_is_about_and_stay_beside_their_own() -> None:
    with using(MEMORY):
        chat = Chat.objects.create(title="one")
        question = Message.objects.create(chat=chat, role=Role.USER, text=SECRET)
        Preference.objects.create(name="choice", value=1)
    assert chat.pk.version == 8
    assert question.pk > FIRST_NUMBER
    assert not Chat.objects.exists()
    assert not Message.objects.exists()
    assert Preference.objects.filter(name="choice").exists()
    # What is beside a row is looked for where the row is, whatever the work is about.
    assert list(chat.messages.all()) == [question]
    question.text = "two"
    question.save()
    with about(question.pk):
        assert Message.objects.get().text == "two"


def test_a_row_that_forgets_which_database_it_belongs_to_does_not_come_to_the_disk(transactional_db: None) -> None:
    with using(MEMORY):
        chat = Chat.objects.create(title="one")
    forgetful = "Forgetful-of-the-night"
    with pytest.raises(IntegrityError):
        Message.objects.create(chat=chat, role=Role.USER, text=forgetful)
    assert not on_disk(forgetful)


def test_the_database_is_in_memory_and_puts_nothing_aside_on_a_disk(transactional_db: None) -> None:
    with connections[MEMORY].cursor() as cursor:
        found = {}
        for name in ("journal_mode", "temp_store", "secure_delete", "max_page_count", "database_list"):
            cursor.execute(f"PRAGMA {name}")
            found[name] = cursor.fetchall()
    assert found["journal_mode"] == [("memory",)]
    assert found["temp_store"] == [(2,)]
    assert found["secure_delete"] == [(1,)]
    assert found["max_page_count"] == [(65536,)]
    assert not any(Path(str(file)).exists() for _, _, file in found["database_list"] if file)


def test_threads_that_write_and_read_at_once_stand_in_line(transactional_db: None) -> None:
    with using(MEMORY):
        chat = Chat.objects.create(title="0")

    @atomic
    def add_one() -> None:
        found = Chat.objects.get(pk=chat.pk)
        Chat.objects.filter(pk=chat.pk).update(title=str(int(found.title) + 1))

    def work(_: int) -> None:
        try:
            with about(chat.pk):
                for _ in range(40):
                    add_one()
                    Chat.objects.count()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    chat.refresh_from_db()
    assert chat.title == "240"


# The whole life of one


async def test_its_text_is_nowhere_on_the_disk(
    fake: FakePath, browser: AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    chat_id = await begin(browser)
    await browser.post(f"/chats/{chat_id}/messages/", {"text": f"More {SECRET}", "key": str(uuid.uuid4())})
    await complete()
    assert [turn.text for turn in fake.asked[-1].turns] == [SECRET, "Hello, **world**", f"More {SECRET}"]
    page = (await browser.get(f"/chats/{chat_id}/")).content.decode()
    assert page.count(SECRET) == 2
    assert not on_disk(SECRET)
    assert not on_disk(chat_id.hex)
    assert SECRET not in caplog.text
    assert not await Chat.objects.aexists()
    # The same as any other chat: this test would see it.
    await browser.post("/chats/", {"text": SECRET, "key": str(uuid.uuid4())})
    await complete()
    assert on_disk(SECRET)


async def test_its_page_says_so_and_its_title_says_nothing(fake: FakePath, browser: AsyncClient) -> None:
    empty = (await browser.get("/?temporary=1")).content.decode()
    assert "<h2>Temporary chat</h2>" in empty
    assert "<title>Temporary chat · Lerix</title>" in " ".join(empty.split())
    assert 'hx-post="/chats/?temporary=1"' in empty
    assert 'id="tab"' in empty
    chat_id = await begin(browser)
    page = (await browser.get(f"/chats/{chat_id}/")).content.decode()
    assert re.search(r"<h1[^>]*>\s*(<[^>]+>)*\s*Temporary chat", page)
    assert "Not kept" in page
    ordinary = (await browser.get("/")).content.decode()
    assert "Not kept" not in ordinary
    assert 'id="tab"' not in ordinary
    assert str(chat_id) not in ordinary, "it is in no history"


async def test_it_asks_again_goes_on_and_stops_like_any_other(fake: FakePath, browser: AsyncClient) -> None:
    chat_id = await begin(browser)
    with about(chat_id):
        answer = await Message.objects.aget(role=Role.ASSISTANT)
    assert (await browser.get(f"/messages/{answer.pk}/source/")).content.decode() == "Hello, **world**"
    assert (await browser.post(f"/messages/{answer.pk}/retry/", {})).status_code == 204
    await complete()
    fake.script = held = Held()
    await browser.post(f"/chats/{chat_id}/messages/", {"text": "And?", "key": str(uuid.uuid4())})
    held.say("Half")
    live = feeds.live_in(chat_id)
    assert live is not None
    await until(lambda: bool(live.text))
    assert (await browser.post(f"/chats/{chat_id}/stop/")).status_code == 204
    await complete()
    with about(chat_id):
        newest = await Message.objects.filter(role=Role.ASSISTANT).order_by("-pk").afirst()
        assert newest is not None
        assert (newest.state, newest.text, await Message.objects.acount()) == (State.STOPPED, "Half", 5)
        assert not await Piece.objects.aexists()
    assert not await Message.objects.aexists()


async def test_what_waits_for_a_mac_is_sent_when_it_is_back(mac: KeepingPath, browser: AsyncClient) -> None:
    form = {"text": SECRET, "key": str(uuid.uuid4()), "access": "mac"}
    response = await browser.post("/chats/?temporary=1", form)
    chat_id = uuid.UUID(response.headers["HX-Push-Url"].split("/")[2])
    with about(chat_id):
        assert await Message.objects.filter(state=State.WAITING).aexists()
    sender = asyncio.create_task(sending.follow(), context=context(uuid.uuid4()))
    mac.be(READY)
    await until(lambda: bool(mac.asked))
    await complete()
    sender.cancel()
    with about(chat_id):
        assert (await Message.objects.aget(role=Role.ASSISTANT)).text == "Hello, **world**"


async def test_what_is_taken_back_comes_into_the_next_temporary_page_only(
    mac: KeepingPath, browser: AsyncClient
) -> None:
    # Of its own: the test above has put the other on the disk.
    secret = f"{SECRET} taken back"
    form = {"text": secret, "key": str(uuid.uuid4()), "access": "mac"}
    chat_id = (await browser.post("/chats/?temporary=1", form)).headers["HX-Push-Url"].split("/")[2]
    with about(uuid.UUID(chat_id)):
        answer = await Message.objects.aget(state=State.WAITING)
    response = await browser.post(f"/messages/{answer.pk}/take-back/")
    assert response.headers["HX-Push-Url"] == "/?temporary=1"
    assert secret in response.content.decode()
    assert secret not in (await browser.get("/")).content.decode()
    (placed,) = re.findall(r'data-draft="([^"]+)"', (await browser.get("/?temporary=1")).content.decode())
    assert (await browser.post(placed)).status_code == 204
    with using(MEMORY):
        assert not await Draft.objects.aexists()
    assert not on_disk(secret)


# Bounds


async def test_at_the_bound_nothing_more_is_brought_in_and_it_is_said(
    fake: FakePath, browser: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat_id = await begin(browser)
    monkeypatch.setattr("chat.temporary.room.MOST", 1)
    for path in (f"/chats/{chat_id}/messages/", "/chats/?temporary=1", "/attachments/?temporary=1"):
        response = await browser.post(path, {"text": "More", "key": str(uuid.uuid4())})
        assert (response.status_code, unquote(response.headers["X-Lerix-Sentence"])) == (507, FULL)
    assert len(fake.asked) == 1
    assert (await browser.post(f"/chats/{chat_id}/stop/")).status_code == 204


async def test_a_database_that_is_full_all_the_same_is_a_sentence(
    fake: FakePath, browser: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OperationalError("database or disk is full")

    monkeypatch.setattr("chat.generate.store_turn", full)
    response = await browser.post("/chats/?temporary=1", {"text": "More", "key": str(uuid.uuid4())})
    assert (response.status_code, unquote(response.headers["X-Lerix-Sentence"])) == (507, FULL)


async def test_memory_that_was_taken_up_is_free_again(fake: FakePath, browser: AsyncClient, clock: Clock) -> None:
    before = await sync_to_async(used)()
    chat_id = await begin(browser, "x" * 300_000)
    assert await sync_to_async(used)() > before + 250_000
    tabs.leave(uuid.uuid4(), chat_id)
    clock.now += LOST + 1
    await ending.sweep()
    assert await sync_to_async(used)() < before + 20_000


def _close() -> None:
    connections[MEMORY].close()


async def test_an_older_sqlite_is_a_sentence_and_other_chats_work(
    fake: FakePath, browser: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.temporary.memory.base.OLDEST_SQLITE", (99, 0))
    await sync_to_async(_close)()
    response = await browser.get("/?temporary=1")
    assert response.status_code == 501
    assert "Temporary chats need SQLite 3.36" in response.content.decode()
    assert (await browser.get("/")).status_code == 200


async def test_no_answer_of_one_may_be_kept_by_a_browser(fake: FakePath, browser: AsyncClient) -> None:
    chat_id = await begin(browser)
    assert (await browser.get(f"/chats/{chat_id}/")).headers["Cache-Control"] == "no-store"
    assert (await browser.get("/?temporary=1")).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("address", "database"),
    [
        ("/", DISK),
        ("/?temporary=1", MEMORY),
        ("/events/?chat=0190d8e4-6a3e-8a52-9f6b-1c2d3e4f5a6b", MEMORY),
        ("/events/?chat=0190d8e4-6a3e-4a52-9f6b-1c2d3e4f5a6b", DISK),
        ("/events/?chat=nothing", DISK),
        ("/chats/0190d8e4-6a3e-8a52-9f6b-1c2d3e4f5a6b/stop/", MEMORY),
        ("/chats/0190d8e4-6a3e-8a52-9f6b-1c2d3e4f5a6/stop/", DISK),
        (f"/messages/{FIRST_NUMBER + 1}/retry/", MEMORY),
        ("/messages/17/retry/", DISK),
        ("/messages/99999999999999999999999999/retry/", DISK),
        ("/messages/\u0661\u0662/retry/", DISK),
    ],
)
def test_an_address_says_which_database_it_is_about(rf: RequestFactory, address: str, database: str) -> None:
    assert database_of(rf.get(address)) == database


async def test_all_that_can_be_done_in_a_chat_can_be_done_in_this_one(fake: FakePath, browser: AsyncClient) -> None:
    chat_id = await begin(browser, f"{SECRET} Everything")
    with about(chat_id):
        question = await Message.objects.aget(role=Role.USER)
        answer = await Message.objects.aget(role=Role.ASSISTANT)
    form = {"text": "Edited", "key": str(uuid.uuid4())}
    assert (await browser.post(f"/messages/{question.pk}/edit/", form)).status_code < 300
    await complete()
    assert fake.asked[-1].turns[-1].text == "Edited"
    assert (await browser.post(f"/messages/{question.pk}/show/", {})).status_code < 300
    found = (await browser.get(f"/chats/{chat_id}/find/?q=everything")).json()
    assert found["messages"] == [question.pk]
    export = await browser.get(f"/chats/{chat_id}/export.md")
    assert SECRET in export.content.decode()
    assert SECRET not in export.headers["Content-Disposition"]
    fake.script = held = Held()
    await browser.post(f"/chats/{chat_id}/messages/", {"text": "One", "key": str(uuid.uuid4())})
    await browser.post(f"/chats/{chat_id}/messages/", {"text": "Two", "key": str(uuid.uuid4())})
    with about(chat_id):
        queued = await Queued.objects.aget()
    assert (await browser.post(f"/queue/{queued.pk}/edit/", {"text": "Three"})).status_code < 300
    held.end()
    await until(lambda: len(fake.asked) == 4)
    held.end()
    await complete()
    assert fake.asked[-1].turns[-1].text == "Three"
    assert (await browser.post(f"/messages/{answer.pk}/delete/", {})).status_code < 300
    assert (await browser.post(f"/messages/{answer.pk}/restore/", {})).status_code < 300
    assert not await Message.objects.aexists()
    for word in ("Everything", "Edited", "Three"):
        assert "No chat has" in (await browser.get(f"/history/search/?q={word}")).content.decode()


async def test_the_menu_remembers_what_this_chat_stands_at(fake: FakePath, browser: AsyncClient) -> None:
    chat_id = await begin(browser)
    form = {"access": "fake", "model": "gpt-other", "effort": "", "chat": str(chat_id)}
    assert str(chat_id) in (await browser.post("/choice/", form)).content.decode()
    with about(chat_id):
        assert (await Chat.objects.aget()).choice["model"] == "gpt-other"


async def test_a_browser_on_another_device_has_them_as_well(fake: FakePath, browser: AsyncClient) -> None:
    who = Visitor(b"phone", "fake", "Codex Relay · this Mac")
    allowed = Pages(PAGES, lambda device: who)
    with visiting(who):
        assert 'href="/?temporary=1"' in (await browser.get("/?temporary=1")).content.decode()
        chat_id = await begin(browser, f"{SECRET} from the phone")
        page = (await browser.get(f"/chats/{chat_id}/")).content.decode()
        for path in ("/?temporary=1", f"/chats/{chat_id}/", f"/events/?chat={chat_id}"):
            assert allowed.allow(Request("GET", path)), path
        told = re.findall(r'data-(?:here|hidden|left)="([^"]+)"', page)
        assert len(told) == 3
        for path in [*told, "/chats/?temporary=1", f"/chats/{chat_id}/instructions/save/"]:
            assert allowed.allow(Request("POST", path, (("content-type", FORM),))), path
        for path in told:
            assert (await browser.post(path, {})).status_code == 204
    assert not on_disk(f"{SECRET} from the phone")
