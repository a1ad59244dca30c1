"""What goes out over a WebSocket, and its end: bounded and in time, whatever its client and its application do."""

import asyncio
import signal
import socket
import time
from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock
from websockets.frames import Opcode

from lerix_web.assets import Receive, Send
from lerix_web.websocket import CLOSE_SECONDS
from tests.web.place import CLOSE, FULL, PING, PONG, App, Place, fill, frame, said, served, stopped_clock
from tests.web.test_pacing import Small
from tests.web.websocket import TEXT, Client


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return stopped_clock(monkeypatch)


async def test_pings_of_a_client_that_does_not_read_are_not_kept() -> None:
    app = App()
    async with served(app) as made:
        for _ in range(200):
            made.say(frame(PING, bytes(125)) * 100)
        assert made.wire.held < FULL + 100 * 127 + 1
        made.say(frame(PING, b"the newest"))
        await made.drain()
        pongs = made.wire.frames()
        assert pongs[-1] == (PONG, b"the newest")
        assert len(pongs) < 1000
        # And it goes on as before.
        made.say(frame(PING, b"one"), frame(PING, b"two"), frame(Opcode.TEXT, b"three"))
        await made.drain()
        assert made.wire.frames()[-2:] == [(PONG, b"one"), (PONG, b"two")]
        assert app.said == ["three"]


async def test_a_ping_is_answered_once_there_is_room_again() -> None:
    app = App()
    async with served(app) as made:
        sending = await fill(made, app)
        made.say(frame(PING, b"older"), frame(PING, b"newer"))
        sending.cancel()
        await made.drain()
        found = [content for opcode, content in made.wire.frames() if opcode is PONG]
        assert found == [b"newer"]


async def test_a_closing_does_not_wait_for_a_client_that_does_not_read(clock: Clock) -> None:
    app = App()
    async with served(app) as made:
        sending = await fill(made, app)
        async with asyncio.timeout(20):
            await app.send({"type": "websocket.close", "code": 4001})
        await asyncio.wait({sending}, timeout=0.01)
        assert made.connection.closing
        held = made.wire.held
        # Whatever it says now does not hold it off, nor fill anything.
        for _ in range(int(CLOSE_SECONDS) * 10 - 1):
            clock.advance(0.1)
            made.say(frame(PING, bytes(125)) * 100)
            made.connection.check_timeouts()
            await made.settle()
        assert made.wire.held == held
        assert not made.wire.lost
        clock.advance(0.2)
        assert made.wire.aborted
        await made.settle()
        assert app.code == 1006
        assert sending.cancel()  # it never ended, and never kept the loop from us either


async def test_pings_after_the_closing_are_not_kept_either(clock: Clock) -> None:
    app = App()
    async with served(app) as made:
        await app.send({"type": "websocket.close", "code": 4001})
        for _ in range(50):
            made.say(frame(PING, bytes(125)) * 100)
        assert made.wire.held < 100
        clock.advance(CLOSE_SECONDS)
        assert made.wire.aborted


async def test_a_client_that_reads_again_in_time_sees_all_and_the_code(clock: Clock) -> None:
    app = App()
    async with served(app) as made:
        sending = await fill(made, app)
        sending.cancel()
        await app.send({"type": "websocket.close", "code": 4001})
        await made.drain()
        assert made.wire.closed() == 4001
        made.say(frame(CLOSE, said(4001)))
        await made.drain()
        assert app.code == 4001
        assert made.wire.lost
        assert not made.wire.aborted
        assert clock.getDelayedCalls() == []


async def test_a_client_that_closes_over_a_full_buffer_gets_the_rest_and_the_connection_ends(clock: Clock) -> None:
    app = App()
    async with served(app) as made:
        sending = await fill(made, app)
        made.say(frame(CLOSE, said(1001)))
        await made.settle()
        assert app.code == 1001  # at once, and not when the connection is gone
        await made.drain()
        assert made.wire.closed() == 1001
        assert made.wire.lost
        assert not made.wire.aborted
        assert clock.getDelayedCalls() == []
        assert sending.cancel()


@pytest.mark.parametrize("first", ["client", "application"])
async def test_both_may_close_at_once(first: str) -> None:
    app = App()
    async with served(app) as made:
        if first == "client":
            made.say(frame(CLOSE, said(1000)), frame(Opcode.TEXT, b"after its end"), frame(CLOSE, said(1000)))
        await app.send({"type": "websocket.close", "code": 4000})
        await app.send({"type": "websocket.close", "code": 4002})
        await app.send({"type": "websocket.send", "text": "after the end"})
        if first == "application":
            made.say(frame(Opcode.TEXT, b"on its way"), frame(CLOSE, said(1000)))
        await made.drain()
        assert made.wire.frames() == [(CLOSE, said(1000 if first == "client" else 4000))]
        assert app.code == 1000
        assert app.said == ([] if first == "client" else ["on its way"])
        assert made.wire.lost
        made.connection.check_timeouts()


