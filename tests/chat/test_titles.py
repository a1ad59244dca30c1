"""Titles: asked of the model that answered first, quietly, and never in place of what a person wrote."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from urllib.parse import unquote

import pytest
from django.conf import settings
from django.test import AsyncClient
from django.utils import timezone

from chat import generate
from chat.conversation import titles
from chat.models import Chat, TitleBy
from connections.catalogue import Effort, Model
from connections.errors import Unreachable
from connections.responses import AnswerEvent, Ask, Completed, TextDelta
from tests.chat.conversing import ask, at_rest, message, posted
from tests.chat.fakes import AWAY, READY, FakePath, Held, KeepingPath, pleasant
from tests.connections.waiting import until


@pytest.fixture
def by_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "LERIX_TITLES", "model")


def is_title(request: Ask) -> bool:
    return request.instructions == titles.INSTRUCTIONS


async def naming(request: Ask, title: str = "**Bread without yeast.**") -> AsyncGenerator[AnswerEvent, None]:
    if is_title(request):
        yield TextDelta(title)
        yield Completed("resp_2")
    else:
        async for event in pleasant(request):
            yield event


def asked_for_it(fake: FakePath) -> Callable[[], Awaitable[bool]]:
    async def asked() -> bool:
        return any(map(is_title, fake.asked))

    return asked


@pytest.mark.usefixtures("by_model")
async def test_the_model_that_answered_is_asked_once_briefly(fake: FakePath) -> None:
    fake.script = naming
    chat = await ask(fake, "How do I bake bread? " + "x" * 5000)
    assert (chat.title, chat.title_by) == ("Bread without yeast", TitleBy.MODEL)
    answered, named = fake.asked
    assert (named.model, named.effort) == (answered.model, "low")
    assert named.conversation != answered.conversation
    assert len(named.turns) == 1
    assert len(named.turns[0].text) < titles.MOST_READ + 200
    assert "Hello, **world**" in named.turns[0].text
    before = chat.updated
    await ask(fake, "And then?", chat)
    await chat.arefresh_from_db()
    assert [is_title(each) for each in fake.asked] == [False, True, False]
    assert chat.updated > before


@pytest.mark.usefixtures("by_model")
async def test_the_title_moves_the_chat_nowhere_and_an_answer_after_it_is_waited_for_by_nobody(fake: FakePath) -> None:
    going = asyncio.Event()

    async def slow(request: Ask) -> AsyncGenerator[AnswerEvent, None]:
        if is_title(request):
            await going.wait()
        async for event in naming(request):
            yield event

    fake.script = slow
    chat, _ = await generate.send(None, "One", uuid.uuid4(), fake.choice())
    await until(asked_for_it(fake))
    # The answer is complete, and the next is asked meanwhile.
    await generate.send(chat, "Two", uuid.uuid4(), fake.choice())
    going.set()
    await at_rest()
    await chat.arefresh_from_db()
    assert chat.title == "Bread without yeast"
    assert await chat.messages.acount() == 4


@pytest.mark.usefixtures("by_model")
async def test_what_a_person_wrote_is_never_replaced(fake: FakePath, browser: AsyncClient) -> None:
    async def renamed_meanwhile(request: Ask) -> AsyncGenerator[AnswerEvent, None]:
        if is_title(request):
            chat = await Chat.objects.aget()
            await posted(browser, f"/chats/{chat.pk}/title/", title="  Mine\n and\tnobody's ")
        async for event in naming(request):
            yield event

    fake.script = renamed_meanwhile
    chat = await ask(fake, "One")
    assert (chat.title, chat.title_by) == ("Mine and nobody's", TitleBy.PERSON)


@pytest.mark.usefixtures("by_model")
@pytest.mark.parametrize(
    "said", ["", " \n ", "**", "x" * 81, "An answer, rather than a title. " * 20, Unreachable(), RuntimeError("ours")]
)
async def test_without_a_usable_title_the_first_words_stay_and_nobody_is_told(
    fake: FakePath, said: str | Exception
) -> None:
    async def script(request: Ask) -> AsyncGenerator[AnswerEvent, None]:
        if is_title(request) and isinstance(said, Exception):
            raise said
        async for event in naming(request, said if isinstance(said, str) else ""):
            yield event

    fake.script = script
    chat = await ask(fake, "The first words")
    assert (chat.title, chat.title_by) == ("The first words", TitleBy.WORDS)
    assert len(fake.asked) == 2


@pytest.mark.usefixtures("by_model")
async def test_a_model_that_takes_too_long_is_given_up(fake: FakePath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(titles, "TIME", 0.01)
    held = Held()
    fake.script = lambda request: held(request) if is_title(request) else pleasant(request)
    assert (await ask(fake, "One")).title_by == TitleBy.WORDS


@pytest.mark.usefixtures("by_model")
async def test_a_title_that_is_being_made_ends_with_the_server(fake: FakePath) -> None:
    held = Held()
    fake.script = lambda request: held(request) if is_title(request) else pleasant(request)
    await generate.send(None, "One", uuid.uuid4(), fake.choice())
    await until(asked_for_it(fake))
    await generate.stop_all()
    await at_rest()
    assert (await Chat.objects.aget()).title == "One"


@pytest.mark.usefixtures("by_model")
async def test_a_path_that_went_away_is_not_asked(mac: KeepingPath) -> None:
    mac.state = READY

    async def leaves(request: Ask) -> AsyncGenerator[AnswerEvent, None]:
        async for event in pleasant(request):
            if isinstance(event, Completed):
                mac.be(AWAY)
            yield event

    mac.script = leaves
    chat = await ask(mac, "One")
    assert (len(mac.asked), chat.title_by) == (1, TitleBy.WORDS)


@pytest.mark.usefixtures("by_model")
async def test_only_a_first_complete_exchange_is_named(fake: FakePath) -> None:
    async def failing(request: Ask) -> AsyncGenerator[AnswerEvent, None]:
        raise Unreachable
        yield

    fake.script = failing
    chat = await ask(fake, "One")
    assert len(fake.asked) == 1
    fake.script = naming
    await ask(fake, "Two", chat)
    await chat.arefresh_from_db()
    assert chat.title == "Bread without yeast"
    await Chat.objects.aupdate(title="Kept", title_by=TitleBy.WORDS)
    await ask(fake, "Three", chat)
    await chat.arefresh_from_db()
    assert chat.title == "Kept"


async def test_with_words_set_no_model_is_asked(fake: FakePath) -> None:
    chat = await ask(fake, "The first words")
    assert (chat.title, len(fake.asked)) == ("The first words", 1)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ('"Bread without yeast"', "Bread without yeast"),
        ("Title: \u201eBrot ohne Hefe\u201c\n", "Brot ohne Hefe"),
        ("## A heading\n\nand more", "A heading"),
        ("\n\n  Spaces   inside\t", "Spaces inside"),
        ("bidi\u202e and \x1b[31m signs", "bidi and [31m signs"),
        ("\u65e5\u672c\u8a9e\u3002", "\u65e5\u672c\u8a9e"),
        ("...", ""),
    ],
)
def test_what_models_write_is_made_a_title(text: str, title: str) -> None:
    assert titles.cleaned(text) == title


def test_the_least_effort_is_that_of_the_list_or_the_first() -> None:
    def model(*names: str) -> Model:
        return Model("m", "M", efforts=tuple(map(Effort, names)))

    assert titles.least_effort(model("high", "medium", "minimal")) == "minimal"
    assert titles.least_effort(model("deep", "deeper")) == "deep"
    assert titles.least_effort(model()) is None


async def test_a_chat_is_renamed_and_refuses_what_is_no_title(fake: FakePath, browser: AsyncClient) -> None:
    chat = await ask(fake, "One")
    address = f"/chats/{chat.pk}/title/"
    await posted(browser, address, title="A name")
    await chat.arefresh_from_db()
    assert (chat.title, chat.title_by) == ("A name", TitleBy.PERSON)
    for wrong, words in (("", "needs a title"), ("\u200b", "needs a title"), ("x" * 201, "at most 200")):
        response = await browser.post(address, {"title": wrong})
        assert response.status_code == 422
        assert words in unquote(response.headers["X-Lerix-Sentence"])
    await Chat.objects.aupdate(deleted=timezone.now())
    assert (await browser.post(address, {"title": "Late"})).status_code == 404
    assert (await message("One")).chat.title == "A name"
