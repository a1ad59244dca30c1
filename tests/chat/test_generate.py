"""Answers: stored as they come, final however they end, and asked for once."""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from chat import generate
from chat.context import GO_ON
from chat.conversation.storing import ChatIsBusy
from chat.feed import feeds
from chat.models import Chat, Message, Piece, Role, State, title_from
from chat.pages import shown
from connections.codex.usage import Usage, UsageWindow
from connections.errors import Unreachable, UsageLimitReached
from connections.models import PathMemory
from connections.responses import AnswerEvent, Ask, Completed, OutputItem, ReasoningDelta, TextDelta
from tests.chat.fakes import OTHER, FakePath, Held, pleasant
from tests.connections.waiting import until


async def ask(path: FakePath, text: str = "Hi", chat: Chat | None = None) -> Message:
    """Send a message; return its answer's row, which need not be complete."""
    chat, begun = await generate.send(chat, text, uuid.uuid4(), path.choice())
    assert begun
    assert chat.head_id is not None
    return await Message.objects.select_related("chat").aget(pk=chat.head_id)


async def ended(answer: Message) -> Message:
    """Wait until an answer is final."""
    if live := feeds.live.get(answer.pk):
        assert live.task is not None
        await asyncio.wait_for(asyncio.wait([live.task]), 60)
    return await Message.objects.select_related("chat").aget(pk=answer.pk)


async def test_an_answer_is_stored_whole_with_who_gave_it(fake: FakePath) -> None:
    answer = await ended(await ask(fake, "What is this?\nReally"))
    assert answer.state == State.COMPLETE
    assert answer.text == "Hello, **world**"
    assert answer.html == "<p>Hello, <strong>world</strong></p>\n"
    assert (answer.model, answer.model_name, answer.access, answer.access_label, answer.effort) == (
        "gpt-test",
        "GPT Test",
        "fake",
        "Fake access",
        "low",
    )
    assert answer.usage == {"input": 3, "cached": 0, "output": 2, "reasoning": 0, "total": 5}
    assert answer.chat.title == "What is this? Really"
    assert [row.role async for row in Message.objects.all()] == [Role.USER, Role.ASSISTANT]
    assert not await Piece.objects.aexists()
    assert feeds.live == {}


async def test_the_whole_conversation_is_sent_each_time_in_order(fake: FakePath) -> None:
    first = await ended(await ask(fake, "One"))
    await ended(await ask(fake, "Two", first.chat))
    (_, second) = fake.asked
    assert [(turn.role, turn.text) for turn in second.turns] == [
        ("user", "One"),
        ("assistant", "Hello, **world**"),
        ("user", "Two"),
    ]
    assert second.conversation == str(first.chat_id)


async def test_the_same_form_sent_twice_sends_once(fake: FakePath) -> None:
    key = uuid.uuid4()
    sends = [generate.send(None, "Once", key, fake.choice()) for _ in range(5)]
    results = await asyncio.gather(*sends)
    assert len({chat.pk for chat, _ in results}) == 1
    assert sum(begun for _, begun in results) == 1
    chat = results[0][0]
    assert chat.head_id is not None
    await ended(await Message.objects.aget(pk=chat.head_id))
    assert len(fake.asked) == 1
    again, begun = await generate.send(None, "Once", key, fake.choice())
    assert (again.pk, begun) == (chat.pk, False)


async def test_a_second_message_waits_for_the_first_answer(fake: FakePath) -> None:
    fake.script = held = Held()
    answer = await ask(fake)
    with pytest.raises(ChatIsBusy):
        await generate.send(answer.chat, "Again", uuid.uuid4(), fake.choice())
    held.end()
    await ended(answer)
    assert await Message.objects.acount() == 2


async def test_stop_keeps_what_came(fake: FakePath) -> None:
    fake.script = held = Held()
    answer = await ask(fake)
    held.say("Half an ")
    await until(lambda: bool(feeds.live[answer.pk].text))
    feeds.live[answer.pk].stop()
    feeds.live[answer.pk].stop()
    answer = await ended(answer)
    assert (answer.state, answer.text) == (State.STOPPED, "Half an ")


