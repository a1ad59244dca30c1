"""A device's link, against a broker that says what a test wants, and against the real meeting place's rules."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.frames import Close

from relay.account.keys.device import DeviceKeys, Role, check_proof
from relay.link.link import Identity, Link, LinkDown, Phase, Timing
from relay.protocol import link as wire
from relay.protocol.link import FIRST_CREDIT, Code, Message, Type
from tests.relay.link.wire import soon

KEYS = DeviceKeys.new()
ACCOUNT = bytes([1]) * 16
WHO = Identity("https://relay.example", ACCOUNT, KEYS, Role.HOST)
QUICK = Timing(first_pause=0.01, longest_pause=0.02, futile_pause=0.05, lasting=9)
SILENT = Timing(prove=0.5, ping=0.3, dead=1.5, first_pause=0.01, longest_pause=0.02)
READY = Message(Type.READY, 0, (7).to_bytes(8, "big") + FIRST_CREDIT.to_bytes(4, "big"))


class Far:
    """The broker's end of one connection."""

    def __init__(self) -> None:
        self.to_device: asyncio.Queue[bytes | str | BaseException] = asyncio.Queue()
        self.from_device: asyncio.Queue[Message] = asyncio.Queue()
        self.closed = asyncio.Event()
        self.nonce = bytes(range(32))

    # As the device sees it

    async def send(self, message: bytes) -> None:
        if self.closed.is_set():
            raise ConnectionClosedOK(None, None)
        self.from_device.put_nowait(wire.decode(message))

    async def recv(self) -> bytes | str:
        said = await self.to_device.get()
        if isinstance(said, BaseException):
            raise said
        return said

    async def close(self, code: int = 1000) -> None:
        self.closed.set()

    # As a test drives it

    def say(self, message: Message) -> None:
        self.to_device.put_nowait(message.encode())

    def end(self, code: int | None) -> None:
        """Close with a code, or without a word."""
        self.to_device.put_nowait(ConnectionClosedError(None if code is None else Close(code, ""), None))

    async def hear(self) -> Message:
        async with asyncio.timeout(20):
            return await self.from_device.get()

    async def greet(self) -> None:
        """HELLO, AUTH, READY."""
        self.say(Message(Type.HELLO, 0, self.nonce))
        claim = (await self.hear()).payload
        assert claim[:33] == ACCOUNT + KEYS.id + b"\1"
        check_proof(KEYS.public, claim[33:], nonce=self.nonce, account=ACCOUNT, role=Role.HOST, host="relay.example")
        self.say(READY)


class Broker:
    """Takes each dialling as a new connection."""

    def __init__(self) -> None:
        self.dialled: asyncio.Queue[Far] = asyncio.Queue()
        self.urls: list[str] = []
        self.refuses = 0

    async def dial(self, url: str) -> Any:
        self.urls.append(url)
        if self.refuses:
            self.refuses -= 1
            raise ConnectionRefusedError
        far = Far()
        self.dialled.put_nowait(far)
        return far

    async def next(self) -> Far:
        async with asyncio.timeout(20):
            return await self.dialled.get()


class Watched(Link):
    """A link that can be waited for, and that keeps what it was given."""

    def __init__(self, broker: Broker, timing: Timing, chance: Callable[[], float]) -> None:
        self.got: asyncio.Queue[Message] = asyncio.Queue()
        self._bell = asyncio.Event()
        super().__init__(WHO, self._take, timing=timing, dial=broker.dial, changed=self._bell.set, chance=chance)

    async def _take(self, message: Message) -> None:
        self.got.put_nowait(message)

    async def at(self, phase: Phase, code: int | None = None) -> None:
        """Wait until it stands there."""
        async with asyncio.timeout(20):
            while (self.state.phase, self.state.code) != (phase, code):
                self._bell.clear()
                await self._bell.wait()


@asynccontextmanager
async def linked(
    broker: Broker, timing: Timing = QUICK, chance: Callable[[], float] = random.random
) -> AsyncIterator[Watched]:
    link = Watched(broker, timing, chance)
    running = asyncio.create_task(link.run())
    try:
        yield link
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_it_proves_its_key_and_carries_messages_both_ways() -> None:
    broker = Broker()
    async with linked(broker) as link:
        far = await broker.next()
        await far.greet()
        await link.at(Phase.READY)
        assert broker.urls == ["wss://relay.example/relay/1/link"]
        await link.send(Message(Type.DATA, 1, b"up"))
        assert await far.hear() == Message(Type.DATA, 1, b"up")
        far.say(Message(Type.DATA, 1, b"down"))
        assert await link.got.get() == Message(Type.DATA, 1, b"down")


