"""What comes in over a WebSocket: the same messages however it comes, and nothing that breaks the rules."""

import asyncio
import itertools
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from websockets.frames import Opcode

from lerix_web.assets import Message, Scope
from lerix_web.websocket import CLOSE_SECONDS, MOST_FRAMES, WebSocketConnection
from tests.web.place import CLOSE, HANDSHAKE, LIMIT, PING, PONG, App, Wire, frame, said, served, stopped_clock


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return stopped_clock(monkeypatch)


class Inbox:
    """A server that keeps what comes, for tests without a loop."""

    def __init__(self) -> None:
        self.connections: dict[Any, Any] = {}
        self.queue: asyncio.Queue[Message] = asyncio.Queue()

    def protocol_connected(self, protocol: Any) -> None:
        self.connections[protocol] = {}

    def protocol_disconnected(self, protocol: Any) -> None:
        del self.connections[protocol]

    def create_application(self, protocol: Any, scope: Scope) -> asyncio.Queue[Message]:
        return self.queue


cuts = st.lists(st.integers(0, LIMIT), max_size=6)
messages = st.lists(
    st.tuples(
        st.binary(max_size=LIMIT) | st.text(max_size=LIMIT // 4),
        cuts,
        st.lists(st.sampled_from([PING, PONG]), max_size=2),
    ),
    max_size=6,
)


@given(messages, st.lists(st.integers(1, 3000), min_size=1, max_size=20))
def test_any_chunking_of_any_frames_gives_the_same_messages(
    told: list[tuple[bytes | str, list[int], list[Opcode]]], sizes: list[int]
) -> None:
    wire, server = Wire(), Inbox()
    connection = wire.protocol = WebSocketConnection(server, LIMIT)
    connection.makeConnection(wire)  # type: ignore[no-untyped-call]
    connection.dataReceived(HANDSHAKE)
    connection.handle_reply({"type": "websocket.accept"})
    stream, pings = b"", 0
    for content, at, between in told:
        raw = content.encode() if isinstance(content, str) else content
        edges = [0, *sorted(min(each, len(raw)) for each in at), len(raw)]
        parts = [raw[start:end] for start, end in itertools.pairwise(edges)]
        for number, part in enumerate(parts):
            first = Opcode.TEXT if isinstance(content, str) else Opcode.BINARY
            stream += frame(Opcode.CONT if number else first, part, number == len(parts) - 1)
            stream += b"".join(frame(opcode, b"between") for opcode in between)
            pings += between.count(PING)
    start, turn = 0, 0
    while start < len(stream):
        end = start + sizes[turn % len(sizes)]
        connection.dataReceived(stream[start:end])
        start, turn = end, turn + 1
    assert server.queue.get_nowait() == {"type": "websocket.connect"}
    got = [server.queue.get_nowait() for _ in range(server.queue.qsize())]
    assert [event.get("bytes", event.get("text")) for event in got] == [content for content, _, _ in told]
    wire.drain()
    assert [opcode for opcode, _ in wire.frames()] == [PONG] * pings
    wire.hang_up()
    assert server.queue.get_nowait() == {"type": "websocket.disconnect", "code": 1006}


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (frame(Opcode.BINARY, b"x", masked=False), 1002),
        (frame(Opcode.CONT, b"x"), 1002),
        (frame(Opcode.BINARY, b"x", fin=False) + frame(Opcode.BINARY, b"x"), 1002),
        (frame(Opcode.BINARY, b"x", fin=False) + frame(CLOSE, said(1000)), 1002),
        (b"\xc2\x81\0\0\0\0x", 1002),  # a reserved bit
        (b"\x83\x81\0\0\0\0x", 1002),  # an unknown kind
        (b"\x89\xfe\x00\x7e\0\0\0\0" + bytes(126), 1002),  # a long ping
        (frame(CLOSE, b"x"), 1002),
        (frame(CLOSE, said(999)), 1002),
        (frame(Opcode.BINARY, bytes(LIMIT + 1)), 1009),
        (b"\x82\xff" + b"\x7f" + b"\xff" * 7, 1009),  # says that it is very long
        (frame(Opcode.BINARY, bytes(LIMIT), fin=False) + frame(Opcode.CONT, b"x"), 1009),
        (frame(Opcode.TEXT, b"\xff"), 1007),
        (frame(Opcode.TEXT, b"\xc3", fin=False) + frame(Opcode.CONT, b"x"), 1007),
        (frame(Opcode.BINARY, b"", fin=False) + frame(Opcode.CONT, b"", fin=False) * MOST_FRAMES, 1008),
        (frame(Opcode.BINARY, b"x", fin=False) + frame(Opcode.CONT, b"x", fin=False) * MOST_FRAMES, 1008),
    ],
    # Masks are random, and every process of the tests must call each the same.
    ids=[f"broken {number}" for number in range(16)],
)
async def test_who_breaks_the_rules_is_told_which_and_its_application_at_once(broken: bytes, code: int) -> None:
    app = App()
    async with served(app) as made:
        after = Opcode.CONT if code == 1008 else Opcode.TEXT
        made.say(frame(Opcode.TEXT, b"before"), broken, frame(after, b"after"))
        await made.settle()
        assert app.said == ["before"]
        assert app.code in {1006, 1000}
        made.say(frame(Opcode.TEXT, b"later"))
        await made.drain()
        assert made.wire.closed() == code
        assert made.wire.lost
        assert not made.wire.aborted
        assert app.said == ["before"]


