"""Large answers on their way out: an account's log may have megabytes, and whoever asks may read slowly or never.

An answer counts from when it is written until it is sent, cut off or given up; `lerix_web.asgi_broker` ends it.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from relay.api import Problem
from relay.broker.refusals import Refused

#: Bytes from which on an answer counts, and of all that count at once.
LARGE: Final = 256 * 1024
MOST_BYTES: Final = 64 * 2**20
#: Large answers to one network at once.
MOST_OF_NETWORK: Final = 4
#: When somebody who is refused may come again.
AGAIN: Final = timedelta(seconds=10)


class Flight:
    """Counts them. To be used on one event loop."""

    def __init__(self) -> None:
        self._bytes = 0
        self._networks: Counter[str] = Counter()

    @contextmanager
    def place(self, network: str, size: int) -> Iterator[None]:
        """Hold a place for an answer of so many bytes. Raises Refused(SLOW_DOWN) where there is none."""
        if size < LARGE:
            yield
            return
        if self._networks.get(network, 0) >= MOST_OF_NETWORK or self._bytes + size > MOST_BYTES:
            raise Refused(Problem.SLOW_DOWN, after=AGAIN)
        self._networks[network] += 1
        self._bytes += size
        try:
            yield
        finally:
            self._bytes -= size
            self._networks[network] -= 1
            if not self._networks[network]:
                del self._networks[network]


flight = Flight()
