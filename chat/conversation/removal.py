"""Deleting a message with all that follows it, and taking that back."""

from __future__ import annotations

import uuid
from collections.abc import Set
from dataclasses import dataclass

from django.utils import timezone

from chat import waiting
from chat.conversation import queue
from chat.conversation.queue import Held
from chat.conversation.storing import touch_quietly
from chat.conversation.versions import below
from chat.database import atomic
from chat.history import purge
from chat.models import Chat, Message, State


@dataclass(frozen=True)
class Removed:
    """What was deleted: the ids of the messages, and the chat they are of."""

    chat_id: uuid.UUID
    ids: Set[int]


@atomic
def delete(message_id: int) -> Removed | None:
    """Delete a message with all that follows it, in every branch; None where it is not there.

    Another version of it is shown then, or what stood before it. It is kept for as long as it can be restored. An
    answer that is coming is left to the caller to stop.
    """
    message = Message.objects.filter(pk=message_id, deleted=None, chat__deleted=None).first()
    if message is None:
        return None
    ids = below(message)
    gone = Message.objects.filter(pk__in=ids)
    for pk in gone.filter(state=State.WAITING).values_list("pk", flat=True):
        waiting.end_pause(pk)
    gone.filter(state=State.WAITING).update(state=State.STOPPED)
    gone.update(deleted=timezone.now())
    if Chat.objects.filter(pk=message.chat_id, head__in=ids).exists():
        queue.hold(message.chat_id, Held.DELETED)
        touch_quietly(message.chat_id, head=_shown_instead(message))
    else:
        touch_quietly(message.chat_id)
    return Removed(message.chat_id, ids)


def _shown_instead(message: Message) -> int | None:
    """The end of the branch with the version before the deleted message, or after it, or with none of them."""
    beside = Message.objects.filter(chat=message.chat_id, parent=message.parent_id, deleted=None)
    other = beside.filter(pk__lt=message.pk).last() or beside.filter(pk__gt=message.pk).first()
    return max(below(other)) if other is not None else message.parent_id


@atomic
def restore(message_id: int) -> uuid.UUID | None:
    """Take a deletion back, and show what was deleted. Returns the chat; None where it can be taken back no more."""
    # Later it may have been removed for good in part.
    undone = Message.objects.filter(deleted__gt=timezone.now() - purge.KEPT, chat__deleted=None)
    message = undone.filter(pk=message_id).first()
    if message is None or Message.objects.filter(replies=message, deleted__isnull=False).exists():
        return None
    # What was deleted with it was so at the same moment; what had been deleted before stays so.
    together = Message.objects.filter(chat=message.chat_id, deleted=message.deleted, pk__gte=message.pk)
    ids = below(message, also=together.values_list("pk", flat=True))
    Message.objects.filter(pk__in=ids).update(deleted=None)
    queue.hold(message.chat_id, Held.MOVED)
    touch_quietly(message.chat_id, head=max(ids))
    return message.chat_id
