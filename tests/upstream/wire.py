"""HTTP/1.1 over asyncio streams and h11, close enough to the socket to break things on purpose.

A request is read whole and handed to a callable as an `Exchange`. While the callable answers, the socket is
watched: when the client leaves, the callable is cancelled, as a real server would notice a closed connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

from tests.upstream.records import Journal, Outcome, Recorded

READ = 65_536
LARGEST_BODY = 64 * 1024 * 1024
#: Time for the peer to read what was sent before a reset: a reset may throw away data still under way.
BEFORE_RESET = 0.02
LINGER_ZERO = struct.pack("ii", 1, 0)

Handler = Callable[["Exchange"], Awaitable[None]]


class TooLargeError(Exception):
    """The request body is larger than `LARGEST_BODY`."""


class Exchange:
    """One request and the means to answer it, well or badly."""

    def __init__(
        self,
        request: Recorded,
        journal: Journal,
        connection: h11.Connection,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.request = request
        self._journal = journal
        self._connection = connection
        self._writer = writer

    @property
    def peer_is_loopback(self) -> bool:
        """Whether the far end of the socket is this machine."""
        peer = self._writer.get_extra_info("peername")
        return bool(peer) and str(peer[0]) in {"127.0.0.1", "::1", "::ffff:127.0.0.1"}

    @property
    def scheme(self) -> str:
        """``http`` or ``https``, as the client came."""
        return "https" if self._writer.get_extra_info("ssl_object") else "http"

    async def send(self, status: int, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        """Answer whole, with Content-Length."""
        fields = {"content-type": content_type, "content-length": str(len(body)), **(headers or {})}
        await self._head(status, fields)
        if self.request.method != "HEAD":
            self._put(h11.Data(data=body))
        await self.finish()

    async def send_json(self, status: int, payload: object, headers: Mapping[str, str] | None = None) -> None:
        """Answer whole, with a JSON body."""
        body = json.dumps(payload, ensure_ascii=False).encode()
        await self.send(status, body, "application/json", headers)

    async def send_html(self, status: int, page: str, headers: Mapping[str, str] | None = None) -> None:
        """Answer whole, with an HTML page."""
        await self.send(status, page.encode(), "text/html; charset=utf-8", headers)

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Start a chunked answer."""
        await self._head(status, {"transfer-encoding": "chunked", **headers})

    async def write(self, data: bytes) -> None:
        """Send one chunk of a chunked answer."""
        self._put(h11.Data(data=data))
        await self._writer.drain()

    def done(self) -> None:
        """The answer is complete for the client, even if it leaves before the last byte."""
        self._journal.mark(self.request, Outcome.ANSWERED)

    async def finish(self) -> None:
        """End the answer properly."""
        self._put(h11.EndOfMessage())
        self.done()
        await self._writer.drain()

    async def close(self) -> None:
        """Close the connection where it stands, with a plain FIN."""
        self._journal.mark(self.request, Outcome.BROKEN)
        await self._writer.drain()
        self._writer.close()

    async def reset(self) -> None:
        """Close the connection where it stands, with an RST."""
        self._journal.mark(self.request, Outcome.BROKEN)
        await self._writer.drain()
        await asyncio.sleep(BEFORE_RESET)
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        self._writer.transport.abort()

    async def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.request.status = status
        fields = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        self._put(h11.Response(status_code=status, headers=fields))
        await self._writer.drain()

    def _put(self, event: h11.Event) -> None:
        self._writer.write(self._connection.send(event) or b"")


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, journal: Journal, handler: Handler) -> None:
    """Serve one connection until either side closes it."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=READ)
    try:
        while not writer.is_closing():
            request = await _read_request(connection, reader, writer, journal)
            if request is None:
                break
            exchange = Exchange(request, journal, connection, writer)
            if not await _answer(exchange, reader, connection, handler):
                journal.mark(request, Outcome.LEFT)
                break
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                break
            connection.start_next_cycle()
    except TooLargeError:
        await _refuse(connection, writer, 413, "Request body is too large")
    except h11.RemoteProtocolError as problem:
        await _refuse(connection, writer, problem.error_status_hint, "Bad request")
    except ConnectionError:
        pass
    finally:
        writer.close()


async def _answer(
    exchange: Exchange, reader: asyncio.StreamReader, connection: h11.Connection, handler: Handler
) -> bool:
    """Run the handler and watch the socket; False when the client left before the handler ended."""
    work = asyncio.ensure_future(handler(exchange))
    watch = asyncio.ensure_future(reader.read(READ))
    try:
        while True:
            await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
                return True
            early = watch.result()
            if not early:
                return False
            connection.receive_data(early)
            watch = asyncio.ensure_future(reader.read(READ))
    except ConnectionError:
        return False
    finally:
        work.cancel()
        watch.cancel()
        late = await asyncio.gather(work, watch, return_exceptions=True)
        if isinstance(late[1], bytes) and late[1]:
            connection.receive_data(late[1])


async def _read_request(
    connection: h11.Connection,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    journal: Journal,
) -> Recorded | None:
    """The next whole request, already in the journal; None at the end of the connection."""
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
                writer.write(connection.send(go_on) or b"")
            connection.receive_data(await reader.read(READ))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > LARGEST_BODY:
                raise TooLargeError
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            request = _recorded(head, bytes(body), journal.number())
            journal.add(request)
            return request
        else:
            return None


def _recorded(head: h11.Request, body: bytes, number: int) -> Recorded:
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    target = urlsplit(head.target.decode("latin-1"))
    try:
        parsed: object = json.loads(body) if body else None
    except ValueError:
        parsed = None
    return Recorded(
        number=number,
        method=head.method.decode("latin-1"),
        path=unquote(target.path),
        query=dict(parse_qsl(target.query, keep_blank_values=True)),
        headers=headers,
        body=body,
        json=parsed,
    )


async def _refuse(connection: h11.Connection, writer: asyncio.StreamWriter, status: int, text: str) -> None:
    if connection.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
        return
    body = json.dumps({"detail": text}).encode()
    head = h11.Response(
        status_code=status,
        headers=[
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ],
    )
    for event in (head, h11.Data(data=body), h11.EndOfMessage()):
        writer.write(connection.send(event) or b"")
    with contextlib.suppress(ConnectionError):
        await writer.drain()
