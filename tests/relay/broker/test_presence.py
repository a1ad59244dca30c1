"""Which hosts are on line, told to the remotes of their account: without sockets, then at a real broker."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from django.db import Error as DatabaseFailure

from relay.account.keys.device import Role
from relay.broker import presence, rendezvous
from relay.broker.presence import HERE, Hosts, Named, Row
from relay.broker.rendezvous import Rendezvous
from relay.protocol import link as wire
from relay.protocol.link import Code, Message, Type
from relay.protocol.presence import Presence, Why, from_event
from tests.relay.broker.desk import Desk, Person
from tests.relay.broker.test_links import joined, pro, removed, signed_out
from tests.relay.link.wire import soon
from tests.relay.test_rendezvous import ACCOUNT, MAC, PHONE, Socket, check
from tests.serving import SLACK, BrokerProcess
from tests.web.websocket import Client

LONG_AGO = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Table:
    """What is written, in memory; see `relay.broker.presence.Kept`."""

    rows: list[Row] = field(default_factory=list)
    written: list[Presence] = field(default_factory=list)
    fails: int = 0

    async def read(self, accounts: Sequence[bytes]) -> Mapping[bytes, Sequence[Row]]:
        return dict.fromkeys(accounts, tuple(self.rows))

    async def write(self, changes: Mapping[Named, Presence]) -> None:
        if self.fails:
            self.fails -= 1
            raise DatabaseFailure
        self.written += changes.values()

    async def lose(self, here: Collection[Named]) -> Mapping[Named, Presence]:
        lost = [row for row in self.rows if row.state == HERE and (ACCOUNT, row.host) not in here]
        return {(ACCOUNT, row.host): Presence(row.host, False, row.seen, Why.LOST) for row in lost}


@asynccontextmanager
async def place(table: Table, grace: float = 0.05, returning: float = 60) -> AsyncIterator[Rendezvous]:
    made = Rendezvous(check)
    hosts = Hosts(made, table, grace=grace, returning=returning)
    keeping = asyncio.create_task(hosts.keep())
    try:
        yield made
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def told(remote: Socket) -> tuple[Presence, ...]:
    """What the broker tells next, past what is said of routes."""
    while (message := await remote.hear()).type is not Type.EVENT:
        pass
    return from_event(wire.read_event(message.payload))


async def is_told_nothing(remote: Socket, seconds: float = 0.15) -> bool:
    await asyncio.sleep(seconds)
    return remote._out.empty()


async def test_a_remote_that_comes_is_told_of_all_hosts() -> None:
    sleeper, never = bytes([8]) * 16, bytes([9]) * 16
    table = Table([Row(MAC.id, "", None, None), Row(sleeper, "asleep", LONG_AGO, None), Row(never, "", None, None)])
    async with place(table) as made:
        await Socket(made).join(MAC, Role.HOST)
        remote = await Socket(made).join(PHONE, Role.REMOTE)
        assert await told(remote) == (
            Presence(MAC.id, True),
            Presence(sleeper, False, LONG_AGO, Why.ASLEEP),
            Presence(never, False),
        )
        assert await is_told_nothing(remote)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (Code.RELAY_OFF, Why.OFF),
        (Code.CLOSED, Why.CLOSED),
        (Code.ASLEEP, Why.ASLEEP),
        (Code.SIGNED_OUT, Why.SIGNED_OUT),
    ],
)
async def test_a_hosts_last_word_is_told_at_once_and_written_once(code: Code, why: Why) -> None:
    table = Table()
    async with place(table, grace=60) as made:
        remote = await Socket(made).join(PHONE, Role.REMOTE)
        assert await told(remote) == ()
        host = await Socket(made).join(MAC, Role.HOST)
        assert await told(remote) == (Presence(MAC.id, True),)
        before = datetime.now(UTC)
        host.say(wire.close(0, code))
        assert await host.closed() == code
        (gone,) = await told(remote)
        assert (gone.online, gone.why) == (False, why)
        assert gone.since is not None
        assert abs((gone.since - before).total_seconds()) < 10
        await soon(lambda: len(table.written) == 2)
        assert [each.why for each in table.written] == [None, why]
        assert await is_told_nothing(remote)


async def test_a_host_that_goes_without_a_word_is_lost_after_a_moment_since_when_it_went() -> None:
    table = Table()
    async with place(table, grace=0.3) as made:
        host = await Socket(made).join(MAC, Role.HOST)
        remote = await Socket(made).join(PHONE, Role.REMOTE)
        await told(remote)
        begun, before = time.monotonic(), datetime.now(UTC)
        host.hang_up()
        await host.task
        went = datetime.now(UTC)
        (lost,) = await told(remote)
        assert time.monotonic() - begun >= 0.3
        assert (lost.online, lost.why) == (False, Why.LOST)
        await soon(lambda: len(table.written) == 2)
        since = table.written[-1].since
        assert since is not None
        assert before <= since <= went


async def test_a_host_that_is_back_in_a_moment_was_never_away() -> None:
    table = Table()
    async with place(table, grace=2) as made:
        host = await Socket(made).join(MAC, Role.HOST)
        remote = await Socket(made).join(PHONE, Role.REMOTE)
        await told(remote)
        for _ in range(3):
            host.hang_up()
            await host.task
            host = await Socket(made).join(MAC, Role.HOST)
            # So that routes that ended with the link are opened again at once.
            assert await told(remote) == (Presence(MAC.id, True),)
        assert await is_told_nothing(remote, 2.2)
        assert all(each.online for each in table.written)


async def test_a_newer_link_of_a_host_is_no_absence() -> None:
    table = Table()
    async with place(table, grace=0.02) as made:
        older = await Socket(made).join(MAC, Role.HOST)
        remote = await Socket(made).join(PHONE, Role.REMOTE)
        await told(remote)
        await Socket(made).join(MAC, Role.HOST)
        assert await older.closed() == Code.SUPERSEDED
        await older.task
        assert await told(remote) == (Presence(MAC.id, True),)
        assert await is_told_nothing(remote)


async def test_after_a_restart_of_the_broker_a_host_is_expected_back_and_then_lost() -> None:
    table = Table([Row(MAC.id, HERE, LONG_AGO, LONG_AGO)])
    async with place(table, returning=2) as made:
        remote = await Socket(made).join(PHONE, Role.REMOTE)
        assert await told(remote) == (Presence(MAC.id, False, LONG_AGO, Why.RESTARTING),)
        assert await told(remote) == (Presence(MAC.id, False, LONG_AGO, Why.LOST),)


async def test_a_host_that_is_back_after_a_restart_is_not_lost() -> None:
    table = Table([Row(MAC.id, HERE, LONG_AGO, LONG_AGO)])
    async with place(table, returning=2) as made:
        remote = await Socket(made).join(PHONE, Role.REMOTE)
        await told(remote)
        await Socket(made).join(MAC, Role.HOST)
        assert await told(remote) == (Presence(MAC.id, True),)
        assert await is_told_nothing(remote, 2.2)


async def test_a_broker_that_ends_makes_nobody_away() -> None:
    table = Table()
    async with place(table, grace=0.01) as made:
        host = await Socket(made).join(MAC, Role.HOST)
        await soon(lambda: table.written)
        await made.close(after=1, spread=1)
        assert await host.closed() == Code.RESTARTING
        await host.task
        await asyncio.sleep(0.1)
        assert [each.online for each in table.written] == [True]


async def test_what_the_database_does_not_take_is_told_all_the_same_and_written_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(presence, "AGAIN_SECONDS", 0.01)
    table = Table(fails=1_000_000)
    async with place(table) as made:
        remote = await Socket(made).join(PHONE, Role.REMOTE)
        assert await told(remote) == ()
        host = await Socket(made).join(MAC, Role.HOST)
        assert await told(remote) == (Presence(MAC.id, True),)
        host.say(wire.close(0, Code.RELAY_OFF))
        (gone,) = await told(remote)
        assert gone.why is Why.OFF
        assert table.written == []
        table.fails = 0
        await soon(lambda: table.written)
        # The last state only: what was in between is nothing any more.
        assert [each.why for each in table.written] == [Why.OFF]


async def test_a_crash_is_told_within_forty_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    tenth = 0.05
    assert presence.GRACE_SECONDS + rendezvous.DEAD_SECONDS - rendezvous.PING_SECONDS + 5 <= 40
    monkeypatch.setattr(rendezvous, "PING_SECONDS", 15 * tenth)
    monkeypatch.setattr(rendezvous, "DEAD_SECONDS", 40 * tenth)
    table = Table()
    async with place(table, grace=presence.GRACE_SECONDS * tenth) as made:
        remote = await Socket(made).join(PHONE, Role.REMOTE)
        await Socket(made).join(MAC, Role.HOST)  # and then it says nothing, and nobody closes its socket
        await told(remote)
        begun = time.monotonic()
        while True:
            message = await remote.hear()
            if message.type is Type.PING:
                remote.say(Message(Type.PONG, 0, message.payload))
            elif any(not each.online for each in from_event(wire.read_event(message.payload))):
                break
        assert time.monotonic() - begun < 42 * tenth + SLACK


async def test_nothing_is_done_while_nothing_changes() -> None:
    table = Table()
    async with place(table) as made:
        await Socket(made).join(MAC, Role.HOST)
        remote = await Socket(made).join(PHONE, Role.REMOTE)
        await told(remote)
        await soon(lambda: table.written)
        loop = asyncio.get_running_loop()
        made_by_then = 0
        call_later = loop.call_later

        def counted(*arguments: object, **named: object) -> object:
            nonlocal made_by_then
            made_by_then += 1
            return call_later(*arguments, **named)  # type: ignore[arg-type]

        loop.call_later = counted  # type: ignore[method-assign,assignment]
        try:
            await asyncio.sleep(0.3)
        finally:
            loop.call_later = call_later  # type: ignore[method-assign]
        assert made_by_then <= 1  # this test's own sleep


# At a real broker


def said(client: Client, person: Person) -> Presence:
    """What is told next of the account's first device."""
    while True:
        message = wire.decode(client.receive())
        if message.type is Type.EVENT:
            for each in from_event(wire.read_event(message.payload)):
                if each.host == person.device.id:
                    return each


