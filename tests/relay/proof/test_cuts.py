"""A whole request to a model over links that are cut, moved or stalled, with the host's own adapter and turns."""

import asyncio
import contextlib
import time
from contextlib import aclosing

import pytest

from connections.responses import Completed, TextDelta
from relay.answers import MODELS, RESPONSES
from relay.errors import OtherRequest
from relay.link.host import Incoming
from relay.link.streams import StreamEnded
from relay.protocol.headers import Answer, Request
from tests.relay.host.house import House, Obedient, ask, house
from tests.relay.link.wire import MAC, soon, whole, world
from tests.serving import SLACK

WORDS = [f"word {number} " for number in range(20)]


async def settled(home: House) -> None:
    """The path is ready, and nothing is being said."""
    await soon(lambda: home.made.remote.connected and home.made.host.remotes)
    await home.path._look()  # as its own task does
    assert home.path.status().ready
    sent = -1
    while sent != home.made.sent:
        sent = home.made.sent
        await asyncio.sleep(0.02)


async def messages_of_one_turn() -> int:
    """How many messages a turn takes on the links, by both sides."""
    path = Obedient()
    path.script = list(WORDS)
    async with house(path) as home:
        await settled(home)
        before = home.made.sent
        await home.text()
        await asyncio.sleep(0.15)  # the last acknowledgement
        return home.made.sent - before


async def test_a_request_is_carried_out_once_wherever_the_link_is_cut() -> None:
    """Before it is sent, while it is sent, while it is answered and after the last word: one run for each message."""
    count = await messages_of_one_turn()
    assert count >= 6
    for at in range(1, count + 3):
        for first in ("host", "remote"):
            path = Obedient()
            path.script = list(WORDS)
            async with house(path) as home:
                await settled(home)
                made = home.made
                if first == "remote":
                    next(made.which)
                made.cut_at = made.sent + at
                assert await home.text() == "".join(WORDS), at
                assert len(path.asked) == 1, at


@pytest.mark.parametrize("when", ["before the answer", "during the answer", "after the answer"])
async def test_the_same_request_again_is_answered_from_what_is_kept_and_another_one_is_refused(when: str) -> None:
    path = Obedient()
    path.script = [..., *WORDS] if when == "before the answer" else [*WORDS[:10], ..., *WORDS[10:]]
    body = b""

    class Asking(Obedient):
        pass

    async with house(path) as home:
        sent: list[tuple[Request, bytes]] = []
        asking = home.made.remote.ask

        async def noting(request: Request, content: bytes = b"") -> object:
            sent.append((request, content))
            return await asking(request, content)

        home.made.remote.ask = noting  # type: ignore[method-assign, assignment]
        came: list[str] = []

        async def read() -> None:
            async with aclosing(home.path.answer(ask())) as events:
                async for event in events:
                    came.extend([event.text] if isinstance(event, TextDelta) else [])

        reading = asyncio.create_task(read())
        await soon(lambda: path.asked and (when == "before the answer" or len(came) == 10))
        if when == "after the answer":
            path.go.set()
            await reading
        (request, body) = next(each for each in sent if each[0].method == "POST")
        home.made.cut()
        await soon(lambda: home.made.remote.connected)
        again = await asking(request, body)
        other = await asking(
            Request("POST", RESPONSES, request.headers, request.idem), body.replace(b"Hello", b"Hullo")
        )
        assert other.answer.status == OtherRequest.status == 422
        await whole(other)
        path.go.set()
        text = (await whole(again)).decode()
        await reading
        assert came == WORDS
        assert [text.count(f'"{word}"') for word in WORDS] == [1] * len(WORDS)
        assert len(path.asked) == 1


async def test_stop_stops_the_turn_it_belongs_to_within_a_second_and_no_other() -> None:
    path = Obedient()
    path.script = ["first", ..., "last"]
    async with house(path) as home:
        came: dict[str, list[object]] = {"one": [], "other": []}

        async def read(name: str) -> None:
            async with aclosing(home.path.answer(ask(name))) as events:
                async for event in events:
                    came[name].append(event)

        one, other = (asyncio.create_task(read(name)) for name in came)
        await soon(lambda: all(came.values()))
        begun = time.monotonic()
        one.cancel()
        await soon(lambda: path.stopped)
        assert time.monotonic() - begun < 1 + SLACK
        await soon(lambda: home.turns.running == 1)
        path.go.set()
        await other
        assert isinstance(came["other"][-1], Completed)
        assert path.stopped == 1


async def test_a_lost_connection_stops_no_turn() -> None:
    path = Obedient()
    path.script = ["first", ..., "last"]
    async with house(path) as home:
        reading = asyncio.create_task(home.text())
        await soon(lambda: home.turns.running == 1 and path.now == 1)
        home.made.phone.down()
        home.made.remote.link_down()
        await soon(lambda: not home.made.host.remotes)
        await asyncio.sleep(0.1)
        assert (path.stopped, home.turns.running) == (0, 1)
        path.go.set()
        await soon(lambda: home.turns.running == 0)
        assert path.stopped == 0
        home.made.phone.up()
        home.made.remote.wake()
        assert await reading == "firstlast"


async def test_a_host_that_comes_from_another_address_in_mid_answer_goes_on_with_it() -> None:
    """Its network is another one: the old link is not closed, nobody answers there, and it dials anew."""
    path, pause = Obedient(), asyncio.Event()
    path.script = [*WORDS[:10], pause, *WORDS[10:]]
    async with house(path) as home:
        reading = asyncio.create_task(home.text())
        await soon(lambda: path.asked)
        made = home.made
        old = made.mac.link
        sessions = set(made.host._kept)
        made.mac.link = None  # what the broker sends there is lost
        made.host.link_down()
        made.mac.up()
        assert made.switch.find(old.account, MAC) is made.mac.link if old is not None else False
        pause.set()
        assert await reading == "".join(WORDS)
        assert len(path.asked) == 1
        assert set(made.host._kept) == sessions


async def test_a_stream_that_nobody_reads_does_not_slow_another_one() -> None:
    async def serve(incoming: Incoming) -> None:
        with contextlib.suppress(StreamEnded):
            incoming.streams.answer(incoming.stream, Answer(200))
            for _ in range(3 if incoming.request.path == MODELS else 100_000):
                await incoming.streams.write(incoming.stream, bytes(20_000))
            incoming.streams.end(incoming.stream)

    async def usual(count: int) -> float:
        took = []
        for _ in range(count):
            begun = time.perf_counter()
            assert len(await whole(await made.remote.ask(Request("GET", MODELS)))) == 60_000
            took.append(time.perf_counter() - begun)
        return sorted(took)[count // 2]

    async with world(serve) as made:
        alone = await usual(25)
        stalled = [await made.remote.ask(Request("GET", "/endless")) for _ in range(2)]
        await asyncio.sleep(0.05)
        beside = await usual(25)
        for reply in stalled:
            await reply.aclose()
        # Twice as long at most, and a machine that has other things to do is allowed for.
        assert beside < 2 * alone + 0.25
