"""The list of chats in the sidebar: its order, its parts, and how it is continued."""

import re
import uuid
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.test import AsyncClient
from django.utils import timezone

from chat.feed import feeds
from chat.history import listing
from chat.history.listing import FEW, FIRST, IN_FOLDER, OLDER, Key, day_name, sidebar
from chat.models import Chat, Folder

pytestmark = pytest.mark.django_db
NOW = timezone.now()
LINK = re.compile(r'id="chat-([0-9a-f-]{36})"')


def make(count: int, **fields: Any) -> list[Chat]:
    """So many chats, the newest first, a minute apart."""
    chats = [Chat(title=f"Chat {number}", updated=NOW - timedelta(minutes=number), **fields) for number in range(count)]
    return Chat.objects.bulk_create(chats)


def shown(page: listing.Listing | listing.Page) -> list[uuid.UUID]:
    return [chat.pk for _, chats in page.days for chat in chats]


@pytest.mark.parametrize(
    ("days", "name"),
    [
        *((-1, "Today"), (0, "Today"), (1, "Yesterday"), (2, "Last 7 days"), (6, "Last 7 days")),
        *((7, "Last 30 days"), (29, "Last 30 days"), (30, "September 2026"), (400, "September 2025")),
    ],
)
def test_a_day_has_a_name(days: int, name: str) -> None:
    today = date(2026, 10, 7)
    assert day_name(datetime(2026, 10, 7, 12) - timedelta(days=days), today) == name  # noqa: DTZ001


@pytest.mark.parametrize("text", ["", "x", "1-", "-", "1-zz", "9" * 60 + "-" + "0" * 32, "1-" + "0" * 31])
def test_a_key_that_is_none_is_not_read(text: str) -> None:
    assert Key.parse(text) is None


def test_a_key_is_read_as_it_was_written() -> None:
    key = Key(NOW, uuid.uuid4())
    assert Key.parse(str(key)) == key


def test_all_chats_come_once_whatever_their_times() -> None:
    # Many of one moment: then the ids decide.
    chats = make(FIRST + 3 * OLDER)
    Chat.objects.filter(pk__in=[chat.pk for chat in chats[10:]]).update(updated=NOW - timedelta(hours=1))
    first, floor = listing.whole(None)
    seen, older = shown(first), first.older
    assert (len(seen), older) == (FIRST, str(floor))
    while older:
        key = Key.parse(older)
        assert key is not None
        page = listing.older(key)
        seen += shown(page)
        older = page.older
    assert len(seen) == len(set(seen)) == len(chats)


def test_the_parts_of_the_list() -> None:
    folder, empty = Folder.objects.create(name="beta"), Folder.objects.create(name="Alpha")
    gone = Folder.objects.create(name="Gone", deleted=NOW)
    loose, pinned, inside, archived, deleted, outside = make(6)
    Chat.objects.filter(pk=pinned.pk).update(pinned=NOW, folder=folder)
    Chat.objects.filter(pk=inside.pk).update(folder=folder)
    Chat.objects.filter(pk=archived.pk).update(archived=NOW, pinned=NOW)
    Chat.objects.filter(pk=deleted.pk).update(deleted=NOW)
    Chat.objects.filter(pk=outside.pk).update(folder=gone)
    whole, _ = listing.whole(None)
    assert [chat.pk for chat in whole.pinned] == [pinned.pk]
    assert [(shelf.folder.name, [chat.pk for chat in shelf.chats]) for shelf in whole.shelves] == [
        ("Alpha", []),
        ("beta", [inside.pk]),
    ]
    assert shown(whole) == [loose.pk, outside.pk]
    assert [chat.pk for chat in listing.archive().chats] == [archived.pk]
    assert whole.older == ""
    assert empty.pk != folder.pk


def test_a_folder_of_many_is_continued() -> None:
    folder = Folder.objects.create(name="Many")
    chats = make(IN_FOLDER + OLDER + 1, folder=folder)
    make(5)
    (shelf,) = listing.whole(None)[0].shelves
    key = Key.parse(shelf.older)
    assert key is not None
    page = listing.older(key, folder.pk)
    last = Key.parse(page.older)
    assert last is not None
    rest = listing.older(last, folder.pk)
    seen = [*shelf.chats, *page.chats, *rest.chats]
    assert [chat.pk for chat in seen] == [chat.pk for chat in chats]
    assert rest.older == ""


