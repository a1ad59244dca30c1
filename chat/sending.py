"""Begins the answers that wait, as soon as their access path is ready: each once, in the order they were written."""

from __future__ import annotations

import asyncio
from typing import Final

from asgiref.sync import sync_to_async

from chat import generate, waiting
from chat.choice import Choice
from chat.database import DISK, MEMORY, about, atomic, using
from chat.models import Chat, Message, State
from chat.temporary.memory.base import is_begun
from connections.catalogue import Model
from connections.changes import connections_changed, heard
from connections.models import CatalogueEntry
from connections.paths import AccessPath, paths

#: So many answers that waited are asked of one path at once. A host answers two at a time; here the next are at hand,
#: and those behind them can still be taken back.
AT_ONCE: Final = 4


class Line:
    """The answers that wait for one path. Rings `bell` when it is worth calling `advance` again."""

    def __init__(self, path: AccessPath, bell: asyncio.Event) -> None:
        self.path = path
        self._bell = bell
        self._asked: set[asyncio.Task[None]] = set()

    async def watch(self) -> None:
        """Ring the bell at each change of the path. Ends when the path has no more changes to tell."""
        was_ready = False
        async for status in self.path.changes():
            if status.ready and not was_ready:
                waiting.end_pauses(self.path)
            was_ready = status.ready
            self._bell.set()

    async def advance(self) -> float | None:
        """Begin what is due. Returns in how many seconds more will be, where only time is missing."""
        if not self.path.status().ready:
            return None
        now, later = asyncio.get_running_loop().time(), []
        for message in [*await self._waiting(MEMORY), *await self._waiting(DISK)]:
            if len(self._asked) >= AT_ONCE or waiting.ending or not self.path.status().ready:
                break
            if (due := waiting.pause_ends(message.pk)) > now:
                later.append(due - now)
            else:
                with about(message.pk):
                    await self._begin(message)
        return min(later, default=None)

    async def _waiting(self, database: str) -> list[Message]:
        if database == MEMORY and not is_begun():
            return []
        with using(database):
            rows = Message.objects.filter(access=self.path.key, state=State.WAITING, deleted=None, chat__deleted=None)
            return [row async for row in rows.order_by("pk")]

    async def _begin(self, message: Message) -> None:
        choice = Choice(self.path, await _model(message), message.effort or None)
        claiming = asyncio.ensure_future(sync_to_async(_claim)(message.pk, choice))
        try:
            claimed = await asyncio.shield(claiming)
        except asyncio.CancelledError:
            # Lerix ends: nothing was asked, so it waits on.
            if await claiming is not None:
                await Message.objects.filter(pk=message.pk).aupdate(state=State.WAITING)
            raise
        waiting.end_pause(message.pk)
        if claimed is None:
            return
        task = generate.begin(claimed, choice).task
        if task is not None:
            self._asked.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._asked.discard(task)
        self._bell.set()


async def _model(message: Message) -> Model:
    """The model that was chosen. Where its path does not list it any more, asking tells why."""
    entry = await CatalogueEntry.objects.filter(path=message.access, slug=message.model).afirst()
    return entry.model if entry else Model(message.model, message.model_name)


@atomic
def _claim(message_id: int, choice: Choice) -> Message | None:
    """Take an answer out of waiting, for good: None where it was taken back. Committed before anything is asked."""
    # Without the chat: an UPDATE joins nothing, and a deleted chat's messages wait no more.
    if not Message.objects.filter(pk=message_id, state=State.WAITING, deleted=None).update(
        state=State.STREAMING,
        access_label=choice.path.label,
        # While it was away, the path may not have known its account.
        replay_key=choice.path.replay_key(choice.model),
    ):
        return None
    message = Message.objects.get(pk=message_id)
    Chat.touch(message.chat_id)
    return message


async def follow() -> None:
    """Begin the answers that wait whenever their paths are ready. Never ends: a task of the server's."""
    bell = asyncio.Event()
    paths.changed.ring(bell)
    waiting.changed.ring(bell)
    lines: dict[str, tuple[Line, asyncio.Task[None]]] = {}
    async with asyncio.TaskGroup() as group:
        while True:
            bell.clear()
            _renew(lines, group, bell)
            pauses = [await line.advance() for line, _ in list(lines.values())]
            soonest = min((pause for pause in pauses if pause is not None), default=None)
            if soonest is None:
                await bell.wait()
            else:
                await heard(bell, seconds=soonest)


def _renew(lines: dict[str, tuple[Line, asyncio.Task[None]]], group: asyncio.TaskGroup, bell: asyncio.Event) -> None:
    """Have a line for each path that keeps messages."""
    present = {path.key: path for path in paths.all() if path.keeps_messages}
    gone = [key for key, (line, _) in lines.items() if present.get(key) is not line.path]
    new = present.keys() - (lines.keys() - set(gone))
    for key in gone:
        _, watching = lines.pop(key)
        watching.cancel()
    for key in new:
        line = Line(present[key], bell)
        lines[key] = line, group.create_task(line.watch(), name=f"{key}: answers that wait")
    if gone or new:
        # Pages say of each answer that waits how its path is.
        connections_changed.set()
