"""A host and a remote over a broker's switch, in one event loop: links that can be cut, and what is known of whom."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from relay.account.keys.primitives import agreement_public
from relay.link.host import Host, Incoming
from relay.link.link import LinkDown
from relay.link.remote import Remote, Reply, Terms
from relay.protocol.link import Message
from relay.protocol.route import Log
from relay.protocol.switch import HOST, REMOTE, End, Link, Out, Switch, SwitchLimits

ACCOUNT, MAC, PHONE = (bytes([number]) * 16 for number in (1, 10, 11))
MAC_KEY, PHONE_KEY, PSK = (bytes([number]) * 32 for number in (20, 21, 22))
FREE = SwitchLimits(bytes=1e12, byte_burst=1e12, opens=1e9, open_burst=1e9)


@dataclass
class Notes:
    """What the host knows of the account; see `relay.link.host.Book`."""

    account: bytes = ACCOUNT
    device: bytes = MAC
    static: bytes = MAC_KEY
    epoch: int = 3
    psk: bytes = PSK
    log: Log = field(default_factory=lambda: Log(7, b"h" * 32))
    keys: dict[bytes, bytes] = field(default_factory=lambda: {PHONE: agreement_public(PHONE_KEY)})
    looked: int = 0

    def key_of(self, remote: bytes) -> bytes | None:
        return self.keys.get(remote)

    def agrees(self, log: Log) -> bool | None:
        if log.n > self.log.n:
            return None
        return log.n < self.log.n or log.head == self.log.head

    def look_again(self) -> None:
        self.looked += 1


class Wire:
    """One end's link, which is there or not."""

    def __init__(self, world: World, device: bytes, role: int) -> None:
        self._world, self._device, self._role = world, device, role
        self.link: Link | None = None
        self.owner: Callable[[Message], object] = lambda message: None

    def up(self) -> None:
        """Dial."""
        self.link, outs = self._world.switch.join(ACCOUNT, self._device, self._role)
        self._world.dispatch(outs)

    def down(self) -> None:
        """Cut."""
        link, self.link = self.link, None
        if link is not None:
            self._world.dispatch(self._world.switch.leave(link))

    async def send(self, message: Message) -> None:
        await asyncio.sleep(0)
        if self.link is None:
            raise LinkDown
        self._world.sent += 1
        if self._world.cut_at == self._world.sent:
            self._world.cut()
            raise LinkDown
        self._world.dispatch(self._world.switch.receive(self.link, message, time.monotonic()))


class World:
    """Both ends. `serve` answers requests on the host."""

    def __init__(self, serve: Callable[[Incoming], object]) -> None:
        self.switch = Switch(FREE)
        self.notes = Notes()
        self.terms = Terms(ACCOUNT, MAC, PHONE, 3, agreement_public(MAC_KEY), PHONE_KEY, PSK, Log(7, b"h" * 32))
        self.sent = self.cuts = 0
        self.cut_at = -1
        self.which = itertools.cycle(("host", "remote"))
        self.now: float | None = None
        self.peer_logs: list[Log] = []
        self.given_up: list[int] = []
        self._tasks: set[asyncio.Task[object]] = set()
        self.mac, self.phone = Wire(self, MAC, HOST), Wire(self, PHONE, REMOTE)
        self.host = Host(
            self.mac,
            self.notes,
            lambda incoming: self._start(serve(incoming)),
            gave_up=lambda streams, stream, reset: self.given_up.append(stream),
            clock=self.clock,
        )
        self.remote = Remote(
            self.phone,
            lambda: self.terms,
            numbers=itertools.count(1),
            peer_log=self.peer_logs.append,
            chance=lambda: 0.002,
        )
        self.mac.owner = lambda message: self._start(self.host.handle(message))
        self.phone.owner = self.remote.takes

    def clock(self) -> float:
        return time.monotonic() if self.now is None else self.now

    def _start(self, work: object) -> None:
        if asyncio.iscoroutine(work):
            task = asyncio.get_running_loop().create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def dispatch(self, outs: list[Out]) -> None:
        loop = asyncio.get_running_loop()
        for out in outs:
            for wire in (self.mac, self.phone):
                if wire.link is out.link and not isinstance(out, End):
                    loop.call_soon(wire.owner, out.message)

    def cut(self) -> None:
        """End one of the two links, each in turn, and dial again soon."""
        self.cuts += 1
        if next(self.which) == "host":
            self.mac.down()
            self.host.link_down()
            asyncio.get_running_loop().call_later(0.005, self.mac.up)
        else:
            self.phone.down()
            self.remote.link_down()
            asyncio.get_running_loop().call_later(0.005, self.phone.up)


async def soon(test: Callable[[], object]) -> None:
    """Wait until something is so. Raises AssertionError after 20 s."""
    for _ in range(10_000):
        if test():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it never came to that")


async def whole(reply: Reply) -> bytes:
    """The rest of an answer. Raises StreamEnded, TimeoutError."""
    async with asyncio.timeout(30):
        return b"".join([part async for part in reply])


@asynccontextmanager
async def world(serve: Callable[[Incoming], object], *, connected: bool = True) -> AsyncIterator[World]:
    """Both ends on line, and a route between them."""
    made = World(serve)
    made.mac.up()
    made.phone.up()
    running = asyncio.create_task(made.remote.run())
    try:
        if connected:
            async with asyncio.timeout(20):
                await made.remote.ready()
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await made.host.aclose()
        for task in made._tasks:
            task.cancel()
        await asyncio.gather(*made._tasks, return_exceptions=True)
