"""What a hidden tab is told of answers that have ended, and who is told at all."""

import asyncio
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import AsyncClient
from django.utils import timezone

from chat import preferences
from chat.feed import LiveAnswer, feeds
from chat.models import Chat, Message, Role, State
from chat.notify.done import Done, news, spoken
from chat.preferences import Preferences
from connections.visitor import Visitor, visiting

DEVICE = bytes(range(16))


@pytest.fixture(autouse=True)
def _as_before(transactional_db: None) -> Iterator[None]:
    preferences._held = Preferences()
    yield
    preferences._held = Preferences()
    feeds.live.clear()


async def begin(seconds: float, **changes: object) -> LiveAnswer:
    """An answer that runs since so many seconds."""
    chat = await Chat.objects.acreate(title="Stars")
    created = timezone.now() - timedelta(seconds=seconds)
    fields = {"role": Role.ASSISTANT, "state": State.STREAMING, "model_name": "GPT-6 Sol", "created": created}
    return feeds.begin(await Message.objects.acreate(chat=chat, text="Secret words", **fields | changes))


async def end(answer: LiveAnswer, state: State = State.COMPLETE, after: float = 45) -> None:
    """End it as one that took so many seconds, however long the test has taken."""
    finished = answer.message.created + timedelta(seconds=after)
    await Message.objects.filter(pk=answer.message.pk).aupdate(state=state, finished=finished)
    feeds.end(answer)


async def test_a_long_answer_is_told_of_at_once_when_it_ends_and_not_a_word_of_it() -> None:
    answer = await begin(45)
    asked = asyncio.create_task(news([], seconds=120))
    await asyncio.sleep(0)
    begun = time.monotonic()
    await end(answer)
    found = await asked
    assert time.monotonic() - begun < 60
    title, text = "Stars", "GPT-6 Sol has answered, after 45 seconds."
    assert found.done == [Done(answer.message.pk, f"/chats/{answer.message.chat_id}/", title, text)]
    assert found.live == []
    assert "Secret" not in str(found)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (State.FAILED, "GPT-6 Sol could not complete its answer."),
        (State.INTERRUPTED, "Lerix ended before GPT-6 Sol had answered."),
    ],
)
async def test_one_that_broke_off_is_told_of_too(state: State, text: str) -> None:
    answer = await begin(45)
    await end(answer, state)
    assert [done.text for done in (await news([answer.message.pk])).done] == [text]


async def test_one_that_ended_between_two_requests_or_a_restart_is_told_of() -> None:
    answer = await begin(45)
    first = await news([], seconds=0)
    assert first.live == [answer.message.pk]
    await end(answer)
    feeds.live.clear()
    assert [done.id for done in (await news(first.live, seconds=0)).done] == first.live
    assert (await news([], seconds=0)).done == []


async def test_short_stopped_and_deleted_ones_are_not_told_of() -> None:
    ids = []
    for seconds, state in ((19, State.COMPLETE), (45, State.STOPPED), (45, State.WAITING)):
        answer = await begin(seconds)
        await end(answer, state, seconds)
        ids.append(answer.message.pk)
    deleted = await begin(45, deleted=timezone.now())
    await end(deleted)
    of_deleted = await begin(45)
    await Chat.objects.filter(pk=of_deleted.message.chat_id).aupdate(deleted=timezone.now())
    await end(of_deleted)
    known = [*ids, deleted.message.pk, of_deleted.message.pk, 4711]
    assert (await news(known, seconds=0)).done == []


async def test_nobody_is_told_who_has_the_chat_before_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.notify.done.GRACE", 0.01)
    answer = await begin(45)
    bell = asyncio.Event()
    signal = feeds.chat(answer.message.chat_id)
    signal.ring(bell)
    await end(answer)
    assert (await news([answer.message.pk], seconds=0)).done == []
    del bell
    assert len((await news([answer.message.pk], seconds=0)).done) == 1


async def test_without_news_the_request_ends_and_says_what_runs() -> None:
    answer = await begin(1)
    found = await news([1, 2], seconds=0.05)
    assert (found.live, found.done) == ([answer.message.pk], [])


async def test_the_page_gets_it_as_json_and_nonsense_is_refused() -> None:
    browser = AsyncClient(headers={"host": "localhost"})
    answer = await begin(45)
    await end(answer)
    reply = await browser.get(f"/answers/done/?known={answer.message.pk}")
    assert reply.json()["done"][0]["chat"] == f"/chats/{answer.message.chat_id}/"
    for known in ("x", "-1", "1" * 19, "٣", ",".join("1" * 65)):
        reply = await browser.get("/answers/done/", {"known": known})
        assert (reply.status_code, "X-Lerix-Sentence" in reply) == (400, True), known


async def test_each_device_switches_it_on_for_itself_and_this_computer_in_its_settings() -> None:
    browser = AsyncClient(headers={"host": "localhost"})
    assert (await browser.post("/notify/", {"notify": "on"})).status_code == 422
    await browser.post("/settings/general/", {"notify": ["off", "on"]})
    assert preferences.notifies(None)
    assert not preferences.notifies(DEVICE)
    assert 'data-notify="on"' in (await browser.get("/")).content.decode()
    with visiting(Visitor(DEVICE, "codex", "Codex Relay")):
        assert 'data-notify="on"' not in (await browser.get("/")).content.decode()
        assert (await browser.post("/notify/", {"notify": ["off", "on"]})).status_code == 204
        assert 'data-notify="on"' in (await browser.get("/")).content.decode()
    await browser.post("/settings/general/", {"notify": "off"})
    assert (preferences.notifies(None), preferences.notifies(DEVICE)) == (False, True)
    with visiting(Visitor(DEVICE, "codex", "Codex Relay")):
        await browser.post("/notify/", {"notify": "off"})
        assert (await browser.post("/notify/", {"notify": "maybe"})).status_code == 422
    assert not preferences.notifies(DEVICE)


async def test_devices_that_are_told_are_bounded() -> None:
    for _ in range(70):
        await preferences.keep_notified(uuid.uuid4().bytes, on=True)
    assert len(preferences.current().notified) == preferences.MOST_DEVICES


def test_spans_are_said_as_people_say_them() -> None:
    said = {20: "20 seconds", 61: "1 minute", 150: "2 minutes", 3600: "1 hour", 7260: "2 hours 1 minute"}
    assert {seconds: spoken(timedelta(seconds=seconds)) for seconds in said} == said
