"""The meeting place of devices, spoken to as an ASGI server would, with real proofs and no sockets."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from relay.account.keys.device import DeviceKeys, Role, check_proof
from relay.account.keys.errors import KeysError
from relay.broker import rendezvous
from relay.broker.rendezvous import Claim, Rendezvous
from relay.protocol import link as wire
from relay.protocol.link import FIRST_CREDIT, Code, Message, Type

ACCOUNT = bytes([1]) * 16
EPOCH = bytes(4)
SCOPE = {"type": "websocket", "headers": [(b"host", b"relay.example:443")]}


class Socket:
    """A device's end. `reads` is cleared while it takes nothing."""

    def __init__(self, place: Rendezvous, scope: dict[str, Any] | None = None) -> None:
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.reads = asyncio.Event()
        self.reads.set()
        self._in.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(place(scope or SCOPE, self._in.get, self._send))

    async def _send(self, event: Any) -> None:
        # As the server does it: the first answer and a closing wait for nobody.
        if event["type"] == "websocket.send":
            await self.reads.wait()
        self._out.put_nowait(dict(event))

    def say(self, message: Message | bytes) -> None:
        data = message if isinstance(message, bytes) else message.encode()
        self._in.put_nowait({"type": "websocket.receive", "bytes": data})

    def hang_up(self) -> None:
        self._in.put_nowait({"type": "websocket.disconnect", "code": 1006})

    async def event(self) -> dict[str, Any]:
        async with asyncio.timeout(20):
            return await self._out.get()

    async def hear(self) -> Message:
        event = await self.event()
        assert event["type"] == "websocket.send", event
        return wire.decode(event["bytes"])

    async def closed(self) -> int:
        """Wait for the end, past whatever is said before; return the code."""
        while (event := await self.event())["type"] != "websocket.close":
            pass
        return int(event["code"])

    async def join(self, keys: DeviceKeys, role: Role, host: str = "relay.example") -> "Socket":
        """Prove who it is, up to READY."""
        await self.say_who(keys, role, host)
        assert (await self.hear()).type is Type.READY
        return self

    async def say_who(self, keys: DeviceKeys, role: Role, host: str = "relay.example") -> None:
        assert (await self.event())["type"] == "websocket.accept"
        hello = await self.hear()
        proof = keys.prove(nonce=hello.payload, account=ACCOUNT, role=role, host=host)
        self.say(Message(Type.AUTH, 0, ACCOUNT + keys.id + bytes((int(role),)) + proof))


MAC, PHONE = DeviceKeys.new(), DeviceKeys.new()


async def check(claim: Claim) -> Code | None:
    keys = {MAC.id: MAC.public, PHONE.id: PHONE.public}.get(claim.device)
    if keys is None or claim.account != ACCOUNT:
        return Code.REFUSED
    try:
        role = Role(claim.role)
        check_proof(keys, claim.proof, nonce=claim.nonce, account=claim.account, role=role, host=claim.host)
    except (KeysError, ValueError):
        return Code.REFUSED
    return None


@asynccontextmanager
async def place(devices: Iterable[Socket] = ()) -> AsyncIterator[Rendezvous]:
    made = Rendezvous(check)
    keeping = asyncio.create_task(made.keep())
    try:
        yield made
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def routed(made: Rendezvous) -> tuple[Socket, Socket]:
    host = await Socket(made).join(MAC, Role.HOST)
    remote = await Socket(made).join(PHONE, Role.REMOTE)
    remote.say(Message(Type.OPEN, 1, MAC.id + EPOCH))
    assert (await host.hear()).type is Type.INCOMING
    assert (await remote.hear()).type is Type.OPENED
    return host, remote


async def test_two_devices_meet_and_what_one_says_reaches_the_other_unchanged() -> None:
    async with place() as made:
        host, remote = await routed(made)
        for number in range(50):
            remote.say(Message(Type.DATA, 1, bytes([number]) * 1000))
            assert await host.hear() == Message(Type.DATA, 1, bytes([number]) * 1000)


@pytest.mark.parametrize("lie", ["another key", "another host", "another role", "another account", "a stranger"])
async def test_a_device_that_cannot_prove_itself_is_let_nowhere(lie: str) -> None:
    async with place() as made:
        socket = Socket(made)
        keys = DeviceKeys.new() if lie == "a stranger" else PHONE
        assert (await socket.event())["type"] == "websocket.accept"
        nonce = (await socket.hear()).payload
        proof = (DeviceKeys.new() if lie == "another key" else keys).prove(
            nonce=nonce,
            account=ACCOUNT,
            role=Role.REMOTE,
            host="elsewhere.example" if lie == "another host" else "relay.example",
        )
        account = bytes(16) if lie == "another account" else ACCOUNT
        role = Role.HOST if lie == "another role" else Role.REMOTE
        socket.say(Message(Type.AUTH, 0, account + keys.id + bytes((int(role),)) + proof))
        assert await socket.closed() == Code.REFUSED
        await socket.task
        assert len(made.switch) == 0


async def test_a_proof_recorded_from_another_link_is_worth_nothing() -> None:
    async with place() as made:
        first = Socket(made)
        await first.event()
        nonce = (await first.hear()).payload
        proof = PHONE.prove(nonce=nonce, account=ACCOUNT, role=Role.REMOTE, host="relay.example")
        second = Socket(made)
        await second.event()
        await second.hear()
        second.say(Message(Type.AUTH, 0, ACCOUNT + PHONE.id + b"\2" + proof))
        assert await second.closed() == Code.REFUSED
        first.hang_up()
        await first.task


