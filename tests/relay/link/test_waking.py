"""A sleep and a change of network are noticed after the fact, and nothing else is."""

import asyncio
import contextlib
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from relay.link.link import Phase
from relay.link.waking import Addresses, own_addresses, watch
from relay.protocol import link as wire
from relay.protocol.link import Code, Message, Type
from tests.relay.link.test_link import SLOW, Broker, linked
from tests.serving import ROOT

HOME: Addresses = ("192.168.0.7", None)


async def noticed(wall: list[float], addresses: list[Addresses]) -> int:
    """How often a change is told while these are seen, one after the other."""
    count = 0

    def changed() -> None:
        nonlocal count
        count += 1

    clock, where = iter(wall), iter(addresses)
    seen = asyncio.Event()

    def next_wall() -> float:
        try:
            return next(clock)
        except StopIteration:
            seen.set()
            return wall[-1]

    def next_addresses() -> Addresses:
        return next(where, addresses[-1])

    running = asyncio.create_task(watch(changed, addresses=next_addresses, wall=next_wall, look=0.001, jump=20))
    async with asyncio.timeout(20):
        await seen.wait()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    return count


@pytest.mark.parametrize(
    ("wall", "times"),
    [
        ([0, 5, 10, 15], 0),
        ([0, 5, 5000, 5005], 1),
        ([0, 24, 5000, 9000], 3),
        ([0, 5, -3600, -3595], 0),  # set back by hand
        ([0, 19, 38], 0),  # only slow
    ],
)
async def test_a_clock_that_jumps_ahead_means_a_sleep(wall: list[float], times: int) -> None:
    assert await noticed(wall, [HOME]) == times


@pytest.mark.parametrize(
    ("seen", "times"),
    [
        ([HOME, HOME, HOME], 0),
        ([HOME, ("10.0.0.4", None), ("10.0.0.4", None)], 1),
        ([HOME, ("192.168.0.7", "2001:db8::7")], 1),
        ([HOME, (None, None)], 0),  # nobody can be reached: nothing to try
        ([HOME, (None, None), HOME], 1),
    ],
)
async def test_another_address_means_another_network(seen: list[Addresses], times: int) -> None:
    assert await noticed([0, 1, 2, 3, 4], seen) == times


def test_the_own_addresses_are_found_without_sending_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    class Probe:
        def __init__(self, family: object, kind: object) -> None:
            made.append("made")

        def __enter__(self) -> "Probe":
            return self

        def __exit__(self, *_: object) -> None:
            made.append("closed")

        def connect(self, address: object) -> None:
            made.append("connected")

        def getsockname(self) -> tuple[str, int]:
            return ("10.1.2.3", 4)

    monkeypatch.setattr(socket, "socket", Probe)
    assert own_addresses() == ("10.1.2.3", "10.1.2.3")
    assert made == ["made", "connected", "closed"] * 2


LOOKS = """
import time
from relay.link.waking import own_addresses
took = []
for _ in range(21):
    begun = time.perf_counter()
    own_addresses()
    took.append(time.perf_counter() - begun)
print(min(took))
"""


def test_a_look_takes_less_than_a_millisecond() -> None:
    # In a process of its own: here no socket may be connected to anywhere else, though that would send nothing.
    done = subprocess.run([sys.executable, "-c", LOOKS], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert float(done.stdout) < 0.001, done.stderr


async def test_a_wake_of_long_ago_does_not_spoil_the_spread_after_a_restart() -> None:
    broker = Broker()
    async with linked(broker, timing=replace(SLOW, probe=20), chance=lambda: 0.5) as link:
        far = await broker.next()
        await far.greet()
        await link.at(Phase.READY)
        await asyncio.sleep(0)
        link.wake()
        far.say(Message(Type.PONG, 0, (await far.hear()).payload))
        far.say(wire.event({"kind": "restarting", "after_ms": 200, "spread_ms": 0}))
        begun = asyncio.get_running_loop().time()
        far.end(Code.RESTARTING)
        await broker.next()
        assert asyncio.get_running_loop().time() - begun > 0.15