async def test_stop_pressed_twice_and_a_quit_leave_the_closing_of_the_connection_alone(fake: FakePath) -> None:
    closing = asyncio.Event()
    closed = []

    async def slow_to_close(asked: Ask) -> AsyncGenerator[AnswerEvent, None]:
        try:
            yield TextDelta("Half an ")
            await asyncio.Event().wait()
        finally:
            closing.set()
            await asyncio.sleep(0.01)
            closed.append(True)

    fake.script = slow_to_close
    answer = await ask(fake)
    await until(lambda: bool(feeds.live[answer.pk].text))
    feeds.live[answer.pk].stop()
    await closing.wait()
    feeds.live[answer.pk].stop()
    await generate.stop_all()
    assert closed == [True]
    assert (await ended(answer)).state == State.STOPPED


async def test_an_error_keeps_what_came_and_says_the_next_step(fake: FakePath) -> None:
    fake.script = held = Held()
    answer = await ask(fake)
    held.say("Some ")
    held.queue.put_nowait(Unreachable())
    answer = await ended(answer)
    assert (answer.state, answer.text) == (State.FAILED, "Some ")
    assert answer.error is not None
    assert answer.error["sentence"] == Unreachable.sentence
    assert answer.error["next_step"] == Unreachable.next_step.value


async def test_a_limit_is_stored_with_its_end(fake: FakePath) -> None:
    from_now = timezone.now() + timedelta(hours=2)
    fake.script = held = Held()
    answer = await ask(fake)
    held.queue.put_nowait(UsageLimitReached(until=from_now))
    assert (await ended(answer)).until == from_now


async def test_a_fault_of_our_own_is_an_error_in_the_conversation_and_not_a_lost_answer(
    fake: FakePath, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
        yield TextDelta("So far")
        raise RuntimeError("a bug")

    fake.script = broken
    answer = await ended(await ask(fake))
    assert (answer.state, answer.text) == (State.FAILED, "So far")
    assert answer.error is not None
    assert answer.error["code"] == "own-fault"
    assert "a bug" in caplog.text


async def test_what_comes_is_in_the_database_within_a_quarter_of_a_second(fake: FakePath) -> None:
    fake.script = held = Held()
    answer = await ask(fake)
    held.say("First. ")

    async def stored() -> str:
        return "".join([piece.text async for piece in Piece.objects.filter(message=answer)])

    async def first_is_stored() -> bool:
        return await stored() == "First. "

    await until(first_is_stored)
    held.say("Second.")
    held.end()
    await ended(answer)
    assert await stored() == ""


async def test_an_answer_left_by_a_crash_is_marked_interrupted_with_its_text(fake: FakePath) -> None:
    chat = await Chat.objects.acreate(title="t")
    question = await Message.objects.acreate(chat=chat, role=Role.USER, text="Q")
    left = await Message.objects.acreate(
        chat=chat, parent=question, role=Role.ASSISTANT, state=State.STREAMING, model_name="M"
    )
    await Piece.objects.acreate(message=left, text="It was ", reasoning="Hm")
    await Piece.objects.acreate(message=left, text="*going*")
    assert await sync_to_async(generate.recover)() == 1
    left = await Message.objects.aget(pk=left.pk)
    assert (left.state, left.text, left.reasoning) == (State.INTERRUPTED, "It was *going*", "Hm")
    (item,) = await shown([left])
    assert item.text.closed == ["<p>It was <em>going</em></p>\n"]
    assert not await Piece.objects.aexists()
    assert (await Chat.objects.aget(pk=chat.pk)).revision == chat.revision + 1


async def test_the_end_of_the_server_stores_what_came(fake: FakePath) -> None:
    fake.script = held = Held()
    answer = await ask(fake)
    held.say("Almost")
    await until(lambda: bool(feeds.live[answer.pk].text))
    await generate.stop_all()
    answer = await ended(answer)
    assert (answer.state, answer.text) == (State.INTERRUPTED, "Almost")


async def test_asking_again_keeps_the_old_answer_as_a_branch(fake: FakePath) -> None:
    first = await ended(await ask(fake))
    second = await ended(await generate.retry(first, fake.choice(OTHER)))
    assert second.parent_id == first.parent_id
    assert second.model == OTHER.slug
    chat = await Chat.objects.aget(pk=first.chat_id)
    assert [row.pk for row in await chat.conversation()] == [first.parent_id, second.pk]
    assert await Message.objects.filter(pk=first.pk).aexists()
    assert [turn.text for turn in fake.asked[1].turns] == ["Hi"]


REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed"}


async def thinking(ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
    yield ReasoningDelta("**Plan**\n\nfirst", 0)
    yield ReasoningDelta("then", 1)
    yield OutputItem(dict(REASONING))
    yield OutputItem({"type": "message"})
    yield TextDelta("Done")
    yield Completed("resp_1")


async def test_reasoning_is_kept_apart_and_its_items_go_back_to_the_same_account_and_model(fake: FakePath) -> None:
    fake.script = thinking
    answer = await ended(await ask(fake))
    assert answer.reasoning == "**Plan**\n\nfirst\n\nthen"
    assert answer.items == [REASONING]
    await ended(await ask(fake, "More", answer.chat))
    assert fake.asked[1].turns[1].items == (REASONING,)


async def test_reasoning_items_of_another_account_or_model_are_dropped(fake: FakePath) -> None:
    fake.script = thinking
    answer = await ended(await ask(fake))
    fake.account = "two"
    await ended(await ask(fake, "More", answer.chat))
    assert fake.asked[1].turns[1].items == ()
    fake.account = "one"
    chat = await Chat.objects.aget(pk=answer.chat_id)
    _, _ = await generate.send(chat, "Other model", uuid.uuid4(), fake.choice(OTHER))
    chat = await Chat.objects.aget(pk=answer.chat_id)
    assert chat.head_id is not None
    await ended(await Message.objects.aget(pk=chat.head_id))
    assert all(turn.items == () for turn in fake.asked[2].turns)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Hello", "Hello"),
        ("  two\n lines  ", "two lines"),
        ("word " * 40, "word " * 15 + "word…"),
        ("", "New chat"),
    ],
)
def test_a_title_is_the_first_words_of_the_first_message(text: str, title: str) -> None:
    assert title_from(text) == title