@pytest.mark.parametrize("said", [b"", b"\x02\0\0\0\0\0", bytes(40_000), Message(Type.PING, 0, bytes(8)).encode()])
async def test_anything_but_a_proof_ends_the_socket(said: bytes) -> None:
    async with place() as made:
        socket = Socket(made)
        await socket.event()
        await socket.hear()
        socket.say(said)
        assert await socket.closed() == Code.MALFORMED


async def test_a_socket_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendezvous, "AUTH_SECONDS", 0.05)
    async with place() as made:
        assert await Socket(made).closed() == Code.REFUSED


async def test_a_stranger_that_reads_nothing_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendezvous, "AUTH_SECONDS", 0.05)
    monkeypatch.setattr(rendezvous, "MOST_STRANGERS", 1)
    async with place() as made:
        silent = Socket(made)
        silent.reads.clear()
        another = Socket(made)  # in the same turn of the loop, before any time is over
        assert (await silent.event())["type"] == "websocket.accept"
        assert await another.closed() == Code.TOO_MANY
        assert await silent.closed() == Code.REFUSED
        await silent.task
        monkeypatch.setattr(rendezvous, "AUTH_SECONDS", 20)
        await Socket(made).join(PHONE, Role.REMOTE)


async def test_a_crowd_of_strangers_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendezvous, "MOST_STRANGERS", 3)
    async with place() as made:
        waiting = [Socket(made) for _ in range(3)]
        for socket in waiting:
            await socket.event()
        assert await Socket(made).closed() == Code.TOO_MANY
        for socket in waiting:
            socket.hang_up()
            await socket.task


async def test_a_device_that_reads_nothing_costs_what_it_granted_and_no_more() -> None:
    async with place() as made:
        host, remote = await routed(made)
        host.reads.clear()
        sent = 0
        while sent + 32_000 <= FIRST_CREDIT:
            remote.say(Message(Type.DATA, 1, bytes(32_000)))
            sent += 32_000
        remote.say(Message(Type.DATA, 1, bytes(32_000)))
        assert await remote.closed() == Code.CREDIT_EXCEEDED
        held = sum(len(message) for outbox in made._outboxes.values() for message in outbox.messages)
        assert held <= FIRST_CREDIT + 1000
        # It is still served once it reads again.
        host.reads.set()
        got = 0
        while (message := await host.hear()).type is Type.DATA:
            got += len(message.payload)
        assert got == sent
        assert wire.read_close(message.payload)[0] == Code.CREDIT_EXCEEDED


async def test_small_talk_that_nobody_takes_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendezvous, "MOST_CONTROL", 50)
    monkeypatch.setattr(rendezvous, "LAST_WORDS_SECONDS", 0.05)
    async with place() as made:
        host, _ = await routed(made)
        host.reads.clear()
        for _ in range(100):
            host.say(Message(Type.PING, 0, bytes(8)))
        await asyncio.wait({host.task}, timeout=20)
        assert host.task.done()
        assert made.switch.find(ACCOUNT, MAC.id) is None


async def test_a_host_that_hangs_up_ends_its_routes_at_once() -> None:
    async with place() as made:
        host, remote = await routed(made)
        host.hang_up()
        message = await remote.hear()
        assert message.type is Type.CLOSE
        await host.task
        remote.say(Message(Type.OPEN, 2, MAC.id + EPOCH))
        assert wire.read_close((await remote.hear()).payload)[0] == Code.NO_HOST


async def test_the_same_device_again_takes_the_place_of_its_older_link() -> None:
    async with place() as made:
        older = await Socket(made).join(MAC, Role.HOST)
        newer = await Socket(made).join(MAC, Role.HOST)
        assert await older.closed() == Code.SUPERSEDED
        await older.task
        newer.say(Message(Type.PING, 0, b"12345678"))
        assert await newer.hear() == Message(Type.PONG, 0, b"12345678")


async def test_a_removed_device_is_shown_out_and_others_are_not() -> None:
    async with place() as made:
        host, remote = await routed(made)
        made.expel(ACCOUNT, PHONE.id, Code.REVOKED)
        assert await remote.closed() == Code.REVOKED
        assert (await host.hear()).type is Type.CLOSE
        made.expel(ACCOUNT, None, Code.RELAY_OFF)
        assert await host.closed() == Code.RELAY_OFF


async def test_a_silent_device_is_pinged_and_then_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendezvous, "PING_SECONDS", 0.05)
    monkeypatch.setattr(rendezvous, "DEAD_SECONDS", 0.15)
    async with place() as made:
        now = [0.0]
        made._clock = lambda: now[0]
        socket = await Socket(made).join(MAC, Role.HOST)
        now[0] = 0.06
        assert (await socket.hear()).type is Type.PING
        now[0] = 1
        assert await socket.closed() == Code.DONE
        assert made.switch.find(ACCOUNT, MAC.id) is None


async def test_before_a_restart_everybody_is_told_when_to_come_back() -> None:
    async with place() as made:
        host, remote = await routed(made)
        await made.close(after=1, spread=4)
        for socket in (host, remote):
            said = await socket.hear()
            while said.type is not Type.EVENT:
                said = await socket.hear()
            assert wire.read_event(said.payload) == {"kind": "restarting", "after_ms": 1000, "spread_ms": 4000}
            assert await socket.closed() == Code.RESTARTING
        assert await Socket(made).closed() == Code.RESTARTING
        await asyncio.gather(host.task, remote.task)
        assert not made._outboxes
