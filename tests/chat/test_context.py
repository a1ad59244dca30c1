"""What a model reads of a long chat: all that fits, cut from the oldest at a question, and never silently."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from dataclasses import replace
from urllib.parse import unquote

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from chat import context, generate
from chat.asking import MOST_TRIES
from chat.choice import Choice
from chat.context import ANSWER, BYTES, DoesNotFit, answer_room, estimate, read, refusal
from chat.feed import feeds
from chat.models import Attachment, Chat, File, FileKind, Message, Role, State
from connections.catalogue import Model
from connections.errors import ContextTooLong
from connections.models import CatalogueEntry
from connections.responses import AnswerEvent, Ask, Completed, TextDelta
from tests.chat.fakes import MODEL, FakePath

#: Room for 3,000 tokens of a conversation, beside 1,000 for the answer.
SMALL = replace(MODEL, context_window=4_000)
WORD = "word"  # one token as estimated


def words(tokens: int) -> str:
    return WORD * tokens


async def conversation(*sizes: int, cut: int | None = None) -> tuple[Chat, list[Message]]:
    """Store questions and answers of so many tokens each; the last is an answer that is to come."""
    chat = await Chat.objects.acreate(title="Long")
    rows: list[Message] = []
    for number, size in enumerate(sizes):
        role = (Role.USER, Role.ASSISTANT)[number % 2]
        parent = rows[-1] if rows else None
        rows.append(await Message.objects.acreate(chat=chat, parent=parent, role=role, text=words(size)))
    answer = await Message.objects.acreate(
        chat=chat, parent=rows[-1], role=Role.ASSISTANT, state=State.STREAMING, cut=rows[cut] if cut else None
    )
    return chat, [*rows, answer]


def sizes(reading: context.Reading) -> list[int]:
    return [len(turn.text) // BYTES for turn in reading.turns]


async def test_all_is_sent_where_it_fits(fake: FakePath) -> None:
    _, rows = await conversation(500, 500, 500, 500, 900)
    reading = await sync_to_async(read)(rows[-1], fake.choice(SMALL), "")
    assert sizes(reading) == [500, 500, 500, 500, 900]
    assert reading.cut is None
    assert [turn.role for turn in reading.turns] == ["user", "assistant", "user", "assistant", "user"]


async def test_the_oldest_go_first_and_what_is_sent_begins_with_a_question(fake: FakePath) -> None:
    _, rows = await conversation(500, 500, 1000, 800, 900)
    # The last three fit and the answer before them would, but an answer without its question says nothing.
    reading = await sync_to_async(read)(rows[-1], fake.choice(SMALL), "")
    assert sizes(reading) == [1000, 800, 900]
    assert reading.cut == rows[2].pk
    assert not reading.shortest
    reading = await sync_to_async(read)(rows[-1], fake.choice(SMALL), words(500))
    assert (sizes(reading), reading.cut, reading.shortest) == ([900], rows[4].pk, True)


async def test_a_model_that_nobody_knows_the_context_of_is_given_all(fake: FakePath) -> None:
    _, rows = await conversation(50_000, 50_000, 50_000)
    assert (await sync_to_async(read)(rows[-1], fake.choice(MODEL), "")).cut is None


async def test_a_question_that_does_not_fit_alone_is_not_asked(fake: FakePath) -> None:
    _, rows = await conversation(10, 10, 3_100)
    with pytest.raises(DoesNotFit) as refused:
        await sync_to_async(read)(rows[-1], fake.choice(SMALL), "")
    assert "This message is too long for GPT Test: it has about 3,108 tokens, and 3,000 fit" in str(refused.value)


async def test_an_answer_that_goes_on_keeps_its_question_and_its_beginning(fake: FakePath) -> None:
    _, rows = await conversation(1_500, 1_500, 600, 700)
    reading = await sync_to_async(read)(rows[-1], fake.choice(SMALL), "")
    assert [turn.text[:8] for turn in reading.turns] == ["wordword", "wordword", "Your las"]
    assert reading.cut == rows[2].pk


async def test_what_was_deleted_or_never_said_a_word_is_not_sent(fake: FakePath) -> None:
    chat, rows = await conversation(10, 0, 10)
    reading = await sync_to_async(read)(rows[-1], fake.choice(SMALL), "")
    assert sizes(reading) == [10, 10]
    await Message.objects.filter(pk=rows[0].pk).aupdate(deleted=chat.created)
    assert sizes(await sync_to_async(read)(rows[-1], fake.choice(SMALL), "")) == [10]


async def test_the_count_of_the_service_corrects_the_estimate(fake: FakePath) -> None:
    _, rows = await conversation(1_000, 500, 100)
    assert (await sync_to_async(read)(rows[-1], fake.choice(SMALL), "")).cut is None
    # It counted 2,100 tokens where 1,008 were estimated: what follows will not fit either.
    await Message.objects.filter(pk=rows[1].pk).aupdate(usage={"input": 2_100, "output": 9})
    reading = await sync_to_async(read)(rows[-1], fake.choice(SMALL), "")
    assert reading.cut == rows[2].pk
    # A small count says more of the instructions than of the text.
    await Message.objects.filter(pk=rows[1].pk).aupdate(usage={"input": 1_900})
    assert (await sync_to_async(read)(rows[-1], fake.choice(SMALL), "")).cut is None


async def test_files_count_and_go_with_their_message(fake: FakePath) -> None:
    _, rows = await conversation(100, 100, 100)
    file = await File.objects.acreate(digest="a" * 64, kind=FileKind.TEXT, media_type="text/plain", size=9_000)
    await File.objects.filter(pk=file.pk).aupdate(text=words(2_800))
    await Attachment.objects.acreate(file=file, name="notes.txt", message=rows[0])
    assert (await sync_to_async(read)(rows[-1], fake.choice(SMALL), "")).cut == rows[2].pk
    reading = await sync_to_async(read)(rows[-1], fake.choice(replace(SMALL, context_window=8_000)), "")
    assert reading.cut is None
    assert "notes.txt" in str(reading.turns[0].files)


@pytest.mark.parametrize(("window", "room"), [(None, ANSWER // 4), (8_000, 2_000), (1_000_000, ANSWER)])
def test_room_is_kept_for_the_answer(window: int | None, room: int) -> None:
    assert answer_room(Model("m", "M", context_window=window)) == room


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("four", 1), ("漢字漢字", 3), ("\ud800", 0)])
def test_estimates(text: str, tokens: int) -> None:
    assert estimate(text) == tokens


def test_a_sentence_says_beforehand_what_does_not_fit() -> None:
    assert refusal(words(2_900), [], SMALL, "") == ""
    sentence = refusal(words(2_900), [], SMALL, words(200))
    assert "too long for GPT Test" in sentence
    assert "Shorten it, or choose a model with a larger context." in sentence
    assert refusal(words(10**6), [], MODEL, "") == ""


class Strict:
    """A far side that takes so many characters and refuses more, as services do."""

    def __init__(self, most: int) -> None:
        self.most = most

    async def __call__(self, ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
        if sum(len(turn.text) for turn in ask.turns) > self.most:
            raise ContextTooLong
        yield TextDelta("Fine")
        yield Completed("resp_1")


async def asked_again(fake: FakePath, most: int, before: int = 4) -> Message:
    chat, rows = await conversation(*[1_000] * before, 100)
    fake.script = Strict(most * BYTES)
    chat.head = rows[-2]
    await chat.asave()
    await rows[-1].adelete()
    answer = await generate.retry(await _answer_of(rows[-2]), fake.choice())
    live = feeds.live_in(chat.pk)
    assert live is not None
    assert live.task is not None
    await live.task
    return await Message.objects.aget(pk=answer.pk)


async def _answer_of(question: Message) -> Message:
    return await Message.objects.acreate(chat_id=question.chat_id, parent=question, role=Role.ASSISTANT, text="Old")


async def test_a_service_that_takes_less_than_thought_is_given_less(fake: FakePath) -> None:
    answer = await asked_again(fake, 2_500)
    assert (answer.state, answer.text) == (State.COMPLETE, "Fine")
    assert answer.cut_id is not None
    assert [len(ask.turns) for ask in fake.asked] == [5, 3]


async def test_a_question_that_the_service_finds_too_long_fails_with_its_sentence(fake: FakePath) -> None:
    answer = await asked_again(fake, 50)
    assert answer.state == State.FAILED
    assert answer.error is not None
    assert answer.error["code"] == "context-too-long"
    assert [len(ask.turns) for ask in fake.asked] == [5, 3, 1]


async def test_a_service_that_takes_nothing_is_not_asked_for_ever(fake: FakePath) -> None:
    answer = await asked_again(fake, 0, before=60)
    assert answer.state == State.FAILED
    assert len(fake.asked) == MOST_TRIES


async def small_model(fake: FakePath) -> Choice:
    await CatalogueEntry.objects.filter(path=fake.key).adelete()
    await CatalogueEntry.objects.acreate(
        path=fake.key, slug=SMALL.slug, position=0, facts=SMALL.to_json(), enabled=True
    )
    return fake.choice(SMALL)


async def test_a_message_that_cannot_fit_is_refused_before_anything_is_stored(fake: FakePath) -> None:
    await small_model(fake)
    browser = AsyncClient(headers={"host": "localhost"})
    response = await browser.post("/chats/", {"text": words(4_000), "key": str(uuid.uuid4())})
    assert response.status_code == 409
    assert "This message is too long for GPT Test" in unquote(response.headers["X-Lerix-Sentence"])
    assert not await Message.objects.aexists()
    assert fake.asked == []


async def test_the_page_and_its_stream_show_from_where_on_was_read(fake: FakePath) -> None:
    choice = await small_model(fake)
    chat, rows = await conversation(1_400, 1_400, 1_400, 10)
    chat.head = rows[-2]
    await chat.asave()
    await rows[-1].adelete()
    await generate.send(chat, "And now?", uuid.uuid4(), choice)
    live = feeds.live_in(chat.pk)
    assert live is not None
    assert live.task is not None
    await live.task
    browser = AsyncClient(headers={"host": "localhost"})
    html = (await browser.get(f"/chats/{chat.pk}/")).content.decode()
    assert f'data-above="m{rows[2].pk}"' in html
    assert "Older messages were not sent" in html
