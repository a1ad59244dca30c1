"""The list of chats in the sidebar: the pinned, the folders, then by day; older ones as the reader scrolls.

The list begins with the chats down to a *floor*, which stays where it is while newer ones come: so what a page has
fetched below it joins on without a gap, and what changes above it is sent to all pages alike, rendered once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from chat.database import kept
from chat.feed import feeds
from chat.models import Chat, Folder, Preference
from connections.push import html

# So many chats stand above a new floor; when they have become twice as many, or few, another floor is made.
FIRST: Final = 80
FEW: Final = 40
# So many come at once below it, and of a folder.
OLDER: Final = 60
IN_FOLDER: Final = 20

# The name under which it is remembered which folders are open.
OPENED: Final = "open-folders"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS: Final = ("id", "title", "updated", "folder", "pinned", "archived")


@dataclass(frozen=True)
class Key:
    """The place of a chat in a list: when it was changed, and its id where two were at once. Written `micros-hex`."""

    updated: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{(self.updated - _EPOCH) // timedelta(microseconds=1)}-{self.id.hex}"

    @classmethod
    def of(cls, chat: Chat) -> Key:
        """The place of `chat`."""
        return cls(chat.updated, chat.pk)

    @classmethod
    def parse(cls, text: str) -> Key | None:
        """Read what `str` wrote; None for anything else."""
        micros, _, digits = text[:80].partition("-")
        try:
            return cls(_EPOCH + timedelta(microseconds=int(micros)), UUID(hex=digits))
        except (ValueError, OverflowError):
            return None

    @property
    def below(self) -> Q:
        """What stands after it, the newest first. The first condition is one that the index knows."""
        return Q(updated__lte=self.updated) & (Q(updated__lt=self.updated) | Q(pk__lt=self.id))

    @property
    def down_to(self) -> Q:
        """What stands before it, and it."""
        return Q(updated__gte=self.updated) & (Q(updated__gt=self.updated) | Q(pk__gte=self.id))


@dataclass
class Shelf:
    """A folder with its newest chats. `older` asks for the next, empty where these are all."""

    folder: Folder
    is_open: bool = False
    chats: list[Chat] = field(default_factory=list)
    older: str = ""


@dataclass
class Listing:
    """The whole list, down to the floor. `older` is the key to ask for what is below, empty for nothing."""

    pinned: Sequence[Chat]
    shelves: Sequence[Shelf]
    days: Sequence[tuple[str, Sequence[Chat]]]
    older: str


@dataclass
class Page:
    """The next part of a list, newest first. `older` is the key to ask for what follows, empty at the end."""

    chats: Sequence[Chat]
    days: Sequence[tuple[str, Sequence[Chat]]]
    older: str


def present() -> QuerySet[Chat]:
    """The chats that are in some list, with what the list shows of them. Not in order."""
    return Chat.objects.filter(deleted=None).only(*_FIELDS).order_by()


def folders() -> list[Folder]:
    """All folders, by name."""
    return sorted(Folder.objects.filter(deleted=None), key=lambda folder: (folder.name.casefold(), folder.pk))


def opened() -> set[int]:
    """The ids of the folders that were left open."""
    row = Preference.objects.filter(name=OPENED).first()
    return {each for each in row.value if isinstance(each, int)} if row and isinstance(row.value, list) else set()


def _loose(shelved: Iterable[Folder]) -> QuerySet[Chat]:
    """What stands under its day: in no folder (of those that are there), not pinned, not in the archive."""
    outside = Q(folder=None) | ~Q(folder__in=[folder.pk for folder in shelved])
    return present().filter(outside, archived=None, pinned=None).order_by("-updated", "-pk")


def whole(floor: Key | None) -> tuple[Listing, Key | None]:
    """Read the list down to `floor`, or to a new one where there is none or it lies badly. Returns both."""
    shelves = _shelves()
    loose = _loose(shelf.folder for shelf in shelves)
    chats = list(loose.filter(floor.down_to)[: 2 * FIRST]) if floor else []
    more = floor is not None and FEW <= len(chats) < 2 * FIRST and loose.filter(floor.below).exists()
    if not more:
        chats = list(loose[: FIRST + 1])
        more = len(chats) > FIRST
        chats = chats[:FIRST]
        floor = Key.of(chats[-1]) if more else None
    pinned = list(present().exclude(pinned=None).filter(archived=None).order_by("-pinned")[:FIRST])
    return Listing(pinned, shelves, by_day(chats), str(floor) if more else ""), floor


def _shelves() -> list[Shelf]:
    """The folders, each with its newest chats, in three queries."""
    found = folders()
    if not found:
        return []
    now_open = opened()
    shelves = {folder.pk: Shelf(folder, folder.pk in now_open) for folder in found}
    number = Window(RowNumber(), partition_by=F("folder"), order_by=[F("updated").desc(), F("pk").desc()])
    inside = present().filter(folder__in=shelves, archived=None, pinned=None)
    for chat in inside.annotate(number=number).filter(number__lte=IN_FOLDER + 1).order_by("number"):
        shelf = shelves[chat.folder_id or 0]
        if len(shelf.chats) == IN_FOLDER:
            shelf.older = str(Key.of(shelf.chats[-1]))
        else:
            shelf.chats.append(chat)
    return list(shelves.values())


def older(before: Key, folder: int | None = None) -> Page:
    """The chats below a key, of those that are in no folder or of one folder."""
    if folder is None:
        return _page(_loose(folders()).filter(before.below), OLDER)
    inside = present().filter(folder=folder, archived=None, pinned=None).order_by("-updated", "-pk")
    return _page(inside.filter(before.below), OLDER)


def archive(before: Key | None = None) -> Page:
    """The chats in the archive, the last changed first."""
    inside = present().exclude(archived=None).order_by("-updated", "-pk")
    return _page(inside.filter(before.below) if before else inside, OLDER)


def _page(chats: QuerySet[Chat], length: int) -> Page:
    found = list(chats[: length + 1])
    shown = found[:length]
    return Page(shown, by_day(shown), str(Key.of(shown[-1])) if len(found) > length else "")


def by_day(chats: Iterable[Chat]) -> list[tuple[str, list[Chat]]]:
    """Put chats, newest first, under the names of their days."""
    today = timezone.localdate()
    groups: dict[str, list[Chat]] = {}
    for chat in chats:
        groups.setdefault(day_name(timezone.localtime(chat.updated), today), []).append(chat)
    return list(groups.items())


def day_name(moment: datetime, today: date) -> str:
    """Return the heading under which a chat of that moment stands."""
    day = moment.date()
    if day >= today:
        return "Today"
    if day == today - timedelta(days=1):
        return "Yesterday"
    if day > today - timedelta(days=7):
        return "Last 7 days"
    if day > today - timedelta(days=30):
        return "Last 30 days"
    return f"{day:%B %Y}"


class Sidebar:
    """The list as HTML, rendered once for all readers after each change: each for itself, it was most of the work."""

    def __init__(self) -> None:
        self._lock: asyncio.Lock | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._of: tuple[int, date] | None = None
        self._html = ""
        self._floor: Key | None = None

    async def html(self, chat_id: UUID | None) -> str:
        """Return the list with `chat_id` marked as the page that is shown, and its folder open."""
        async with self._held():
            now = (feeds.history.version, timezone.localdate())
            if self._of != now:
                # The page of a temporary chat shows it as well, and it has none of those.
                with kept():
                    listing, self._floor = await sync_to_async(whole)(self._floor)
                self._html = await html("chat/history/list.html", {"listing": listing})
                self._of = now
            rendered = self._html
        here = f'id="chat-{chat_id}"'
        return rendered.replace(here, f'{here} aria-current="page"')

    def _held(self) -> asyncio.Lock:
        # A lock belongs to a loop, and tests have many.
        loop = asyncio.get_running_loop()
        if self._lock is None or self._loop is not loop:
            self._lock, self._loop = asyncio.Lock(), loop
        return self._lock

    def again(self) -> None:
        """Read the list anew the next time. Pages need not hear of it."""
        self._of = None

    def forget(self) -> None:
        """Read the list anew the next time, with a new floor."""
        self._of = self._floor = None


sidebar = Sidebar()
