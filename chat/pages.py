"""What the chat pages show, as plain values for their templates."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chat import windows
from chat.attachments import attaching
from chat.blocks import BlockStream, Position
from chat.choices import Picker, picker
from chat.conversation import queue, versions
from chat.conversation.versions import Versions
from chat.feed import feeds
from chat.markdown import HTML_VERSION, render
from chat.meter import Meter, meter
from chat.models import Attachment, Chat, Draft, Message, Role, State
from chat.preferences import LONGEST_INSTRUCTIONS
from chat.waiting import Notice, drafts, notice
from chat.windows import Window
from connections.changes import connections_changed


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

    `waiting` is what to say in the place of an answer that waits, `versions` where it stands among its versions,
    `attached` its files.
    """

    message: Message
    text: Blocks
    thoughts: Blocks
    keep: bool = False
    waiting: Notice | None = None
    versions: Versions | None = None
    attached: Sequence[Attachment] = ()


@dataclass(frozen=True)
class Cursor:
    """How much a tab has: the chat's revision, the live answer with its blocks, the sidebar and the menu.

    Of the chat it has the messages from `first` to `last`, and older ones that it asked for later. `more` says that
    the branch went on after `last`: then new messages are not told, for they do not follow what is there.
    Travels as the event stream's position; anything unreadable is the empty cursor, which has nothing.
    """

    revision: int = -1
    live: int = 0
    text: int = 0
    thoughts: int = 0
    boot: str = ""
    history: int = -1
    connections: int = -1
    first: int = 0
    last: int = 0
    more: bool = False

    def __str__(self) -> str:
        numbers = (self.history, self.connections, self.first, self.last, int(self.more))
        head = f"{self.revision}.{self.live}.{self.text}.{self.thoughts}.{self.boot}"
        return ".".join([head, *map(str, numbers)])

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read what `str` wrote."""
        try:
            revision, live, closed, thoughts, boot, *rest = text[:300].split(".")
            history, connections, first, last, more = map(int, rest)
            counts = int(revision), int(live), int(closed), int(thoughts)
            return cls(*counts, boot, history, connections, first, last, bool(more))
        except ValueError:
            return cls()


@dataclass
class ChatPage:
    """Everything the main column shows, and the cursor that says so.

    `messages` are those of one window; there are more before it where `older`, and after it where `newer`. `found` is
    the message that is looked for, 0 for none.
    """

    chat: Chat | None
    messages: Sequence[Shown]
    picker: Picker
    cursor: Cursor
    drafts: Sequence[Draft] = ()
    queue: queue.Line = field(default_factory=queue.Line)
    key: uuid.UUID = field(default_factory=uuid.uuid4)
    branch: Mapping[int, str] = field(default_factory=dict)
    older: bool = False
    newer: bool = False
    found: int = 0
    meter: Meter | None = None

    @property
    def busy(self) -> bool:
        """Whether an answer is coming."""
        return State.STREAMING in self.branch.values()

    @property
    def waits(self) -> bool:
        """Whether a message waits for its access path."""
        return State.WAITING in self.branch.values()

    def context(self) -> dict[str, Any]:
        """The template's variables."""
        return {
            "chat": self.chat,
            "chat_id": self.chat.pk if self.chat else None,
            "messages": self.messages,
            "picker": self.picker,
            "cursor": str(self.cursor),
            "drafts": self.drafts,
            "queue": self.queue,
            "key": self.key,
            "longest": LONGEST_INSTRUCTIONS,
            "busy": self.busy,
            "waits": self.waits,
            "older": self.older,
            "newer": self.newer,
            "found": self.found,
            "meter": self.meter,
        }


async def page(chat: Chat | None, at: int | None = None, *, after: int | None = None) -> ChatPage:
    """Gather the main column of a chat, or of the empty one that a new chat begins with.

    It shows the end of the chat, or the message `at` with what stands around it, or what follows the message `after`.
    """
    # Before anything is read: what changes meanwhile is sent again rather than missed.
    now = Cursor(
        revision=chat.revision if chat else 0,
        boot=feeds.boot,
        history=feeds.history.version,
        connections=connections_changed.version,
    )
    branch = await chat.branch() if chat else {}
    if after is not None:
        window = await windows.after(branch, after)
        now = replace(now, first=after, last=after)
    else:
        window = await (windows.newest(branch) if at is None else windows.around(branch, at))
    messages = await shown(window.rows)
    made = ChatPage(chat, messages, await picker(chat), having(now, window, messages), await drafts(chat))
    made.queue = await queue.of_chat(chat)
    made.branch, made.older, made.newer = branch, window.older, window.newer
    made.meter = await meter(branch, made.picker)
    made.found = at if at is not None and at in branch else 0
    return made


def having(cursor: Cursor, window: Window, messages: Sequence[Shown]) -> Cursor:
    """Return the cursor of a page that has just got `window`, shown as `messages`, and nothing else."""
    live = next((item for item in messages if item.text.live), None)
    if live is not None:
        cursor = replace(cursor, live=live.message.pk, text=len(live.text.closed), thoughts=len(live.thoughts.closed))
    if not window.rows:
        return cursor
    return replace(cursor, first=window.first, last=window.last, more=window.newer)


async def shown(messages: Sequence[Message]) -> list[Shown]:
    """Return the messages with their HTML, rendering what an older Lerix rendered otherwise."""
    several = await versions.of(messages)
    files = await attaching.of_messages(messages)
    return [
        replace(await _shown(message), versions=several.get(message.pk), attached=files.get(message.pk, ()))
        for message in messages
    ]


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
        message.html = await asyncio.to_thread(render, message.text, f"{prefix}-body")
        message.html_version = HTML_VERSION
        await Message.objects.filter(pk=message.pk).aupdate(html=message.html, html_version=HTML_VERSION)
    reasoning = message.reasoning
    thoughts = await asyncio.to_thread(render, reasoning, f"{prefix}-thoughts") if reasoning else ""
    return Shown(
        message,
        Blocks(f"{prefix}-body", [message.html] if message.html else []),
        Blocks(f"{prefix}-thoughts", [thoughts] if thoughts else []),
        waiting=notice(message) if message.state == State.WAITING else None,
    )


async def kept(message: Message) -> Shown:
    """Return a finished message whose texts the page has already."""
    prefix = f"m{message.pk}"
    several = await versions.of([message])
    files = await attaching.of_messages([message])
    return Shown(
        message,
        Blocks(f"{prefix}-body", []),
        Blocks(f"{prefix}-thoughts", []),
        keep=True,
        versions=several.get(message.pk),
        attached=files.get(message.pk, ()),
    )


def position(blocks: BlockStream, closed: int) -> Position:
    """Return the position of a reader that has so many closed blocks and nothing certain of the open one."""
    return Position(closed=min(closed, len(blocks.closed)), version=-1)
