"""A real broker against devices that take nothing, send too much, come twice, were removed, or all come at once."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from connections.errors import Unavailable
from relay.account.keys import flows
from relay.account.keys.device import DeviceKeys, Role
from relay.api import Problem
from relay.host.service import Reason
from relay.link.link import Identity, Link, Phase, Timing
from relay.protocol import link as wire
from relay.protocol.link import FIRST_CREDIT, PATH, Code, Message, Type
from tests.relay.broker.desk import Desk, is_refused
from tests.relay.broker.test_links import joined, pro
from tests.relay.client.test_real_relay import ends, text
from tests.relay.link.test_link import Broker
from tests.relay.link.wire import soon
from tests.relay.proof.computers import until
from tests.serving import SLACK, BrokerProcess
from tests.upstream import RESPONSES, Upstream
from tests.web.websocket import Client

MIB = 1024 * 1024
ROUTES = 8
PIECE = bytes(16 * 1024)


def memory_of(pid: int) -> int:
    """Bytes of a process that are in memory."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("this system has no /proc to read a process's memory from")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def settled(pid: int) -> int:
    """What it is once it has not changed for a quarter of a second."""
    seen = [memory_of(pid)]
    while len(seen) < 6 or len(set(seen[-6:])) > 1:
        time.sleep(0.05)
        seen.append(memory_of(pid))
    return seen[-1]


