"""Versions of a message: what stands beside it below the same message. One of them is in the shown branch."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Q

from chat.conversation import queue
from chat.conversation.queue import Held
from chat.conversation.storing import touch_quietly
from chat.database import atomic
from chat.models import Chat, Message


@dataclass(frozen=True)
class Versions:
    """Where a message stands among its versions: the `place`-th of `count`, with the ids of those beside it."""

    place: int
    count: int
    previous: int | None
    next: int | None


async def of(messages: Sequence[Message]) -> dict[int, Versions]:
    """Return the versions of those messages of one chat that have several, by id. One query."""
    if not messages:
        return {}
    parents = {message.parent_id for message in messages}
    beside = Q(parent__in=parents - {None})
    if None in parents:
        beside |= Q(parent=None)
    siblings: dict[int | None, list[int]] = defaultdict(list)
    rows = Message.objects.filter(beside, chat=messages[0].chat_id, deleted=None).order_by("pk")
    async for pk, parent in rows.values_list("pk", "parent_id"):
        siblings[parent].append(pk)
    return {
        message.pk: _place(message.pk, siblings[message.parent_id])
        for message in messages
        if len(siblings[message.parent_id]) > 1 and message.pk in siblings[message.parent_id]
    }


def _place(message_id: int, ids: Sequence[int]) -> Versions:
    at = ids.index(message_id)
    return Versions(
        at + 1, len(ids), ids[at - 1] if at else None, ids[at + 1] if at + 1 < len(ids) else None
    )


@atomic
def show(message_id: int) -> uuid.UUID | None:
    """Show the branch that a message is in, with the newest of what follows it. Returns its chat.

    None where the message or its chat is not there any more. What is queued is held, for it was written below what was
    shown before.
    """
    message = Message.objects.filter(pk=message_id, deleted=None, chat__deleted=None).first()
    if message is None:
        return None
    head = max(below(message))
    if Chat.objects.filter(pk=message.chat_id, head=head).exists():
        return message.chat_id
    queue.hold(message.chat_id, Held.MOVED)
    touch_quietly(message.chat_id, head=head)
    return message.chat_id


def below(message: Message, *, also: Iterable[int] = ()) -> set[int]:
    """Return the ids of a message and of all that follows it in any branch.

    What is deleted is left out, but for `also`. The highest is the newest of them, below which there is nothing.
    """
    # A message is always newer than what it stands below, so one pass finds all.
    rows = Message.objects.filter(chat=message.chat_id, pk__gt=message.pk)
    rows = rows.filter(Q(deleted=None) | Q(pk__in=list(also)))
    found = {message.pk}
    for pk, parent in rows.order_by("pk").values_list("pk", "parent_id"):
        if parent in found:
            found.add(pk)
    return found
