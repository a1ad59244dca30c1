"""Which messages of a chat a page has: a window of the shown branch, so that a long chat opens like a short one.

A branch is the ids of its messages, oldest first (`Chat.branch`); only the messages of the window are read. Windows
are bounded by the number of their messages and by how much there is to show in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from chat.models import Message

#: So many messages at most.
MOST: Final = 40
#: So many characters of text and HTML at most, in the messages beyond the first `LEAST`.
BULK: Final = 400_000
#: A question and its answer are always shown, however long they are.
LEAST: Final = 2
#: Read from the database at a time, so that few messages are read that then do not fit.
_STEP: Final = 10


@dataclass(frozen=True)
class Window:
    """Messages that follow each other in a branch, oldest first; `older` and `newer` say that it goes on there."""

    rows: Sequence[Message] = ()
    older: bool = False
    newer: bool = False

    @property
    def first(self) -> int:
        """The id of its oldest message, 0 of none."""
        return self.rows[0].pk if self.rows else 0

    @property
    def last(self) -> int:
        """The id of its newest message, 0 of none."""
        return self.rows[-1].pk if self.rows else 0


async def newest(branch: Iterable[int]) -> Window:
    """Return the end of a branch."""
    ids = list(branch)
    rows = (await _fill(ids[::-1]))[::-1]
    return Window(rows, older=len(rows) < len(ids))


async def around(branch: Iterable[int], message_id: int) -> Window:
    """Return the messages before and after one of the branch; the end of the branch where it is not in it."""
    ids = list(branch)
    if message_id not in ids:
        return await newest(ids)
    at = ids.index(message_id)
    behind = await _fill(ids[at:], MOST // 2)
    rest = BULK - sum(map(bulk, behind))
    ahead = (await _fill(ids[:at][::-1], MOST - len(behind), rest, least=1))[::-1]
    return Window([*ahead, *behind], older=len(ahead) < at, newer=at + len(behind) < len(ids))


async def before(branch: Iterable[int], message_id: int) -> Window:
    """Return what stands before a message of the branch; nothing where it is not in it."""
    ids = list(branch)
    ahead = ids[: ids.index(message_id)] if message_id in ids else []
    rows = (await _fill(ahead[::-1]))[::-1]
    return Window(rows, older=len(rows) < len(ahead), newer=bool(rows))


async def after(branch: Iterable[int], message_id: int | None) -> Window:
    """Return what follows a message of the branch; with None its beginning, and nothing where it is not in it."""
    ids = list(branch)
    at = -1 if message_id is None else ids.index(message_id) if message_id in ids else len(ids)
    behind = ids[at + 1 :]
    rows = await _fill(behind)
    return Window(rows, older=at >= 0, newer=len(rows) < len(behind))


async def load(ids: Sequence[int]) -> list[Message]:
    """Return messages in the order of their ids, without the reasoning items that only models read."""
    found = {row.pk: row async for row in Message.objects.filter(pk__in=ids).defer("items")}
    return [found[pk] for pk in ids if pk in found]


def bulk(message: Message) -> int:
    """Return how much there is to show of a message, in characters."""
    return len(message.html or message.text) + len(message.reasoning)


async def _fill(ids: Sequence[int], most: int = MOST, room: int = BULK, *, least: int = LEAST) -> list[Message]:
    """Return as many messages from the beginning of `ids` as belong into one window."""
    taken: list[Message] = []
    for begin in range(0, min(most, len(ids)), _STEP):
        for row in await load(ids[begin : min(begin + _STEP, most)]):
            room -= bulk(row)
            if room < 0 and len(taken) >= least:
                return taken
            taken.append(row)
    return taken
