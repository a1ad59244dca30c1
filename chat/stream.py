"""The event stream of one tab: brings the page up to date from any point, then follows.

One stream carries everything the tab needs: new messages, the live answer, the sidebar, the model menu. It sends
states, not events: whatever the reader missed, it gets the newest once. So a slow reader costs no memory, and a
reader that re-joins with its cursor gets what it lacks and nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from html import escape
from typing import Final
from uuid import UUID

from asgiref.sync import ThreadSensitiveContext
from django.utils import timezone

from chat.blocks import BlockStream, Position
from chat.choices import picker
from chat.feed import LiveAnswer, feeds
from chat.models import Chat, Message, State
from chat.pages import Cursor, history, kept, position, shown
from chat.waiting import notice
from connections.changes import connections_changed, heard
from connections.push import ALIVE, KEEP_ALIVE, WAITING, html, message, partial

# Least time between two updates: at most 30 a second reach the page, however fast the model is.
PACE: Final = 0.033
# The same for each answer that comes at this moment: 600 updates a second in all leave the processor time to take in
# what the models send.
SHARE: Final = 0.0016

# All readers look into the database in this one thread: each would otherwise keep a connection of its own, with its
# cache, for as long as its tab is open.
_readers = ThreadPoolExecutor(1, thread_name_prefix="readers")


class _Sidebar:
    """The list of chats, rendered once for all readers after each change: each for itself, it was most of the work."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._of: tuple[int, date] | None = None
        self._html = ""

    async def html(self, chat_id: UUID | None) -> str:
        """Return the list with `chat_id` marked as the page that is shown."""
        async with self._lock:
            now = (feeds.history.version, timezone.localdate())
            if self._of != now:
                self._html = await html("chat/history.html", {"history": await history()})
                self._of = now
            whole = self._html
        here = f'id="chat-{chat_id}"'
        return whole.replace(here, f'{here} aria-current="page"')


_sidebar = _Sidebar()