async def test_an_application_that_sends_without_end_does_not_stop_the_others_when_its_client_has_closed() -> None:
    async def flood(receive: Receive, send: Send) -> None:
        while True:
            await send({"type": "websocket.send", "bytes": b"x"})
            if made.wire.held < 100 and not made.connection.closing:
                await asyncio.sleep(0)

    app = App(flood)
    made = Place(app)
    await asyncio.sleep(0)
    made.say(frame(CLOSE, said(1000)))
    async with asyncio.timeout(20):
        await made.settle()
    [details] = made.server.connections.values()
    details["application_instance"].cancel()
    await asyncio.wait({details["application_instance"]}, timeout=20)
    assert details["application_instance"].cancelled()
    made.wire.abortConnection()


@pytest.mark.parametrize("kind", ["returns", "fails", "is cancelled"])
async def test_a_socket_whose_application_has_ended_is_closed(kind: str, clock: Clock) -> None:
    async def end(receive: Receive, send: Send) -> None:
        if kind == "fails":
            raise ValueError("the application")
        if kind == "is cancelled":
            raise asyncio.CancelledError

    async with served(App(end)) as made:
        assert made.wire.closed() == {"returns": 1000, "fails": 1011, "is cancelled": 1001}[kind]
        assert made.wire.lost
        assert clock.getDelayedCalls() == []
        made.connection.handle_exception(ValueError("daphne says so a second later"))


async def test_a_socket_whose_application_has_ended_is_cut_where_its_client_does_not_read() -> None:
    app = App()
    async with served(app) as made:
        sending = await fill(made, app)
        [details] = made.server.connections.values()
        details["application_instance"].cancel()
        await made.settle()
        assert made.wire.aborted
        sending.cancel()


async def test_an_application_that_ends_without_an_answer_is_an_error() -> None:
    async def end(receive: Receive, send: Send) -> None:
        return

    async with served(App(end, accepts=False)) as made:
        assert made.wire.got.startswith(b"HTTP/1.1 500")
        assert made.wire.lost


async def test_a_refusal_and_no_answer_at_all_end_the_connection(clock: Clock) -> None:
    app = App(accepts=False)
    async with served(app) as made:
        await app.send({"type": "websocket.close"})
        await made.drain()
        assert made.wire.got.startswith(b"HTTP/1.1 403")
        assert made.wire.lost
    async with served(App(accepts=False)) as made:
        clock.advance(made.server.websocket_connect_timeout + 1)
        made.connection.check_timeouts()
        await made.drain()
        assert made.wire.got.startswith(b"HTTP/1.1 503")
        assert made.wire.lost


async def test_a_silent_client_is_asked_and_then_given_up(clock: Clock) -> None:
    app = App()
    async with served(app) as made:
        for _ in range(2):
            clock.advance(21)
            made.connection.check_timeouts()
            await made.drain()
            assert made.wire.frames()[-1] == (PING, b"")
            assert not made.wire.lost
        clock.advance(10)
        made.connection.check_timeouts()
        assert made.wire.aborted
        await made.settle()
        assert app.code == 1006


async def test_a_client_that_is_gone_leaves_nothing_behind(clock: Clock) -> None:
    app = App()
    async with served(app) as made:
        sending = await fill(made, app)
        made.wire.hang_up()
        await made.settle()
        assert app.code == 1006
        assert clock.getDelayedCalls() == []
        assert made.server._gates == {}
        made.connection.check_timeouts()
        assert sending.cancel()
        app.over.set()
        await made.settle()
        assert clock.getDelayedCalls() == []


# The real server


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    with Small() as running:
        yield running


def is_open(client: Client) -> bool:
    """Whether the server still takes a ping."""
    try:
        client.socket.sendall(frame(PING))
    except ConnectionError:
        return False
    return True


def opened(server: Small, path: str) -> Client:
    return Client(server.port, path)


@pytest.mark.parametrize(("path", "code"), [("/bye", 4001), ("/end", 1000), ("/raise", 1011)])
def test_the_end_of_an_application_is_the_end_of_its_socket(path: str, code: int) -> None:
    # At once, and not by the look of once a second.
    with Small("blind") as server, opened(server, path) as client:
        client.send(b"now", TEXT)
        assert client.close_code() == code


@pytest.mark.parametrize("path", ["/bye", "/end"])
def test_a_client_that_pings_without_reading_is_cut_off_when_it_is_closed(small: Small, path: str) -> None:
    pings = frame(PING, bytes(125)) * 500
    with opened(small, path) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.socket.settimeout(30)
        for _ in range(160):  # 10 MB: more than the buffers of the system take
            client.socket.sendall(pings)
        client.send(b"now", TEXT)
        began = time.perf_counter()
        while is_open(client):
            assert time.perf_counter() - began < CLOSE_SECONDS + 30
            time.sleep(0.05)


def test_sockets_are_told_that_the_server_goes_away(small: Small) -> None:
    with opened(small, "/echo") as client, opened(small, "/send"):
        small.until("produced", 1)
        small.signal(signal.SIGTERM)
        assert client.close_code() == 1001
        assert small.wait() == 0
