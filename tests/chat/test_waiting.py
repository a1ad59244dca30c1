"""A message written while its access path is away: kept, sent once when it is back, in the order it was written."""

import asyncio
import contextlib
import random
import uuid
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from asgiref.sync import sync_to_async

from chat import generate, sending, waiting
from chat.conversation import storing
from chat.conversation.storing import ChatWaits
from chat.feed import feeds
from chat.models import Chat, Message, Role, State
from connections.catalogue import Model
from connections.errors import AccessError, AnswerCut, Unavailable
from connections.models import CatalogueEntry
from connections.paths import paths
from connections.responses import AnswerEvent, Ask, Completed, TextDelta
from tests.chat.fakes import AWAY, READY, FakePath, Held, KeepingPath, pleasant
from tests.chat.test_generate import ended
from tests.connections.waiting import until


@contextlib.asynccontextmanager
async def following() -> AsyncIterator[None]:
    """The server's task runs."""
    task = asyncio.create_task(sending.follow())
    try:
        await asyncio.sleep(0)
        yield
        assert not task.done(), "it never ends by itself"
    finally:
        task.cancel()
        await asyncio.wait([task])


async def write(path: FakePath, text: str = "Hi", chat: Chat | None = None) -> Message:
    """Send a message; return its answer's row."""
    chat, begun = await generate.send(chat, text, uuid.uuid4(), path.choice())
    assert begun
    assert chat.head_id is not None
    return await Message.objects.select_related("chat").aget(pk=chat.head_id)


async def now(answer: Message) -> Message:
    return await Message.objects.select_related("chat").aget(pk=answer.pk)


async def is_in(answer: Message, state: State) -> Message:
    """Wait until an answer is in a state."""

    async def there() -> bool:
        return (await now(answer)).state == state

    await until(there)
    return await now(answer)


async def quiet() -> None:
    """Let everything that is due happen."""
    for _ in range(5):
        await asyncio.sleep(0.01)


def texts(path: FakePath) -> list[str]:
    return [ask.turns[-1].text for ask in path.asked]