def row_of(desk: Desk, person: Person) -> str:
    ((state,),) = desk.broker.sql("SELECT presence FROM broker_device WHERE device = ?", person.device.id.hex())
    return str(state)


def test_a_remote_sees_its_host_come_and_go_and_another_account_sees_nothing(desk: Desk) -> None:
    person, stranger = pro(desk), pro(desk)
    phone = person.join().device
    with joined(person, phone, Role.REMOTE) as remote, joined(stranger, stranger.device, Role.REMOTE) as other:
        assert said(remote, person) == Presence(person.device.id, False)
        heard = list(from_event(wire.read_event(wire.decode(other.receive()).payload)))
        with joined(person, person.device) as host:
            assert said(remote, person).online
            host.send(wire.close(0, Code.CLOSED).encode())
            assert host.close_code() == Code.CLOSED
        gone = said(remote, person)
        assert (gone.online, gone.why) == (False, Why.CLOSED)
        other.send(Message(Type.PING, 0, bytes(8)).encode())
        while (message := wire.decode(other.receive())).type is not Type.PONG:
            heard += from_event(wire.read_event(message.payload))
        assert {each.host for each in heard} == {stranger.device.id}


def test_signing_out_is_told_as_such(desk: Desk) -> None:
    person = pro(desk)
    phone = person.join().device
    with joined(person, phone, Role.REMOTE) as remote, joined(person, person.device):
        while not said(remote, person).online:
            pass
        signed_out(desk, person, person.device)
        gone = said(remote, person)
        assert (gone.online, gone.why) == (False, Why.SIGNED_OUT)
    with joined(person, phone, Role.REMOTE) as again:
        assert said(again, person).why is Why.SIGNED_OUT


