"""Which files belong to which message: chosen while it is written, and its own from when it is stored."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.db.models import QuerySet
from django.db.models.functions import Length

from chat.models import Attachment, Draft, Message, Queued, Role

#: Of one message.
MOST: Final = 10
TOO_MANY: Final = f"A message may have {MOST} files. Remove some of them, then send it."


class FilesGone(Exception):
    """A chosen file is not there any more, or belongs to another message; nothing was stored."""


GONE: Final = (
    "A file of this message is not there any more: it was removed, or waited for more than a day. Attach it again, "
    "then send."
)


def unsent(ids: Sequence[uuid.UUID]) -> QuerySet[Attachment]:
    """The chosen files that belong to no message yet."""
    return measured().filter(pk__in=ids, message=None, queued=None, draft=None)


def attach(ids: Sequence[uuid.UUID], owner: Message | Queued) -> None:
    """Make the chosen files those of a message, in their order. For use in its transaction. Raises FilesGone."""
    if not ids:
        return
    owned: dict[str, Any] = {"message": owner} if isinstance(owner, Message) else {"queued": owner}
    for position, pk in enumerate(dict.fromkeys(ids)):
        chosen = Attachment.objects.filter(pk=pk, message=None, queued=None, draft=None)
        if not chosen.update(**owned, position=position):
            raise FilesGone


def hand_on(question: Message, draft: Draft) -> None:
    """Let the files of a message that is taken back go with its text. For use in a transaction."""
    question.attachments.update(message=None, draft=draft)


def free(draft_id: uuid.UUID) -> None:
    """The text of a draft stands in a message field now, and its files beside it."""
    Attachment.objects.filter(draft=draft_id).update(draft=None)


def title_of(ids: Sequence[uuid.UUID]) -> str:
    """Return what a chat is called that begins with files and no words: the first one's name."""
    first = Attachment.objects.filter(pk__in=list(ids)[:1]).first()
    return first.name if first is not None else ""


async def of_messages(messages: Iterable[Message]) -> dict[int, list[Attachment]]:
    """Return the files of messages, by the numbers of these. One query, or none where nobody asked anything."""
    found: dict[int, list[Attachment]] = {}
    if asked := [message.pk for message in messages if message.role == Role.USER]:
        async for each in light(Attachment.objects.filter(message__in=asked)):
            found.setdefault(each.message_id or 0, []).append(each)
    return found


def measured() -> QuerySet[Attachment]:
    """All, with the length of each file's text in `length`, and without the text."""
    return light(Attachment.objects.annotate(length=Length("file__text")))


def light(found: QuerySet[Attachment]) -> QuerySet[Attachment]:
    """With the facts about each file, and without what may be megabytes of it."""
    return found.select_related("file").defer("file__text", "file__data")
