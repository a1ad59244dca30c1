"""One route over a link: what is sent waits for credit, what is received gives it back; and the pump of a session."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from relay.link.streams import Streams
from relay.protocol import link as wire
from relay.protocol.errors import FrameMalformed
from relay.protocol.link import FIRST_CREDIT, Code, Credit, Message, Type
from relay.protocol.route import HostRoute, RemoteRoute

#: Bytes that were taken before the other side is told.
GRANT: Final = FIRST_CREDIT // 4
#: Seconds until what has arrived is acknowledged, if nothing else is sent before.
ACK_SECONDS: Final = 0.1
#: Seconds between two signs of life while a stream is open, and without one before the route is given up.
PING_SECONDS: Final = 20.0
DEAD_SECONDS: Final = 45.0


class RouteClosed(Exception):
    """The route has ended; `code` says why, as far as the broker or the other side did."""

    def __init__(self, code: int) -> None:
        super().__init__(f"route closed with {code}")
        self.code = code


class Sender(Protocol):
    """What is used of a link."""

    async def send(self, message: Message) -> None:
        """Raises LinkDown."""
        ...


class Carrier:
    """The outer side of a route. `feed` it with the link's messages for its number."""

    def __init__(self, link: Sender, number: int) -> None:
        self.number = number
        self._link = link
        self._credit = Credit()
        self._arrived: deque[bytes] = deque()
        self._taken = 0
        self._code: int | None = None
        self._opened = False
        self._bell = asyncio.Event()

    def feed(self, message: Message) -> None:
        """Take a message of the link. What breaks the rules closes the route."""
        try:
            if message.type is Type.DATA:
                self._arrived.append(message.payload)
            elif message.type is Type.CREDIT:
                self._credit.grant(int.from_bytes(message.payload, "big"))
            elif message.type is Type.OPENED:
                self._opened = True
            elif message.type is Type.CLOSE:
                self.close(wire.read_close(message.payload)[0])
            else:
                raise FrameMalformed
        except FrameMalformed:
            self.close(Code.MALFORMED)
        self._bell.set()

    def close(self, code: int) -> None:
        """End it from here, or because the link is gone; whoever waits gets RouteClosed."""
        if self._code is None:
            self._code = code
        self._bell.set()

    def check(self) -> None:
        """Raise RouteClosed where it has ended."""
        if self._code is not None:
            raise RouteClosed(self._code)

    async def opened(self) -> None:
        """Wait until the broker has opened the route. Raises RouteClosed."""
        await self._until(lambda: self._opened)

    async def send(self, data: bytes) -> None:
        """Send one message of the route; waits for credit. Raises RouteClosed, LinkDown."""
        await self._until(lambda: self._credit.left >= len(data))
        self._credit.spend(len(data))
        await self._link.send(Message(Type.DATA, self.number, data))

    async def receive(self) -> bytes:
        """The next message of the route. Raises RouteClosed, LinkDown."""
        await self._until(lambda: bool(self._arrived), even_closed=True)
        data = self._arrived.popleft()
        self._taken += len(data)
        if self._taken >= GRANT:
            taken, self._taken = self._taken, 0
            await self._link.send(Message(Type.CREDIT, self.number, taken.to_bytes(4, "big")))
        return data

    async def _until(self, test: Callable[[], bool], *, even_closed: bool = False) -> None:
        # Several wait here at once, for different things: each rings on for the others.
        while True:
            if even_closed and test():
                return
            self.check()
            if test():
                return
            self._bell.clear()
            await self._bell.wait()


async def pump(
    carrier: Carrier,
    route: HostRoute | RemoteRoute,
    streams: Streams,
    bell: asyncio.Event,
    clock: Callable[[], float],
) -> None:
    """Carry a session's frames both ways until the route ends. Raises RouteClosed, LinkDown, ProtocolError."""
    session = streams.session
    loop = asyncio.get_running_loop()
    heard = clock()
    late: asyncio.TimerHandle | None = None

    def acknowledge() -> None:
        nonlocal late
        late = None
        session.acknowledge()
        bell.set()

    async def read() -> None:
        nonlocal heard, late
        while True:
            data = await carrier.receive()
            heard = clock()
            streams.heard(route.receive(data, heard))
            if session.ack_due and late is None:
                late = loop.call_later(ACK_SECONDS, acknowledge)

    async def write() -> None:
        while True:
            message = route.pull()
            if message is not None:
                await carrier.send(message)
                continue
            bell.clear()
            await bell.wait()

    async def live() -> None:
        while clock() - heard < DEAD_SECONDS:
            await asyncio.sleep(PING_SECONDS)
            if session.streams:
                session.ping(bytes(8))
                bell.set()
            else:
                # Nothing is under way, so nothing is lost where nobody is there: the link itself is watched.
                heard_again()
        raise RouteClosed(Code.NO_HOST)

    def heard_again() -> None:
        nonlocal heard
        heard = clock()

    tasks = [asyncio.ensure_future(work()) for work in (read, write, live)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        if late is not None:
            late.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
