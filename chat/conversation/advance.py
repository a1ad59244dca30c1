"""Sends the next queued message of a chat when its turn has come."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable

from asgiref.sync import sync_to_async

from chat import waiting
from chat.choice import Choice
from chat.choices import exactly
from chat.conversation import queue, senders
from chat.conversation.queue import Held
from chat.conversation.storing import store_queued
from chat.feed import feeds
from chat.models import Message, Queued
from chat.visits import Seat, TooManyVisits

log = logging.getLogger(__name__)

#: Begins an answer that was just stored, or has it wait.
Start = Callable[[Message, Choice, Seat | None], None]


async def send_next(chat_id: uuid.UUID, start: Start) -> None:
    """Begin the next queued message of a chat, unless an answer is coming there; hold it where that cannot be.

    Call in the thread of the answers.
    """
    if waiting.ending or feeds.live_in(chat_id) is not None or (queued := await queue.due(chat_id)) is None:
        return
    try:
        why = await _send(queued, start)
    except Exception:
        log.exception("A queued message could not be sent for a reason of our own")
        why = Held.OWN_FAULT
    if why is not None:
        await sync_to_async(queue.hold_now)(chat_id, why)
        feeds.changed(chat_id)


async def _send(queued: Queued, start: Start) -> Held | None:
    """Send a message by the rights of who wrote it; return why not."""
    try:
        with senders.serving(queued.sender):
            choice = await exactly(queued.chat, queued.choice)
            if choice is None:
                return Held.NO_ACCESS
            seat = senders.seat()
    except senders.NotAllowed:
        return Held.NOT_ALLOWED
    except TooManyVisits:
        return Held.MANY
    try:
        answer = await sync_to_async(store_queued)(queued.pk, choice, waiting.first_state(choice.path))
        if answer is not None:
            start(answer, choice, seat)
    finally:
        if seat is not None and not seat.taken:
            seat.leave()
    return None
