"""A broker that does with messages what a test says, between a host and a remote in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from relay.link.host import Incoming
from relay.protocol.link import Message, Type
from relay.protocol.switch import Link, Out, Send
from tests.relay.link.wire import World, soon

#: Given a message and the role of whom it is for, says what arrives in its place.
Tamper = Callable[[Message, int], list[Message]]


def honest(message: Message, role: int) -> list[Message]:
    """What a broker should do."""
    return [message]


class BadBroker(World):
    """`tamper` may be set at any time; `seen` are all messages as they were sent, with the role of their reader."""

    def __init__(self, serve: Callable[[Incoming], object], tamper: Tamper = honest) -> None:
        super().__init__(serve)
        self.tamper = tamper
        self.seen: list[tuple[int, Message]] = []

    def dispatch(self, outs: list[Out]) -> None:
        super().dispatch([changed for out in outs for changed in self._changed(out)])

    def _changed(self, out: Out) -> list[Out]:
        if not isinstance(out, Send):
            return [out]
        self.seen.append((out.link.role, out.message))
        return [Send(out.link, message) for message in self.tamper(out.message, out.link.role)]

    def data_for(self, role: int) -> list[bytes]:
        """The encrypted messages that were sent to one side."""
        return [message.payload for reader, message in self.seen if reader == role and message.type is Type.DATA]

    @property
    def host_link(self) -> Link:
        """The host's link, as the broker has it."""
        assert self.mac.link is not None
        return self.mac.link


@asynccontextmanager
async def bad_broker(
    serve: Callable[[Incoming], object], tamper: Tamper = honest, *, connected: bool = True
) -> AsyncIterator[BadBroker]:
    """Both ends on line, over a broker that is not to be trusted."""
    made = BadBroker(serve, tamper)
    made.mac.up()
    made.phone.up()
    running = asyncio.create_task(made.remote.run())
    try:
        if connected:
            async with asyncio.timeout(20):
                await made.remote.ready()
            await soon(lambda: made.host.remotes)
        yield made
    finally:
        made.tamper = honest
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await made.host.aclose()
        for task in made._tasks:
            task.cancel()
        await asyncio.gather(*made._tasks, return_exceptions=True)


#: Lengths of the handshake's two messages; whoever loses one of these waits ten seconds for it.
HANDSHAKE = {1024 + 96, 1024 + 48}


class Nth:
    """Counts the DATA for one side and says which of them is meant."""

    def __init__(self, role: int, which: Callable[[int], bool], *, handshakes: bool = True) -> None:
        self._role, self._which, self._handshakes = role, which, handshakes
        self.count = 0
        self.hits = 0

    def __call__(self, message: Message, role: int) -> bool:
        """Whether this is one of those."""
        if message.type is not Type.DATA or role != self._role:
            return False
        if not self._handshakes and len(message.payload) in HANDSHAKE:
            return False
        self.count += 1
        hit = self._which(self.count)
        self.hits += hit
        return hit


def flipped(data: bytes, at: int) -> bytes:
    """The same with one bit changed."""
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)
