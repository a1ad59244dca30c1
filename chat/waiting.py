"""Messages that wait: written while their access path is away, sent once when it is back, taken back until then.

Such an answer is a row in the state `WAITING`, of which nothing was asked yet. It leaves that state by one conditional
UPDATE: either `chat.sending` begins it, or `take_back` removes it, and the other of the two finds nothing to do.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from asgiref.sync import sync_to_async
from django.db.models import Prefetch

from chat.attachments import attaching
from chat.conversation import queue
from chat.conversation.queue import Held
from chat.database import atomic
from chat.feed import feeds
from chat.models import Chat, Draft, Message, Role, State
from connections.changes import Signal
from connections.paths import AccessPath, paths

#: So often an answer goes back to waiting before it fails with its error like any other.
MOST_BEGINNINGS: Final = 20
#: Seconds until an answer that went back to waiting is begun again where no change of its path is heard of; doubled
#: each time.
FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 60.0

#: More or fewer answers wait, or one that was begun has ended.
changed = Signal()

#: Lerix ends: nothing that waits is begun any more.
ending = False

# When the answers that went back to waiting may be begun again at the latest, in seconds of the loop's clock: by the
# number of the message, with the key of its path.
_pauses: dict[int, tuple[str, float]] = {}


@dataclass(frozen=True)
class Notice:
    """What a page says in the place of an answer that waits. `since` is when its path went away, where known."""

    sentence: str
    outlook: str
    since: datetime | None = None


@dataclass(frozen=True)
class TakenBack:
    """What is left after a message was taken back: its chat, or None where that had nothing else."""

    chat: Chat | None


def first_state(path: AccessPath) -> State:
    """Return the state that a new answer of `path` begins in."""
    return State.WAITING if path.keeps_messages and not path.status().ready else State.STREAMING


def may_wait(message: Message, path: AccessPath) -> bool:
    """Whether an answer of which nothing was sent goes back to waiting, rather than to fail."""
    return path.keeps_messages and message.begun < MOST_BEGINNINGS


def put_back(message: Message) -> None:
    """Note on a row, which its caller stores, that it waits again. It is not begun anew before its path has changed."""
    message.begun += 1
    pause = min(FIRST_PAUSE * 2 ** (message.begun - 1), LONGEST_PAUSE)
    _pauses[message.pk] = message.access, asyncio.get_running_loop().time() + pause


def end() -> None:
    """Begin nothing any more, for Lerix ends: what waits does so until it is started again."""
    global ending
    ending = True


def pause_ends(message_id: int) -> float:
    """Return before when an answer is not begun, in seconds of the loop's clock."""
    return _pauses.get(message_id, ("", 0.0))[1]


def end_pause(message_id: int) -> None:
    """The answer has been begun, or is gone."""
    _pauses.pop(message_id, None)


def end_pauses(path: AccessPath) -> None:
    """Let every answer of a path be begun, because the path has just become ready."""
    for message_id in [each for each, (key, _) in _pauses.items() if key == path.key]:
        end_pause(message_id)


def notice(message: Message) -> Notice:
    """Return what to say of an answer that waits, as its path is now."""
    # Labels are the kind of access and, after a dot, what its owner calls it: "Codex Relay · Anna's Mac".
    path = paths.get(message.access)
    label = path.label if path else message.access_label
    name = label.partition(" · ")[2] or label
    if path is None:
        return Notice(
            f"Lerix has no way to {name} now.",
            "Your message is kept, and is sent if that changes. If you signed out of the account, sign in again. If "
            "the computer was removed from it, take the message back and choose another access.",
        )
    status = path.status()
    if status.ready:
        return Notice(f"{name} is there.", "Your message is kept. It is sent in its turn.")
    outlook = f"Your message is kept. It is sent as soon as {name} is back."
    if status.until is not None:
        return Notice(status.sentence, f"Your message is kept. It is sent as soon as {name} can answer again.")
    return Notice(status.sentence, outlook, status.since)


async def take_back(message_id: int) -> TakenBack | None:
    """Remove an answer that waits, and the question with it where it is the only answer; its text becomes a Draft.

    Returns None, and has done nothing, where the answer does not wait any more.
    """
    done = await sync_to_async(_take_back)(message_id)
    if done is None:
        return None
    chat_id, left = done
    end_pause(message_id)
    feeds.changed(chat_id)
    changed.set()
    return left


@atomic
def _take_back(message_id: int) -> tuple[uuid.UUID, TakenBack] | None:
    # The condition that the beginning has as well, before anything is looked at.
    waits = Message.objects.filter(pk=message_id, state=State.WAITING, deleted=None)
    if not waits.update(state=State.STOPPED):
        return None
    answer = Message.objects.select_related("chat", "parent").get(pk=message_id)
    chat, question = answer.chat, answer.parent
    alone = (
        question is not None
        and question.role == Role.USER
        and not question.replies.exclude(pk=answer.pk).exists()
    )
    # An answer that was asked for again, or was to go on, leaves what was shown before.
    before = answer.before_id if alone else answer.before_id or answer.parent_id
    Chat.objects.filter(pk=chat.pk, head=answer.pk).update(head=before)
    answer.delete()
    if alone and question is not None:
        draft = Draft.objects.create(text=question.text)
        attaching.hand_on(question, draft)
        question.delete()
        if not chat.messages.exists():
            queue.to_drafts(chat.pk)
            chat_id = chat.pk
            chat.delete()
            return chat_id, TakenBack(None)
        Draft.objects.filter(pk=draft.pk).update(chat=chat)
    queue.hold(chat.pk, Held.TAKEN_BACK)
    Chat.touch(chat.pk)
    chat.refresh_from_db()
    return chat.pk, TakenBack(chat)


async def drafts(chat: Chat | None) -> list[Draft]:
    """Return the messages that were taken back and are in no message field yet; with None those of deleted chats."""
    found = Draft.objects.filter(chat=chat).prefetch_related(Prefetch("attachments", attaching.measured()))
    return [draft async for draft in found]


async def placed(draft_id: uuid.UUID) -> None:
    """Forget a draft: its text stands in a message field now, with its files beside it."""
    await sync_to_async(_placed)(draft_id)


@atomic
def _placed(draft_id: uuid.UUID) -> None:
    attaching.free(draft_id)
    Draft.objects.filter(pk=draft_id).delete()
