"""What is going on in this process: the answers that grow now, and who must hear of changes.

The database is the truth; this module only tells readers that it has changed and hands them the newest part of a live
answer. A reader that is slow or away costs nothing: it keeps a position, and asks again from there.
All of it belongs to the event loop of the server.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

from chat.blocks import BlockStream
from chat.database import is_temporary
from chat.models import Message
from connections.changes import Signal

# Every tab shows the list of chats: it follows a little later, once for all that changed meanwhile, so that it keeps
# no answer waiting.
HISTORY_PACE: Final = 0.2
#: Seconds by which the pages of a chat look later where an answer begins: its question goes out meanwhile. What comes
#: of the answer has them look at once.
HEAD_START: Final = 0.02


class ChatSignal(Signal):
    """The signal of one chat. `rows` counts the changes in the database, without the growth of a live answer."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = 0

    def rows_changed(self) -> None:
        """Tell that the messages in the database have changed."""
        self.rows += 1
        self.set()


class LiveAnswer:
    """An answer that a task of this process is producing: its text, and its reasoning summary."""

    def __init__(self, message: Message, signal: Signal) -> None:
        self.message = message
        self.text: list[str] = []
        self.thoughts: list[str] = []
        self.text_blocks = BlockStream(f"m{message.pk}-body")
        self.thought_blocks = BlockStream(f"m{message.pk}-thoughts")
        # Closed blocks that turned out to read otherwise when the whole was known: (index, html).
        self.corrections: list[tuple[int, str]] = []
        self.task: asyncio.Task[None] | None = None
        self.stopped = False
        self.cancelled = False
        #: Whether the task has taken its first step, from which on it makes the message final however it ends.
        self.has_begun = False
        #: The other device whose browser began it; None for one begun here.
        self.device: bytes | None = None
        # Which part of the reasoning summary is coming.
        self.thought_part = 0
        self._signal = signal

    def text_came(self, text: str) -> None:
        """Take a piece of the answer."""
        self.text.append(text)
        self.text_blocks.append(text)
        self._signal.set()

    def thought_came(self, text: str) -> None:
        """Take a piece of the reasoning summary."""
        self.thoughts.append(text)
        self.thought_blocks.append(text)
        self._signal.set()

    def stop(self) -> None:
        """End the answer on the user's wish; the task keeps what came. Harmless where it was stopped before.

        Cancelled once only: a second time would meet the closing of the connection, which would then stay open.
        """
        if not self.stopped:
            self.cancel()
        self.stopped = True

    def cancel(self) -> None:
        """End the answer. A task that was cancelled before its first step would never make the message final: one that
        has not begun is told by `cancelled` instead."""
        self.cancelled = True
        if self.has_begun and self.task is not None:
            self.task.cancel()


class Feeds:
    """Everything readers wait for: a signal for each chat in use, and one for the list of chats."""

    def __init__(self) -> None:
        # Tells positions of this process from those of an earlier one.
        self.boot = secrets.token_hex(4)
        self.live: dict[int, LiveAnswer] = {}
        self.history = Signal()
        self._history_due = False
        # Weak: a chat that nobody reads and nothing answers needs no signal.
        self._chats: WeakValueDictionary[UUID, ChatSignal] = WeakValueDictionary()

    def chat(self, chat_id: UUID) -> ChatSignal:
        """Return the signal of one chat."""
        signal = self._chats.get(chat_id)
        if signal is None:
            signal = self._chats[chat_id] = ChatSignal()
        return signal

    def begin(self, message: Message) -> LiveAnswer:
        """Note that `message` is being produced from now on."""
        signal = self.chat(message.chat_id)
        answer = LiveAnswer(message, signal)
        self.live[message.pk] = answer
        signal.rows += 1
        asyncio.get_running_loop().call_later(HEAD_START, signal.set)
        self._list_changed(message.chat_id)
        return answer

    def end(self, answer: LiveAnswer) -> None:
        """Note that the row is final and readers should look there."""
        self.live.pop(answer.message.pk, None)
        self.changed(answer.message.chat_id)

    def changed(self, chat_id: UUID) -> None:
        """Tell the readers of a chat, and of the list of chats, that the database has changed."""
        self.chat(chat_id).rows_changed()
        self._list_changed(chat_id)

    def _list_changed(self, chat_id: UUID) -> None:
        if not self._history_due and not is_temporary(chat_id):
            self._history_due = True
            asyncio.get_running_loop().call_later(HISTORY_PACE, self._history_changed)

    def _history_changed(self) -> None:
        self._history_due = False
        self.history.set()

    def live_in(self, chat_id: UUID) -> LiveAnswer | None:
        """Return the answer that is growing in a chat, if one is."""
        return next((answer for answer in self.live.values() if answer.message.chat_id == chat_id), None)


feeds = Feeds()
