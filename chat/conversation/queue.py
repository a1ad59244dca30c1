"""Messages that were sent while an answer was coming: sent by the server, one by one, when that is complete.

Where the answer before does not complete they are held, with the reason, until the person says so. A queued message
becomes a message of its chat in one transaction (`storing.store_queued`), so it is sent once or not at all.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.utils import timezone

from chat.attachments.attaching import attach
from chat.conversation.storing import own_key, present, touch_quietly
from chat.database import atomic, context
from chat.models import Attachment, Chat, Draft, Queued, State

#: So many messages wait in one chat.
MOST: Final = 10
#: So long a removed one can be put back.
KEPT: Final = timedelta(seconds=60)

# The loop holds tasks weakly.
_forgetting: set[asyncio.Task[None]] = set()


class QueueIsFull(Exception):
    """As many messages wait in this chat as may; nothing was stored."""


class Held(StrEnum):
    """Why queued messages are not sent by themselves."""

    STOPPED = "Not sent, because you stopped the answer before it."
    FAILED = "Not sent, because the answer before it failed."
    RESTARTED = "Not sent, because Lerix was restarted meanwhile."
    TAKEN_BACK = "Not sent, because the message before it was taken back."
    MOVED = "Not sent, because another version is shown now."
    DELETED = "Not sent, because what stood before it was deleted."
    CHAT_DELETED = "Not sent, because this chat was deleted meanwhile."
    NO_ACCESS = "Not sent, because the model or access chosen for it is not there any more. Choose another one below."
    MANY = "Not sent, because other devices have as many answers coming as they may have at once."
    NOT_ALLOWED = "Not sent, because the device it was written on may not ask this computer any more."
    OWN_FAULT = "Not sent, because something went wrong inside Lerix; its log says what."


#: What an answer that ended so does to the messages behind it.
HOLDS: Final = {State.STOPPED: Held.STOPPED, State.FAILED: Held.FAILED, State.INTERRUPTED: Held.RESTARTED}


@dataclass(frozen=True)
class Line:
    """What is queued in a chat, next first, with its files at hand; and why the first that is held is so ("": none)."""

    items: Sequence[Queued] = ()

    @property
    def held(self) -> str:
        return next((each.held for each in self.items if each.held), "")


async def of_chat(chat: Chat | None) -> Line:
    """Return what is queued in a chat."""
    if chat is None:
        return Line()
    rows = Queued.objects.filter(chat=chat, removed=None).prefetch_related("attachments")
    return Line([each async for each in rows])


async def due(chat_id: uuid.UUID) -> Queued | None:
    """Return the message that is sent next by itself, if there is one."""
    waiting = Queued.objects.select_related("chat").filter(chat=chat_id, held="", removed=None, chat__deleted=None)
    return await waiting.afirst()


@atomic
def add(
    chat_id: uuid.UUID,
    text: str,
    key: uuid.UUID,
    choice: dict[str, str],
    sender: Any,
    files: Sequence[uuid.UUID] = (),
) -> Queued | None:
    """Queue a message; None where its key is known already: the same form, sent twice.

    `choice` is as Chat.choice, `sender` of `senders.note`. Raises QueueIsFull, FilesGone, and Chat.DoesNotExist where
    the chat is deleted.
    """
    chat = present(chat_id)
    key, known = own_key(key, text)
    if known is not None:
        return None
    _forget_removed()
    if Queued.objects.filter(chat=chat, removed=None).count() >= MOST:
        raise QueueIsFull
    queued = Queued.objects.create(chat=chat, text=text, key=key, choice=choice, sender=sender)
    attach(files, queued)
    touch_quietly(chat.pk)
    return queued


@atomic
def edit(queued_id: int, text: str, sender: Any) -> uuid.UUID | None:
    """Give a queued message another text, which is then sent by the rights of `sender` (as in `add`).

    Returns its chat, or None where it was sent or removed meanwhile.
    """
    queued = Queued.objects.filter(pk=queued_id, removed=None, chat__deleted=None).first()
    if queued is None:
        return None
    Queued.objects.filter(pk=queued_id).update(text=text, sender=sender)
    touch_quietly(queued.chat_id)
    return queued.chat_id


@atomic
def remove(queued_id: int) -> uuid.UUID | None:
    """Take a message out of the queue, for now. Returns its chat, or None where it is not there."""
    return _set_removed(queued_id, before=False)


@atomic
def put_back(queued_id: int) -> uuid.UUID | None:
    """Put a removed message back to its place. Returns its chat, or None where it is forgotten already."""
    return _set_removed(queued_id, before=True)


def _set_removed(queued_id: int, *, before: bool) -> uuid.UUID | None:
    queued = Queued.objects.filter(pk=queued_id, removed__isnull=not before, chat__deleted=None).first()
    if queued is None:
        return None
    Queued.objects.filter(pk=queued_id).update(removed=None if before else timezone.now())
    touch_quietly(queued.chat_id)
    return queued.chat_id


@atomic
def release(chat_id: uuid.UUID, choice: dict[str, str], sender: Any) -> None:
    """Let all that is held be sent in its turn, as whoever says so now and by the choice that stands in the menu."""
    held = Queued.objects.filter(chat=chat_id, removed=None).exclude(held="")
    held.update(held="", choice=choice, sender=sender)
    touch_quietly(chat_id)


def hold(chat_id: uuid.UUID, why: Held) -> bool:
    """Send nothing of a chat by itself any more. Returns whether there was anything. For use in a transaction."""
    return bool(Queued.objects.filter(chat=chat_id, held="", removed=None).update(held=why.value))


@atomic
def hold_now(chat_id: uuid.UUID, why: Held) -> None:
    """As `hold`, with word for the pages."""
    if hold(chat_id, why):
        touch_quietly(chat_id)


def hold_all(why: Held) -> None:
    """Hold what an earlier process left, and forget what was removed then. Nobody reads yet."""
    Queued.objects.exclude(removed=None).delete()
    Queued.objects.filter(held="").update(held=why.value)


def to_drafts(chat_id: uuid.UUID) -> None:
    """Keep the queued texts of a chat that is about to go as drafts, with their files. For use in a transaction."""
    for queued in Queued.objects.filter(chat=chat_id, removed=None):
        draft = Draft.objects.create(text=queued.text)
        Attachment.objects.filter(queued=queued).update(queued=None, draft=draft)


def _forget_removed() -> None:
    Queued.objects.filter(removed__lt=timezone.now() - KEPT).delete()


@atomic
def forget_removed() -> None:
    """Delete for good what was removed and can no longer be put back."""
    _forget_removed()


def forget_soon() -> None:
    """Have what was just removed deleted for good as soon as it can no longer be put back."""
    asyncio.get_running_loop().call_later(KEPT.total_seconds() + 1, _begin_to_forget, context=context())


def _begin_to_forget() -> None:
    task = asyncio.create_task(sync_to_async(forget_removed)(), context=context())
    _forgetting.add(task)
    task.add_done_callback(_forgetting.discard)
