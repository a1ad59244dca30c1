"""Answers to requests that change something, kept so that the same request, sent again, changes nothing again.

A request is named by its device and `idem`, and entered before it is carried out. Who comes with the same name and the
same request while it is carried out waits for its answer; afterwards gets the same one. In the memory of this process:
at most 1,024 names and 4 MiB, for a day. An answer over 64 KiB is not kept, but that it was given is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from relay.errors import AnsweredAlready, OtherRequest
from relay.host.turns import Name
from relay.protocol.headers import Headers

MOST_NAMES: Final = 1024
#: Bytes.
LONGEST: Final = 64 * 1024
MOST_KEPT: Final = 4 * 1024 * 1024
#: Seconds.
KEPT_SECONDS: Final = 24 * 3600.0
WAIT_SECONDS: Final = 60.0


class Held:
    """One request and its answer, as it is given."""

    def __init__(self, digest: bytes, since: float) -> None:
        self.digest = digest
        self.since = since
        self.status = 0
        self.headers: Headers = ()
        self.body: bytearray | None = bytearray()
        self._done = asyncio.Event()

    @property
    def done(self) -> bool:
        """Whether it was carried out."""
        return self._done.is_set()

    def begin(self, status: int, headers: Headers) -> None:
        """The answer begins."""
        self.status, self.headers = status, headers

    def put(self, data: bytes) -> None:
        """More of it."""
        if self.body is not None:
            self.body += data
            if len(self.body) > LONGEST:
                self.body = None

    def finish(self) -> None:
        """It is whole, or nothing more comes."""
        self._done.set()

    async def whole(self) -> bytes:
        """The body, once it is there. Raises AnsweredAlready where it was not kept, or is not there in time."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._done.wait()
        except TimeoutError:
            raise AnsweredAlready from None
        if self.body is None or not self.status:
            raise AnsweredAlready
        return bytes(self.body)


class Answered:
    """The answers of this process. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[Name, Held] = {}

    def find(self, name: Name, digest: bytes) -> Held | None:
        """What is known of that name. Raises OtherRequest where it named another request."""
        found = self._held.get(name)
        if found is not None and found.digest != digest:
            raise OtherRequest
        return found

    def begin(self, name: Name, digest: bytes) -> Held:
        """Enter a request, before it is carried out."""
        self._sweep()
        held = self._held[name] = Held(digest, self._clock())
        return held

    def _sweep(self) -> None:
        now = self._clock()
        kept = 0
        # The newest stay.
        for count, (name, held) in enumerate(reversed(list(self._held.items())), 1):
            kept += len(held.body or b"")
            old = count >= MOST_NAMES or now - held.since > KEPT_SECONDS
            if held.done and old:
                del self._held[name]
            elif held.done and kept > MOST_KEPT:
                held.body = None
