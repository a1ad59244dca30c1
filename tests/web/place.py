"""A WebSocket's connection on Twisted's own buffer, without a network, and a clock that tests move."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from websockets.frames import Frame, Opcode

from lerix_web import websocket
from lerix_web.assets import Application, Message, Receive, Scope, Send
from lerix_web.server import Server
from lerix_web.websocket import WebSocketConnection

LIMIT = 4096
#: What Twisted keeps of a transport before it asks for less.
FULL = 65536
HANDSHAKE = (
    b"GET /socket?a=b HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PING, PONG, CLOSE = Opcode.PING, Opcode.PONG, Opcode.CLOSE


def frame(opcode: Opcode, content: bytes = b"", fin: bool = True, masked: bool = True) -> bytes:
    """A frame as a client sends it."""
    return Frame(opcode, content, fin).serialize(mask=masked)


def said(code: int) -> bytes:
    """What is in a closing frame."""
    return code.to_bytes(2, "big")


class Watch:
    """A reactor that is only told what to watch."""

    def __init__(self) -> None:
        self.writing = False

    def addWriter(self, descriptor: object) -> None:  # noqa: N802 - Twisted's name
        self.writing = True

    def removeWriter(self, descriptor: object) -> None:  # noqa: N802 - Twisted's name
        self.writing = False

    def addReader(self, descriptor: object) -> None:  # noqa: N802 - Twisted's name
        pass

    removeReader = addReader  # noqa: N815 - Twisted's name


class Wire(FileDescriptor):
    """Twisted's buffer, with a client behind it that takes what is sent when `drain` is called."""

    def __init__(self) -> None:
        self.watch = Watch()
        super().__init__(self.watch)  # type: ignore[arg-type]
        self.connected = 1
        self.aborted = self.lost = False
        self.got = b""
        self.protocol: Any = None

    @property
    def held(self) -> int:
        return len(self.dataBuffer) - self.offset + self._tempDataLen

    def getPeer(self) -> IPv4Address:  # noqa: N802 - Twisted's name
        return IPv4Address("TCP", "127.0.0.1", 50000)

    getHost = getPeer  # noqa: N815 - Twisted's name

    def writeSomeData(self, data: bytes) -> int:  # noqa: N802 - Twisted's name
        self.got += bytes(data)
        return len(data)

    def drain(self) -> None:
        """The client reads all there is."""
        while not self.lost and self.watch.writing:
            if isinstance(self.doWrite(), Exception):  # type: ignore[no-untyped-call]
                self._end()

    def abortConnection(self) -> None:  # noqa: N802 - Twisted's name
        self.aborted = True
        if not self.lost:
            self._end()

    def hang_up(self) -> None:
        """The client is gone."""
        self._end()

    def _end(self) -> None:
        self.lost = True
        gone = Failure(ConnectionDone())  # type: ignore[no-untyped-call]
        self.connectionLost(gone)  # type: ignore[no-untyped-call]
        self.protocol.connectionLost(gone)

    def frames(self) -> list[tuple[Opcode, bytes]]:
        """What the client has read so far, after the answer to its handshake."""
        head, _, rest = self.got.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        found = []
        while rest:
            size, start = rest[1], 2
            if size == 126:
                size, start = int.from_bytes(rest[2:4], "big"), 4
            elif size == 127:
                size, start = int.from_bytes(rest[2:10], "big"), 10
            found.append((Opcode(rest[0] & 15), rest[start : start + size]))
            rest = rest[start + size :]
        return found

    def closed(self) -> int:
        """The code with which the server has closed; nothing came after it."""
        opcode, content = self.frames()[-1]
        assert opcode is CLOSE
        return int.from_bytes(content[:2], "big")


class Place:
    """The server around an application, without a network, and one client's connection to it."""

    def __init__(self, application: Application, first: bytes = HANDSHAKE) -> None:
        self.server = Server(application, [], [], _nothing, None)
        self.server.connections = {}
        self.wire = Wire()
        self.connection = self.wire.protocol = WebSocketConnection(self.server, LIMIT)
        self.connection.makeConnection(self.wire)  # type: ignore[no-untyped-call]
        self.connection.dataReceived(first)

    def say(self, *frames: bytes) -> None:
        """All in one piece, as long as there is a connection."""
        if not self.wire.lost:
            self.connection.dataReceived(b"".join(frames))

    async def settle(self) -> None:
        """Let the application do what it can."""
        for _ in range(10):
            await asyncio.sleep(0)

    async def drain(self) -> None:
        await self.settle()
        self.wire.drain()
        await self.settle()
        self.wire.drain()


async def _nothing() -> None:
    pass


class App:
    """Accepts, notes what comes, and does what the test says with `send`."""

    def __init__(self, then: Callable[[Receive, Send], Awaitable[None]] | None = None, accepts: bool = True) -> None:
        self.events: list[Message] = []
        self.scope: Scope = {}
        self.send: Send = _unset
        self.over = asyncio.Event()
        self._then, self._accepts = then, accepts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.send = scope, send
        assert (await receive())["type"] == "websocket.connect"
        if self._accepts:
            await send({"type": "websocket.accept"})
        if self._then is not None:
            await self._then(receive, send)
            return
        while not self.events or self.events[-1]["type"] != "websocket.disconnect":
            self.events.append(await receive())
        await self.over.wait()

    @property
    def said(self) -> list[bytes | str]:
        return [event.get("bytes") or event.get("text", "") for event in self.events if "code" not in event]

    @property
    def code(self) -> int | None:
        """The code of websocket.disconnect, if it has come."""
        return next((event["code"] for event in self.events if "code" in event), None)


async def _unset(message: Message) -> None:
    raise AssertionError("nobody has connected")


@asynccontextmanager
async def served(app: App, first: bytes = HANDSHAKE) -> AsyncIterator[Place]:
    """A connection whose application has accepted it, and the answer read."""
    made = Place(app, first)
    try:
        await made.drain()
        yield made
    finally:
        app.over.set()
        running = [each.get("application_instance") for each in made.server.connections.values()]
        for task in filter(None, running):
            task.cancel()
        await asyncio.gather(*filter(None, running), return_exceptions=True)
        await made.settle()


async def fill(made: Place, app: App) -> asyncio.Task[None]:
    """Send until the buffer is full and the application waits; its client reads nothing."""

    async def flood() -> None:
        while True:
            await app.send({"type": "websocket.send", "bytes": bytes(1000)})

    sending = asyncio.create_task(flood())
    await made.settle()
    assert FULL < made.wire.held < FULL + 3000
    return sending


def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of connections from now on, the reactor's and the monotonic one."""
    made = Clock()
    made.advance(1000)
    monkeypatch.setattr(websocket, "reactor", made)
    monkeypatch.setattr(websocket, "time", SimpleNamespace(monotonic=made.seconds))
    return made
