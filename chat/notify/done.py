"""Which long answers have ended: what a tab that is hidden waits for, since its event stream rests meanwhile.

The tab says which answers ran when it last heard of them. So nothing is kept for it here, an answer that ends between
two of its requests is not missed, and one that a crash of Lerix broke off is told of as well.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

from django.urls import reverse

from chat.database import alias_of, using
from chat.feed import feeds
from chat.models import Message, State
from connections.changes import heard

#: An answer that took less is not worth a notification.
LONG: Final = timedelta(seconds=20)
#: Seconds for which one request waits; less than browsers on other devices wait for an answer.
HOLD: Final = 20.0
#: Seconds after which the event stream of a tab that was hidden just now is known to be gone.
GRACE: Final = 1.0
#: Answers that a tab may ask about; no more run at once.
MOST: Final = 64

_ENDED: Final = {
    State.COMPLETE: "{name} has answered, after {time}.",
    State.FAILED: "{name} could not complete its answer.",
    State.INTERRUPTED: "Lerix ended before {name} had answered.",
}


@dataclass(frozen=True)
class Done:
    """One answer that has ended: `chat` is its address, `title` and `text` are to be shown. No word of it is told."""

    id: int
    chat: str
    title: str
    text: str


@dataclass(frozen=True)
class News:
    """What has ended, and the ids of the answers that still run."""

    live: list[int]
    done: list[Done]

    def to_json(self) -> dict[str, Any]:
        """As the page reads it."""
        return asdict(self)


async def news(known: Iterable[int], *, seconds: float = HOLD) -> News:
    """Wait until a long answer among `known`, or one begun since, has ended: at most `seconds`, then there is none."""
    bell = asyncio.Event()
    feeds.history.ring(bell)
    end = time.monotonic() + seconds
    running, found = set(known), list[Done]()
    while True:
        now = set(feeds.live)
        if over := running - now:
            found = await _done(over)
        running = now
        left = end - time.monotonic()
        if found or left <= 0 or not await heard(bell, seconds=left):
            return News(sorted(running)[:MOST], found)


async def _done(ids: set[int]) -> list[Done]:
    found: list[Message] = []
    for database in set(map(alias_of, ids)):
        with using(database):
            ended = Message.objects.select_related("chat").filter(
                pk__in=ids, state__in=list(_ENDED), deleted=None, chat__deleted=None
            )
            found += [answer async for answer in ended if _is_long(answer)]
    if any(feeds.chat(answer.chat_id).is_heard for answer in found):
        await asyncio.sleep(GRACE)
    return [_told(answer) for answer in found if not feeds.chat(answer.chat_id).is_heard]


def _is_long(answer: Message) -> bool:
    return answer.finished is not None and answer.finished - answer.created >= LONG


def _told(answer: Message) -> Done:
    taken = answer.finished - answer.created if answer.finished is not None else LONG
    text = _ENDED[State(answer.state)].format(name=answer.model_name or "The model", time=spoken(taken))
    return Done(answer.pk, reverse("chat:chat", args=[answer.chat_id]), answer.chat.title, text)


def spoken(time: timedelta) -> str:
    """Return a span as one says it: "35 seconds", "2 minutes", "1 hour 5 minutes".

    >>> spoken(timedelta(seconds=61)), spoken(timedelta(hours=1, minutes=5))
    ('1 minute', '1 hour 5 minutes')
    """
    seconds = int(time.total_seconds())
    if seconds < 60:
        return _counted(seconds, "second")
    hours, minutes = divmod(seconds // 60, 60)
    parts = [_counted(hours, "hour") if hours else "", _counted(minutes, "minute") if minutes else ""]
    return " ".join(part for part in parts if part)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