async def test_frames_without_content_cost_no_memory() -> None:
    async with served(App()) as made:
        made.say(frame(Opcode.BINARY, b"", fin=False))
        for _ in range(MOST_FRAMES - 2):
            made.say(frame(Opcode.CONT, b"", fin=False))
        assert not made.connection.closing
        assert len(made.connection._parts) == 0
        made.say(frame(Opcode.CONT, b"", fin=False) * 2)
        assert made.connection.closing


async def test_messages_in_many_frames_may_follow_one_another() -> None:
    app = App()
    async with served(app) as made:
        for _ in range(3):
            made.say(frame(Opcode.TEXT, b"", fin=False), *[frame(Opcode.CONT, b"x", fin=False)] * (MOST_FRAMES - 2))
            made.say(frame(Opcode.CONT))
        await made.settle()
        assert app.said == ["x" * (MOST_FRAMES - 2)] * 3


async def test_the_application_gets_the_request_and_what_is_said_before_its_answer_is_refused() -> None:
    app = App(accepts=False)
    async with served(app) as made:
        assert app.scope["path"] == "/socket"
        assert app.scope["query_string"] == b"a=b"
        assert (b"host", b"localhost") in app.scope["headers"]
        assert app.scope["client"] == ["127.0.0.1", 50000]
        made.say(frame(PING, b"early"))
        made.say(frame(PING, b"early too"), frame(CLOSE))
        await made.drain()
        assert made.wire.got.startswith(b"HTTP/1.1 400")
        assert b"early" not in made.wire.got
        assert app.code == 1006
        await app.send({"type": "websocket.accept"})
        assert b"101" not in made.wire.got


BAD = frame(Opcode.CONT, b"x")


@pytest.mark.parametrize("first", [b"", BAD, frame(CLOSE, said(1000))], ids=["alone", "bad frame", "closing"])
@pytest.mark.parametrize(
    "second", [b"", BAD, frame(CLOSE, said(1000)), frame(PING) + BAD], ids=["", "bad frame", "closing", "ping"]
)
@pytest.mark.parametrize("then", ["accept", "close", "send", "ends", "fails", "time", "gone"])
async def test_nothing_that_comes_too_early_fails_later(
    first: bytes, second: bytes, then: str, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    app = App(accepts=False)
    async with served(app, HANDSHAKE + first) as made:
        if second:
            made.say(second)
        await made.settle()
        if then == "time":
            clock.advance(made.server.websocket_connect_timeout + 1)
            made.connection.check_timeouts()
        elif then == "fails":
            made.connection.handle_exception(ValueError())
        elif then == "ends":
            made.connection.application_ended(1000)
        elif then == "gone":
            made.wire.hang_up()
        elif then != "send" or first + second:
            await app.send({"type": f"websocket.{then}", "bytes": b"x"})
        await made.drain()
        made.connection.application_ended(1000)
        made.connection.check_timeouts()
        clock.advance(CLOSE_SECONDS)
        await made.settle()
        assert made.wire.lost
        assert app.code in {1000, 1006}
        assert "failed" not in caplog.text


async def test_what_goes_wrong_with_one_connection_is_not_for_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*values: object) -> None:
        raise AssertionError("what the library says")

    calls: list[Callable[[WebSocketConnection], None]] = [
        lambda connection: connection.check_timeouts(),
        lambda connection: connection.application_ended(1000),
        lambda connection: connection.handle_exception(ValueError()),
    ]
    for call in calls:
        app = App(accepts=False)
        async with served(app) as made:
            monkeypatch.setattr(made.connection._wire, "reject", fail)
            monkeypatch.setattr(made.server, "websocket_connect_timeout", -1)
            call(made.connection)
            assert made.wire.aborted
    assert "AssertionError" in caplog.text
    assert "the library" not in caplog.text


async def test_whatever_fails_while_bytes_come_ends_this_connection_and_tells_its_kind_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = App()
    async with served(app) as made:
        inbox: Any = made.connection._inbox
        put = inbox.put_nowait

        def fail(event: Message) -> None:
            if "text" in event:
                raise ZeroDivisionError(event["text"])
            put(event)

        monkeypatch.setattr(inbox, "put_nowait", fail)
        with caplog.at_level(logging.DEBUG):
            made.say(frame(Opcode.TEXT, b"what was said"))
        await made.settle()
        assert made.wire.aborted
        assert app.code == 1006
        assert "ZeroDivisionError" in caplog.text
        assert "what was said" not in caplog.text