class Reader:
    """One tab that follows a chat, or with `chat_id` None the empty page of a new chat."""

    def __init__(self, chat_id: UUID | None, cursor: Cursor) -> None:
        self.chat_id = chat_id
        self.cursor = cursor
        self._signal = feeds.chat(chat_id) if chat_id else None
        self._rows = -1
        # The messages the page shows, with their states.
        self._known: dict[int, str] = {}
        self._live: LiveAnswer | None = None
        # Nothing of the live answer has been sent since it was taken up: what comes first waits for nothing.
        self._first_words = False
        self._text = Position()
        self._thoughts = Position()

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Yield events without end; each brings the page up to date."""
        bell = asyncio.Event()
        for signal in (self._signal, feeds.history, connections_changed):
            if signal is not None:
                signal.ring(bell)
        # Answers the request at once, so that the page knows it is connected.
        yield ALIVE
        while True:
            while pieces := await self._look():
                yield message("".join(pieces), str(self.cursor))
                if not self._first_words:
                    await asyncio.sleep(max(PACE, SHARE * len(feeds.live)))
            yield WAITING
            while not await heard(bell, seconds=KEEP_ALIVE):
                yield ALIVE

    async def _look(self) -> list[str]:
        # Around the look and not around the stream: a stream may be closed from another context than its own.
        async with ThreadSensitiveContext(executor=_readers):
            return await self.catch_up()

    async def catch_up(self) -> list[str]:
        """Return the next pieces of HTML that the page lacks, and move the cursor; nothing when it lacks none.

        The pieces of one call are for places that the page has already: htmx looks for all of them before it puts
        the first piece in. What belongs into a new message comes with the next call.
        """
        if self._signal is not None and self._rows != self._signal.rows:
            self._rows = self._signal.rows
            if pieces := await self._rows_changed():
                return pieces
        pieces = self._live_grew()
        if pieces and self._first_words and self._live is not None:
            self._first_words = not (self._live.text or self._live.thoughts)
            return pieces
        if self.cursor.boot != feeds.boot or self.cursor.history != feeds.history.version:
            self.cursor = replace(self.cursor, history=feeds.history.version)
            pieces.append(partial("#history", await _sidebar.html(self.chat_id)))
        if self.cursor.boot != feeds.boot or self.cursor.connections != connections_changed.version:
            self.cursor = replace(self.cursor, connections=connections_changed.version)
            pieces += await self._menu_changed()
        self.cursor = replace(self.cursor, boot=feeds.boot)
        return pieces

    async def _rows_changed(self) -> list[str]:
        """The messages in the database are others than before, or this reader has just come."""
        snapshot = await self._snapshot()
        if snapshot is None:
            self._known, self._live = {}, None
            return [partial("#log", await html("chat/gone.html", {}))] if self.chat_id else []
        chat, branch = snapshot
        known, self._known = self._known, {row.pk: row.state for row in branch}
        if not known and self.cursor.revision == chat.revision:
            # Nothing has changed since the page was made: only take up the live answer where it was left.
            live = feeds.live_in(chat.pk)
            same = live is not None and live.message.pk == self.cursor.live
            self._take_up(live, self.cursor.text if same else 0, self.cursor.thoughts if same else 0)
            return []
        pieces = []
        if not known or list(self._known)[: len(known)] != list(known):
            # Branches were switched, or too much was missed to be told piece by piece.
            self._take_up(None)
            pieces.append(partial("#log", await self._articles(branch)))
        else:
            for row in branch[: len(known)]:
                if row.state != known[row.pk] or feeds.live.get(row.pk, self._live) is not self._live:
                    pieces += await self._changed_state(row)
            if new := branch[len(known) :]:
                pieces.append(partial("#log", await self._articles(new), "beforeend"))
        actions = {"chat": chat, "busy": feeds.live_in(chat.pk) is not None}
        pieces.append(partial("#composer-actions", await html("chat/actions.html", actions)))
        pieces.append(partial("#title", escape(chat.title)))
        if (State.WAITING in known.values()) != self._waits:
            context = {"picker": await picker(chat), "waits": self._waits}
            pieces.append(partial("#composer-note", await html("chat/note.html", context)))
        self.cursor = replace(self.cursor, revision=chat.revision)
        return pieces

    @property
    def _waits(self) -> bool:
        return State.WAITING in self._known.values()

    async def _snapshot(self) -> tuple[Chat, list[Message]] | None:
        """Return the chat and its messages, both of one moment."""
        chat = await self._chat()
        while chat is not None:
            branch = await chat.conversation()
            newest = await self._chat()
            if newest is not None and newest.revision == chat.revision:
                return chat, branch
            chat = newest
        return None

    async def _chat(self) -> Chat | None:
        return await Chat.objects.filter(pk=self.chat_id).afirst() if self.chat_id else None

    async def _articles(self, rows: Sequence[Message]) -> str:
        """Render messages; if one of them is live, follow it from what was rendered."""
        items = await shown(rows)
        for item in items:
            if live := feeds.live.get(item.message.pk):
                self._take_up(live, len(item.text.closed), len(item.thoughts.closed))
        return "".join([await html("chat/message.html", {"item": item}) for item in items])

    def _take_up(self, live: LiveAnswer | None, text: int = 0, thoughts: int = 0) -> None:
        """Follow `live`, of which the page has so many closed blocks of its text and of its thoughts."""
        self._live = live
        self._first_words = live is not None
        self.cursor = replace(self.cursor, live=live.message.pk if live else 0, text=text, thoughts=thoughts)
        if live is not None:
            self._text = position(live.text_blocks, text)
            self._thoughts = position(live.thought_blocks, thoughts)

    def _live_grew(self) -> list[str]:
        """What came of the live answer since the last time."""
        live = self._live
        if live is None:
            return []
        name = f"m{live.message.pk}"
        live.thought_blocks.advance()
        live.text_blocks.advance()
        pieces = _block_pieces(f"{name}-thoughts", live.thought_blocks, self._thoughts)
        pieces += _block_pieces(f"{name}-body", live.text_blocks, self._text)
        self._thoughts, self._text = live.thought_blocks.position, live.text_blocks.position
        self.cursor = replace(
            self.cursor, live=live.message.pk, text=self._text.closed, thoughts=self._thoughts.closed
        )
        return pieces

    async def _changed_state(self, row: Message) -> list[str]:
        """A live answer has ended: send its rest, what the end corrected, and its final state."""
        live = self._live
        if live is None or live.message.pk != row.pk or row.state in (State.WAITING, State.STREAMING):
            # It ended before this reader could follow it, or had waited and begins now, or waits again.
            if live is not None and live.message.pk == row.pk:
                self._take_up(None)
            return [partial(f"#m{row.pk}", await self._articles([row]), "outerMorph")]
        sent = self._text.closed
        pieces = self._live_grew()
        self._take_up(None)
        for number, fixed in live.corrections:
            if number < sent:
                pieces.append(partial(f"#m{row.pk}-body-c{number}", fixed))
        article = await html("chat/message.html", {"item": kept(row)})
        return [*pieces, partial(f"#m{row.pk}", article, "outerMorph")]

    async def _menu_changed(self) -> list[str]:
        chat = await self._chat()
        context = {"picker": await picker(chat), "chat": chat, "waits": self._waits}
        return [
            partial("#picker", await html("chat/picker.html", context)),
            partial("#composer-note", await html("chat/note.html", context)),
            partial("#welcome-hint", await html("chat/hint.html", context)),
            *await self._waiting_changed(),
        ]

    async def _waiting_changed(self) -> list[str]:
        """What there is to say now of the answers that wait."""
        waiting = [pk for pk, state in self._known.items() if state == State.WAITING]
        return [
            partial(f"#m{row.pk}-state", await html("chat/state.html", {"message": row, "waiting": notice(row)}))
            async for row in Message.objects.filter(pk__in=waiting, state=State.WAITING)
        ]


def _block_pieces(name: str, blocks: BlockStream, reader: Position) -> list[str]:
    """Return what a reader at that position lacks of one growing text whose element ids begin with `name`."""
    closed, last = blocks.since(reader)
    pieces = []
    if closed:
        first = reader.closed
        chunks = "".join(
            f'<div class="chunk" id="{name}-c{first + number}">{chunk}</div>' for number, chunk in enumerate(closed)
        )
        pieces.append(partial(f"#{name}-open", chunks, "beforebegin"))
    if last is not None and last.html is not None:
        pieces.append(partial(f"#{name}-open", last.html))
    elif last is not None:
        pieces.append(partial(f"#{name}-open {last.target}", escape(last.text, quote=False), "beforeend"))
    return pieces

