"""Another device of the household's account, which asks the Mac over the relay whatever a test wants."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from relay.account.keys.device import Role
from relay.link.link import Identity, Link, Phase, Timing
from relay.link.remote import Remote, Terms
from relay.protocol.headers import Answer, Headers, Request
from relay.protocol.link import Message
from relay.protocol.route import Log
from tests.relay.link.wire import soon
from tests.relay.proof.computers import Household

#: Requests of one session that may follow each other without a pause, with room for one that was counted late.
AT_ONCE = 50


class Device:
    """Signed in by the keys that the account was made with. `answers` are all that came back, unencrypted."""

    def __init__(self, house: Household, path: str = "") -> None:
        _, state = house.person.unlock()
        keys, log = house.person.device, state.log
        listed = next(device for device in log.active if device.id.hex() == house.host)
        self.terms = Terms(
            account=house.person.account,
            host=listed.id,
            remote=keys.id,
            epoch=log.epoch,
            host_key=listed.public.agreement,
            static=keys.agreement.reveal(),
            psk=state.workspace.relay_psk(log.epoch).reveal(),
            log=Log(log.n, log.head),
        )
        who = Identity(path or house.broker.url, house.person.account, keys, Role.REMOTE)
        self.link = Link(who, self._take, timing=Timing(first_pause=0.05, longest_pause=0.2))
        self.answers: list[tuple[Request, Answer, bytes]] = []
        self._numbers = itertools.count(1)
        self._remote: Remote | None = None
        self._running: asyncio.Task[None] | None = None
        self._left = 0

    async def _take(self, message: Message) -> None:
        if self._remote is not None:
            self._remote.takes(message)

    async def remote(self) -> Remote:
        """The way to the Mac; a new session now and then, so that no limit on requests is met."""
        if self._remote is None or self._left == 0:
            await self.leave()
            self._remote = Remote(self.link, lambda: self.terms, numbers=self._numbers, chance=lambda: 0.2)
            self._running = asyncio.create_task(self._remote.run())
            self._left = AT_ONCE
            async with asyncio.timeout(60):
                await self._remote.ready()
        self._left -= 1
        return self._remote

    async def leave(self) -> None:
        """End the session."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def ask(self, method: str, path: str, headers: Headers = (), body: bytes = b"", idem: str = "") -> Answer:
        """Ask, and read the whole answer into `answers`."""
        named = None if method in {"GET", "HEAD"} else idem or f"{len(self.answers):032x}"
        if body:
            headers = (*headers, ("content-length", str(len(body))))
        request = Request(method, path, headers, named)
        remote = await self.remote()
        async with asyncio.timeout(60):
            reply = await remote.ask(request, body)
            content = b"".join([piece async for piece in reply])
        self.answers.append((request, reply.answer, content))
        return reply.answer


@asynccontextmanager
async def device(house: Household, path: str = "") -> AsyncIterator[Device]:
    """On line, at the broker or at another address that leads to it."""
    made = await asyncio.to_thread(Device, house, path)
    running = asyncio.create_task(made.link.run())
    try:
        await soon(lambda: made.link.state.phase is Phase.READY)
        yield made
    finally:
        await made.leave()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
