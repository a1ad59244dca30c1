"""Which tabs show temporary chats, and until when a chat stays that none of them shows any more.

A tab is there while its event stream is. Browsers cut the stream of a tab in the background, and may end its page there
without a word: so a page says when it goes into the background, and when it is left. Of one on another device the
stream may outlive the page by minutes, for the relay waits for it to come back, and phones end pages in the background:
such a page says now and then that it is there. The clock stands still while the computer sleeps.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass
from math import inf
from typing import Final

from connections.changes import Signal

#: Seconds after a page was left: one that is loaded anew is back by then.
LEFT: Final = 10.0
#: Seconds after an event stream ended without a word, or after the last word of a page on another device: the browser
#: has crashed, or the connection is cut for a while.
LOST: Final = 120.0
#: Seconds after a page went into the background, which says as well when it is closed there.
HIDDEN: Final = 12 * 3600.0
#: Seconds after the last word of one in the background of another device.
HIDDEN_ELSEWHERE: Final = 1800.0
#: So many tabs are known at most; of more, those that would be forgotten first are.
MOST: Final = 256


@dataclass
class _Tab:
    """What is known of a tab: the chat it shows (None: none yet), its event streams, and how it was left.

    `beats`: its page says that it is there, whatever its streams do.
    """

    chat_id: uuid.UUID | None
    streams: int = 0
    left: bool = False
    hidden: bool = False
    beats: bool = False
    until: float = inf

    @property
    def is_open(self) -> bool:
        return self.streams > 0 and not self.left and not self.beats


class Tabs:
    """The tabs of this process by the ids that their pages gave themselves. `clock` tells seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tabs: dict[uuid.UUID, _Tab] = {}
        # The chats that a tab shows, or has shown while they were there.
        self._known: set[uuid.UUID] = set()
        #: Somebody has come or gone.
        self.changed = Signal()

    async def following(
        self,
        tab_id: uuid.UUID,
        chat_id: uuid.UUID | None,
        events: AsyncGenerator[bytes, None],
        *,
        beats: bool = False,
    ) -> AsyncGenerator[bytes, None]:
        """Yield the events of a tab's stream. The tab is there for as long as they are taken, or while it `beats`."""
        tab = self._tab(tab_id, chat_id)
        tab.streams += 1
        tab.left = tab.hidden = False
        tab.beats = beats
        tab.until = self._clock() + LOST if beats else inf
        self.changed.set()
        try:
            async with aclosing(events):
                async for event in events:
                    yield event
        finally:
            tab.streams -= 1
            if not (tab.streams or tab.left or tab.hidden or tab.beats):
                tab.until = self._clock() + LOST
            self.changed.set()

    def beat(self, tab_id: uuid.UUID, chat_id: uuid.UUID | None) -> None:
        """A page says that it is there."""
        tab = self._tab(tab_id, chat_id)
        if not tab.left:
            tab.until = self._clock() + (HIDDEN_ELSEWHERE if tab.hidden else LOST)

    def hide(self, tab_id: uuid.UUID, chat_id: uuid.UUID | None) -> None:
        """A page is in the background now."""
        tab = self._tab(tab_id, chat_id)
        # A page that is closed says both, and they may come in either order.
        if not tab.left:
            tab.hidden, tab.until = True, self._clock() + (HIDDEN_ELSEWHERE if tab.beats else HIDDEN)
        self.changed.set()

    def leave(self, tab_id: uuid.UUID, chat_id: uuid.UUID | None) -> None:
        """A page was closed, or another one took its place, perhaps itself."""
        tab = self._tab(tab_id, chat_id)
        tab.left, tab.until = True, self._clock() + LEFT
        self.changed.set()

    def open(self, tab_id: uuid.UUID, chat_id: uuid.UUID | None) -> None:
        """A page was made: its event stream comes soon. For any thread."""
        self._tab(tab_id, chat_id).until = self._clock() + LOST

    def unseen(self, chats: Collection[uuid.UUID]) -> list[uuid.UUID]:
        """Return those of all temporary `chats` that no tab shows, nor may come back to.

        One that was never shown has just been begun: its tab comes soon.
        """
        for chat_id in set(chats) - self._known:
            self._tab(chat_id, chat_id).until = self._clock() + LEFT
        self._known = set(chats)
        shown = {tab.chat_id for tab in self._tabs.values()}
        return [chat_id for chat_id in chats if chat_id not in shown]

    def forget(self) -> None:
        """Forget the tabs whose time is over."""
        now = self._clock()
        self._tabs = {tab_id: tab for tab_id, tab in self._tabs.items() if tab.is_open or tab.until > now}

    @property
    def soonest(self) -> float | None:
        """In how many seconds the next tab is forgotten; None while none will be."""
        until = min((tab.until for tab in self._tabs.values() if not tab.is_open), default=inf)
        return None if until == inf else max(0.0, until - self._clock())

    @property
    def is_empty(self) -> bool:
        """Whether no tab is known."""
        return not self._tabs

    def _tab(self, tab_id: uuid.UUID, chat_id: uuid.UUID | None) -> _Tab:
        if tab_id not in self._tabs and len(self._tabs) >= MOST:
            closed = [each for each in self._tabs if not self._tabs[each].is_open]
            # Where all are open, the one that has been for longest comes again when its stream is joined anew.
            del self._tabs[min(closed or self._tabs, key=lambda each: self._tabs[each].until)]
        tab = self._tabs.setdefault(tab_id, _Tab(chat_id))
        tab.chat_id = chat_id
        if chat_id is not None:
            self._known.add(chat_id)
        return tab


tabs = Tabs()
