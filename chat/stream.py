"""The event stream of one tab: brings the page up to date from any point, then follows.

One stream carries everything the tab needs: new messages, the live answer, the sidebar, the model menu. It sends
states, not events: whatever the reader missed, it gets the newest once. So a slow reader costs no memory, and a
reader that re-joins with its cursor gets what it lacks and nothing twice.

A page has a window of the chat (`chat.windows`): what stands before it is sent only to those that ask for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html import escape
from typing import Final
from uuid import UUID

from asgiref.sync import ThreadSensitiveContext

from chat import windows
from chat.blocks import BlockStream, Position
from chat.choices import Picker, picker
from chat.conversation import queue
from chat.database import about
from chat.feed import LiveAnswer, feeds
from chat.history.listing import sidebar
from chat.meter import meter
from chat.models import Chat, Message, State
from chat.pages import Cursor, having, kept, position, shown
from chat.waiting import notice
from chat.windows import Window
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


class Reader:
    """One tab that follows a chat, or with `chat_id` None the empty page of a new chat."""

    def __init__(self, chat_id: UUID | None, cursor: Cursor) -> None:
        self.chat_id = chat_id
        self.cursor = cursor
        self._signal = feeds.chat(chat_id) if chat_id else None
        self._rows = -1
        # The branch as it was at the last look, with the states of its messages; None before the first look.
        self._branch: dict[int, str] | None = None
        self._live: LiveAnswer | None = None
        # Nothing of the live answer has been sent since it was taken up: what comes first waits for nothing.
        self._first_words = False
        # The page has been told that the answer has begun.
        self._begun = False
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
            # The request's own is over.
            with about(self.chat_id):
                return await self.catch_up()

    async def catch_up(self) -> list[str]:
        """Return the next pieces of HTML that the page lacks, and move the cursor; nothing when it lacks none.

        The pieces of one call are for places that the page has already: htmx looks for all of them before it puts
        the first piece in. What belongs into a new message comes with the next call.
        """
        if self._signal is not None and self._rows != self._signal.rows and not self._behind():
            self._rows = self._signal.rows
            if pieces := await self._rows_changed():
                return pieces
        pieces = self._live_grew()
        if not pieces and self._behind():
            return await self.catch_up()
        if pieces and self._first_words and self._live is not None:
            self._first_words = not (self._live.text or self._live.thoughts)
            return pieces
        if self.cursor.boot != feeds.boot or self.cursor.history != feeds.history.version:
            self.cursor = replace(self.cursor, history=feeds.history.version)
            pieces.append(partial("#history", await sidebar.html(self.chat_id)))
        if self.cursor.boot != feeds.boot or self.cursor.connections != connections_changed.version:
            self.cursor = replace(self.cursor, connections=connections_changed.version)
            pieces += await self._menu_changed()
        self.cursor = replace(self.cursor, boot=feeds.boot)
        return pieces

    async def _rows_changed(self) -> list[str]:
        """The messages in the database are others than before, or this reader has just come."""
        snapshot = await self._snapshot()
        if snapshot is None:
            self._branch, self._live = None, None
            # If the chat is brought back, its page has nothing of it.
            self.cursor = replace(self.cursor, revision=-1, first=0, last=0, more=False)
            return [partial("#log", await html("chat/gone.html", {}))] if self.chat_id else []
        chat, branch = snapshot
        old, self._branch = self._branch, branch
        if old is None and self.cursor.revision == chat.revision:
            # Nothing has changed since the page was made: only take up the live answer where it was left.
            self._rejoin(feeds.live_in(chat.pk))
            # A page that got another window of the chat, by a request of its own, has a composer of before it.
            return [] if self.cursor.history >= 0 else await self._beside(chat)
        pieces = await (self._missed(branch) if old is None else self._changed(old, branch))
        pieces += await self._beside(chat)
        if (State.WAITING in (old or {}).values()) != self._waits:
            context = {"picker": await picker(chat), "waits": self._waits}
            pieces.append(partial("#composer-note", await html("chat/note.html", context)))
        self.cursor = replace(self.cursor, revision=chat.revision)
        return pieces

    async def _beside(self, chat: Chat) -> list[str]:
        """What stands around the messages and depends on them."""
        actions = {"chat": chat, "busy": feeds.live_in(chat.pk) is not None, "queue": await queue.of_chat(chat)}
        return [
            partial("#composer-actions", await html("chat/actions.html", actions)),
            partial("#queue", await html("chat/queue.html", actions | {"waits": self._waits})),
            partial("#title", escape(chat.title)),
            partial("#chat-marks", await html("chat/marks.html", {"chat": chat})),
            await self._metered(await picker(chat)),
        ]

    async def _missed(self, branch: dict[int, str]) -> list[str]:
        """What a page lacks that was away while the chat changed."""
        first, last = self.cursor.first, self.cursor.last
        if first not in branch or last not in branch:
            return await self._all_anew(await windows.newest(branch))
        if self.cursor.more:
            return []
        window = await windows.after(branch, last)
        if window.newer:
            return await self._all_anew(await windows.newest(branch))
        live = feeds.live.get(last)
        pieces = []
        if live is not None and last == self.cursor.live and self.cursor.boot == feeds.boot:
            self._rejoin(live)
        else:
            # Of what the page has, only the end may have been unfinished.
            self._take_up(None)
            pieces.append(partial(f"#m{last}", await self._articles(await windows.load([last])), "outerMorph"))
        return pieces + await self._add(window)

    async def _changed(self, old: dict[int, str], branch: dict[int, str]) -> list[str]:
        """The difference between two branches, of which the page shows the window that the cursor tells."""
        before, now = list(old), list(branch)
        same = next((at for at, pk in enumerate(before) if at >= len(now) or now[at] != pk), len(before))
        start = before.index(self.cursor.first) if self.cursor.first in old else 0
        if same < len(before) and (self.cursor.more or same <= start):
            # It parts from the old branch where this reader cannot tell what the page has.
            at = now[min(same, len(now) - 1)] if now else 0
            return await self._all_anew(await windows.around(now, at))
        if self.cursor.more:
            return []
        pieces = []
        stay = before[start:same]
        for row in await windows.load([pk for pk in stay if self._is_other(pk, old[pk], branch[pk])]):
            pieces += await self._changed_state(row)
        window = await windows.after(now, now[same - 1] if same else None)
        if self._live is not None and self._live.message.pk not in stay:
            self._take_up(None)
        gone = before[same:]
        if gone and window.rows:
            # In the place of the first that goes, so that nothing else moves.
            pieces += await self._add(window, f"#m{gone.pop(0)}", "outerHTML")
        elif window.rows:
            pieces += await self._add(window)
        else:
            self.cursor = replace(self.cursor, last=now[-1] if now else 0)
        return pieces + [partial(f"#m{pk}", "", "delete") for pk in gone]

    def _is_other(self, pk: int, old: str, now: str) -> bool:
        """Whether a message has another state than it had, or is live otherwise than this reader follows it.

        What it follows may have ended without another state: where the first look met the last moment of an answer,
        whose end was in the database already.
        """
        followed = self._live if self._live is not None and self._live.message.pk == pk else None
        return old != now or feeds.live.get(pk) is not followed

    async def _add(self, window: Window, target: str = "#log", swap: str = "beforeend") -> list[str]:
        """Show further messages of the branch, from where the page's own end."""
        if not window.rows:
            return []
        articles = await self._articles(window.rows)
        if window.newer:
            articles += await html("chat/newer.html", {"chat_id": self.chat_id, "after": window.last})
        first = self.cursor.first or window.first
        self.cursor = replace(self.cursor, first=first, last=window.last, more=window.newer)
        return [partial(target, articles, swap)]

    async def _all_anew(self, window: Window) -> list[str]:
        """Show a window in place of whatever the page has."""
        self._take_up(None)
        items = await shown(window.rows)
        self.cursor = having(replace(self.cursor, first=0, last=0, more=False), window, items)
        self._rejoin(feeds.live.get(self.cursor.live))
        context = {"chat_id": self.chat_id, "messages": items, "older": window.older, "newer": window.newer}
        return [partial("#log", await html("chat/window.html", context))]

    def _rejoin(self, live: LiveAnswer | None) -> None:
        """Follow `live` from where the cursor says that the page has it."""
        if self.cursor.more:
            live = None
        same = live is not None and live.message.pk == self.cursor.live
        self._take_up(live, self.cursor.text if same else 0, self.cursor.thoughts if same else 0)

    @property
    def _waits(self) -> bool:
        return State.WAITING in (self._branch or {}).values()

    async def _snapshot(self) -> tuple[Chat, dict[int, str]] | None:
        """Return the chat and its shown branch, both of one moment."""
        chat = await self._chat()
        while chat is not None:
            branch = await chat.branch()
            newest = await self._chat()
            if newest is not None and newest.revision == chat.revision:
                return chat, branch
            chat = newest
        return None

    async def _chat(self) -> Chat | None:
        return await Chat.objects.filter(pk=self.chat_id, deleted=None).afirst() if self.chat_id else None

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
        self._begun = False
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
        thoughts, self._thoughts = _block_pieces(f"{name}-thoughts", live.thought_blocks, self._thoughts)
        text, self._text = _block_pieces(f"{name}-body", live.text_blocks, self._text)
        if not self._begun and (self._text.closed or live.text_blocks.open_html()):
            self._begun = True
            text.append(partial(f"#{name}-state > .waiting", "", "delete"))
        # Where it re-joins, it gets the rest of what it had in part.
        settled = live.text_blocks.settled(self._text), live.thought_blocks.settled(self._thoughts)
        self.cursor = replace(self.cursor, live=live.message.pk, text=settled[0], thoughts=settled[1])
        return thoughts + text

    def _behind(self) -> bool:
        """Whether an answer has ended of which the page still gets something part by part: its end comes after that."""
        live = self._live
        if live is None or live.message.pk in feeds.live:
            return False
        return live.text_blocks.lags(self._text) or live.thought_blocks.lags(self._thoughts)

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
        article = await html("chat/message.html", {"item": await kept(row)})
        return [*pieces, partial(f"#m{row.pk}", article, "outerMorph")]

    async def _menu_changed(self) -> list[str]:
        chat = await self._chat()
        menu = await picker(chat)
        context = {"picker": menu, "chat": chat, "waits": self._waits}
        return [
            partial("#picker", await html("chat/picker.html", context)),
            partial("#composer-note", await html("chat/note.html", context)),
            partial("#welcome-hint", await html("chat/hint.html", context)),
            await self._metered(menu),
            *await self._waiting_changed(),
        ]

    async def _metered(self, menu: Picker) -> str:
        return partial("#meter", await html("chat/meter.html", {"meter": await meter(self._branch or (), menu)}))

    async def _waiting_changed(self) -> list[str]:
        """What there is to say now of the answers that wait."""
        waiting = [pk for pk, state in (self._branch or {}).items() if state == State.WAITING]
        return [
            partial(f"#m{row.pk}-state", await html("chat/state.html", {"message": row, "waiting": notice(row)}))
            async for row in Message.objects.filter(pk__in=waiting, state=State.WAITING)
        ]


def _block_pieces(name: str, blocks: BlockStream, reader: Position) -> tuple[list[str], Position]:
    """Return what a reader at that position lacks of one text whose ids begin with `name`, and where it is then."""
    changes, position = blocks.since(reader)
    return [partial(f"#{name}{change.target}", change.html, change.swap) for change in changes], position