def losing(*, times: int, first: str = "", error: AccessError | None = None) -> object:
    """A script that loses its path so often, after saying `first`, and answers after that."""
    left = [times]

    async def script(ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
        if left[0]:
            left[0] -= 1
            if first:
                yield TextDelta(first)
            raise error or Unavailable(AWAY)
        async for event in pleasant(ask):
            yield event

    return script


async def test_a_message_to_a_path_that_is_away_is_stored_and_nothing_is_asked(mac: KeepingPath) -> None:
    async with following():
        answer = await write(mac, "For later")
        await quiet()
    assert (answer.state, answer.is_live) == (State.WAITING, False)
    question = await Message.objects.aget(role=Role.USER)
    assert (question.text, question.state, answer.parent_id) == ("For later", State.COMPLETE, question.pk)
    assert (mac.asked, feeds.live) == ([], {})


async def test_it_is_sent_once_as_soon_as_the_path_is_ready(mac: KeepingPath) -> None:
    async with following():
        answer = await write(mac, "For later")
        mac.be(READY)
        answer = await is_in(answer, State.COMPLETE)
        for state in (AWAY, READY, AWAY, READY):
            mac.be(state)
            await quiet()
    assert answer.text == "Hello, **world**"
    assert (answer.access_label, answer.error, answer.begun) == (mac.label, None, 0)
    assert texts(mac) == ["For later"]


async def test_a_path_that_keeps_nothing_is_asked_at_once_and_says_why_not(fake: FakePath) -> None:
    fake.state = AWAY
    fake.script = losing(times=1)  # type: ignore[assignment]
    answer = await ended(await write(fake))
    assert answer.state == State.FAILED
    assert answer.error is not None
    assert answer.error["code"] == AWAY.code


async def test_a_path_that_becomes_ready_while_a_message_is_stored_is_not_missed(
    mac: KeepingPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = storing.store_turn
    heard = asyncio.Event()
    loop = asyncio.get_running_loop()

    def comes_back_first(*arguments: object) -> object:
        loop.call_soon_threadsafe(mac.be, READY)
        loop.call_soon_threadsafe(heard.set)
        asyncio.run_coroutine_threadsafe(quiet(), loop).result(60)
        return store(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(generate, "store_turn", comes_back_first)
    async with following():
        answer = await write(mac)
        assert heard.is_set()
        await is_in(answer, State.COMPLETE)


async def test_several_are_begun_in_the_order_they_were_written_and_a_few_at_once(mac: KeepingPath) -> None:
    mac.script = held = Held()
    answers = [await write(mac, f"number {number}") for number in range(7)]
    async with following():
        mac.be(READY)
        await until(lambda: len(mac.asked) == sending.AT_ONCE)
        await quiet()
        assert texts(mac) == [f"number {number}" for number in range(sending.AT_ONCE)]
        assert [(await now(answer)).state for answer in answers[sending.AT_ONCE :]] == [State.WAITING] * 3
        for _ in answers:
            held.end()
        for answer in answers:
            await is_in(answer, State.COMPLETE)
    assert texts(mac) == [f"number {number}" for number in range(7)]


async def test_of_two_that_would_begin_an_answer_one_does(mac: KeepingPath) -> None:
    answers = [await write(mac, str(number)) for number in range(3)]
    async with following(), following(), following():
        mac.be(READY)
        for answer in answers:
            await is_in(answer, State.COMPLETE)
        await quiet()
    assert sorted(texts(mac)) == ["0", "1", "2"]


async def test_after_a_restart_it_waits_on_and_is_sent_by_a_path_that_comes_later(mac: KeepingPath) -> None:
    answer = await write(mac)
    assert await sync_to_async(generate.recover)() == 0
    assert (await now(answer)).state == State.WAITING
    paths.remove(mac.key)
    again = KeepingPath()
    async with following():
        await quiet()
        paths.add(again)
        await quiet()
        assert (await now(answer)).state == State.WAITING
        again.be(READY)
        await is_in(answer, State.COMPLETE)
    assert (len(mac.asked), len(again.asked)) == (0, 1)


async def test_a_path_that_goes_and_comes_ready_is_asked_then(mac: KeepingPath) -> None:
    async with following():
        answer = await write(mac)
        paths.remove(mac.key)
        mac.be(READY)
        await quiet()
        assert mac.asked == []
        paths.add(mac)
        await is_in(answer, State.COMPLETE)
    assert len(mac.asked) == 1


async def test_the_path_of_another_computer_is_not_asked_in_its_place(mac: KeepingPath) -> None:
    other = KeepingPath(key="other", state=READY)
    paths.add(other)
    try:
        async with following():
            answer = await write(mac)
            await quiet()
        assert ((await now(answer)).state, other.asked) == (State.WAITING, [])
    finally:
        paths.remove(other.key)


async def test_the_end_of_the_server_begins_nothing_and_what_waits_is_kept(mac: KeepingPath) -> None:
    mac.script = Held()
    answers = [await write(mac, str(number)) for number in range(sending.AT_ONCE + 2)]
    async with following():
        mac.be(READY)
        await until(lambda: len(mac.asked) == sending.AT_ONCE)
        await generate.stop_all()
        await quiet()
    states = [(await now(answer)).state for answer in answers]
    assert states == [State.INTERRUPTED] * sending.AT_ONCE + [State.WAITING] * 2
    assert len(mac.asked) == sending.AT_ONCE


@pytest.mark.parametrize("steps", range(12))
async def test_an_end_in_the_middle_of_the_beginning_leaves_it_waiting_or_begun(mac: KeepingPath, steps: int) -> None:
    mac.state = READY
    answer = await write(mac, "First")
    answer = await ended(answer)
    mac.asked.clear()
    mac.be(AWAY)
    answer = await write(mac, "Second", answer.chat)
    mac.be(READY)
    task = asyncio.create_task(sending.follow())
    for _ in range(steps):
        await asyncio.sleep(0.0005)
    task.cancel()
    await asyncio.wait([task])
    if feeds.live.get(answer.pk):
        await ended(answer)
    state = (await now(answer)).state
    assert (state, len(mac.asked)) in [(State.WAITING, 0), (State.COMPLETE, 1)]


async def test_what_is_lost_before_anything_is_sent_waits_again_until_the_path_is_ready_anew(
    mac: KeepingPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "FIRST_PAUSE", waiting.LONGEST_PAUSE)  # no pause ends by itself here
    mac.state = READY
    mac.script = losing(times=1)  # type: ignore[assignment]
    async with following():
        answer = await write(mac)
        mac.be(AWAY)
        answer = await is_in(answer, State.WAITING)
        await quiet()
        assert (answer.error, answer.finished, answer.begun, len(mac.asked)) == (None, None, 1, 1)
        mac.be(READY)
        answer = await is_in(answer, State.COMPLETE)
    assert (answer.text, len(mac.asked)) == ("Hello, **world**", 2)


async def test_a_path_that_says_ready_and_is_not_is_asked_after_pauses_and_not_for_ever(
    mac: KeepingPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(waiting, "LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(waiting, "MOST_BEGINNINGS", 3)
    mac.state = READY
    mac.script = losing(times=100)  # type: ignore[assignment]
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with following():
        answer = await write(mac)
        answer = await is_in(answer, State.FAILED)
        await quiet()
    assert loop.time() - began >= 0.1 + 0.2 + 0.2
    assert len(mac.asked) == 4
    assert answer.error is not None
    assert answer.error["code"] == AWAY.code


async def test_what_has_begun_to_come_or_may_have_been_sent_is_not_sent_again(mac: KeepingPath) -> None:
    mac.state = READY
    for script in (losing(times=1, first="Some"), losing(times=1, error=AnswerCut())):
        mac.script = script  # type: ignore[assignment]
        async with following():
            answer = await is_in(await write(mac), State.FAILED)
            await quiet()
        assert answer.error is not None
    assert len(mac.asked) == 2


async def test_stop_ends_an_answer_that_had_waited(mac: KeepingPath) -> None:
    mac.script = Held()
    async with following():
        answer = await write(mac)
        mac.be(READY)
        await until(lambda: answer.pk in feeds.live)
        await until(lambda: bool(mac.asked))
        feeds.live[answer.pk].stop()
        await is_in(answer, State.STOPPED)
        await quiet()
    assert len(mac.asked) == 1


async def test_it_is_asked_with_the_model_and_effort_that_were_chosen(mac: KeepingPath) -> None:
    answer = await write(mac)
    await Message.objects.filter(pk=answer.pk).aupdate(effort="high")
    mac.account = "two"  # it was not known while the path was away
    async with following():
        mac.be(READY)
        answer = await is_in(answer, State.COMPLETE)
    (ask,) = mac.asked
    assert (ask.model.slug, ask.model.default_effort, ask.effort) == ("gpt-test", "low", "high")
    assert answer.replay_key == "mac:two:gpt-test"


async def test_a_model_that_is_not_listed_any_more_is_asked_for_and_the_path_says_what_is_wrong(
    mac: KeepingPath,
) -> None:
    answer = await write(mac)
    await CatalogueEntry.objects.filter(path=mac.key).adelete()
    async with following():
        mac.be(READY)
        await is_in(answer, State.COMPLETE)
    assert mac.asked[0].model == Model("gpt-test", "GPT Test")


async def test_while_a_message_waits_no_other_is_taken_in_its_chat(mac: KeepingPath) -> None:
    answer = await write(mac)
    with pytest.raises(ChatWaits):
        await write(mac, "Another", answer.chat)
    for again in (generate.retry, generate.go_on):
        with pytest.raises(ChatWaits):
            await again(answer, mac.choice())
    assert await Message.objects.acount() == 2
    await write(mac, "Another chat")


async def test_the_same_form_sent_twice_waits_once(mac: KeepingPath) -> None:
    key = uuid.uuid4()
    results = await asyncio.gather(*(generate.send(None, "Once", key, mac.choice()) for _ in range(5)))
    assert sum(begun for _, begun in results) == 1
    assert (await generate.send(results[0][0], "Once", key, mac.choice()))[1] is False
    assert await Message.objects.acount() == 2


@pytest.mark.parametrize("seed", range(25))
async def test_at_any_moment_a_message_is_either_taken_back_or_sent_and_never_both_or_neither(
    mac: KeepingPath, seed: int
) -> None:
    chance = random.Random(seed)
    async with following():
        answers = [await write(mac, f"number {number}") for number in range(3)]

        async def comes_back() -> None:
            await asyncio.sleep(chance.random() * 0.01)
            mac.be(READY)

        async def take(answer: Message) -> waiting.TakenBack | None:
            await asyncio.sleep(chance.random() * 0.02)
            return await waiting.take_back(answer.pk)

        # Each is pressed twice, in two tabs.
        _, *taken = await asyncio.gather(comes_back(), *(take(answer) for answer in answers for _ in range(2)))
        for number, answer in enumerate(answers):
            wins = sum(each is not None for each in taken[2 * number : 2 * number + 2])
            text = f"number {number}"
            if wins:
                assert wins == 1
                assert not await Message.objects.filter(chat=answer.chat_id).aexists()
                assert [draft.text for draft in await waiting.drafts(None)].count(text) == 1
            else:
                await is_in(answer, State.COMPLETE)
                assert text not in [draft.text for draft in await waiting.drafts(None)]
            await quiet()
            assert texts(mac).count(text) == 1 - wins


async def test_nothing_that_was_sent_can_be_taken_back(mac: KeepingPath) -> None:
    mac.state = READY
    mac.script = held = Held()
    answer = await write(mac)
    assert await waiting.take_back(answer.pk) is None
    held.queue.put_nowait(Completed("resp_1"))
    await ended(answer)
    assert await waiting.take_back(answer.pk) is None
    assert await waiting.take_back(10_000) is None
    assert await Message.objects.acount() == 2
