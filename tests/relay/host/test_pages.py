"""This computer's pages in a browser on another device: which ones, as whom, and each change once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.urls import get_resolver

from chat import generate, visits
from chat.feed import feeds
from chat.models import Chat, Message, Preference
from chat.visits import MOST_OF_DEVICE
from connections.models import CatalogueEntry
from connections.paths import paths
from connections.push import DEVICE_SEATS, _seated
from connections.responses import AnswerEvent, Ask, TextDelta
from connections.visitor import Visitor, visitor
from lerix_web.urls.remote import PAGES
from relay.errors import AnsweredAlready, OtherRequest
from relay.host import adapter
from relay.host.adapter import MAX_FORM
from relay.host.answered import KEPT_SECONDS, LONGEST, MOST_KEPT, MOST_NAMES, Answered
from relay.host.pages import ASSETS, VERSION, Pages, rule
from relay.link.remote import Reply
from relay.protocol.headers import Request
from tests.chat.conftest import fake, offer  # noqa: F401 - a fixture
from tests.chat.fakes import FakePath
from tests.relay.host.house import House, Obedient, house
from tests.relay.host.test_allowed import ADDRESSES, FORGED, METHODS
from tests.relay.link.wire import PHONE, whole

FORM = ("content-type", "application/x-www-form-urlencoded")
LABEL = "Codex Relay · Ada’s Mac"


def pages() -> Pages:
    return Pages(PAGES, lambda device: Visitor(device, "fake", LABEL), ((ASSETS, "0123"), (VERSION, "1.2.3")))


def new_idem() -> str:
    return uuid4().hex


async def get(home: House, address: str, *headers: tuple[str, str]) -> tuple[int, dict[str, str], str]:
    return await read(await home.raw(Request("GET", address, headers)))


async def post(home: House, address: str, idem: str = "", **fields: str) -> tuple[int, dict[str, str], str]:
    body = urlencode(fields).encode()
    length = ("content-length", str(len(body)))
    request = Request("POST", address, (FORM, length, ("hx-request", "true")), idem or new_idem())
    return await read(await home.raw(request, body))


async def read(reply: Reply) -> tuple[int, dict[str, str], str]:
    return reply.answer.status, dict(reply.answer.headers), (await whole(reply)).decode()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - nothing rings for what these tests wait for
            await asyncio.sleep(0)


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None
    return found[1]


async def endless(ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
    yield TextDelta("x")
    await asyncio.Event().wait()


async def until_answered(chat: Chat) -> Message:
    async with asyncio.timeout(20):
        while True:
            message = await Message.objects.filter(chat=chat, role="assistant").afirst()
            if message is not None and message.state == "complete":
                return message
            await asyncio.sleep(0.01)


@pytest.fixture
def key_path(fake: FakePath) -> Any:  # noqa: F811
    """An API key's access path beside the session's, with its models switched on."""
    other = FakePath(key="api-key-1", label="API key · Work")
    offer(other)
    yield other
    paths.remove(other.key)


async def test_a_chat_is_begun_and_answered_from_another_device(fake: FakePath) -> None:  # noqa: F811
    async with house(Obedient(), pages=pages()) as home:
        status, headers, page = await get(home, "/")
        assert status == 200
        assert (headers[ASSETS], headers[VERSION]) == ("0123", "1.2.3")
        assert "set-cookie" not in headers
        assert LABEL in page
        status, headers, _ = await post(home, "/chats/", text="Hello", key=hidden(page, "key"), access="fake")
        assert status == 200
        chat = await Chat.objects.aget()
        assert headers["hx-push-url"] == f"/chats/{chat.pk}/"
        message = await until_answered(chat)
        status, _, page = await get(home, f"/chats/{chat.pk}/")
        assert "<b>world</b>" in page or "world" in page
        status, _, source = await get(home, f"/messages/{message.pk}/source/")
        assert (status, source) == (200, message.text)


async def test_its_event_stream_comes_as_it_grows_and_ends_with_its_reader(fake: FakePath) -> None:  # noqa: F811
    async with house(Obedient(), pages=pages()) as home:
        reply = await home.raw(Request("GET", "/events/", (("accept", "text/event-stream"), ("last-event-id", "x"))))
        assert reply.answer.status == 200
        async with asyncio.timeout(20), aclosing(aiter(reply)) as pieces:  # type: ignore[type-var]
            first = await anext(pieces)
        assert first.startswith(b":")
        await reply.aclose()
        await until(lambda: not home.adapter._going)


async def test_settings_connections_and_the_account_are_neither_linked_nor_there(fake: FakePath) -> None:  # noqa: F811
    async with house(Obedient(), pages=pages()) as home:
        _, _, page = await get(home, "/")
        for words in ("Settings", "Connections", "/settings/", "/admin/"):
            assert words not in page
        await CatalogueEntry.objects.all().adelete()
        _, _, page = await get(home, "/")
        assert "/settings/" not in page
        assert "No model is switched on at the computer itself." in page


async def test_only_this_computers_session_can_be_chosen(fake: FakePath, key_path: FakePath) -> None:  # noqa: F811
    async with house(Obedient(), pages=pages()) as home:
        _, _, page = await get(home, "/")
        assert "API key" not in page
        _, _, menu = await post(home, "/choice/", access="api-key-1")
        assert "API key" not in menu
        assert 'value="fake"' in menu
        await post(home, "/chats/", text="Hello", key=str(uuid4()), access="api-key-1", model="gpt-test")
        message = await until_answered(await Chat.objects.aget())
        assert message.access == "fake"
        assert key_path.asked == []
        # And what was chosen elsewhere is not what is chosen here.
        assert await Preference.objects.filter(name="choice").afirst() is None


async def test_a_chat_that_stands_at_a_key_goes_on_with_the_session(
    fake: FakePath,  # noqa: F811
    key_path: FakePath,
) -> None:
    chat = await Chat.objects.acreate(title="Old", choice={"access": "api-key-1", "model": "gpt-test", "effort": ""})
    async with house(Obedient(), pages=pages()) as home:
        await post(home, f"/chats/{chat.pk}/messages/", text="And now?", key=str(uuid4()), access="", model="")
        assert (await until_answered(chat)).access == "fake"
    assert key_path.asked == []


async def test_the_same_request_sent_again_gets_the_same_answer_and_changes_nothing(fake: FakePath) -> None:  # noqa: F811
    async with house(Obedient(), pages=pages()) as home:
        idem, key = new_idem(), str(uuid4())
        first = await post(home, "/chats/", idem, text="Hello", key=key)
        again = await post(home, "/chats/", idem, text="Hello", key=key)
        assert again == first
        assert await Chat.objects.acount() == 1
        status, _, body = await post(home, "/chats/", idem, text="Something else", key=key)
        assert status == 422
        assert "relay-other-request" in body
        assert await Chat.objects.acount() == 1


async def test_a_change_whose_device_is_lost_in_the_middle_is_carried_out_to_its_end(fake: FakePath) -> None:  # noqa: F811
    async with house(Obedient(), pages=pages()) as home:
        body = urlencode({"text": "Hello", "key": str(uuid4())}).encode()
        headers = (FORM, ("content-length", str(len(body))), ("hx-request", "true"))
        asked = asyncio.create_task(home.made.remote.ask(Request("POST", "/chats/", headers, new_idem()), body))
        await until(lambda: bool(home.adapter._answered._held))
        home.made.host.expel(PHONE)
        await asyncio.gather(asked, return_exceptions=True)
        await until(lambda: not home.adapter._going)
        await until_answered(await Chat.objects.aget())


@pytest.mark.parametrize("method", METHODS)
async def test_no_other_address_of_the_project_is_there_by_any_method(method: str) -> None:
    may = pages()
    allowed = [address for address in ADDRESSES if may.allow(Request(method, address, (FORM,)))]
    local = set(ADDRESSES) - {a for a in ADDRESSES if a.startswith(("/settings", "/admin"))}
    assert set(allowed) <= local
    assert bool(allowed) is (method in {"GET", "POST"})
    assert not any(may.allow(Request(method, address, (FORM,))) for address in FORGED if address != "/")
    # A POST is a form; one with files goes to one address, which takes nothing else.
    files = ("content-type", "multipart/form-data; boundary=x")
    for kinds in ((), (FORM, files), (files, ("content-type", "text/plain"))):
        assert not any(may.allow(Request("POST", address, kinds)) for address in ADDRESSES)
    brought = [address for address in (*ADDRESSES, *FORGED) if may.allow(Request(method, address, (files,)))]
    assert ("/attachments/" in brought) is (method == "POST")
    assert method != "POST" or brought == ["/attachments/"]
    assert not any(may.allow(Request("UPLOAD", address, kinds)) for address in ADDRESSES for kinds in ((), (files,)))


def test_every_page_is_listed_once_and_is_an_address_of_the_remote_urlconf() -> None:
    rules = [(method, pattern.pattern) for method, pattern in PAGES]
    assert len(set(rules)) == len(rules)
    for address in ("/", "/chats/", "/choice/", "/events/"):
        assert get_resolver("lerix_web.urls.remote").resolve(address)


@pytest.mark.parametrize(
    "address",
    [
        "/chats/../",
        "/chats//",
        "/chats/01890000-0000-7000-8000-00000000000/",
        "/chats/01890000-0000-7000-8000-000000000001",
        "/chats/01890000-0000-7000-8000-000000000001/%2e%2e/",
        "/messages/-1/source/",
        "/messages/1/source/\n",
        "/messages/１/source/",
        "/messages/99999999999999999999/source/",
        "/events/?" + "x" * 3000,
    ],
)
def test_an_address_that_only_looks_like_a_page_is_none(address: str) -> None:
    assert not pages().allow(Request("GET", address))


def test_a_rule_means_its_own_dots() -> None:
    assert rule("GET", "/a.b/")[1].fullmatch("/a.b/")
    assert not rule("GET", "/a.b/")[1].fullmatch("/axb/")


async def test_whoever_is_here_is_no_visitor(fake: FakePath) -> None:  # noqa: F811
    async with house(Obedient(), pages=pages()) as home:
        await get(home, "/")
    assert visitor() is None


async def test_a_device_begins_only_so_many_answers_at_once_and_removing_it_ends_them(fake: FakePath) -> None:  # noqa: F811
    fake.script = endless
    async with house(Obedient(), pages=pages()) as home:
        said = [await post(home, "/chats/", text=f"Number {n}", key=str(uuid4())) for n in range(MOST_OF_DEVICE + 3)]
        assert [status for status, _, _ in said] == [200] * MOST_OF_DEVICE + [409] * 3
        assert "As many answers are coming" in said[-1][2]
        await until(lambda: len(fake.asked) == MOST_OF_DEVICE)
        assert await Chat.objects.acount() == MOST_OF_DEVICE
        await until(lambda: len(feeds.live) == MOST_OF_DEVICE)
        visits.stop(b"another device!!")
        await asyncio.sleep(0.05)
        assert len(feeds.live) == MOST_OF_DEVICE
        visits.stop(PHONE)
        await until(lambda: not feeds.live and not visits._seated)
        assert (await post(home, "/chats/", text="Again", key=str(uuid4())))[0] == 200
        visits.stop()
        await until(lambda: not feeds.live)
        await until(lambda: not visits._seated)


async def test_what_was_begun_here_is_not_counted_and_not_ended_with_a_device(fake: FakePath) -> None:  # noqa: F811
    fake.script = endless
    chat, _ = await generate.send(None, "Mine", uuid4(), fake.choice())
    visits.stop()
    await asyncio.sleep(0.05)
    live = feeds.live_in(chat.pk)
    assert live is not None
    live.stop()
    await until(lambda: not feeds.live)


async def test_a_refused_message_leaves_its_place_to_the_next(fake: FakePath) -> None:  # noqa: F811
    async with house(Obedient(), pages=pages()) as home:
        key = str(uuid4())
        for _ in range(3 * MOST_OF_DEVICE):
            status, _, _ = await post(home, "/chats/", text="Hello", key=key)  # known after the first
            assert status == 200
        await until(lambda: not visits._seated)


async def test_a_visit_does_not_change_what_a_chat_stands_at_here(fake: FakePath, key_path: FakePath) -> None:  # noqa: F811
    mine = {"access": "api-key-1", "model": "gpt-test", "effort": ""}
    chat = await Chat.objects.acreate(title="Mine", choice=mine)
    async with house(Obedient(), pages=pages()) as home:
        await post(home, "/choice/", chat=str(chat.pk), access="fake", model="gpt-test", effort="high")
        await post(home, f"/chats/{chat.pk}/messages/", text="And now?", key=str(uuid4()))
        await until_answered(chat)
    await chat.arefresh_from_db()
    assert chat.choice == mine


async def test_other_access_is_not_named(fake: FakePath, key_path: FakePath) -> None:  # noqa: F811
    chat = await Chat.objects.acreate(title="Mine")
    question = await Message.objects.acreate(chat=chat, role="user", text="?")
    for number, access in enumerate(("api-key-1", "fake")):
        facts = {"access": access, "access_label": f"Label of {access}", "model": "m", "model_name": f"M{number}"}
        answer = await Message.objects.acreate(
            chat=chat, role="assistant", parent=question, text="!", state="complete", **facts
        )
        question = answer
    await Chat.objects.filter(pk=chat.pk).aupdate(head=question)
    async with house(Obedient(), pages=pages()) as home:
        _, _, page = await get(home, f"/chats/{chat.pk}/")
    assert "Label of" not in page
    assert "Other access" in page
    assert f"M1 · {LABEL}" in page


async def test_event_streams_of_another_device_have_seats_of_their_own(fake: FakePath) -> None:  # noqa: F811
    async with house(Obedient(), pages=pages()) as home:
        ask = Request("GET", "/events/", (("accept", "text/event-stream"),))
        replies = [await home.raw(ask) for _ in range(DEVICE_SEATS + 1)]
        first = [await anext(aiter(reply)) for reply in replies]
        assert all(piece.startswith(b": alive") for piece in first[:-1])
        assert first[-1].startswith(b"event: brief")
        assert list(_seated.values()) == [DEVICE_SEATS]
        assert sha256(b"").digest() not in _seated
        for reply in replies:
            await reply.aclose()
        await until(lambda: not home.adapter._going)


async def test_a_form_that_is_too_long_or_never_comes_is_given_up(
    fake: FakePath,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adapter, "PIECE_SECONDS", 1.5)
    async with house(Obedient(), pages=pages()) as home:
        streams = home.made.remote._streams
        assert streams is not None
        for length in (MAX_FORM, MAX_FORM + 1):
            streams.open(Request("POST", "/choice/", (FORM, ("content-length", str(length))), new_idem()))
        assert (await post(home, "/choice/", access="fake"))[0] == 200
        await until(lambda: not home.adapter._going)
        assert home.adapter.budget.held == 0


# What is kept of answers.


async def test_who_comes_while_it_is_carried_out_waits_for_its_answer() -> None:
    answered = Answered()
    held = answered.begin((PHONE, "a"), b"1")
    assert answered.find((PHONE, "a"), b"1") is held
    waiting = asyncio.create_task(held.whole())
    await asyncio.sleep(0)
    held.begin(200, ())
    held.put(b"one")
    held.finish()
    assert await waiting == b"one"
    with pytest.raises(OtherRequest):
        answered.find((PHONE, "a"), b"2")
    assert answered.find((PHONE, "b"), b"1") is None
    assert answered.find((b"x" * 16, "a"), b"1") is None


async def test_a_long_answer_is_not_kept_but_that_it_was_given_is() -> None:
    held = Answered().begin((PHONE, "a"), b"1")
    held.begin(200, ())
    held.put(b"x" * (LONGEST + 1))
    held.finish()
    with pytest.raises(AnsweredAlready):
        await held.whole()


async def test_what_failed_without_an_answer_was_done_all_the_same() -> None:
    held = Answered().begin((PHONE, "a"), b"1")
    held.finish()
    with pytest.raises(AnsweredAlready):
        await held.whole()


def test_the_oldest_are_forgotten_and_memory_stays_bounded() -> None:
    now = 0.0
    answered = Answered(lambda: now)
    for number in range(MOST_NAMES + 50):
        held = answered.begin((PHONE, str(number)), b"")
        held.begin(200, ())
        held.put(b"x" * LONGEST)
        held.finish()
    assert len(answered._held) <= MOST_NAMES
    assert sum(len(held.body or b"") for held in answered._held.values()) <= MOST_KEPT + LONGEST
    assert answered.find((PHONE, str(MOST_NAMES + 49)), b"") is not None
    running = answered.begin((PHONE, "running"), b"")
    now = KEPT_SECONDS + 1
    answered.begin((PHONE, "new"), b"")
    assert list(answered._held) == [(PHONE, "running"), (PHONE, "new")]
    assert not running.done
