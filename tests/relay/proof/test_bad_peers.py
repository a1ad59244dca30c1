"""A device of the account that does not keep to the protocol: its session ends, and nobody else's."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from relay.answers import RESPONSES, STATE
from relay.link.host import Incoming
from relay.link.streams import StreamEnded
from relay.protocol.errors import (
    FrameMalformed,
    HeadersTooLarge,
    ProtocolError,
    ResetTooOften,
    StreamMisused,
    TooManyStreams,
    WindowExceeded,
)
from relay.protocol.frames import Kind
from relay.protocol.headers import Answer, Request
from relay.protocol.session import Session
from relay.protocol.streams import Stream
from tests.relay.link.wire import World, soon, whole, world

GET = Request("GET", "/models")


async def wait(incoming: Incoming) -> None:
    """Begin an answer, and never end it."""
    incoming.streams.answer(incoming.stream, Answer(200))


async def answered(incoming: Incoming) -> None:
    with contextlib.suppress(StreamEnded):
        incoming.streams.answer(incoming.stream, Answer(200))
        await incoming.streams.write(incoming.stream, b"well")
        incoming.streams.end(incoming.stream)


def session_of(made: World) -> Session:
    assert made.remote._streams is not None
    return made.remote._streams.session


def post_with(made: World, stream: int, data: bytes) -> None:
    session_of(made)._keep(Kind.DATA, stream, data)


def too_much_data(made: World) -> None:
    session = session_of(made)
    stream = session.open(Request("POST", "/responses", (), "1" * 32))
    for _ in range(17):  # the window has room for sixteen
        session._keep(Kind.DATA, stream, bytes(16_384))


def a_stream_too_many(made: World) -> None:
    session = session_of(made)
    for _ in range(session.limits.streams):
        session.open(GET)
    session._keep(Kind.HEADERS, session.last_stream + 2, GET.encode())


def a_header_too_many(made: World) -> None:
    session = session_of(made)
    payload = b'{"m":"GET","p":"/","i":null,"h":[' + b",".join([b'["a","b"]'] * 65) + b"]}"
    session._keep(Kind.HEADERS, session.last_stream + 2 if session.last_stream else 1, payload)


def a_body_without_a_request(made: World) -> None:
    post_with(made, 101, b"body")


def a_window_without_end(made: World) -> None:
    session_of(made)._keep(Kind.WINDOW, 0, b"\xff" * 4)


def opened_and_given_up_at_once(made: World) -> None:
    session = session_of(made)
    for _ in range(500):
        number = session.last_stream + 2 if session.last_stream else 1
        session._streams[number] = Stream(number, 0, 0)
        session.last_stream = number
        session._keep(Kind.HEADERS, number, GET.encode())
        session.reset(number)


OFFENCES: list[tuple[Callable[[World], None], set[type[ProtocolError]]]] = [
    (too_much_data, {WindowExceeded}),
    (a_stream_too_many, {TooManyStreams}),
    (a_header_too_many, {HeadersTooLarge}),
    (a_body_without_a_request, {StreamMisused}),
    (a_window_without_end, {WindowExceeded}),
    (opened_and_given_up_at_once, {TooManyStreams, ResetTooOften}),
]


@pytest.mark.parametrize(("offend", "errors"), OFFENCES)
async def test_a_device_that_breaks_the_rules_hears_which_and_its_session_is_gone_for_good(
    offend: Callable[[World], None], errors: set[type[ProtocolError]]
) -> None:
    async with world(answered) as made:
        codes: list[int | None] = []
        made.remote._changed = lambda: codes.append(made.remote.code)
        await soon(lambda: made.host.remotes)
        broken = set(made.host._kept)
        offend(made)
        made.remote._bell.set()
        await soon(lambda: {error.code for error in errors} & set(codes))
        # What it had begun is not gone on with: it comes back to a session of its own, or not at all.
        await soon(lambda: not broken & set(made.host._kept))
        await soon(lambda: made.remote.connected and set(made.host._kept) - broken)
        async with asyncio.timeout(20):
            assert await whole(await made.remote.ask(GET)) == b"well"


async def test_requests_of_a_session_that_was_ended_are_told_to_whoever_works_on_them() -> None:
    async with world(wait) as made:
        await made.remote.ask(GET)
        assert made.given_up == []
        a_window_without_end(made)
        made.remote._bell.set()
        await soon(lambda: made.given_up == [1])


async def test_a_thousand_resets_a_second_cost_the_host_a_hundred_requests_and_no_more() -> None:
    begun = 0

    async def count(incoming: Incoming) -> None:
        nonlocal begun
        begun += 1
        await answered(incoming)

    async with world(count) as made:
        made.now = made.clock()  # no time goes by in which more would be allowed
        ends: list[int | None] = []
        made.remote._changed = lambda: None if made.remote.connected else ends.append(made.remote.code)
        for number in range(3):
            await soon(lambda: made.remote.connected)
            with contextlib.suppress(ProtocolError):
                opened_and_given_up_at_once(made)
            made.remote._bell.set()
            await soon(lambda: len(ends) > number)  # noqa: B023
        assert begun <= 3 * 60


def frame(method: Any, path: Any, headers: Any = (), idem: Any = None) -> bytes:
    return json.dumps({"m": method, "p": path, "h": headers, "i": idem}).encode()


@pytest.mark.parametrize(
    "payload",
    [
        frame("GET", "http://localhost/v1/models"),
        frame("GET", "//evil.example/v1/models"),
        frame("GET", "v1/models"),
        frame("GET", "/v1/mod els"),
        frame("GET", "/v1/models\r\nhost: evil"),
        frame("GET", "*"),
        frame("get", STATE),
        frame("POST", RESPONSES),
        frame("GET", STATE, [["Host", "x"]]),
        frame("GET", STATE, [["x", "a\r\nb: c"]]),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_no_request_ends_the_route_before_anybody_reads_it(payload: bytes) -> None:
    asked: list[Incoming] = []
    async with world(asked.append) as made:
        codes: list[int | None] = []
        made.remote._changed = lambda: codes.append(made.remote.code)
        session_of(made)._keep(Kind.HEADERS, 1, payload)
        made.remote._bell.set()
        await soon(lambda: FrameMalformed.code in codes)
        assert not asked
