"""A real network, on this machine: cuts, silence, refusals and cancellation."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from connections import errors
from connections.client import Limits
from connections.codex.path import CodexPath
from connections.network import error_from_network
from tests.connections.far import (
    COMPLETED,
    ask,
    codex,
    collect,
    delta,
    ending,
    sign_in,
    text_of,
    write,
)

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write(tmp_path, sign_in())
    return tmp_path


@asynccontextmanager
async def listening(handler: Handler) -> AsyncGenerator[int, None]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await handler(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    tasks: set[asyncio.Task[Any]] = set()
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        # Whatever a test did, its connections are closed by now, and with them the handlers end.
        if tasks:
            await asyncio.wait(tasks, timeout=5)


def over_the_network(home: Path, port: int, scheme: str = "http", **limits: Any) -> CodexPath:
    return codex(
        home,
        httpx.AsyncHTTPTransport(),
        base_url=f"{scheme}://127.0.0.1:{port}/backend-api",
        limits=Limits(**{"idle": 20.0, "connect": 20.0, "backoff": 0.001, **limits}),
        sleep=asyncio.sleep,
    )


async def request_of(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    size = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    await reader.readexactly(int(size.split(b":")[1]))


async def failure_over(home: Path, handler: Handler, **limits: Any) -> tuple[str, errors.AccessError]:
    """The text that came, and the error after it."""
    async with listening(handler) as port:
        path = over_the_network(home, port, **limits)
        came, error = await ending(path)
        await path.aclose()
    return "".join(came), error


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_connection_reset_in_the_middle_keeps_what_had_come(home: Path, chunked: bool) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        body = delta("Hel")
        if chunked:
            writer.write(HEAD[:-2] + b"transfer-encoding: chunked\r\n\r\n" + f"{len(body):x}\r\n".encode() + body)
        else:
            writer.write(HEAD + body)
        await writer.drain()
        await asyncio.sleep(0.1)
        if not chunked:
            reset(writer)

    text, error = await failure_over(home, cut)
    assert (text, type(error)) == ("Hel", errors.ConnectionCut)


async def test_silence_for_too_long_ends_the_answer(home: Path) -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(HEAD + delta("Hel"))
        await reader.read()

    text, error = await failure_over(home, stall, idle=1.0)
    assert (text, type(error)) == ("Hel", errors.IdleTimedOut)


async def test_a_connection_closed_before_any_answer_is_tried_again(home: Path) -> None:
    tries = []

    async def slam_twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        tries.append(1)
        if len(tries) < 3:
            reset(writer)
        else:
            writer.write(HEAD + delta("ok") + COMPLETED)

    async with listening(slam_twice) as port:
        path = over_the_network(home, port)
        assert await text_of(path) == "ok"
        await path.aclose()


async def test_nobody_listening_is_told_as_a_refused_connection(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else gets the port
        path = over_the_network(home, taken.getsockname()[1])
        with pytest.raises(errors.ConnectionRefused):
            await collect(path)
        await path.aclose()
    assert path.status().code == "unreachable"


async def test_a_server_without_tls_gets_no_token(home: Path) -> None:
    got = bytearray()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.extend(await reader.read(4096))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with listening(plain) as port:
        path = over_the_network(home, port, "https")
        with pytest.raises(errors.TlsFailed):
            await collect(path)
        await path.aclose()
    assert got
    assert b"Bearer" not in got


@pytest.mark.parametrize("begun", [False, True])
async def test_cancelling_closes_the_connection_at_once(home: Path, begun: bool) -> None:
    asked, closed = asyncio.Event(), asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        if begun:
            writer.write(HEAD + delta("Hel"))
        asked.set()
        await reader.read()
        closed.set()

    async with listening(wait) as port, asyncio.timeout(20):
        path = over_the_network(home, port)
        task = asyncio.create_task(collect(path))
        await asked.wait()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(20):
            await closed.wait()
        await path.aclose()


async def test_leaving_an_answer_closes_the_connection_at_once(home: Path) -> None:
    closed = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(HEAD + delta("Hel"))
        await reader.read()
        closed.set()

    async with listening(wait) as port, asyncio.timeout(20):
        path = over_the_network(home, port)
        async with aclosing(path.answer(ask())) as events:
            await anext(events)
        async with asyncio.timeout(20):
            await closed.wait()
        await path.aclose()


def caused(error: Exception, *causes: BaseException) -> Exception:
    current: BaseException = error
    for cause in causes:
        current.__cause__ = cause
        current = cause
    return error


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (caused(httpx.ConnectError(""), OSError("all"), socket.gaierror(8, "unknown")), errors.NameNotFound),
        (caused(httpx.ConnectError(""), ssl.SSLCertVerificationError("self signed")), errors.TlsFailed),
        (caused(httpx.ConnectError(""), OSError("all"), BaseExceptionGroup("", [ConnectionRefusedError()])),
         errors.ConnectionRefused),
        (httpx.ConnectError(""), errors.Unreachable),
        (httpx.ConnectTimeout(""), errors.ConnectTimedOut),
        (httpx.PoolTimeout(""), errors.ConnectTimedOut),
        (httpx.ReadTimeout(""), errors.IdleTimedOut),
        (httpx.WriteTimeout(""), errors.SendTimedOut),
        (httpx.ProxyError(""), errors.ProxyFailed),
        (httpx.DecodingError(""), errors.AnswerGarbled),
        (httpx.RemoteProtocolError(""), errors.ConnectionCut),
        (httpx.WriteError(""), errors.ConnectionCut),
        (httpx.UnsupportedProtocol(""), errors.Unreachable),
    ],
)  # fmt: skip
def test_each_failure_of_the_network_has_its_own_error(
    failure: httpx.RequestError, kind: type[errors.AccessError]
) -> None:
    assert type(error_from_network(failure)) is kind
