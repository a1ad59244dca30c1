"""Requests between two devices over the broker's switch: cut, resumed, given up, refused."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import replace

import pytest

from relay.account.keys.primitives import agreement_public
from relay.link import host as link_host
from relay.link import remote as link_remote
from relay.link.carrier import RouteClosed
from relay.link.host import Incoming
from relay.link.streams import StreamEnded
from relay.protocol.errors import HandshakeFailed
from relay.protocol.headers import Answer, Request
from relay.protocol.link import Code, Message, Type
from relay.protocol.route import Log
from tests.relay.link.wire import PHONE, World, soon, whole, world

GET = Request("GET", "/models")
executed: Counter[str] = Counter()


def post(number: int) -> Request:
    return Request("POST", "/responses", (("accept", "text/event-stream"),), f"{number:032x}")


async def body_of(incoming: Incoming) -> bytes:
    parts = []
    while data := await incoming.streams.read(incoming.stream):
        parts.append(data)
    return b"".join(parts)


async def echo(incoming: Incoming) -> None:
    """Answer with what was sent, three times, in pieces."""
    with contextlib.suppress(StreamEnded):
        body = await body_of(incoming)
        executed[incoming.request.idem or ""] += 1
        incoming.streams.answer(incoming.stream, Answer(200, (("x", "y"),)))
        for _ in range(3):
            for start in range(0, len(body), 7000):
                await incoming.streams.write(incoming.stream, body[start : start + 7000])
        incoming.streams.end(incoming.stream)


async def ask(made: World, request: Request, body: bytes = b"") -> bytes:
    async with asyncio.timeout(20):
        reply = await made.remote.ask(request, body)
        assert reply.answer.status == 200
        return b"".join([part async for part in reply])


async def test_a_request_is_answered_over_the_encrypted_route() -> None:
    async with world(echo) as made:
        assert await ask(made, post(1), b"hello") == b"hello" * 3
        assert made.peer_logs == [made.notes.log]
        assert made.host.remotes == {PHONE}


async def test_bodies_larger_than_every_window_pass_whole() -> None:
    async with world(echo) as made:
        body = bytes(range(256)) * 9000
        assert await ask(made, post(2), body) == body * 3


async def test_many_requests_at_once_do_not_mix() -> None:
    async with world(echo) as made:
        bodies = [bytes([number]) * (number * 1000) for number in range(1, 30)]
        answers = await asyncio.gather(*(ask(made, post(100 + at), body) for at, body in enumerate(bodies)))
        assert answers == [body * 3 for body in bodies]


@pytest.mark.parametrize("every", [15, 23, 61, 150])
async def test_cuts_of_either_link_lose_nothing_and_do_nothing_twice(every: int) -> None:
    executed.clear()
    async with world(echo) as made:

        async def cut_often() -> None:
            while True:
                made.cut_at = made.sent + every
                await soon(lambda: made.sent >= made.cut_at)

        cutting = asyncio.create_task(cut_often())
        bodies = [bytes([number]) * 60_000 for number in range(5)]
        try:
            answers = await asyncio.gather(*(ask(made, post(number), body) for number, body in enumerate(bodies)))
        finally:
            cutting.cancel()
        assert answers == [body * 3 for body in bodies]
        assert set(executed.values()) == {1}
        assert made.cuts > 0


async def test_a_reader_that_stops_reading_stops_the_writer_and_not_the_others() -> None:
    written = 0

    async def endless(incoming: Incoming) -> None:
        nonlocal written
        if incoming.request.method == "POST":
            await echo(incoming)
            return
        incoming.streams.answer(incoming.stream, Answer(200))
        with contextlib.suppress(StreamEnded):
            while True:
                await incoming.streams.write(incoming.stream, bytes(10_000))
                written += 10_000

    async with world(endless) as made:
        slow = await made.remote.ask(GET)
        for _ in range(20):
            assert await ask(made, post(7), b"quick") == b"quick" * 3
        assert written <= 300_000
        await slow.aclose()


async def test_a_request_given_up_by_the_device_is_told_to_the_host() -> None:
    async def slow(incoming: Incoming) -> None:
        incoming.streams.answer(incoming.stream, Answer(200))
        with contextlib.suppress(StreamEnded):
            await incoming.streams.write(incoming.stream, b"first")

    async with world(slow) as made:
        reply = await made.remote.ask(GET)
        assert await anext(aiter(reply)) == b"first"
        await reply.aclose()
        await soon(lambda: made.given_up)


async def test_a_host_that_gives_up_is_told_to_the_device() -> None:
    async def refuse(incoming: Incoming) -> None:
        incoming.streams.give_up(incoming.stream, 2)

    async with world(refuse) as made:
        with pytest.raises(StreamEnded) as ended:
            await made.remote.ask(GET)
        assert ended.value.code == 2


async def test_without_a_host_the_device_learns_it_and_finds_it_later() -> None:
    async with world(echo, connected=False) as made:
        made.mac.down()
        made.host.link_down()
        await soon(lambda: made.remote.code == Code.NO_HOST)
        with pytest.raises(RouteClosed):
            await made.remote.ask(GET)
        made.mac.up()
        made.remote.wake()
        async with asyncio.timeout(20):
            await made.remote.ready()
        assert await ask(made, post(3), b"x") == b"xxx"


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("removed", Code.REVOKED),
        ("just joined", Code.OTHER_EPOCH),
        ("another key", HandshakeFailed.code),
        ("older epoch", Code.OTHER_EPOCH),
        ("newer epoch", Code.OTHER_EPOCH),
        ("newer log", Code.OTHER_EPOCH),
        ("another history", HandshakeFailed.code),
    ],
)
async def test_a_device_that_does_not_belong_gets_no_session(what: str, code: int) -> None:
    async with world(echo, connected=False) as made:
        made.remote.link_down()
        if what in {"removed", "just joined"}:
            made.notes.keys.clear()
        elif what == "another key":
            made.notes.keys[PHONE] = agreement_public(bytes([99]) * 32)
        elif what.endswith("epoch"):
            made.terms = replace(made.terms, epoch=2 if what == "older epoch" else 4)
        else:
            log = Log(8, b"x" * 32) if what == "newer log" else Log(7, b"x" * 32)
            made.terms = replace(made.terms, log=log)
        if what == "just joined":
            made.terms = replace(made.terms, log=Log(8, b"x" * 32))
        made.remote.wake()
        await soon(lambda: made.remote.code == code)
        assert not made.remote.connected
        assert made.host.remotes == frozenset()
        assert bool(made.notes.looked) == (what in {"removed", "just joined", "newer epoch", "newer log"})


async def test_an_expelled_device_is_out_at_once_and_its_requests_end() -> None:
    async def wait(incoming: Incoming) -> None:
        incoming.streams.answer(incoming.stream, Answer(200))

    async with world(wait) as made:
        reply = await made.remote.ask(GET)
        made.notes.keys.clear()
        made.host.expel(PHONE)
        with pytest.raises(StreamEnded):
            await whole(reply)
        assert made.host.remotes == frozenset()


@pytest.mark.parametrize(("whom", "code"), [(PHONE, Code.REVOKED), (None, Code.RELAY_OFF)], ids=["it alone", "all"])
async def test_an_expelled_device_that_is_just_coming_in_does_not_get_in(whom: bytes | None, code: Code) -> None:
    """Its own side of the handshake is over, and what it has asked already ends as well."""
    async with world(echo, connected=False) as made:
        heard, said, held = made.mac.owner, 0, list[Message]()

        def hold(message: Message) -> None:
            nonlocal said
            said += message.type is Type.DATA
            (held.append if said > 1 else heard)(message)

        made.mac.owner = hold
        async with asyncio.timeout(20):
            await made.remote.ready()
        asking = asyncio.ensure_future(ask(made, GET))
        await soon(lambda: held)
        if whom is not None:
            made.notes.keys.clear()
        made.host.expel(whom, code)
        for message in held:
            heard(message)
        with pytest.raises(StreamEnded):
            await asking
        assert made.remote.code == code
        assert made.host.remotes == frozenset()
        assert not made.host._kept


@pytest.mark.parametrize("code", [Code.REFUSED, Code.REVOKED, Code.NO_PLAN])
async def test_where_the_broker_shuts_the_device_out_nobody_waits_for_an_answer(code: Code) -> None:
    async def wait(incoming: Incoming) -> None:
        incoming.streams.answer(incoming.stream, Answer(200))

    async with world(wait) as made:
        reply = await made.remote.ask(GET)
        made.phone.down()
        made.remote.link_down(code)
        with pytest.raises(StreamEnded):
            await whole(reply)


@pytest.mark.parametrize(("minutes", "resumed"), [(9, True), (11, False)])
async def test_a_phone_that_slept_goes_on_after_nine_minutes_and_begins_anew_after_eleven(
    minutes: int, resumed: bool
) -> None:
    release = asyncio.Event()

    async def late(incoming: Incoming) -> None:
        with contextlib.suppress(StreamEnded):
            incoming.streams.answer(incoming.stream, Answer(200))
            await release.wait()
            await incoming.streams.write(incoming.stream, b"the whole answer")
            incoming.streams.end(incoming.stream)

    async with world(late) as made:
        reply = await made.remote.ask(GET)
        made.now = made.clock()
        made.phone.down()
        made.remote.link_down()
        await soon(lambda: not made.host.remotes)
        made.now += minutes * 60
        made.host.sweep()
        release.set()
        made.phone.up()
        made.remote.wake()
        if resumed:
            assert await whole(reply) == b"the whole answer"
        else:
            with pytest.raises(StreamEnded):
                await whole(reply)


async def test_one_session_goes_on_through_many_routes() -> None:
    async with world(echo) as made:
        await soon(lambda: made.host.remotes)
        before = set(made.host._kept)
        for number in range(5):
            made.remote.link_down()
            await soon(lambda: made.remote.connected and len(made.peer_logs) == number + 2)  # noqa: B023
            assert await ask(made, post(number), b"x") == b"xxx"
        assert set(made.host._kept) == before
        assert made.host._half_open == 0


async def test_a_device_more_than_a_host_serves_is_turned_away_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_host, "MOST_REMOTES", 1)
    async with world(echo) as made:
        # The one that has its route may open another in its place.
        made.remote.link_down()
        await soon(lambda: made.remote.connected and len(made.peer_logs) == 2)
        assert await ask(made, post(1), b"x") == b"xxx"
        monkeypatch.setattr(link_host, "MOST_REMOTES", 0)
        made.phone.down()
        made.remote.link_down()
        await soon(lambda: not made.host.remotes)
        made.phone.up()
        made.remote.wake()
        await soon(lambda: made.remote.code == Code.TOO_MANY)
        assert made.host._half_open == 0


async def test_two_devices_that_come_at_once_do_not_both_take_the_last_place(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(echo, connected=False) as made:
        # The place is taken while this one shakes hands.
        fits = iter([False, True])
        monkeypatch.setattr(made.host, "_is_full_for", lambda remote: next(fits, True))
        await soon(lambda: made.remote.code == Code.TOO_MANY)
        assert made.host.remotes == frozenset()


async def test_a_host_knows_a_stream_that_was_given_up_from_a_session_that_was_lost() -> None:
    async def wait(incoming: Incoming) -> None:
        incoming.streams.answer(incoming.stream, Answer(200))

    ended: list[bool] = []
    async with world(wait) as made:
        made.host._gave_up = lambda streams, stream, reset: ended.append(reset)
        reply = await made.remote.ask(GET)
        await reply.aclose()
        await soon(lambda: ended == [True])
        reply = await made.remote.ask(GET)
        made.host.expel(PHONE)
        await soon(lambda: ended == [True, False])


async def test_a_host_that_is_said_to_be_on_line_is_tried_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(echo, connected=False) as made:
        made.remote._chance = lambda: 1.0
        made.mac.down()
        made.host.link_down()
        made.remote.present(online=False)
        await soon(lambda: made.remote.code == Code.NO_HOST)
        await asyncio.sleep(0.3)
        before = made.sent
        await asyncio.sleep(0.6)
        assert made.sent == before  # it would be tried twice and more by now
        made.mac.up()
        made.remote.present(online=True)
        async with asyncio.timeout(20):
            await made.remote.ready()


async def test_an_answer_that_only_wants_its_end_is_read_to_it_and_not_given_up() -> None:
    release = asyncio.Event()

    async def late_end(incoming: Incoming) -> None:
        incoming.streams.answer(incoming.stream, Answer(200))
        await incoming.streams.write(incoming.stream, b"all of it")
        await release.wait()
        incoming.streams.end(incoming.stream)

    async with world(late_end) as made:
        reply = await made.remote.ask(GET)
        assert await anext(aiter(reply)) == b"all of it"
        asyncio.get_running_loop().call_later(0.05, release.set)
        await reply.finish()
        assert await ask_state(made)
        assert made.given_up == []


async def test_an_end_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_remote, "FINISH_SECONDS", 0.05)

    async def no_end(incoming: Incoming) -> None:
        incoming.streams.answer(incoming.stream, Answer(200))

    async with world(no_end) as made:
        reply = await made.remote.ask(GET)
        async with asyncio.timeout(20):
            await reply.finish()
        await soon(lambda: made.given_up)


async def ask_state(made: World) -> bool:
    """Whether no stream is left on either side; waits for what is under way."""
    await soon(lambda: all(not kept.streams.session.streams for kept in made.host._kept.values()))
    return made.remote._streams is not None and not made.remote._streams.session.streams
