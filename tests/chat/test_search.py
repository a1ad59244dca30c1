"""The search over all chats, and finding words in one."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import AsyncClient
from django.utils import timezone

from chat.history import index
from chat.history.find import find
from chat.history.search import AROUND, PAGE, Word, search, words
from chat.models import Chat, Folder, Message, Role

pytestmark = pytest.mark.django_db


def say(text: str, title: str = "A chat", **chat: Any) -> Message:
    """A chat with one message."""
    return Message.objects.create(chat=Chat.objects.create(title=title, **chat), role=Role.USER, text=text)


def found(query: str) -> list[int]:
    """The messages that a query finds, as they are listed."""
    return [hit.message for chat in search(query).chats for hit in chat.hits]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", []),
        ("  ", []),
        ("...", []),
        ('"', []),
        ("two words", [Word("two"), Word("words")]),
        ('"two words" more', [Word("two words", whole=True), Word("more")]),
        ('"not closed', [Word("not closed", whole=True)]),
        ("C++ & x", [Word("C++"), Word("x")]),
        ("a\0b", [Word("a"), Word("b")]),
    ],
)
def test_a_query_is_words_and_what_stands_between_quotes(query: str, expected: list[Word]) -> None:
    assert words(query) == expected


def test_a_query_without_end_is_cut() -> None:
    assert len(words("word " * 10_000)) == 12


@pytest.mark.parametrize(
    "query", ["brul", "BRÛL", "brûlée", "crème brul", "brul crem", '"creme brulee"', "six pers", "brul six creme"]
)
def test_every_word_is_found_by_its_beginning_without_accents_and_case(query: str) -> None:
    message = say("A recipe of Crème Brûlée for six persons")
    say("Something else")
    assert found(query) == [message.pk]


@pytest.mark.parametrize("query", ["rulee", "brulee seven", '"brulee creme"', "OR", "NOT brul", "text:brul", "brul*x"])
def test_a_word_that_is_not_there_finds_nothing_and_is_no_operator(query: str) -> None:
    say("A recipe of Crème Brûlée for six persons")
    assert found(query) == []


@pytest.mark.parametrize(
    "query", ['"', "'", "*", "(", "a AND (", "NEAR(", "^a", "-", "\\", "%", "_", "a:b", "\x00", '""""', "{a b}: c"]
)
def test_no_query_is_an_error(query: str) -> None:
    say("a b")
    assert isinstance(found(query), list)


def test_the_hit_is_marked_and_the_rest_is_text() -> None:
    message = say("before <script>alert(1)</script> \x02\x02half & **Needle** \x03 <b>after</b>")
    (chat,) = search("needle").chats
    (hit,) = chat.hits
    assert hit.message == message.pk
    assert "<mark>Needle</mark>" in hit.snippet
    assert hit.snippet.count("<mark>") == hit.snippet.count("</mark>") == 1
    assert "<script>" not in hit.snippet
    assert "<b>" not in hit.snippet
    assert "**" not in hit.snippet
    assert "\x02" not in hit.snippet


def test_a_snippet_of_a_long_text_is_short_and_has_the_hit() -> None:
    say("word " * 5_000 + "needle" + " word" * 5_000)
    ((hit,),) = [chat.hits for chat in search("needle").chats]
    assert "<mark>needle</mark>" in hit.snippet
    assert len(hit.snippet.split()) <= AROUND + 2


def test_titles_are_found_with_their_hit_marked_and_come_first() -> None:
    in_text = say("Something about gardens", title="Plants")
    titled = Chat.objects.create(title="My <i>garden</i>", updated=timezone.now() - timedelta(days=3))
    first, second = search("garden").chats
    assert (first.chat, second.chat) == (titled.pk, in_text.chat_id)
    assert first.title == "My &lt;i&gt;<mark>garden</mark>&lt;/i&gt;"
    titled.title = "My balcony"
    titled.save()
    assert [chat.chat for chat in search("garden").chats] == [in_text.chat_id]
    assert [chat.chat for chat in search("balcony").chats] == [titled.pk]


def test_what_is_deleted_is_not_found_and_what_is_archived_is() -> None:
    Message.objects.filter(pk=say("needle one").pk).update(deleted=timezone.now())
    say("needle two", deleted=timezone.now())
    folder = Folder.objects.create(name="Sewing")
    kept = say("needle three", archived=timezone.now(), folder=folder)
    (chat,) = search("needle").chats
    assert (chat.chat, chat.archived, chat.folder) == (kept.chat_id, True, "Sewing")


