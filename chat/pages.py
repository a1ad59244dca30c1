"""What the chat pages show, as plain values for their templates."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.utils import timezone

from chat.blocks import BlockStream, Position
from chat.choices import Picker, picker
from chat.feed import feeds
from chat.markdown import HTML_VERSION, render
from chat.models import Chat, Draft, Message, Role, State
from chat.waiting import Notice, drafts, notice
from connections.changes import connections_changed

# So many chats stand in the sidebar.
HISTORY_LENGTH: Final = 100


@dataclass(frozen=True)
class Blocks:
    """A text as blocks: `prefix` begins their ids. While it is live, an open block stands at the end."""

    prefix: str
    closed: Sequence[str]
    live: bool = False
    open: str = ""

    @classmethod
    def growing(cls, prefix: str, blocks: BlockStream) -> Blocks:
        """The blocks of a live answer as they are now."""
        blocks.advance()
        return cls(prefix, list(blocks.closed), True, blocks.open_html())


@dataclass(frozen=True)
class Shown:
    """One message as its template wants it. With `keep` the page keeps the texts it has, and only the rest is new.

    `waiting` is what to say in the place of an answer that waits.
    """

    message: Message
    text: Blocks
    thoughts: Blocks
    keep: bool = False
    waiting: Notice | None = None


@dataclass(frozen=True)
class Cursor:
    """How much a tab has: the chat's revision, the live answer with its blocks, the sidebar and the menu.

    Travels as the event stream's position; anything unreadable is the empty cursor, which has nothing.
    """

    revision: int = -1
    live: int = 0
    text: int = 0
    thoughts: int = 0
    boot: str = ""
    history: int = -1
    connections: int = -1

    def __str__(self) -> str:
        return (
            f"{self.revision}.{self.live}.{self.text}.{self.thoughts}.{self.boot}.{self.history}.{self.connections}"
        )

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read what `str` wrote."""
        try:
            revision, live, closed, thoughts, boot, history, connections = text[:200].split(".")
            return cls(
                int(revision), int(live), int(closed), int(thoughts), boot, int(history), int(connections)
            )
        except ValueError:
            return cls()


@dataclass
class ChatPage:
    """Everything the main column shows, and the cursor that says so."""

    chat: Chat | None
    messages: Sequence[Shown]
    picker: Picker
    cursor: Cursor
    drafts: Sequence[Draft] = ()
    key: uuid.UUID = field(default_factory=uuid.uuid4)

    @property
    def busy(self) -> bool:
        """Whether an answer is coming."""
        return any(item.message.is_live for item in self.messages)

    @property
    def waits(self) -> bool:
        """Whether a message waits for its access path."""
        return any(item.waiting for item in self.messages)

    def context(self) -> dict[str, Any]:
        """The template's variables."""
        return {
            "chat": self.chat,
            "messages": self.messages,
            "picker": self.picker,
            "cursor": str(self.cursor),
            "drafts": self.drafts,
            "key": self.key,
            "busy": self.busy,
            "waits": self.waits,
        }


async def page(chat: Chat | None) -> ChatPage:
    """Gather the main column of a chat, or of the empty one that a new chat begins with."""
    # Before anything is read: what changes meanwhile is sent again rather than missed.
    now = Cursor(
        revision=chat.revision if chat else 0,
        boot=feeds.boot,
        history=feeds.history.version,
        connections=connections_changed.version,
    )
    messages = await shown(await chat.conversation()) if chat else []
    live = next((item for item in messages if item.text.live), None)
    if live is not None:
        now = replace(now, live=live.message.pk, text=len(live.text.closed), thoughts=len(live.thoughts.closed))
    return ChatPage(chat, messages, await picker(chat), now, await drafts(chat))


async def shown(messages: Sequence[Message]) -> list[Shown]:
    """Return the messages with their HTML, rendering what an older Lerix rendered otherwise."""
    return [await _shown(message) for message in messages]


async def _shown(message: Message) -> Shown:
    prefix = f"m{message.pk}"
    live = feeds.live.get(message.pk)
    if live is not None:
        return Shown(
            message,
            Blocks.growing(f"{prefix}-body", live.text_blocks),
            Blocks.growing(f"{prefix}-thoughts", live.thought_blocks),
        )
    if message.is_live:
        # It ended after the row was read.
        await message.arefresh_from_db()
    if message.role == Role.ASSISTANT and message.html_version != HTML_VERSION:
        message.html = await asyncio.to_thread(render, message.text)
        message.html_version = HTML_VERSION
        await Message.objects.filter(pk=message.pk).aupdate(html=message.html, html_version=HTML_VERSION)
    thoughts = await asyncio.to_thread(render, message.reasoning) if message.reasoning else ""
    return Shown(
        message,
        Blocks(f"{prefix}-body", [message.html] if message.html else []),
        Blocks(f"{prefix}-thoughts", [thoughts] if thoughts else []),
        waiting=notice(message) if message.state == State.WAITING else None,
    )


def kept(message: Message) -> Shown:
    """Return a finished message whose texts the page has already."""
    prefix = f"m{message.pk}"
    return Shown(message, Blocks(f"{prefix}-body", []), Blocks(f"{prefix}-thoughts", []), keep=True)


async def history() -> list[tuple[str, list[Chat]]]:
    """Return the newest chats by day, newest first."""
    today = timezone.localdate()
    groups: dict[str, list[Chat]] = {}
    async for chat in Chat.objects.all()[:HISTORY_LENGTH]:
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


def position(blocks: BlockStream, closed: int) -> Position:
    """Return the position of a reader that has so many closed blocks and nothing certain of the open one."""
    return Position(closed=min(closed, len(blocks.closed)), version=-1)
