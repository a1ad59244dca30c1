"""Over a real broker: why the other computer is away, as it said itself, and how soon it is back."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from relay.host.service import Reason
from relay.link.link import Phase, Timing
from relay.protocol.link import Message, Type
from tests.relay.client import test_real_relay as real
from tests.relay.client.test_real_relay import Ends, ends, text
from tests.relay.link.wire import soon
from tests.serving import SLACK, BrokerProcess
from tests.upstream import RESPONSES, Account, Gate, Point, Reply, Upstream

broker, cheap, up, ada = real.broker, real.cheap, real.up, real.ada


async def shown(both: Ends, code: str) -> None:
    """Wait until the other computer shows this, since a moment ago."""
    await soon(lambda: both.path.status().code == code)
    since = both.path.status().since
    assert since is not None
    assert abs((datetime.now(UTC) - since).total_seconds()) < 20


async def quiet(said: list[Message]) -> None:
    """Wait until nothing more has been said for a second, and for as many turns of the loop as fit into one."""
    async with asyncio.timeout(60):
        before = -1
        while before != len(said):
            before = len(said)
            for _ in range(100):
                await asyncio.sleep(0.01)


async def test_switched_off_is_said_and_back_is_back_within_a_second(
    broker: BrokerProcess, up: Upstream, ada: Account, tmp_path: Path
) -> None:
    async with ends(broker, up, tmp_path / "codex") as both:
        path = await both.ready()
        both.host.switch(on=False)
        await shown(both, "relay-off")
        await asyncio.sleep(1)  # the other computer has given up trying often
        both.host.switch(on=True)
        await soon(lambda: both.host.state.reason is Reason.READY)
        begun = time.monotonic()
        await soon(lambda: path.status().ready)
        assert time.monotonic() - begun < 1 + SLACK
        assert await text(path)


async def test_quitting_lerix_is_said(broker: BrokerProcess, up: Upstream, ada: Account, tmp_path: Path) -> None:
    async with ends(broker, up, tmp_path / "codex") as both:
        await both.ready()
        begun = time.monotonic()
        both.tasks[0].cancel()
        await asyncio.wait({both.tasks[0]}, timeout=20)
        assert time.monotonic() - begun < 1.5 + SLACK
        await shown(both, "relay-closed")


async def test_signing_out_is_said(broker: BrokerProcess, up: Upstream, ada: Account, tmp_path: Path) -> None:
    async with ends(broker, up, tmp_path / "codex") as both:
        await both.ready()
        both.members["mac"] = None
        both.host.refresh()
        await shown(both, "relay-signed-out")


async def test_a_computer_that_sleeps_says_so_and_goes_on_with_its_answer_when_it_wakes(
    broker: BrokerProcess, up: Upstream, ada: Account, tmp_path: Path
) -> None:
    gate = Gate(Point.DELTA)
    up.reply(Reply(chunks=["one ", "two ", "three"], gate=gate))
    async with ends(broker, up, tmp_path / "codex") as both:
        path = await both.ready()
        came: list[str] = []
        reading = asyncio.create_task(text(path, came))
        gate.step()
        await soon(lambda: came)
        await both.host.going_to_sleep()
        await shown(both, "relay-asleep")
        gate.open()
        await asyncio.sleep(0.5)
        assert not reading.done()
        both.host.wake()
        assert await reading == "one two three"
        await soon(lambda: path.status().ready)
    assert len(up.to(RESPONSES)) == 1


async def test_a_host_that_was_never_on_is_said_to_be_so(
    broker: BrokerProcess, up: Upstream, ada: Account, tmp_path: Path
) -> None:
    async with ends(broker, up, tmp_path / "codex") as both:
        both.host.switch(on=False)
        both.tasks[0].cancel()
        await soon(lambda: both.paths and both.path.status().code in {"relay-not-set-up", "relay-closed", "relay-off"})
        assert both.path.status().code == "relay-not-set-up"


async def test_after_a_restart_of_the_broker_the_host_is_being_connected_to_and_not_lost(
    up: Upstream, ada: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with BrokerProcess() as restarting:
        # The Mac comes back late.
        async with ends(restarting, up, tmp_path / "codex") as both:
            path = await both.ready()
            seen: list[str] = []

            async def read() -> None:
                async for status in path.changes():
                    seen.append(status.code)  # noqa: PERF401  (looked at meanwhile)

            reading = asyncio.create_task(read())
            served = both.host._served
            assert served is not None
            served.link._timing = Timing(first_pause=1.5, longest_pause=1.5)
            monkeypatch.setattr(served.link, "_chance", lambda: 1.0)
            port = restarting.port
            restarting.kill()
            restarting.command[restarting.command.index("--port") + 1] = str(port)
            await asyncio.to_thread(restarting.start)
            await soon(lambda: path.status().ready)
            reading.cancel()
            # Ready, then some of these, then ready.
            assert set(seen) <= {"ready", "relay-no-link", "relay-connecting"}, seen


async def test_an_idle_link_and_route_say_next_to_nothing(
    broker: BrokerProcess, up: Upstream, ada: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ends(broker, up, tmp_path / "codex") as both:
        await both.ready()
        host, client = both.host._served, both.client._linked
        assert host is not None
        assert client is not None
        said: list[Message] = []
        for link in (host.link, client.link):
            send = link.send

            async def counted(message: Message, send: object = send) -> None:
                said.append(message)
                await send(message)  # type: ignore[operator]

            monkeypatch.setattr(link, "send", counted)
        await quiet(said)  # something follows the first look
        said.clear()
        routes = next(client.numbers)
        await asyncio.sleep(1.5)
        assert said == []
        assert host.link.state.phase is Phase.READY
        await client.link.send(Message(Type.PING, 0, bytes(8)))
        assert len(said) == 1
        assert next(client.numbers) == routes + 1  # no route was opened meanwhile
