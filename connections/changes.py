"""Word that something has changed, for readers that wait."""

from __future__ import annotations

import asyncio
from weakref import WeakSet


class Signal:
    """A number that only grows, and the bells of those who want to hear it. Belongs to the server's event loop."""

    def __init__(self) -> None:
        self.version = 0
        # Weak: a reader that has gone needs no unsubscribing.
        self._bells: WeakSet[asyncio.Event] = WeakSet()

    def ring(self, bell: asyncio.Event) -> None:
        """From now on set `bell` at each change."""
        self._bells.add(bell)

    @property
    def is_heard(self) -> bool:
        """Whether anybody waits for a change."""
        return bool(self._bells)

    def set(self) -> None:
        """Raise the number and ring all bells."""
        self.version += 1
        for bell in self._bells:
            bell.set()


async def heard(bell: asyncio.Event, *, seconds: float) -> bool:
    """Wait until `bell` rings, at most `seconds`. Returns whether it rang; the bell is silent again after."""
    try:
        async with asyncio.timeout(seconds):
            await bell.wait()
    except TimeoutError:
        return False
    bell.clear()
    return True


#: Any state, catalogue or switch of any access path.
connections_changed = Signal()