def test_the_index_follows_whoever_writes() -> None:
    message = say("")
    assert found("first") == []
    Message.objects.filter(pk=message.pk).update(text="first words")
    assert found("first") == [message.pk]
    message.refresh_from_db()
    message.text = "second words"
    message.save()
    assert (found("first"), found("second"), found("words")) == ([], [message.pk], [message.pk])
    message.save()
    assert found("second") == [message.pk]
    message.text = ""
    message.save()
    assert found("second") == []
    message.text = "third"
    message.save()
    Chat.objects.all().delete()
    assert found("third") == []
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO chat_texts(chat_texts, rank) VALUES ('integrity-check', 1)")


def test_triggers_that_a_migration_dropped_are_made_again() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER chat_texts_added")
    index.watch(connection)
    index.watch(connection)
    message = say("needle")
    assert found("needle") == [message.pk]


def test_the_newest_comes_first_and_the_rest_is_asked_for_by_where_it_ended() -> None:
    messages = [say(f"needle {number}", title=f"Chat {number}").pk for number in range(PAGE + 5)]
    first = search("needle")
    assert [hit.message for chat in first.chats for hit in chat.hits] == messages[: -PAGE - 1 : -1]
    rest = search("needle", first.older)
    assert [hit.message for chat in rest.chats for hit in chat.hits] == messages[4::-1]
    assert rest.older == 0


def test_of_one_chat_three_hits_are_shown_and_the_next_is_named() -> None:
    chat = Chat.objects.create(title="One")
    pks = [Message.objects.create(chat=chat, role=Role.USER, text="needle").pk for _ in range(5)]
    (one,) = search("needle").chats
    assert [hit.message for hit in one.hits] == [pks[4], pks[3], pks[2]]
    assert one.more == pks[1]


def test_texts_without_spaces_between_words_are_looked_through() -> None:
    message = say("昨日は東京タワーに行きました。Docker も使う", title="東京の旅行")
    results = search("タワー")
    ((hit,),) = [chat.hits for chat in results.chats]
    assert hit.message == message.pk
    assert "<mark>タワー</mark>" in hit.snippet
    assert [chat.title for chat in search("東京").chats] == ["<mark>東京</mark>の旅行"]
    assert found("タワー dock") == [message.pk]
    assert found("タワー kube") == []


async def test_the_page_of_results_is_safe_and_links_to_the_message(client_here: AsyncClient) -> None:
    chat = await Chat.objects.acreate(title="<b>x</b>")
    message = await Message.objects.acreate(chat=chat, role=Role.USER, text="needle & <img>")
    html = (await client_here.get("/history/search/", {"q": 'need "'})).content.decode()
    assert f'href="/chats/{chat.pk}/?at={message.pk}&amp;find=need%20%22#m{message.pk}"' in html
    assert "<b>x" not in html
    assert "<img>" not in html
    assert (await client_here.get("/history/search/", {"q": ""})).content.decode().strip() == ""
    assert "No chat has" in (await client_here.get("/history/search/", {"q": "<zzz>"})).content.decode()
    assert (await client_here.get("/history/search/", {"q": "a", "before": "x"})).status_code == 400


@pytest.fixture
def client_here() -> AsyncClient:
    return AsyncClient(headers={"host": "localhost"})


async def test_words_are_found_in_the_shown_branch_of_a_chat_also_within_a_word(client_here: AsyncClient) -> None:
    chat = await Chat.objects.acreate(title="One")
    before = None
    pks = []
    for text in ("Crème brûlée", "other", "about CRÈMES and more", "gone creme"):
        before = await Message.objects.acreate(chat=chat, role=Role.USER, text=text, parent=before)
        pks.append(before.pk)
    await Message.objects.filter(pk=pks[3]).aupdate(deleted=timezone.now())
    await Message.objects.acreate(chat=chat, role=Role.USER, text="creme of another branch", parent_id=pks[0])
    chat.head_id = pks[2]
    await chat.asave()
    assert (await find(chat, "reme")).messages == [pks[0], pks[2]]
    assert (await find(chat, "reme more")).messages == [pks[2]]
    assert (await find(chat, " ")).messages == []
    answer = await client_here.get(f"/chats/{chat.pk}/find/", {"q": "BRÛL"})
    assert answer.json() == {"messages": [pks[0]], "words": ["brul"]}
    await Chat.objects.filter(pk=chat.pk).aupdate(deleted=timezone.now())
    assert (await client_here.get(f"/chats/{chat.pk}/find/", {"q": "a"})).status_code == 404
    assert (await client_here.get(f"/chats/{uuid.uuid4()}/find/", {"q": "a"})).status_code == 404
