"""What was deleted goes for good after a minute, and its words with it."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.utils import timezone

from chat.history import bulk, purge
from chat.history.bulk import Do
from chat.history.search import search
from chat.models import Chat, Draft, Folder, Message, Piece, Role
from tests import disk
from tests.connections.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)
LONG_AGO = timezone.now() - purge.KEPT - timedelta(seconds=1)


@pytest.fixture(autouse=True)
def no_hooks() -> Iterator[None]:
    before = list(purge._hooks)
    purge._hooks.clear()
    yield
    purge._hooks[:] = before


def chat_of(*texts: str) -> Chat:
    chat = Chat.objects.create(title=f"About {texts[0]}")
    before = None
    for text in texts:
        before = Message.objects.create(chat=chat, parent=before, role=Role.USER, text=text)
    chat.head = before
    chat.save()
    return chat


async def test_nothing_goes_before_its_time() -> None:
    await Chat.objects.acreate(title="One", deleted=timezone.now())
    assert await purge.purge() == 0
    assert await Chat.objects.acount() == 1


async def test_chats_messages_and_folders_go_with_all_that_hangs_on_them() -> None:
    def prepare() -> tuple[Chat, Chat]:
        gone, kept = chat_of(*(f"gone {number}" for number in range(2 * purge.AT_ONCE + 3))), chat_of("a", "b", "c")
        Draft.objects.create(chat=gone, text="taken back")
        Piece.objects.create(message=gone.messages.earliest("pk"), text="piece")
        Chat.objects.filter(pk=gone.pk).update(deleted=LONG_AGO)
        kept.messages.filter(text__in=["b", "c"]).update(deleted=LONG_AGO)
        kept.head = kept.messages.get(text="a")
        kept.folder = Folder.objects.create(name="Work", deleted=LONG_AGO)
        kept.save()
        return gone, kept

    _, kept = await sync_to_async(prepare)()
    assert await purge.purge() == 2 * purge.AT_ONCE + 3 + 1 + 2 + 1
    await kept.arefresh_from_db()
    assert [message.text async for message in Message.objects.all()] == ["a"]
    assert (kept.folder_id, kept.head_id is not None) == (None, True)
    assert not await Piece.objects.aexists()
    assert not await Draft.objects.aexists()
    assert not await Folder.objects.aexists()


async def test_the_words_leave_the_files_of_the_database() -> None:
    path = Path(connection.settings_dict["NAME"])
    word, title_word = "xylophonquartett", "zwetschgendatschi"

    def written(text: str) -> bool:
        return bool(disk.holding(disk.read([path, path.with_name(path.name + "-wal")]), text))

    def prepare() -> None:
        chat_of("something to keep")
        gone = chat_of(word, f"{word} again")
        Chat.objects.filter(pk=gone.pk).update(title=title_word, deleted=LONG_AGO)
        assert search("xylo").chats == []

    await sync_to_async(prepare)()
    assert written(word)
    assert written(title_word)
    await purge.purge()
    assert not written(word)
    assert not written(title_word)
    assert len((await sync_to_async(search)("something")).chats) == 1


async def test_hooks_run_when_rows_have_gone_and_one_that_fails_keeps_none_from_running(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[int] = []

    def bad() -> None:
        raise RuntimeError("no disk")

    purge.register(bad)
    purge.register(lambda: seen.append(Chat.objects.count()))
    assert await purge.purge() == 0
    assert seen == []
    await Chat.objects.acreate(title="One", deleted=LONG_AGO)
    await purge.purge()
    assert seen == [0]
    assert "no disk" in caplog.text


async def test_the_task_purges_when_it_is_time_and_leaves_what_was_brought_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = await Chat.objects.acreate(title="One")
    two = await Chat.objects.acreate(title="Two")
    task = asyncio.create_task(purge.follow())
    try:
        await asyncio.sleep(0)
        await bulk.change(Do.DELETE, [one.pk, two.pk])
        await bulk.change(Do.RESTORE, [two.pk])
        # Only now: it must not be too late for bringing back.
        monkeypatch.setattr(purge, "KEPT", timedelta(seconds=0.4))
        purge.changed.set()

        async def purged() -> bool:
            return await Chat.objects.acount() < 2

        await until(purged)
        assert [chat.title async for chat in Chat.objects.all()] == ["Two"]
    finally:
        task.cancel()
        await asyncio.wait([task])
