"""Removes the temporary chats that no tab shows any more: their rows, and with them all that was in memory of them."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from typing import Final

from asgiref.sync import sync_to_async
from django.utils import timezone

from chat import waiting
from chat.attachments import store
from chat.database import MEMORY, atomic, using
from chat.feed import feeds
from chat.models import Attachment, Chat, Draft, Message, State
from chat.temporary.memory.base import is_begun
from chat.temporary.tabs import tabs
from connections.changes import heard

#: Seconds that an answer which was stopped may take to end. After that it is looked at again.
PATIENCE: Final = 5.0
AGAIN: Final = 1.0
#: Seconds for which what is deleted in such a chat can be brought back, as in any other; so often it is looked for.
KEPT: Final = 60.0


async def follow() -> None:
    """Remove each temporary chat when its last tab has gone. Never ends: a task of the server's."""
    bell = asyncio.Event()
    tabs.changed.ring(bell)
    while True:
        soonest = await sweep() if is_begun() else None
        if soonest is None:
            await bell.wait()
            bell.clear()
        else:
            await heard(bell, seconds=soonest)


async def sweep() -> float | None:
    """Remove what no tab shows. Returns in how many seconds more will be due; None: not before tabs come or go."""
    tabs.forget()
    again: list[float] = []
    with using(MEMORY):
        unseen = tabs.unseen([each async for each in Chat.objects.values_list("pk", flat=True)])
        again += [AGAIN for chat_id in unseen if not await _end(chat_id)]
        if await Chat.objects.aexists():
            await sync_to_async(_purge)()
            again.append(KEPT)
        elif tabs.is_empty:
            await sync_to_async(_empty)()
    if (soonest := tabs.soonest) is not None:
        again.append(soonest)
    return min(again, default=None)


async def _end(chat_id: uuid.UUID) -> bool:
    """Stop the answer that comes in a chat, and remove the chat. Returns whether it is gone."""
    live = feeds.live_in(chat_id)
    if live is not None:
        live.stop()
        if live.task is not None:
            await asyncio.wait([live.task], timeout=PATIENCE)
        if feeds.live_in(chat_id) is not None:
            return False
    waited = await sync_to_async(_remove)(chat_id)
    for message_id in waited:
        waiting.end_pause(message_id)
    await sync_to_async(store.sweep)()
    feeds.changed(chat_id)
    return True


@atomic
def _remove(chat_id: uuid.UUID) -> list[int]:
    """Remove a chat with all that belongs to it. Returns the answers that waited in it."""
    waited = list(Message.objects.filter(chat=chat_id, state=State.WAITING).values_list("pk", flat=True))
    Draft.objects.filter(chat=chat_id).delete()
    Chat.objects.filter(pk=chat_id).delete()
    return waited


@atomic
def _purge() -> None:
    """Remove for good what was deleted in chats and can no longer be brought back."""
    Message.objects.filter(deleted__lt=timezone.now() - timedelta(seconds=KEPT)).delete()


def _empty() -> None:
    """Remove what was never sent, and so belongs to no chat: nobody can send it any more."""
    Attachment.objects.all().delete()
    Draft.objects.all().delete()
    store.sweep()
