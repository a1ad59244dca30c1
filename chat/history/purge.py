"""Removes for good what was deleted and can no longer be undone: chats, messages, folders, and their words.

A deleted row stays for a minute, out of every page. Then it goes with all that hangs on it, and the search's index is
rewritten without the words that nothing else has. `register` adds work to be done when rows have gone, such as removing
files that nothing names any more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from asgiref.sync import sync_to_async
from django.db import connections
from django.db.models import Min
from django.utils import timezone

from chat.database import DISK, atomic
from chat.history import index
from chat.models import Chat, Draft, Folder, Message
from connections.changes import Signal, heard

log = logging.getLogger(__name__)

#: How long what was deleted can be brought back.
KEPT: Final = timedelta(seconds=60)
#: So many messages go in one transaction, for nobody else can write meanwhile.
AT_ONCE: Final = 200
# Between two steps of rewriting the index, which may take some seconds in all: others get their turn.
BREATH: Final = 0.02

#: Something was deleted or brought back.
changed = Signal()

_hooks: list[Callable[[], object]] = []


def register(hook: Callable[[], object]) -> None:
    """Call `hook` in a thread that may use the database, each time after rows have gone for good, and at the start."""
    if hook not in _hooks:
        _hooks.append(hook)


async def follow() -> None:
    """Purge whatever is due, whenever it is. Never ends: a task of the server's."""
    bell = asyncio.Event()
    changed.ring(bell)
    # An earlier process may have ended between the rows and what follows them.
    await sync_to_async(_after)()
    while True:
        bell.clear()
        due = await sync_to_async(next_due)()
        if due is None:
            await bell.wait()
            continue
        seconds = (due - timezone.now()).total_seconds()
        if seconds > 0:
            await heard(bell, seconds=seconds + 0.05)
            continue
        await purge()


async def purge() -> int:
    """Remove what is due now. Returns how many chats, messages and folders that were."""
    total = 0
    while gone := await sync_to_async(_remove_some)(timezone.now() - KEPT):
        total += gone
        await asyncio.sleep(BREATH)
    if total:
        await sync_to_async(_after)()
        await _forget_words()
    return total


def next_due() -> datetime | None:
    """Return when the next of what is deleted may go; None where nothing is."""
    first = [
        rows.exclude(deleted=None).aggregate(first=Min("deleted"))["first"]
        for rows in (Chat.objects.order_by(), Message.objects.order_by(), Folder.objects.order_by())
    ]
    return min((each + KEPT for each in first if each is not None), default=None)


@atomic
def _remove_some(before: datetime) -> int:
    """Remove a part of what was deleted before that moment; 0 where nothing is left of it."""
    # Messages first, the newest first: the last rows go with their chat, and no chat has too many by then.
    messages = Message.objects.filter(deleted__lte=before) | Message.objects.filter(chat__deleted__lte=before)
    if some := list(messages.order_by("-pk").values_list("pk", flat=True)[:AT_ONCE]):
        Message.objects.filter(pk__in=some).delete()
        return len(some)
    chats = Chat.objects.filter(deleted__lte=before).order_by()
    if gone := list(chats.values_list("pk", flat=True)[:AT_ONCE]):
        # Else it would be put into the field of the next new chat.
        Draft.objects.filter(chat__in=gone).delete()
        Chat.objects.filter(pk__in=gone).delete()
        return len(gone)
    folders = Folder.objects.filter(deleted__lte=before)
    gone_folders = len(folders)
    folders.delete()
    return gone_folders


def _after() -> None:
    for hook in _hooks:
        try:
            hook()
        except Exception:
            # The next one must still be called; this one is called again the next time.
            log.exception("What follows the removal of chats failed")


async def _forget_words() -> None:
    """Rewrite the index without the words of what has gone, in small steps, and empty the log of the database."""
    for table in (index.TEXTS, index.TITLES):
        first = True
        while await sync_to_async(_forget)(table, first=first):
            first = False
            await asyncio.sleep(BREATH)
    await sync_to_async(_empty_log)()


def _forget(table: str, *, first: bool) -> bool:
    # Each thread has a connection of its own.
    return index.forget(connections[DISK], table, first=first)


def _empty_log() -> None:
    with connections[DISK].cursor() as cursor:
        # The write-ahead log still has the pages as they were. Where a reader is in its way it is emptied later.
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