def test_the_floor_stays_while_chats_come_and_go() -> None:
    chats = make(FIRST + OLDER)
    _, floor = listing.whole(None)
    assert floor is not None
    newer = Chat.objects.create(title="New")
    # An old one is written in, one goes.
    Chat.objects.filter(pk=chats[-1].pk).update(updated=timezone.now())
    Chat.objects.filter(pk=chats[3].pk).update(deleted=NOW)
    whole, same = listing.whole(floor)
    assert same == floor
    below = shown(listing.older(floor))
    assert set(shown(whole)) | set(below) == {newer.pk} | {chat.pk for chat in chats} - {chats[3].pk}
    assert not set(shown(whole)) & set(below)


def test_the_floor_moves_where_too_many_or_too_few_stand_above_it() -> None:
    chats = make(FIRST + OLDER)
    _, floor = listing.whole(None)
    Chat.objects.filter(pk__in=[chat.pk for chat in chats[: FIRST - FEW + 1]]).update(deleted=NOW)
    whole, other = listing.whole(floor)
    assert other != floor
    assert len(shown(whole)) == FIRST
    Chat.objects.bulk_create(Chat(title="New") for _ in range(FIRST))
    whole, third = listing.whole(other)
    assert third not in {floor, other}
    assert len(shown(whole)) == FIRST
    Chat.objects.all().update(deleted=NOW)
    assert listing.whole(third) == (listing.Listing([], [], [], ""), None)


async def test_the_list_is_rendered_once_and_marks_the_page_that_is_shown(browser: AsyncClient) -> None:
    chat = await Chat.objects.acreate(title="<b>One</b>")
    other = await Chat.objects.acreate(title="Two")
    html = (await browser.get(f"/chats/{chat.pk}/")).content.decode()
    assert f'id="chat-{chat.pk}" aria-current="page"' in html
    assert f'id="chat-{other.pk}" aria-current' not in html
    assert "&lt;b&gt;One&lt;/b&gt;" in html
    await Chat.objects.filter(pk=other.pk).aupdate(title="Not told")
    assert "Not told" not in await sidebar.html(None)
    feeds.history.set()
    assert "Not told" in await sidebar.html(None)


async def test_older_chats_come_as_a_part_that_asks_for_the_next(browser: AsyncClient) -> None:
    chats = await Chat.objects.abulk_create(
        Chat(title=f"Chat {number}", updated=NOW - timedelta(days=3, seconds=number))
        for number in range(FIRST + OLDER + 1)
    )
    page = (await browser.get("/")).content.decode()
    (address,) = re.findall(r'hx-get="(/history/older/[^"]+)"', page)
    part = (await browser.get(address.replace("&amp;", "&"))).content.decode()
    assert LINK.findall(part) == [str(chat.pk) for chat in chats[FIRST : FIRST + OLDER]]
    # The day goes on: its name stands above already.
    assert "<h2>" not in part
    (address,) = re.findall(r'hx-get="(/history/older/[^"]+)"', part)
    part = (await browser.get(address.replace("&amp;", "&"))).content.decode()
    assert LINK.findall(part) == [str(chats[-1].pk)]
    assert "hx-get" not in part


@pytest.mark.parametrize("query", ["", "before=x", "before=1-2", "folder=1"])
async def test_a_place_that_is_none_is_refused(browser: AsyncClient, query: str) -> None:
    assert (await browser.get(f"/history/older/?{query}")).status_code == 400


async def test_another_chat_in_the_main_column_comes_without_the_list(browser: AsyncClient) -> None:
    chat = await Chat.objects.acreate(title="One")
    main = (await browser.get(f"/chats/{chat.pk}/", headers={"HX-Target": "main#main"})).content.decode()
    assert "<title>One · Lerix</title>" in main
    assert 'id="composer"' in main
    assert 'id="sidebar"' not in main
    assert 'id="sidebar"' not in (await browser.get("/", headers={"HX-Target": "main#main"})).content.decode()
    gone = await browser.get(f"/chats/{uuid.uuid4()}/", headers={"HX-Target": "main#main"})
    assert (gone.status_code, "X-Lerix-Sentence" in gone.headers) == (404, True)


async def test_the_archive_says_when_it_is_empty_and_is_continued(browser: AsyncClient) -> None:
    assert "Nothing is in the archive" in (await browser.get("/history/archive/")).content.decode()
    await Chat.objects.abulk_create(
        Chat(title=str(number), archived=NOW, updated=NOW - timedelta(minutes=number)) for number in range(OLDER + 1)
    )
    page = (await browser.get("/history/archive/")).content.decode()
    assert len(LINK.findall(page)) == OLDER
    (address,) = re.findall(r'hx-get="(/history/archive/[^"]+)"', page)
    assert len(LINK.findall((await browser.get(address)).content.decode())) == 1
