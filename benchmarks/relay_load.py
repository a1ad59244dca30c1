"""What a broker carries and what it costs: messages between two devices, and devices that say nothing."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from benchmarks.bed import Figure, cpu_of, median, memory_of, quantile
from benchmarks.relay_socket import SECONDS, Socket, answer, frame, prove
from relay.account.keys.device import EVERY_ROLE, DeviceKeys, Role
from relay.protocol import link as wire
from relay.protocol.link import FIRST_CREDIT, Message, Type
from tests.serving import ROOT, BrokerProcess

#: Sizes of messages, head included, and how many are sent at once: fewer bytes than an account may send in a burst.
SIZES: Final = ((200, 20_000), (16 * 1024, 900))
HEAD: Final = len(Message(Type.DATA, 1, b"").encode())
#: What may be under way; given back by the quarter.
GRANT: Final = FIRST_CREDIT // 4
IDLE_LINKS: Final = 2_000
#: Fewer than the broker takes of one network before they have proved themselves.
AT_ONCE: Final = 16
#: Descriptors that are needed beside those of links.
SPARE: Final = 200


@dataclass
class Owner:
    """An account with two devices."""

    account: bytes = field(default_factory=lambda: os.urandom(16))
    host: DeviceKeys = field(default_factory=DeviceKeys.new)
    remote: DeviceKeys = field(default_factory=DeviceKeys.new)


def enrol(broker: BrokerProcess, count: int) -> list[Owner]:
    """Put so many accounts with the plan Pro into the broker's tables: nobody logs in to them."""
    owners = [Owner() for _ in range(count)]
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    accounts, devices = [], []
    for owner in owners:
        name = owner.account.hex()
        key, sealed = bytes(32), bytes(200)
        accounts.append((name, f"{name}@example.com", 1, bytes(16), *[key] * 4, 1, 2, now, "pro", 0, sealed, sealed))
        for added, device in enumerate((owner.host, owner.remote)):
            keys = device.public
            row = (name, device.id.hex(), keys.agreement, keys.signing, int(EVERY_ROLE), added, b"", now, "")
            devices.append(row)
    opened = sqlite3.connect(broker.home / "broker.sqlite3", timeout=10)
    with contextlib.closing(opened) as database, database:
        _insert(
            database,
            "broker_account",
            "id email suite salt auth_digest recovery_digest recovery_public recovery_anchor revision entries created"
            " plan_id used by_password by_recovery",
            accounts,
        )
        names = "account_id device agreement signing roles added name created presence"
        _insert(database, "broker_device", names, devices)
    return owners


def _insert(database: sqlite3.Connection, table: str, names: str, rows: Sequence[tuple[object, ...]]) -> None:
    columns = names.split()
    marks = ", ".join("?" * len(columns))
    database.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)  # noqa: S608 - ours