async def test_without_a_connection_nothing_is_sent_and_the_sender_knows() -> None:
    broker = Broker()
    link = Link(WHO, lambda message: asyncio.sleep(0), dial=broker.dial)
    with pytest.raises(LinkDown):
        await link.send(Message(Type.DATA, 1, b"x"))


async def test_it_dials_again_after_every_kind_of_end() -> None:
    broker = Broker()
    broker.refuses = 2
    async with linked(broker) as link:
        for code in (None, 1011, Code.RESTARTING):
            far = await broker.next()
            await far.greet()
            await link.at(Phase.READY)
            far.end(code)
            await far.closed.wait()
        await broker.next()


@pytest.mark.parametrize(
    "said",
    [
        READY.encode(),
        b"",
        "text",
        Message(Type.HELLO, 0, bytes(32)).encode() + b"!",
        Message(Type.DATA, 1, b"x").encode(),
    ],
)
async def test_a_server_that_is_no_broker_is_left(said: bytes | str) -> None:
    broker = Broker()
    async with linked(broker) as link:
        far = await broker.next()
        far.to_device.put_nowait(said)
        await far.closed.wait()
        assert link.state.phase is not Phase.READY
        await broker.next()


async def test_a_broker_that_stays_silent_is_left() -> None:
    broker = Broker()
    async with linked(broker, SILENT):
        far = await broker.next()
        await asyncio.wait_for(far.closed.wait(), 20)


async def test_a_dead_connection_is_noticed_by_pings_that_nobody_answers() -> None:
    broker = Broker()
    async with linked(broker, replace(SILENT, prove=20)):
        far = await broker.next()
        await far.greet()
        assert (await far.hear()).type is Type.PING
        await asyncio.wait_for(far.closed.wait(), 20)


async def test_pings_are_answered_and_a_quiet_connection_stays() -> None:
    broker = Broker()
    async with linked(broker, Timing(ping=0.15, dead=1.0)) as link:
        far = await broker.next()
        await far.greet()
        far.say(Message(Type.PING, 0, b"12345678"))
        assert await far.hear() == Message(Type.PONG, 0, b"12345678")
        for _ in range(10):
            far.say(Message(Type.PONG, 0, (await far.hear()).payload))
        assert link.state.phase is Phase.READY


@pytest.mark.parametrize("code", [Code.REFUSED, Code.REVOKED, Code.NO_PLAN, Code.SUPERSEDED])
async def test_where_dialling_again_is_no_use_it_waits_long_and_says_why(code: Code) -> None:
    broker = Broker()
    async with linked(broker, timing=Timing(first_pause=0.01)) as link:
        far = await broker.next()
        far.say(Message(Type.HELLO, 0, bytes(32)))
        await far.hear()
        far.end(code)
        await link.at(Phase.WAITING, code)
        await asyncio.sleep(0.1)
        assert broker.dialled.empty()
        link.wake()
        await broker.next()


async def test_after_a_restart_it_comes_back_when_the_broker_said() -> None:
    broker = Broker()
    slow = Timing(first_pause=60, longest_pause=60)
    async with linked(broker, timing=slow, chance=lambda: 0.5):
        far = await broker.next()
        await far.greet()
        far.say(wire.event({"kind": "restarting", "after_ms": 50, "spread_ms": 100}))
        far.end(Code.RESTARTING)
        begun = asyncio.get_running_loop().time()
        await broker.next()
        assert 0.09 <= asyncio.get_running_loop().time() - begun < 20


@pytest.mark.parametrize("after", [-5, 10**12, "soon", None, 1.5, True])
async def test_a_broker_cannot_send_anybody_away_for_good(after: object) -> None:
    broker = Broker()
    async with linked(broker, chance=lambda: 0.0) as link:
        far = await broker.next()
        await far.greet()
        far.say(wire.event({"kind": "restarting", "after_ms": after, "spread_ms": 0}))
        far.say(Message(Type.DATA, 1, b"after it"))
        await link.got.get()
        assert link._back is not None
        assert 0 <= link._back[0] <= 120


