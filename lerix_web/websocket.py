"""WebSockets in daphne, by the sans-I/O protocol of `websockets` in place of autobahn.

Why: the account broker passes on messages between devices, and takes as long for each as reading and writing one
takes. Measured for 16 KiB, autobahn's share of that was more than half. To the applications, and to daphne's server,
nothing is different: this is the class `daphne.ws_protocol.WebSocketProtocol` with the same scope and messages.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Final
from urllib.parse import unquote

# Before anything else of Twisted: it installs the asyncio reactor.
import daphne.server  # noqa: F401  # isort: skip
from twisted.internet import reactor as twisted_reactor
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

reactor: Any = twisted_reactor

#: Seconds in which the other side may close as well, once we have.
CLOSE_SECONDS: Final = 5.0
#: Frames that one message may come in: each costs time, also one without content.
MOST_FRAMES: Final = 256
logger = logging.getLogger(__name__)
#: It would tell of each message, and of what strangers send.
_SILENT = logging.getLogger("lerix_web.websocket.protocol")
_SILENT.disabled = True
_MESSAGES: Final = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})
#: How a pong begins, as the protocol writes it.
_PONG: Final = bytes((0x80 | Opcode.PONG,))


class WebSocketConnection(Protocol):
    """One connection that asked for a WebSocket. `server` is daphne's, `limit` the bytes of a message.

    The application gets websocket.connect, websocket.receive and websocket.disconnect, and sends websocket.accept,
    websocket.send and websocket.close, as ASGI says. It gets websocket.disconnect as soon as nothing more can come, and
    `closing` is set once nothing more can be sent; the connection itself is gone CLOSE_SECONDS later at the latest.
    """

    application_type = "websocket"
    #: Twisted's, which its types describe as the least that every transport can.
    transport: Any = None

    def __init__(self, server: Any, limit: int) -> None:
        self._server = server
        self._wire = ServerProtocol(max_size=limit, logger=_SILENT)
        self._accepting: Response | None = None
        self._inbox: asyncio.Queue[dict[str, Any]] | None = None
        # What has come of a message that is sent in several frames, in how many, and whether it is text.
        self._parts = bytearray()
        self._frames = 0
        self._is_text = False
        # Whether the transport holds as much as it shall; the newest pong that has to wait for it.
        self._full = False
        self._pong: bytes | None = None
        self.closing = False
        self._since = self._heard = self._pinged = time.monotonic()
        self._ending: Any = None

    # Twisted's side

    def dataReceived(self, data: bytes) -> None:
        """Bytes came. Whatever goes wrong ends this connection, and is logged by its kind only."""
        try:
            self._receive(data)
        except Exception as error:
            # Here and not by Twisted: the first bytes come through daphne, which would leave the connection open.
            self._give_up(error)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The connection is gone, by whomever."""
        if self._ending is not None and self._ending.active():
            self._ending.cancel()
        self.transport, self.closing = None, True
        try:
            self._wire.receive_eof()
        finally:
            self._leave()

    def _receive(self, data: bytes) -> None:
        self._heard = time.monotonic()
        if self._accepting is not None:
            # Nothing may be said before the answer to the request, and no pong may get ahead of it.
            self._refuse(400)
        else:
            self._wire.receive_data(data)
            for event in self._wire.events_received():
                if isinstance(event, Frame):
                    self._take(event)
                elif isinstance(event, Request):
                    self._begin(event)
        self._write(self._with_room(self._wire.data_to_send()))

    def _begin(self, request: Request) -> None:
        response = self._wire.accept(request)
        if response.status_code != 101:
            self._wire.send_response(response)
            return
        self._accepting = response
        self._server.protocol_connected(self)
        self._inbox = self._server.create_application(self, self._scope(request))
        if self._inbox is None:  # the server is about to stop
            self._refuse(503)
        else:
            self._inbox.put_nowait({"type": "websocket.connect"})

    def _scope(self, request: Request) -> dict[str, Any]:
        path, _, query = request.path.partition("?")
        peer, host = self.transport.getPeer(), self.transport.getHost()
        return {
            "type": "websocket",
            "path": unquote(path),
            "raw_path": path.encode("ascii"),
            "root_path": "",
            # As for requests: with an underscore a header can look like another one (CVE-2015-0219).
            "headers": [
                (name.lower().encode("ascii"), value.encode("latin-1"))
                for name, value in request.headers.raw_items()
                if "_" not in name
            ],
            "query_string": query.encode("ascii"),
            "client": _address(peer),
            "server": _address(host),
            "subprotocols": [],
        }

    def _take(self, frame: Frame) -> None:
        # Pings and the closing are answered by the protocol; a broken order of frames has failed there as well.
        if frame.opcode not in _MESSAGES or self._inbox is None:
            return
        if frame.fin and frame.opcode is not Opcode.CONT:
            self._deliver(bytes(frame.data), frame.opcode is Opcode.TEXT)
            return
        if frame.opcode is not Opcode.CONT:
            self._frames, self._is_text = 0, frame.opcode is Opcode.TEXT
        self._frames += 1
        if self._frames > MOST_FRAMES:
            self._fail(1008)
            return
        self._parts += frame.data
        if frame.fin:
            content, self._parts = bytes(self._parts), bytearray()
            self._deliver(content, self._is_text)

    def _deliver(self, content: bytes, is_text: bool) -> None:
        if self._inbox is None:
            return
        if not is_text:
            self._inbox.put_nowait({"type": "websocket.receive", "bytes": content})
            return
        try:
            self._inbox.put_nowait({"type": "websocket.receive", "text": content.decode()})
        except UnicodeDecodeError:
            self._fail(1007)

    def _fail(self, code: int) -> None:
        self._wire.fail(code)
        # At once: what came in the same piece after this is not for the application any more.
        self._leave()

    def _give_up(self, error: Exception) -> None:
        logger.warning("A socket failed: %s.", type(error).__name__)
        if self.transport is not None:
            self.transport.abortConnection()

    def _with_room(self, pieces: list[bytes]) -> list[bytes]:
        """Leave out pongs for which there is no room, but for the newest one; nothing else is written unasked.

        Of several pings the last may be answered alone (RFC 6455, 5.5.3). To answer all would keep in memory whatever
        a client that does not read cares to send.
        """
        if not pieces or not (self._full or self.closing):
            return pieces
        pongs = [piece for piece in pieces if piece[:1] == _PONG]
        if pongs:
            self._pong = pongs[-1]
        return [piece for piece in pieces if piece[:1] != _PONG]

    def has_room(self, room: bool) -> None:
        """The transport's buffer is full, or (True) empty again."""
        self._full = not room
        if room and self._pong is not None and self._wire.state is OPEN and self.transport is not None:
            pong, self._pong = self._pong, None
            self.transport.write(pong)

    def _flush(self) -> None:
        self._write(self._wire.data_to_send())

    def _write(self, pieces: list[bytes]) -> None:
        """Write what the protocol has to send; an empty piece means that nothing more will come."""
        transport = self.transport
        if transport is None:
            return
        over = bool(pieces) and not pieces[-1]
        if content := [piece for piece in pieces if piece]:
            transport.writeSequence(content)
        if (over or self._wire.close_expected()) and not self.closing:
            self.closing = True
            self._ending = reactor.callLater(CLOSE_SECONDS, transport.abortConnection)
        if over:
            transport.loseConnection()
            self._leave()

    def _leave(self) -> None:
        inbox, self._inbox = self._inbox, None
        self._accepting = None  # there is nobody left to answer
        if self in self._server.connections:
            self._server.protocol_disconnected(self)
        if inbox is not None:
            said = self._wire.close_rcvd
            inbox.put_nowait({"type": "websocket.disconnect", "code": 1006 if said is None else said.code})

    # The server's side

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Do what the application says. Raises ValueError for what makes no sense."""
        kind = message["type"]
        if kind == "websocket.accept":
            self._accept()
        elif kind == "websocket.close":
            if self._accepting is not None:
                self._refuse(403)
            elif self._wire.state is OPEN:
                self._wire.send_close(int(message.get("code") or 1000))
        elif kind == "websocket.send":
            if self._accepting is not None:
                raise ValueError("a socket is accepted before anything is sent over it")
            if self._wire.state is OPEN:
                self._send(message)
        else:
            raise ValueError(f"a socket knows no {kind}")
        self._flush()

    def _accept(self) -> None:
        response, self._accepting = self._accepting, None
        if response is not None:
            self._wire.send_response(response)

    def _send(self, message: dict[str, Any]) -> None:
        if (content := message.get("bytes")) is not None:
            self._wire.send_binary(content)
        elif (text := message.get("text")) is not None:
            self._wire.send_text(text.encode())

    def _refuse(self, status: int) -> None:
        self._accepting = None
        self._wire.send_response(self._wire.reject(status, ""))
        self._leave()

    def handle_exception(self, exception: BaseException) -> None:
        """The application failed; daphne has logged it."""
        self.application_ended(1011)

    def application_ended(self, code: int) -> None:
        """Close with this code, unless that is under way: nobody else would ever do it, nor take what still comes."""
        try:
            self._end(code)
        except Exception as error:
            self._give_up(error)

    def check_timeouts(self) -> None:
        """Called every two seconds, by daphne for all connections: what goes wrong with one is not for the others."""
        try:
            self._look()
        except Exception as error:
            self._give_up(error)

    def _end(self, code: int) -> None:
        if self.closing:
            return
        if self._accepting is not None:
            self._refuse(500)
        elif self._wire.state is OPEN:
            if self._full:
                self.transport.abortConnection()  # its client does not read: it would not see the code either
                return
            self._wire.fail(code)
        self._flush()

    def _look(self) -> None:
        if self.closing:
            return  # that has a time limit of its own
        now, server = time.monotonic(), self._server
        if self._accepting is not None:
            if now - self._since > server.websocket_connect_timeout:
                self._refuse(503)
        elif now - self._heard > server.ping_interval + server.ping_timeout:
            self.transport.abortConnection()
        elif self._wire.state is OPEN and now - max(self._heard, self._pinged) > server.ping_interval:
            self._pinged = now
            self._wire.send_ping(b"")
        self._flush()


class WebSocketFactory:
    """Makes connections; in the place of daphne's class of that name."""

    def __init__(self, server: Any, limit: int) -> None:
        self._server = server
        self._limit = limit

    def buildProtocol(self, address: IAddress) -> WebSocketConnection:
        """For one connection."""
        return WebSocketConnection(self._server, self._limit)


def _address(address: Any) -> list[Any] | None:
    return [str(address.host), address.port] if hasattr(address, "host") and hasattr(address, "port") else None
