"""Notices changes of Codex's files without a restart, and tells any number of waiters."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Generic, TypeVar

from connections.codex.session import FileState, SessionFiles, Signature, Unreadable

# One os.stat a second: polling works alike on every system and file system, and costs microseconds.
INTERVAL = 1.0
# Older CLIs truncate the file and write it again. A reader in between sees half of it, so that a
# fault is believed only when it has lasted: two more looks, together 0.6 s.
GRACE = 0.3
GRACE_LOOKS = 2

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]


def utc_now() -> datetime:
    """The present, aware."""
    return datetime.now(UTC)


class Broadcast(Generic[T]):
    """The newest value, and its changes for any number of readers.

    A slow reader gets the newest value and misses those between: there is no queue, each reader costs
    one future. For the event loop's thread only, except `value`.
    """

    def __init__(self, value: T) -> None:
        self.value = value
        self._waiters: set[asyncio.Future[None]] = set()

    def publish(self, value: T) -> None:
        """Make `value` the newest; readers wake when it differs."""
        if value == self.value:
            return
        self.value = value
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def changes(self) -> AsyncGenerator[T, None]:
        """The present value first, then each newer one that differs from the last given."""
        last = self.value
        yield last
        while True:
            if self.value != last:
                last = self.value
                yield last
                continue
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)


class SessionWatch:
    """The present content of Codex's files, read again when they change."""

    def __init__(self, files: SessionFiles, *, sleep: Sleep = asyncio.sleep) -> None:
        self._files = files
        self._sleep = sleep
        self._lock = asyncio.Lock()
        self._signature: Signature | None = None
        self._content: FileState | None = None

    @property
    def content(self) -> FileState:
        """What was read last; read now if nothing was."""
        if self._content is None:
            self._content = self._files.read()
        return self._content

    async def refresh(self, *, force: bool = False) -> FileState:
        """What the files say now. They are read only when they look different, or with `force`."""
        async with self._lock:
            signature = self._files.look()
            if force or signature != self._signature or self._content is None:
                self._content = await self._settled()
                # The look from before the reading: what changes in between is found the next time.
                self._signature = signature
            return self._content

    async def _settled(self) -> FileState:
        content = self._files.read()
        for _ in range(GRACE_LOOKS):
            if not isinstance(content, Unreadable):
                break
            await self._sleep(GRACE)
            content = self._files.read()
        return content