def fill(client: Client, route: int) -> None:
    """Send all that the route's first credit allows."""
    for _ in range(FIRST_CREDIT // len(PIECE)):
        client.send(Message(Type.DATA, route, PIECE).encode())


def test_two_devices_that_read_nothing_cost_the_broker_three_mebibytes_a_route_and_one_byte_more_ends_the_sender(
    broker: BrokerProcess, desk: Desk
) -> None:
    person = pro(desk)
    phone = person.join().device
    with joined(person, person.device) as host, joined(person, phone, Role.REMOTE) as remote:
        for route in range(1, ROUTES + 1):
            remote.send(Message(Type.OPEN, route, person.device.id + bytes(4)).encode())
            while wire.decode(remote.receive()).type is not Type.OPENED:
                pass  # what the broker tells of presence
        before = memory_of(broker.pid)
        for route in range(1, ROUTES + 1):
            fill(remote, route)
            fill(host, route)
        # It may still have to read what was sent.
        few = before + ROUTES * MIB // 2
        until(lambda: memory_of(broker.pid) > few, what="nothing was held, so nothing was shown")
        assert settled(broker.pid) - before < ROUTES * 3 * MIB
        remote.send(Message(Type.DATA, 1, b"x").encode())
        assert remote.close_code() == Code.CREDIT_EXCEEDED
        # The host did nothing wrong, and is there for others.
        with joined(person, phone, Role.REMOTE) as again:
            again.send(Message(Type.OPEN, 1, person.device.id + bytes(4)).encode())
            while (said := wire.decode(again.receive())).type is Type.EVENT:
                pass
            assert said.type is Type.OPENED


class Counted(Link):
    """A device's link that counts how often it was let in."""

    def __init__(self, desk: Desk, account: bytes, keys: DeviceKeys) -> None:
        self.times = 0
        who = Identity(desk.address, account, keys, Role.HOST)
        super().__init__(who, self._nothing, timing=Timing(first_pause=0.05, longest_pause=0.2), changed=self._count)

    async def _nothing(self, message: Message) -> None:
        pass

    def _count(self) -> None:
        self.times += self.state.phase is Phase.READY


async def test_of_two_links_with_one_device_id_the_older_is_closed_and_does_not_come_back_to_fight(
    broker: BrokerProcess,
) -> None:
    person = await asyncio.to_thread(pro, Desk(broker))
    older, newer = (Counted(person.desk, person.account, person.device) for _ in range(2))
    running = [asyncio.create_task(older.run())]
    try:
        await soon(lambda: older.state.phase is Phase.READY)
        running.append(asyncio.create_task(newer.run()))
        await soon(lambda: older.state.code == Code.SUPERSEDED)
        await soon(lambda: newer.state.phase is Phase.READY)
        # Many times the pause after which any other end is tried again.
        await asyncio.sleep(1.5)
        assert (older.times, newer.times) == (1, 1)
        assert newer.state.phase is Phase.READY
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def test_a_stolen_session_without_the_device_key_gets_no_route_and_replaces_no_bundle(desk: Desk) -> None:
    person = pro(desk)
    token = person.session()
    thief = DeviceKeys.new()
    stolen = {"Authorization": f"Bearer {token}", "Cookie": f"sessionid={token}"}
    with Client(desk.broker.port, PATH, stolen) as client:
        nonce = wire.decode(client.receive()).payload
        proof = thief.prove(nonce=nonce, account=person.account, role=Role.REMOTE, host="localhost")
        claim = person.account + person.device.id + bytes((int(Role.REMOTE),)) + proof
        client.send(Message(Type.AUTH, 0, claim).encode())
        assert client.close_code() == Code.REFUSED
    _, before = person.unlock()
    added = flows.add_device(before, "Thief", Role.REMOTE)
    assert is_refused(desk.update(added.update, token), Problem.TOKEN_ENDED, 401)
    assert desk.account(person.session()).revision == 1


async def test_a_removed_device_that_the_broker_lets_in_again_is_refused_by_the_host(
    broker: BrokerProcess, tmp_path: Path
) -> None:
    with Upstream() as up:
        up.sign_in(tmp_path / "codex")
        async with ends(broker, up, tmp_path / "codex") as both:
            path = await both.ready()
            phone = both.members["phone"]
            assert phone is not None
            await asyncio.to_thread(both.remove_phone)
            await soon(lambda: not both.host.state.remotes)
            await soon(lambda: not path.status().ready)
            # The broker is the thief's: it lets the device in as if nothing had happened.
            device = phone.keys.device.id.hex()
            broker.sql("UPDATE broker_device SET revoked = NULL, signed_out = NULL WHERE device = ?", device)
            both.client.wake()
            assert both.client._linked is not None
            linked = both.client._linked
            await soon(lambda: linked.link.state.phase is Phase.READY)
            for _ in range(5):
                both.client.wake()
                await asyncio.sleep(0.05)
                assert both.host.state.remotes == frozenset()
            assert both.host.state.reason is Reason.READY
            with pytest.raises(Unavailable):
                await text(path)
        assert up.to(RESPONSES) == []


async def test_five_hundred_devices_come_back_from_a_restart_spread_over_the_time_that_the_broker_named() -> None:
    after, spread, count = 0.2, 2.0, 500
    broker = Broker()
    keys = DeviceKeys.new()
    who = Identity("https://relay.example", bytes(16), keys, Role.HOST)
    loop = asyncio.get_running_loop()
    #: When each has chosen to come, and when it came: a machine that stops for a moment lets some come together.
    chosen: dict[int, float] = {}
    came: dict[int, float] = {}
    told = asyncio.Event()

    def link(number: int) -> Link:
        def chance() -> float:
            return chosen.setdefault(number, random.random())

        async def dial(url: str) -> object:
            if told.is_set():
                came[number] = loop.time()
                await asyncio.Event().wait()
            return await broker.dial(url)

        return Link(who, lambda message: asyncio.sleep(0), timing=waiting, dial=dial, chance=chance)

    waiting = Timing(first_pause=60, longest_pause=60)
    links = [link(number) for number in range(count)]
    running = [loop.create_task(link.run()) for link in links]
    try:
        fars = [await broker.next() for _ in links]
        for far in fars:
            far.say(Message(Type.HELLO, 0, far.nonce))
            far.say(Message(Type.READY, 0, bytes(8) + FIRST_CREDIT.to_bytes(4, "big")))
            said = {"kind": "restarting", "after_ms": int(after * 1000), "spread_ms": int(spread * 1000)}
            far.say(wire.event(said))
        await soon(lambda: all(link.state.phase is Phase.READY for link in links))
        begun = loop.time()
        told.set()
        for far in fars:
            far.end(Code.RESTARTING)
        await soon(lambda: len(came) == count)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    late = [came[number] - begun - after - spread * chosen[number] for number in range(count)]
    assert min(late) >= -0.05
    assert max(late) < 1 + SLACK
    # Fifty are to be expected in each tenth.
    slots = Counter(int(moment * 10) for moment in chosen.values())
    assert max(slots.values()) < 100
    assert len(slots) == 10


async def test_a_restarting_broker_tells_every_device_when_to_come_back() -> None:
    with BrokerProcess() as own:
        person = await asyncio.to_thread(pro, Desk(own))
        with await asyncio.to_thread(joined, person, person.device) as host:
            ending = asyncio.create_task(asyncio.to_thread(own.terminate))
            said = []
            with contextlib.suppress(ConnectionError):
                while (message := wire.decode(await asyncio.to_thread(host.receive))).type in {Type.EVENT, Type.PING}:
                    said += [wire.read_event(message.payload)] if message.type is Type.EVENT else []
            assert await ending == 0
    restarting = [event for event in said if event["kind"] == "restarting"]
    assert len(restarting) == 1
    assert restarting[0]["spread_ms"] > 0
