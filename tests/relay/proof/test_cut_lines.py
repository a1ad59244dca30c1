"""Both ends of the relay over lines that are cut all the time: nothing is lost, and nothing is asked for twice."""

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.relay.client.test_real_relay import Ends, ends, text
from tests.relay.link.wire import soon
from tests.relay.proof.lines import Line
from tests.serving import BrokerProcess
from tests.upstream import RESPONSES, Gate, Point, Reply, Upstream

WORDS = [f"word{number} " for number in range(150)]


def over(both: Ends, host: Line, remote: Line) -> None:
    """Lead each end over its own line; before either has dialled."""
    for name, line in (("mac", host), ("phone", remote)):
        member = both.members[name]
        assert member is not None
        both.members[name] = replace(member, broker=line.url)


def is_asking(both: Ends) -> bool:
    """Whether the other computer has something under way to the Mac."""
    assert both.client._linked is not None
    (way,) = both.client._linked.ways.values()
    return way.remote._streams is not None and bool(way.remote._streams.session.streams)


@pytest.mark.parametrize(
    ("host_cut", "remote_cut", "delay"),
    [(0.15, None, 0.0), (None, 0.15, 0.0), (0.35, 0.25, 0.01)],
    ids=["the Mac's line", "the other one's line", "both, and slow"],
)
async def test_an_answer_over_lines_that_are_cut_all_the_time_is_whole_and_was_asked_for_once(
    broker: BrokerProcess, tmp_path: Path, host_cut: float | None, remote_cut: float | None, delay: float
) -> None:
    with ExitStack() as stack:
        up = stack.enter_context(Upstream())
        up.sign_in(tmp_path / "codex")
        host, remote = (stack.enter_context(Line(broker.port)) for _ in range(2))
        async with ends(broker, up, tmp_path / "codex") as both:
            over(both, host, remote)
            path = await both.ready()
            # The last word waits until there were cuts enough.
            gate = Gate(Point.DELTA)
            gate.step(len(WORDS) - 1)
            up.reply(Reply(chunks=WORDS, delay=0.015, gate=gate))
            host.delay = remote.delay = delay
            came: list[str] = []
            reading = asyncio.create_task(text(path, came))
            # A question that finds the way cut is not asked at all: it is under way, or with the Mac, at the first cut.
            await soon(lambda: is_asking(both))
            with ExitStack() as cutting:
                for line, seconds in ((host, host_cut), (remote, remote_cut)):
                    if seconds is not None:
                        cutting.enter_context(line.cutting(seconds))
                await soon(lambda: up.to(RESPONSES))
                await asyncio.wait({reading}, timeout=3)
                await soon(lambda: host.cuts + remote.cuts >= 5)
            gate.open()
            assert await reading == "".join(WORDS)
    assert len(up.to(RESPONSES)) == up.turns == 1
