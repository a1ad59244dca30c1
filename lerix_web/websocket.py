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
#: It would tell of each message, and of what strangers send.
_SILENT = logging.getLogger("lerix_web.websocket.protocol")
_SILENT.disabled = True
_MESSAGES: Final = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})


class WebSocketConnection(Protocol):
    """One connection that asked for a WebSocket. `server` is daphne's, `limit` the bytes of a message.

    The application gets websocket.connect, websocket.receive and websocket.disconnect, and sends websocket.accept,
    websocket.send and websocket.close, as ASGI says.
    """

    application_type = "websocket"
    #: Twisted's, which its types describe as the least that every transport can.
    transport: Any = None

    def __init__(self, server: Any, limit: int) -> None:
        self._server = server
        self._wire = ServerProtocol(max_size=limit, logger=_SILENT)
        self._accepting: Response | None = None
        self._inbox: asyncio.Queue[dict[str, Any]] | None = None
        # What has come of a message that is sent in several frames, and whether it is text.
        self._parts: list[bytes] = []
        self._is_text = False
        self._since = self._heard = self._pinged = time.monotonic()
        self._ending: Any = None

    # Twisted's side

    def dataReceived(self, data: bytes) -> None:
        """Bytes came."""
        self._heard = time.monotonic()
        self._wire.receive_data(data)
        for event in self._wire.events_received():
            if isinstance(event, Frame):
                self._take(event)
            elif isinstance(event, Request):
                self._begin(event)
        self._flush()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The connection is gone, by whomever."""
        if self._ending is not None and self._ending.active():
            self._ending.cancel()
        self._wire.receive_eof()
        self._leave()

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
        if frame.opcode != Opcode.CONT:
            self._is_text = frame.opcode == Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return
        content = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        if not self._is_text:
            self._inbox.put_nowait({"type": "websocket.receive", "bytes": content})
            return
        try:
            self._inbox.put_nowait({"type": "websocket.receive", "text": content.decode()})
        except UnicodeDecodeError:
            self._wire.fail(1007)

    def _flush(self) -> None:
        """Write what the protocol has to send; an empty piece means that nothing more will come."""
        transport = self.transport
        if transport is None:
            return
        pieces = self._wire.data_to_send()
        over = bool(pieces) and not pieces[-1]
        if content := [piece for piece in pieces if piece]:
            transport.writeSequence(content)
        if over:
            transport.loseConnection()
        if (over or self._wire.close_expected()) and self._ending is None:
            self._ending = reactor.callLater(CLOSE_SECONDS, transport.abortConnection)

    def _leave(self) -> None:
        inbox, self._inbox = self._inbox, None
        if self in self._server.connections:
            self._server.protocol_disconnected(self)
        if inbox is not None:
            code = self._wire.close_code
            inbox.put_nowait({"type": "websocket.disconnect", "code": 1006 if code is None else code})

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
        if self._accepting is not None:
            self._refuse(500)
        elif self._wire.state is OPEN:
            self._wire.fail(1011)
        self._flush()

    def check_timeouts(self) -> None:
        """Called every two seconds."""
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
