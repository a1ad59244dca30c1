"""A bare HTTP client on loopback: it adds as little as it can to the times it measures."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Final

_STAMP: Final = re.compile(rb"@(\d+)@")
# No stamp and no end mark is longer; so much of one piece is looked at again with the next.
_TAIL: Final = 64


class Follower(asyncio.Protocol):
    """One connection whose answer is an event stream; notes when stamped tokens and the end mark arrive.

    `failed` says that the page was told of a failed answer.
    Times are those of `time.monotonic`, in seconds.
    """

    def __init__(self, end: bytes) -> None:
        self._end = end
        self._tail = b""
        self._last = 0
        self._transport: asyncio.WriteTransport | None = None
        self.delays: list[float] = []
        self.first: float | None = None
        self.ended = 0.0
        self.failed = False
        self.done = asyncio.Event()
        self.lost = asyncio.Event()

    @classmethod
    async def open(cls, port: int, end: bytes) -> Follower:
        """Connect; `end` is what the last bytes of an answer hold."""
        made = cls(end)
        await asyncio.get_running_loop().create_connection(lambda: made, "127.0.0.1", port)
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - for the type checker
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()
        self.done.set()

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        seen = self._tail + data
        for match in _STAMP.finditer(seen):
            sent = int(match[1])
            if sent > self._last:
                self._last = sent
                self.delays.append(now - sent / 1e6)
                if self.first is None:
                    self.first = now
        self.failed = self.failed or b"notice-bad" in seen
        if self._end in seen:
            self.ended = now
            self.done.set()
            seen = b""
        self._tail = seen[-_TAIL:]

    def send(self, data: bytes) -> None:
        """Send bytes."""
        assert self._transport is not None  # noqa: S101 - for the type checker
        self._transport.write(data)

    def again(self) -> None:
        """Forget the last answer; the next one is timed from here."""
        self.delays, self.first, self._tail = [], None, b""
        self.done.clear()

    def close(self) -> None:
        """Leave."""
        if self._transport is not None:
            self._transport.close()


class Connection:
    """A connection for requests with short answers, kept alive."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Connection:
        """Connect to a port of this machine."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=8 * 1024 * 1024))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a whole request; return the answer's status and body."""
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        if "transfer-encoding: chunked" in head:
            parts = []
            while size := int(await self._reader.readuntil(b"\r\n"), 16):
                parts.append((await self._reader.readexactly(size + 2))[:-2])
            await self._reader.readexactly(2)
            body = b"".join(parts)
        else:
            length = re.search(r"content-length: (\d+)", head)
            body = await self._reader.readexactly(int(length[1])) if length else b""
        return int(head.split(" ", 2)[1]), body

    def close(self) -> None:
        """Leave."""
        self._writer.close()


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """Return the bytes of a request."""
    fields = {**headers, "content-length": str(len(body))} if body else headers
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body
