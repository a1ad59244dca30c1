"""Gates hold an answer at a named point until a test lets it go on."""

from __future__ import annotations

import asyncio
import threading
from enum import StrEnum


class Point(StrEnum):
    """Where an answer can be held."""

    HEADERS = "headers"  # before the status line
    CREATED = "created"  # before response.created
    DELTA = "delta"  # before each text delta
    END = "end"  # before the event that ends the answer


class Gate:
    """Holds every answer that comes to ``at`` until `open` or `step`. Safe from any thread.

    One step lets one answer pass the point once, so with ``Point.DELTA`` ``step(3)`` lets three deltas out.
    """

    def __init__(self, at: Point | str = Point.DELTA) -> None:
        self.at = Point(at)
        self._changed = threading.Condition()
        self._steps = 0
        self._open = False
        self._held: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    @property
    def is_open(self) -> bool:
        """Whether the gate was opened for good."""
        return self._open

    @property
    def held(self) -> int:
        """How many answers stand at the gate now."""
        with self._changed:
            return len(self._held)

    def open(self) -> None:
        """Let everything pass from now on."""
        with self._changed:
            self._open = True
            self._let(len(self._held))

    def step(self, times: int = 1) -> None:
        """Let ``times`` passages through, now or when they come."""
        with self._changed:
            waiting = min(times, len(self._held))
            self._steps += times - waiting
            self._let(waiting)

    def release(self) -> None:
        """Let go of what is held now; what comes later is held again."""
        with self._changed:
            self._let(len(self._held))

    def wait_held(self, count: int = 1, timeout: float = 20.0) -> None:
        """Block until ``count`` answers stand at the gate; TimeoutError after ``timeout`` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._held) >= count, timeout):
                raise TimeoutError(f"{len(self._held)} of {count} answers came to the gate at {self.at}")

    async def passing(self) -> None:
        """Wait, in the stand-in's loop, until the gate lets this passage through."""
        loop = asyncio.get_running_loop()
        with self._changed:
            if self._open:
                return
            if self._steps:
                self._steps -= 1
                return
            place = (loop, loop.create_future())
            self._held.append(place)
            self._changed.notify_all()
        try:
            await place[1]
        finally:
            with self._changed:
                if place in self._held:
                    self._held.remove(place)

    def _let(self, count: int) -> None:
        for loop, future in self._held[:count]:
            loop.call_soon_threadsafe(_settle, future)
        del self._held[:count]


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