async def test_continue_asks_for_the_rest_below_what_came(fake: FakePath) -> None:
    fake.script = held = Held()
    answer = await ask(fake, "Tell me")
    held.say("It begins")
    await until(lambda: bool(feeds.live[answer.pk].text))
    feeds.live[answer.pk].stop()
    answer = await ended(answer)
    rest = await generate.go_on(answer, fake.choice())
    held.say(" and ends.")
    held.end()
    rest = await ended(rest)
    assert (rest.parent_id, rest.text, rest.state) == (answer.pk, " and ends.", State.COMPLETE)
    assert [(turn.role, turn.text) for turn in fake.asked[1].turns] == [
        ("user", "Tell me"),
        ("assistant", "It begins"),
        ("user", GO_ON),
    ]
    fake.script = pleasant
    await ended(await ask(fake, "Next", await Chat.objects.aget(pk=answer.chat_id)))
    assert [turn.role for turn in fake.asked[2].turns] == ["user", "assistant", "assistant", "user"]


async def test_a_button_pressed_twice_asks_once(fake: FakePath) -> None:
    first = await ended(await ask(fake))
    fake.script = held = Held()
    results = await asyncio.gather(
        *(generate.retry(first, fake.choice()) for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(result, ChatIsBusy) for result in results) == 3
    held.end()
    (begun,) = (result for result in results if isinstance(result, Message))
    await ended(begun)
    assert len(fake.asked) == 2


async def test_the_usage_an_answer_tells_is_kept(fake: FakePath) -> None:
    now = timezone.now().replace(microsecond=0)
    fake.usage = Usage(now, (UsageWindow("codex", 81.5, 300, now + timedelta(hours=1)),), "plus")
    await ended(await ask(fake))

    async def kept() -> bool:
        return await PathMemory.objects.filter(path=fake.key).aexists()

    await until(kept)
    memory = await PathMemory.objects.aget(path=fake.key)
    assert Usage.from_json(memory.usage) == fake.usage
