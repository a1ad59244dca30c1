"""How many bytes of requests this host holds at once."""

import asyncio
from collections import deque
from typing import Final

#: Bytes of all requests that are being taken or worked on.
IN_FLIGHT: Final = 16 * 1024 * 1024


class Lease:
    """Bytes that one request may hold until `release`, which may be called twice."""

    def __init__(self, budget: "Budget", size: int) -> None:
        self._budget = budget
        self._size = size

    def release(self) -> None:
        """Give them back."""
        size, self._size = self._size, 0
        self._budget.give_back(size)


class Budget:
    """A number of bytes, lent first come, first served. A request larger than all of them waits until it is alone.

    What a request needs is lent at once: two that each hold a half would wait for each other for ever.
    """

    def __init__(self, size: int = IN_FLIGHT) -> None:
        self._size = self._left = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def held(self) -> int:
        """Bytes that are lent now."""
        return self._size - self._left

    async def lend(self, size: int) -> Lease:
        """Wait for so many bytes."""
        size = min(size, self._size)
        if self._waiting or size > self._left:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((size, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self.give_back(size)  # it was lent in the same moment
                self._pass_on()
                raise
        else:
            self._left -= size
        return Lease(self, size)

    def give_back(self, size: int) -> None:
        """For `Lease`."""
        self._left += size
        self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            size, turn = self._waiting[0]
            if turn.done():  # whoever waited has gone
                self._waiting.popleft()
                continue
            if size > self._left:
                return
            self._waiting.popleft()
            self._left -= size
            turn.set_result(None)
