"""How many bytes of requests this host holds at once."""

import asyncio
from collections import Counter, deque
from typing import Final

#: Bytes of all requests that are being taken or worked on: two of the longest, each a file that is uploaded.
IN_FLIGHT: Final = 68 * 1024 * 1024


class Lease:
    """Bytes that one request may hold until `release`, which may be called twice."""

    def __init__(self, budget: "Budget", owner: bytes, size: int) -> None:
        self._budget = budget
        self._owner = owner
        self._size = size

    def release(self) -> None:
        """Give them back."""
        size, self._size = self._size, 0
        if size:
            self._budget.give_back(self._owner, size)


class Budget:
    """A number of bytes, lent first come, first served, and to each owner at most a half of them.

    What a request needs is lent at once, for two that each hold a part would wait for each other for ever; one that
    needs more than a half counts as a half. Who has to wait for bytes of its own keeps nobody else waiting.
    """

    def __init__(self, size: int = IN_FLIGHT) -> None:
        self._size = self._left = size
        self._held: Counter[bytes] = Counter()
        self._waiting: deque[tuple[bytes, int, asyncio.Future[None]]] = deque()

    @property
    def held(self) -> int:
        """Bytes that are lent now."""
        return self._size - self._left

    async def lend(self, size: int, owner: bytes = b"") -> Lease:
        """Wait for so many bytes; `owner` is the device that asks."""
        size = min(size, self._size // 2)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((owner, size, turn))
        self._pass_on()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(owner, size)  # it was lent in the same moment
            self._pass_on()
            raise
        return Lease(self, owner, size)

    def give_back(self, owner: bytes, size: int) -> None:
        """For `Lease`."""
        self._left += size
        self._held[owner] -= size
        if not self._held[owner]:
            del self._held[owner]
        self._pass_on()

    def _pass_on(self) -> None:
        later: deque[tuple[bytes, int, asyncio.Future[None]]] = deque()
        while self._waiting:
            owner, size, turn = self._waiting.popleft()
            if turn.done():  # whoever waited has gone
                continue
            if self._held[owner] + size > self._size // 2:
                later.append((owner, size, turn))
            elif size > self._left:
                # The next in line, so that a large one is not passed by small ones for ever.
                self._waiting.appendleft((owner, size, turn))
                break
            else:
                self._left -= size
                self._held[owner] += size
                turn.set_result(None)
        self._waiting = later + self._waiting