@dataclass
class Pair:
    """Two ends of a way: what is written to `near` comes to `far`, whose last message's arrival is noted."""

    near: Socket
    far: Socket
    head: bytes = b""
    #: The bytes of messages that may still be sent; what `returned` gives back.
    left: int = FIRST_CREDIT
    came: int = 0
    taken: int = 0
    expected: int = 0
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    #: The moment of each arrival, in seconds of `time.perf_counter`; only where `notes` is set.
    notes: bool = False
    moments: list[float] = field(default_factory=list)
    grant: Callable[[int], None] = lambda count: None

    def arrived(self, size: int) -> None:
        """A message has come to the far end."""
        self.came += 1
        self.taken += size
        if self.notes:
            self.moments.append(time.perf_counter())
        if self.taken >= GRANT:
            self.grant(self.taken)
            self.taken = 0
        if self.came >= self.expected:
            self.bell.set()

    def returned(self, count: int) -> None:
        """The near end may send so many bytes more."""
        self.left += count
        self.bell.set()

    async def flood(self, size: int, count: int) -> float:
        """Send as fast as is allowed; returns messages a second, until the last one is there."""
        one, cost = frame(self.head + bytes(size - len(self.head))), size - HEAD
        some = one * 32
        self.came, self.expected, sent = 0, count, 0
        began = time.perf_counter()
        async with asyncio.timeout(SECONDS):
            while self.came < count:
                self.bell.clear()
                while (batch := min(32, count - sent, self.left // cost)) > 0:
                    self.near.write(some if batch == 32 else one * batch)
                    self.left -= batch * cost
                    sent += batch
                if self.came < count:
                    await self.bell.wait()
        return count / (time.perf_counter() - began)

    async def pace(self, size: int, count: int) -> list[float]:
        """Send one message after the other with pauses; returns how long each was on its way, in seconds."""
        one = frame(self.head + bytes(size - len(self.head)))
        self.moments, self.notes, times = [], True, []
        for _ in range(count):
            self.came, self.expected = 0, 1
            self.bell.clear()
            began = time.perf_counter()
            self.near.write(one)
            self.left -= size - HEAD
            async with asyncio.timeout(SECONDS):
                while not self.came:
                    self.bell.clear()
                    await self.bell.wait()
            times.append(self.moments[-1] - began)
            await asyncio.sleep(0.003)
        self.notes = False
        return times


@asynccontextmanager
async def over_broker(port: int, owner: Owner) -> AsyncIterator[Pair]:
    """A remote and its host, with a route between them, and credit as devices give it."""
    host = await prove(port, owner.account, owner.host, Role.HOST)
    remote = await prove(port, owner.account, owner.remote, Role.REMOTE)
    pair = Pair(remote, host, Message(Type.DATA, 1, b"").encode())

    def at_host(data: bytes) -> None:
        if data[0] == Type.DATA:
            pair.arrived(len(data) - HEAD)
        else:
            answer(host, data)

    def at_remote(data: bytes) -> None:
        if data[0] == Type.CREDIT:
            pair.returned(int.from_bytes(data[HEAD:], "big"))
        elif data[0] == Type.OPENED:
            pair.bell.set()
        elif data[0] == Type.CLOSE:
            raise ConnectionError(f"the broker closed the route: {wire.read_close(data[HEAD:])}")
        else:
            answer(remote, data)

    host.took, remote.took = at_host, at_remote
    pair.grant = lambda count: host.write(frame(Message(Type.CREDIT, 1, count.to_bytes(4, "big")).encode()))
    try:
        remote.write(frame(Message(Type.OPEN, 1, owner.host.id + bytes(4)).encode()))
        async with asyncio.timeout(SECONDS):
            await pair.bell.wait()
        yield pair
    finally:
        remote.close()
        host.close()


@asynccontextmanager
async def over_splice(port: int) -> AsyncIterator[Pair]:
    """Two sockets that are spliced. As many bytes are under way at once, which here costs no messages."""
    near, far = await Socket.open(port), await Socket.open(port)
    pair = Pair(near, far)
    far.took = lambda data: pair.arrived(len(data) - HEAD)
    pair.grant = pair.returned
    try:
        yield pair
    finally:
        near.close()
        far.close()


@contextmanager
def splice() -> Iterator[tuple[int, int]]:
    """The bare splice in a process of its own: its port and its process."""
    command = [sys.executable, "-m", "benchmarks.relay_splice"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        try:
            if running.stdout is None:
                raise RuntimeError("no port was told")
            yield int(running.stdout.readline()), running.pid
        finally:
            running.terminate()


async def messages(*, quick: bool) -> list[Figure]:
    """Messages a second through the broker and through a bare splice, in turns; how long one is on its way."""
    rounds = 5 if quick else 15
    figures = []
    with BrokerProcess() as broker, splice() as (port, process):
        owners = iter(enrol(broker, len(SIZES) * rounds + 2))
        for size, count in SIZES:
            speeds: tuple[list[float], list[float]] = ([], [])
            used = [0.0, 0.0]
            for number in itertools.count():
                for which in (0, 1) if number % 2 else (1, 0):
                    pid = (broker.pid, process)[which]
                    way = over_splice(port) if which else over_broker(broker.port, next(owners))
                    async with way as pair:
                        before = cpu_of(pid)
                        speed = await pair.flood(size, count)
                        used[which] += (cpu_of(pid) - before) if number else 0.0
                    if number:  # the first ones find nothing warm
                        speeds[which].append(speed)
                if number == rounds - 1:
                    break
            ratio = median(speeds[0]) / median(speeds[1])
            aim = ("≥ 0.50", ratio >= 0.5) if size > 1000 else ("", None)
            what = f"messages of {size:,} B through the broker / a bare splice"
            value = " / ".join(f"{median(each):,.0f}" for each in speeds)
            figures.append(Figure(what, f"{value} a second, ratio {ratio:.2f}", *aim))
            each = " / ".join(f"{seconds / (rounds - 1) / count * 1e6:.0f}" for seconds in used)
            figures.append(Figure(f"processor time for one of {size:,} B, the same", f"{each} µs"))
        async with over_broker(broker.port, next(owners)) as ours, over_splice(port) as bare:
            times: tuple[list[float], list[float]] = ([], [])
            for _ in range(2 if quick else 6):
                for pair, into in ((ours, times[0]), (bare, times[1])):
                    into.extend(await pair.pace(200, 100))
        value = " / ".join(f"{quantile(each, 0.5) * 1000:.2f}" for each in times)
        figures.append(Figure("one message of 200 B on its way, the same, p50", f"{value} ms"))
    return figures


async def idle(*, quick: bool) -> list[Figure]:
    """What a broker's memory grows by with links over which nothing goes but pings."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE_LINKS + SPARE
    if soft < wanted:
        # The broker inherits it.
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    links = min(IDLE_LINKS, soft - SPARE)
    with BrokerProcess() as broker:
        owners = enrol(broker, links // 2)
        # One link of each role first: what the first use of anything costs is not a link's.
        first = await _link(broker, owners[:1])
        await asyncio.sleep(2)
        before = memory_of(broker.pid)
        began = time.perf_counter()
        more = [
            socket
            for start in range(1, len(owners), AT_ONCE // 2)
            for socket in await _link(broker, owners[start : start + AT_ONCE // 2])
        ]
        seconds = time.perf_counter() - began
        # Pings go each 15 s.
        await asyncio.sleep(5 if quick else 35)
        spent, began = cpu_of(broker.pid), time.perf_counter()
        await asyncio.sleep(5)
        share = (cpu_of(broker.pid) - spent) / (time.perf_counter() - began)
        after = memory_of(broker.pid)
        rows = broker.sql("SELECT count(*) FROM broker_device WHERE seen IS NOT NULL")[0][0]
        for socket in [*first, *more]:
            socket.close()
    if rows != len(first) + len(more):
        raise RuntimeError(f"only {rows} of {links} links were let in")
    each = (after - before) / len(more)
    name = f"broker's memory for each of {len(more) + len(first):,} idle links"
    less = "" if links == IDLE_LINKS else f", no more than {soft} open files are allowed"
    value = f"{each / 1000:.0f} kB ({before / 1e6:.0f} to {after / 1e6:.0f} MB{less})"
    return [
        Figure(name, value, "≤ 40 kB", each <= 40_000),
        Figure("the same links: to come one after the other / processor while idle", f"{seconds:.0f} s / {share:.0%}"),
    ]


async def _link(broker: BrokerProcess, owners: Sequence[Owner]) -> list[Socket]:
    ways = [(owner, keys, role) for owner in owners for keys, role in _ways(owner)]
    return await asyncio.gather(*(prove(broker.port, owner.account, keys, role) for owner, keys, role in ways))


def _ways(owner: Owner) -> Iterator[tuple[DeviceKeys, Role]]:
    yield owner.host, Role.HOST
    yield owner.remote, Role.REMOTE