def test_a_removed_device_is_no_host_any_more(desk: Desk) -> None:
    person = pro(desk)
    phone = person.join().device
    removed(desk, person, phone)
    with joined(person, person.device, Role.REMOTE) as remote:
        (told,) = from_event(wire.read_event(wire.decode(remote.receive()).payload))
        assert told.host == person.device.id


def test_when_and_why_a_host_went_is_known_after_the_broker_was_killed() -> None:
    with BrokerProcess() as broker:
        desk = Desk(broker)
        person = pro(desk)
        phone = person.join().device
        with joined(person, person.device) as host:
            deadline = time.monotonic() + 30
            while row_of(desk, person) != HERE:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            host.send(wire.close(0, Code.RELAY_OFF).encode())
            assert host.close_code() == Code.RELAY_OFF
        while row_of(desk, person) != "off":
            assert time.monotonic() < deadline + 30
            time.sleep(0.02)
        with joined(person, phone, Role.REMOTE) as remote:
            before = said(remote, person)
        broker.kill()
        broker.start()
        with joined(person, phone, Role.REMOTE) as remote:
            assert said(remote, person) == before
        assert before.why is Why.OFF
        assert before.since is not None
        # One that was there when the broker was killed is expected back.
        with joined(person, person.device):
            while row_of(desk, person) != HERE:
                time.sleep(0.02)
            broker.kill()
        broker.start()
        with joined(person, phone, Role.REMOTE) as remote:
            assert said(remote, person).why is Why.RESTARTING
            with joined(person, person.device):
                assert said(remote, person).online
