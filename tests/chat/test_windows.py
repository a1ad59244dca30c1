"""Windows: a long chat is read and shown in parts, and what a page has is never told again nor left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from django.test import AsyncClient

from chat import windows
from chat.feed import feeds
from chat.markdown import HTML_VERSION
from chat.models import Chat, Message, Role, State
from chat.pages import Cursor, page
from chat.stream import Reader
from tests.chat.fakes import FakePath
from tests.chat.tab import PARTIAL

pytestmark = pytest.mark.django_db(transaction=True)

ARTICLE = re.compile(r'<article class="message[^"]*" id="m(\d+)"')


async def long_chat(exchanges: int, answer: str = "Yes") -> Chat:
    """Store a chat of so many questions and answers."""
    chat = await Chat.objects.acreate(title="Long")
    head: Message | None = None
    for number in range(exchanges):
        head = await say(chat, head, Role.USER, f"Question {number}")
        head = await say(chat, head, Role.ASSISTANT, answer)
    await show(chat, head)
    return chat


async def say(chat: Chat, parent: Message | None, role: Role, text: str) -> Message:
    return await Message.objects.acreate(
        chat=chat, parent=parent, role=role, text=text, html=f"<p>{text}</p>", html_version=HTML_VERSION
    )


async def show(chat: Chat, head: Message | None) -> None:
    """Make `head` the end of the shown branch, and tell the readers."""
    chat.head = head
    chat.revision += 1
    await chat.asave()
    feeds.changed(chat.pk)


async def end_of(chat: Chat) -> Message:
    assert chat.head_id is not None
    return await Message.objects.aget(pk=chat.head_id)


def ids(html: str) -> list[int]:
    return [int(number) for number in ARTICLE.findall(html)]


async def told(reader: Reader) -> list[tuple[str, str, list[int]]]:
    """Everything that the reader has for its page now, as (target, swap, messages), where it is of messages."""
    found = []
    while pieces := await reader.catch_up():
        found += PARTIAL.findall("".join(pieces))
    of_log = re.compile(r"#(log|m\d+)")
    return [(target, swap, ids(html)) for target, swap, html in found if of_log.fullmatch(target)]


async def test_the_branch_is_read_without_texts_and_without_what_is_deleted() -> None:
    chat = await long_chat(3)
    branch = list(await chat.branch())
    assert branch == [row.pk for row in await chat.conversation()]
    await Message.objects.filter(pk=branch[-1]).aupdate(deleted=chat.created)
    assert await chat.branch() == {}
    await show(chat, await Message.objects.aget(pk=branch[-2]))
    assert list(await chat.branch()) == branch[:-1]
    assert [row.pk for row in await chat.conversation()] == branch[:-1]


async def test_a_chat_opens_at_its_end_and_older_messages_join_without_a_gap() -> None:
    chat = await long_chat(60)
    branch = list(await chat.branch())
    window = await windows.newest(branch)
    assert ([row.pk for row in window.rows], window.older, window.newer) == (branch[-windows.MOST :], True, False)
    seen = [row.pk for row in window.rows]
    while window.older:
        window = await windows.before(branch, seen[0])
        seen[:0] = [row.pk for row in window.rows]
    assert seen == branch


async def test_newer_messages_follow_what_was_looked_for_up_to_the_end() -> None:
    chat = await long_chat(60)
    branch = list(await chat.branch())
    window = await windows.around(branch, branch[30])
    seen = [row.pk for row in window.rows]
    assert branch[30] in seen
    assert window.older
    assert window.newer
    while window.newer:
        window = await windows.after(branch, seen[-1])
        seen += [row.pk for row in window.rows]
    assert seen == branch[branch.index(seen[0]) :]
    assert (await windows.around(branch, branch[0])).first == branch[0]
    assert (await windows.around(branch, 987654321)).last == branch[-1]


async def test_long_messages_make_windows_of_fewer() -> None:
    chat = await long_chat(20, "x" * (windows.BULK // 4))
    branch = list(await chat.branch())
    window = await windows.newest(branch)
    assert 2 <= len(window.rows) <= 8
    huge = await long_chat(3, "x" * (2 * windows.BULK))
    window = await windows.newest(await huge.branch())
    assert len(window.rows) == windows.LEAST
    assert window.older
    middle = list(await huge.branch())[2]
    assert middle in [row.pk for row in (await windows.around(await huge.branch(), middle)).rows]


async def test_a_page_reads_a_window_whatever_the_length_of_the_chat() -> None:
    chat = await long_chat(60)
    made = await page(chat)
    assert (len(made.messages), made.older, made.newer) == (windows.MOST, True, False)
    assert made.cursor.first == made.messages[0].message.pk
    assert made.cursor.last == chat.head_id
    assert made.messages[0].message.get_deferred_fields() == {"items"}


def test_a_cursor_with_a_window_comes_back_as_it_was_written() -> None:
    cursor = Cursor(3, 12, 5, 1, "ab12cd34", 7, 9, first=4_503_599_627_370_496, last=4_503_599_627_370_600, more=True)
    assert Cursor.parse(str(cursor)) == cursor
    assert Cursor.parse("3.12.5.1.ab12cd34.7.9") == Cursor()


@pytest.fixture
def quiet(fake: FakePath) -> FakePath:
    return fake


async def reader_of(chat: Chat, at: int | None = None) -> Reader:
    """A tab that has just opened the chat."""
    await chat.arefresh_from_db()
    reader = Reader(chat.pk, (await page(chat, at)).cursor)
    assert await told(reader) == []
    return reader


async def test_new_messages_are_added_below_and_nothing_is_told_twice(quiet: FakePath) -> None:
    chat = await long_chat(60)
    reader = await reader_of(chat)
    question = await say(chat, await end_of(chat), Role.USER, "One more")
    await show(chat, question)
    assert await told(reader) == [("#log", "beforeend", [question.pk])]
    again = Reader(chat.pk, reader.cursor)
    assert await told(again) == []


async def test_another_branch_replaces_what_differs_and_leaves_the_rest_alone(quiet: FakePath) -> None:
    chat = await long_chat(60)
    reader = await reader_of(chat)
    branch = list(await chat.branch())
    parent = await Message.objects.aget(pk=branch[-3])
    other = await say(chat, parent, Role.USER, "Asked otherwise")
    answer = await say(chat, other, Role.ASSISTANT, "Answered otherwise")
    await show(chat, answer)
    assert await told(reader) == [
        (f"#m{branch[-2]}", "outerHTML", [other.pk, answer.pk]),
        (f"#m{branch[-1]}", "delete", []),
    ]
    await show(chat, parent)
    assert await told(reader) == [(f"#m{other.pk}", "delete", []), (f"#m{answer.pk}", "delete", [])]


async def test_a_branch_that_parts_before_the_window_is_shown_where_it_parts(quiet: FakePath) -> None:
    chat = await long_chat(60)
    reader = await reader_of(chat)
    branch = list(await chat.branch())
    parent = await Message.objects.aget(pk=branch[9])
    head = first = await say(chat, parent, Role.USER, "Another way")
    for number in range(50):
        head = await say(chat, head, (Role.ASSISTANT, Role.USER)[number % 2], f"On it {number}")
    await show(chat, head)
    ((target, swap, shown),) = await told(reader)
    assert (target, swap) == ("#log", "innerMorph")
    assert first.pk in shown
    assert branch[9] in shown
    assert head.pk not in shown
    assert len(shown) <= windows.MOST
    # It shows no end: what is new there does not follow what it has.
    await show(chat, await say(chat, head, Role.USER, "At the end"))
    assert await told(reader) == []


async def test_a_page_that_was_away_gets_what_it_missed_and_no_more(quiet: FakePath) -> None:
    chat = await long_chat(60)
    reader = await reader_of(chat)
    last = chat.head_id
    question = await say(chat, await end_of(chat), Role.USER, "While away")
    await show(chat, await say(chat, question, Role.ASSISTANT, "Answered"))
    back = Reader(chat.pk, reader.cursor)
    assert await told(back) == [(f"#m{last}", "outerMorph", [last]), ("#log", "beforeend", [question.pk, chat.head_id])]


async def test_a_page_that_missed_too_much_gets_the_end(quiet: FakePath) -> None:
    chat = await long_chat(5)
    reader = await reader_of(chat)
    head: Message | None = await end_of(chat)
    for number in range(windows.MOST + 2):
        head = await say(chat, head, Role.USER, f"Away {number}")
    await show(chat, head)
    ((target, swap, shown),) = await told(Reader(chat.pk, reader.cursor))
    assert (target, swap, len(shown), shown[-1]) == ("#log", "innerMorph", windows.MOST, chat.head_id)


async def test_a_page_in_the_middle_is_told_of_another_branch_only(quiet: FakePath) -> None:
    chat = await long_chat(60)
    branch = list(await chat.branch())
    reader = await reader_of(chat, branch[40])
    assert reader.cursor.more
    await show(chat, await say(chat, await end_of(chat), Role.USER, "New"))
    assert await told(reader) == []
    assert await told(Reader(chat.pk, reader.cursor)) == []
    await show(chat, await Message.objects.aget(pk=branch[41]))
    ((target, swap, shown),) = await told(reader)
    assert (target, swap, shown[-1]) == ("#log", "innerMorph", branch[41])


async def test_a_deleted_chat_is_gone_from_its_page(quiet: FakePath) -> None:
    chat = await long_chat(2)
    reader = await reader_of(chat)
    await Chat.objects.filter(pk=chat.pk).aupdate(deleted=chat.created)
    feeds.changed(chat.pk)
    pieces = "".join(await reader.catch_up())
    assert "This chat is no longer here" in pieces


async def ask(browser: AsyncClient, address: str) -> tuple[int, str]:
    response = await browser.get(address)
    return response.status_code, response.content.decode()


async def test_older_messages_come_with_what_asks_for_those_before_them(quiet: FakePath, browser: AsyncClient) -> None:
    chat = await long_chat(50)
    branch = list(await chat.branch())
    at = branch[-windows.MOST]
    status, html = await ask(browser, f"/chats/{chat.pk}/older/?before={at}")
    assert status == 200
    assert ids(html) == branch[-2 * windows.MOST : -windows.MOST]
    assert f"older/?before={branch[-2 * windows.MOST]}" in html
    _, html = await ask(browser, f"/chats/{chat.pk}/older/?before={branch[3]}")
    assert ids(html) == branch[:3]
    assert "before=" not in html
    assert "newer/" not in html
    assert (await ask(browser, f"/chats/{chat.pk}/older/?before={branch[0]}"))[1].strip() == ""


async def test_with_the_end_comes_a_stream_that_tells_what_follows(quiet: FakePath, browser: AsyncClient) -> None:
    chat = await long_chat(40)
    branch = list(await chat.branch())
    _, html = await ask(browser, f"/chats/{chat.pk}/newer/?after={branch[20]}")
    assert ids(html) == branch[21 : 21 + windows.MOST]
    assert 'id="newer"' in html
    assert 'id="older"' not in html
    assert 'hx-target="#stream"' not in html
    status, html = await ask(browser, f"/chats/{chat.pk}/newer/?after={branch[-3]}")
    assert (status, ids(html)) == (200, branch[-2:])
    assert 'id="newer"' not in html
    assert 'hx-target="#stream"' in html
    match = re.search(r'"at": "([^"]+)"', html)
    assert match is not None
    cursor = Cursor.parse(match[1])
    assert (cursor.first, cursor.last, cursor.more) == (branch[-2], branch[-1], False)
    # The stream that goes may have had the end of an answer to tell: the composer's buttons come again.
    assert 'aria-label="Send"' in "".join(await Reader(chat.pk, cursor).catch_up())
    assert "#composer-actions" not in "".join(await Reader(chat.pk, replace(cursor, history=0)).catch_up())


async def test_what_is_no_longer_in_the_branch_is_answered_with_its_end(quiet: FakePath, browser: AsyncClient) -> None:
    chat = await long_chat(10)
    branch = list(await chat.branch())
    response = await browser.get(f"/chats/{chat.pk}/newer/?after=424242")
    assert response["HX-Retarget"] == "#log"
    assert ids(response.content.decode()) == branch
    for address in (f"older/?before={'9' * 30}", "older/", "newer/?after=x"):
        assert (await ask(browser, f"/chats/{chat.pk}/{address}"))[0] == 400
    await Chat.objects.filter(pk=chat.pk).aupdate(deleted=chat.created)
    for address in ("older/?before=1", "newer/?after=1", "window/"):
        assert (await ask(browser, f"/chats/{chat.pk}/{address}"))[0] == 404


async def test_a_link_to_a_message_opens_around_it_in_whatever_branch(quiet: FakePath, browser: AsyncClient) -> None:
    chat = await long_chat(60)
    branch = list(await chat.branch())
    _, html = await ask(browser, f"/chats/{chat.pk}/?at={branch[40]}")
    assert f'data-message="m{branch[40]}"' in html
    assert branch[40] in ids(html)
    assert branch[-1] not in ids(html)
    parent = await Message.objects.aget(pk=branch[50])
    hidden = await say(chat, parent, Role.USER, "Elsewhere")
    leaf = await say(chat, hidden, Role.ASSISTANT, "Its answer")
    before = (await Chat.objects.aget(pk=chat.pk)).updated
    _, html = await ask(browser, f"/chats/{chat.pk}/?at={hidden.pk}")
    assert ids(html)[-2:] == [hidden.pk, leaf.pk]
    now = await Chat.objects.aget(pk=chat.pk)
    assert (now.head_id, now.updated) == (leaf.pk, before)


@pytest.mark.parametrize("wrong", ["nonsense", "424242", "-1", ""])
async def test_a_link_to_nothing_opens_the_end(quiet: FakePath, browser: AsyncClient, wrong: str) -> None:
    chat = await long_chat(30)
    status, html = await ask(browser, f"/chats/{chat.pk}/?at={wrong}")
    assert (status, ids(html)[-1]) == (200, chat.head_id)
    assert 'id="found"' not in html


async def test_a_branch_is_not_left_while_an_answer_comes_in_it(quiet: FakePath, browser: AsyncClient) -> None:
    chat = await long_chat(2)
    branch: Sequence[int] = list(await chat.branch())
    hidden = await say(chat, await Message.objects.aget(pk=branch[1]), Role.USER, "Elsewhere")
    await Message.objects.filter(pk=branch[-1]).aupdate(state=State.WAITING)
    await ask(browser, f"/chats/{chat.pk}/?at={hidden.pk}")
    assert (await Chat.objects.aget(pk=chat.pk)).head_id == branch[-1]