async def test_the_pauses_grow_by_chance_between_nothing_and_a_limit() -> None:
    broker = Broker()
    waits: list[float] = []

    class Measured(Link):
        async def _pause(self, code: int | None, failures: int) -> None:
            timing = self._timing
            waits.append(min(timing.longest_pause, timing.first_pause * 2**failures))
            await super()._pause(code, failures)

    link = Measured(WHO, lambda message: asyncio.sleep(0), timing=QUICK, dial=broker.dial)
    broker.refuses = 6
    running = asyncio.create_task(link.run())
    await broker.next()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert waits == [0.01, 0.02, 0.02, 0.02, 0.02, 0.02]


async def test_a_message_that_breaks_the_rules_ends_the_connection_only() -> None:
    broker = Broker()
    async with linked(broker) as link:
        far = await broker.next()
        await far.greet()
        far.say(Message(Type.READY, 0, bytes(12)))
        await far.closed.wait()
        assert link.state.phase is not Phase.READY
        await (await broker.next()).greet()
        await link.at(Phase.READY)


@pytest.mark.parametrize("code", [Code.RELAY_OFF, Code.ASLEEP])
async def test_who_leaves_says_why_and_stays_away_until_it_is_woken(code: Code) -> None:
    broker = Broker()
    async with linked(broker, timing=Timing(first_pause=0.01)) as link:
        far = await broker.next()
        await far.greet()
        await link.at(Phase.READY)
        await link.leave(code)
        assert await far.hear() == wire.close(0, code)
        far.end(code)
        await link.at(Phase.WAITING, code)
        await asyncio.sleep(0.1)
        assert broker.dialled.empty()
        link.wake()
        await (await broker.next()).greet()
        await link.at(Phase.READY)


async def test_without_a_connection_the_last_word_is_left_unsaid() -> None:
    link = Link(WHO, lambda message: asyncio.sleep(0), dial=Broker().dial)
    await link.leave(Code.CLOSED)


async def test_a_broker_that_does_not_read_keeps_nobody_who_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    async with linked(broker, timing=Timing(last_word=0.05)) as link:
        far = await broker.next()
        await far.greet()
        await link.at(Phase.READY)

        async def stuck(message: bytes) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(far, "send", stuck)
        async with asyncio.timeout(20):
            await link.leave(Code.CLOSED)


SLOW = Timing(ping=15, dead=40, probe=0.05, first_pause=60, longest_pause=60)


async def test_after_a_wake_a_connection_that_is_gone_is_dialled_again_at_once() -> None:
    broker = Broker()
    async with linked(broker, timing=SLOW) as link:
        far = await broker.next()
        await far.greet()
        await link.at(Phase.READY)
        await asyncio.sleep(0)
        for _ in range(3):  # also where it is woken more than once
            link.wake()
        assert (await far.hear()).type is Type.PING
        assert far.from_device.empty()
        await asyncio.wait_for(far.closed.wait(), 20)
        await (await broker.next()).greet()
        await link.at(Phase.READY)


async def test_after_a_wake_a_connection_that_answers_stays() -> None:
    broker = Broker()
    async with linked(broker, timing=replace(SLOW, probe=1.5)) as link:
        far = await broker.next()
        await far.greet()
        await link.at(Phase.READY)
        for _ in range(3):
            await asyncio.sleep(0)
            link.wake()
            far.say(Message(Type.PONG, 0, (await far.hear()).payload))
            far.say(Message(Type.DATA, 1, b"still here"))
            assert (await link.got.get()).payload == b"still here"
        await asyncio.sleep(1.7)
        assert link.state.phase is Phase.READY
        assert far.from_device.empty()


async def test_what_the_broker_tells_is_passed_on() -> None:
    broker, heard = Broker(), asyncio.Queue[Any]()
    link = Link(WHO, lambda message: asyncio.sleep(0), dial=broker.dial, told=heard.put_nowait, timing=QUICK)
    running = asyncio.create_task(link.run())
    try:
        far = await broker.next()
        await far.greet()
        far.say(wire.event({"kind": "presence", "hosts": []}))
        assert await asyncio.wait_for(heard.get(), 20) == {"kind": "presence", "hosts": []}
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_diallings_in_vain_are_counted_until_one_lasts() -> None:
    broker = Broker()
    broker.refuses = 3
    seen: list[int] = []
    link = Link(
        WHO,
        lambda message: asyncio.sleep(0),
        timing=Timing(first_pause=0.001, longest_pause=0.001, lasting=9),
        dial=broker.dial,
        changed=lambda: seen.append(link.state.failures),
    )
    running = asyncio.create_task(link.run())
    try:
        await (await broker.next()).greet()
        await soon(lambda: link.state.phase is Phase.READY)
        assert link.state.failures == 0
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert max(seen) == 3
