"""What is done to chats from the list, to one or to many at once."""

from __future__ import annotations

import enum
from collections.abc import Collection
from typing import Final
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.utils import timezone

from chat import generate, waiting
from chat.conversation import queue
from chat.conversation.queue import Held
from chat.database import atomic
from chat.feed import feeds
from chat.history import purge
from chat.models import Chat, Folder, Queued


class Do(enum.Enum):
    """What can be done to a chat. `MOVE` puts it into a folder, or with none outside of all."""

    PIN = "pin"
    UNPIN = "unpin"
    ARCHIVE = "archive"
    UNARCHIVE = "unarchive"
    MOVE = "move"
    DELETE = "delete"
    RESTORE = "restore"


#: What takes it back, where that is offered.
OPPOSITE: Final = {Do.ARCHIVE: Do.UNARCHIVE, Do.UNARCHIVE: Do.ARCHIVE, Do.DELETE: Do.RESTORE}


class NoSuchFolder(Exception):
    """The folder was deleted meanwhile; nothing was changed."""


async def change(do: Do, chat_ids: Collection[UUID], folder_id: int | None = None) -> list[UUID]:
    """Do it to these chats and tell every page. Returns those that it was done to: some may be gone by now.

    Deleting stops the answer that is coming in a chat; what came is kept for as long as the chat can be restored.
    Raises NoSuchFolder.
    """
    changed = await sync_to_async(_change)(do, chat_ids, folder_id)
    if do in {Do.DELETE, Do.RESTORE}:
        for chat_id in changed:
            live = feeds.live_in(chat_id)
            if live is not None and do is Do.DELETE:
                live.stop()
            feeds.changed(chat_id)
        waiting.changed.set()
        purge.changed.set()
    if changed:
        feeds.history.set()
    if do is Do.RESTORE:
        # What was queued in them had nobody to send it meanwhile.
        queued = Queued.objects.filter(chat__in=changed, held="", removed=None).order_by()
        for chat_id in [each async for each in queued.values_list("chat", flat=True).distinct()]:
            await generate.send_due(chat_id)
    return changed


@atomic
def _change(do: Do, chat_ids: Collection[UUID], folder_id: int | None) -> list[UUID]:
    if folder_id is not None and not Folder.objects.filter(pk=folder_id, deleted=None).exists():
        raise NoSuchFolder
    chats = Chat.objects.filter(pk__in=chat_ids).order_by()
    chats = chats.exclude(deleted=None) if do is Do.RESTORE else chats.filter(deleted=None)
    there = set(chats.values_list("pk", flat=True))
    changed = [each for each in dict.fromkeys(chat_ids) if each in there]
    if do is Do.DELETE:
        # Nothing sends it any more, also not where the chat is restored.
        for chat_id in changed:
            queue.hold(chat_id, Held.CHAT_DELETED)
    _apply(do, Chat.objects.filter(pk__in=changed), folder_id)
    return changed


def _apply(do: Do, chats: QuerySet[Chat], folder_id: int | None) -> None:
    now = timezone.now()
    match do:
        case Do.PIN:
            chats.filter(pinned=None).update(pinned=now)
        case Do.UNPIN:
            chats.update(pinned=None)
        case Do.ARCHIVE:
            chats.update(archived=now)
        case Do.UNARCHIVE:
            chats.update(archived=None)
        case Do.MOVE:
            chats.update(folder=folder_id)
        case Do.DELETE:
            chats.update(deleted=now)
        case Do.RESTORE:
            chats.update(deleted=None)
