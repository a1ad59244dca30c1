"""Daphne inside our own process: paced sends, bounded bodies and inboxes, a clean stop.

Daphne alone never waits for a client that does not read: it would hold the whole answer in memory. Here each
response and socket has a gate which the transport closes while its buffer is full.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
import types
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any

# The first import of the two: it installs Twisted's asyncio reactor.
import daphne.server as daphne_server  # isort: skip
from daphne.http_protocol import HTTPFactory, WebRequest
from twisted.internet import reactor as twisted_reactor
from twisted.internet.interfaces import IPushProducer
from twisted.logger import ILogObserver, globalLogBeginner
from zope.interface import implementer

from lerix_web.assets import Application, Message
from lerix_web.background import Background, Work
from lerix_web.guard import BODY_LIMIT
from lerix_web.websocket import WebSocketConnection, WebSocketFactory

logger = logging.getLogger(__name__)
reactor: Any = twisted_reactor

#: Bytes a socket's application may leave unread before its client is told to wait.
INBOX_HIGH = 1024 * 1024
INBOX_LOW = INBOX_HIGH // 4
#: Bytes of one message. Twice what the relay uses, so that it can say itself what is wrong with a longer one.
WEBSOCKET_LIMIT = 64 * 1024
#: Bytes a message counts beside its content, so that empty ones fill the inbox too.
MESSAGE_COST = 256
#: Beyond so many times the limit, a client that goes on sending is cut off rather than answered.
BODY_ABORT = 8
#: The parts of a clean stop, 5 s in all; then the process ends whatever still runs.
REQUESTS_SECONDS = 1.5
LEFT_SECONDS = 0.3
SHUTDOWN_SECONDS = 2.0
BACKGROUND_SECONDS = 1.0
WATCHDOG_SECONDS = 6.0


@implementer(IPushProducer)
class Gate:
    """Twisted closes it while a transport's buffer is full; a sender waits until it is open.

    ``changed`` is told of either: False while it is full, True once it is empty.
    """

    def __init__(self, unregister: Callable[[], None], changed: Callable[[bool], None] | None = None) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._unregister: Callable[[], None] | None = unregister
        self._changed = changed

    async def wait(self) -> None:
        await self._open.wait()

    def pauseProducing(self) -> None:
        self._open.clear()
        if self._changed is not None:
            self._changed(False)

    def resumeProducing(self) -> None:
        self._open.set()
        if self._changed is not None:
            self._changed(True)

    def stopProducing(self) -> None:
        self._open.set()

    def leave(self) -> None:
        """Open it for good: the last chunk is on its way, or the client is gone."""
        self._open.set()
        unregister, self._unregister = self._unregister, None
        if unregister is not None:
            unregister()


class Inbox(asyncio.Queue[Message]):
    """What a client sent and the application did not yet take; over the high mark reading is paused."""

    def __init__(self, transport: Callable[[], Any]) -> None:
        super().__init__()
        self._transport = transport
        self._bytes = 0
        self._paused = False

    def put_nowait(self, item: Message) -> None:
        self._bytes += _cost(item)
        super().put_nowait(item)
        if self._bytes > INBOX_HIGH and not self._paused and item["type"] == "websocket.receive":
            self._paused = True
            self._transport().pauseProducing()

    def get_nowait(self) -> Message:
        item = super().get_nowait()
        self._bytes -= _cost(item)
        if self._paused and self._bytes < INBOX_LOW:
            self._paused = False
            transport = self._transport()
            if transport is not None and transport.connected and not transport.disconnecting:
                transport.resumeProducing()
        return item


def _cost(message: Message) -> int:
    return MESSAGE_COST + len(message.get("bytes") or message.get("text") or b"")


class Request(WebRequest):  # type: ignore[misc]
    """A request whose body is not kept beyond the limit, and whose answer breaks off if the view fails."""

    taken = 0

    def gotLength(self, length: int | None) -> None:
        """Twisted's own way puts a long body into a file in /tmp. Its length is bounded below."""
        super().gotLength(0)

    def handleContentChunk(self, data: bytes) -> None:
        before, self.taken = self.taken, self.taken + len(data)
        limit = self.server.body_limit
        if self.taken > BODY_ABORT * limit:
            self.channel.transport.abortConnection()
        elif before <= limit:
            # The rest is read and dropped, so that the client lives to see the guard's 413.
            super().handleContentChunk(data)

    def handle_exception(self, exception: BaseException) -> None:
        if self._response_started and self.channel is not None:
            # Half an answer is on its way: a cut connection is the only way left to say that it failed.
            self.channel.transport.abortConnection()
        else:
            self.basic_error(500, b"Internal Server Error", "Something went wrong in Lerix. Try again.")


class Factory(HTTPFactory):  # type: ignore[misc]
    """Builds connections that use our own Request."""

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        # Twisted would read forms too, as e-mail: seconds of this loop for a large file (measured: 4 s for 31 MB).
        protocol.requestFactory = partial(Request, parsePOSTFormSubmission=False)
        return protocol


class Server(daphne_server.Server):  # type: ignore[misc]
    """Daphne's server on sockets that are already listening.

    ``on_ready`` runs once everything listens; if it raises, the server stops and ``run`` raises the same.
    ``body_limit`` is how many bytes of a request's body are kept.
    """

    def __init__(
        self,
        application: Application,
        sockets: Sequence[socket.socket],
        works: Iterable[Work],
        on_ready: Callable[[], Awaitable[None]],
        on_stop: Callable[[], Coroutine[Any, Any, None]] | None,
        body_limit: int = BODY_LIMIT,
        on_halt: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        super().__init__(
            application,
            endpoints=["adopted"],  # daphne ends the process when there is none; ``run`` adopts the sockets
            signal_handlers=False,
            http_timeout=None,  # an answer may stream for an hour
            request_buffer_size=64 * 1024,
            application_close_timeout=5,
            server_name="Lerix",
            verbosity=0,
        )
        self.sockets = sockets
        self.works = works
        self.on_ready = on_ready
        self.on_stop = on_stop
        self.on_halt = on_halt
        self.body_limit = body_limit
        self.background = Background()
        self.failure: BaseException | None = None
        self._gates: dict[Any, Gate] = {}
        self._ports: list[Any] = []
        self._stopping: asyncio.Task[None] | None = None
        self._beginning: asyncio.Task[None] | None = None

    def run(self) -> None:
        """Serve until ``halt`` is called; the loop is the reactor's."""
        self.connections: dict[Any, dict[str, Any]] = {}
        self.http_factory = Factory(self)
        self.ws_factory = WebSocketFactory(self, WEBSOCKET_LIMIT)
        silence: Any = Silence()  # mypy does not see what zope's decorator declares
        globalLogBeginner.beginLoggingTo([silence], redirectStandardIO=False, discardBuffer=True)
        loop: asyncio.AbstractEventLoop = reactor._asyncioEventloop
        asyncio.set_event_loop(loop)
        reactor.callLater(1, self.application_checker)
        reactor.callLater(2, self.timeout_checker)
        for opened in self.sockets:
            self._ports.append(reactor.adoptStreamPort(opened.fileno(), opened.family, self.http_factory))
        self._beginning = loop.create_task(self._begin())
        reactor.run(installSignalHandlers=False)
        if self.failure is not None:
            raise self.failure

    async def _begin(self) -> None:
        try:
            self.background.start(self.works)
            await self.on_ready()
        except Exception as error:
            self.failure = error
            self.halt()

    def halt(self) -> None:
        """Begin a clean stop; from the loop's thread. A second call changes nothing."""
        if self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self._halt())

    async def _halt(self) -> None:
        try:
            for port in self._ports:
                stopped = port.stopListening()
                if stopped is not None:
                    await stopped.asFuture(asyncio.get_running_loop())
            for opened in self.sockets:
                opened.close()
            await _in_time(self.on_halt)
            await self._cancel_requests()
            await _in_time(self.on_stop)
        except Exception:
            logger.exception("Something went wrong while stopping.")
        finally:
            await self.background.stop(BACKGROUND_SECONDS)
            await _cancel_the_rest()
            reactor.stop()

    async def _cancel_requests(self) -> None:
        running = [details.get("application_instance") for details in self.connections.values()]
        open_ones = [task for task in running if task is not None and not task.done()]
        for task in open_ones:
            task.cancel()
        if open_ones:
            await asyncio.wait(open_ones, timeout=REQUESTS_SECONDS)

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> asyncio.Queue[Message] | None:
        """Start the application for one request or socket; return the queue of what its client sends."""
        if protocol not in self.connections or self._stopping is not None:
            return None
        inbox = Inbox(lambda: protocol.transport)
        scope.setdefault("asgi", {"version": "3.0"})
        running = asyncio.ensure_future(self.application(scope, inbox.get, partial(self.handle_reply, protocol)))
        self.connections[protocol]["application_instance"] = running
        if isinstance(protocol, WebSocketConnection):
            # A socket that nobody serves would stay for as long as its client says a word now and then.
            running.add_done_callback(lambda ended: protocol.application_ended(_code(ended)))
        return inbox

    async def handle_reply(self, protocol: Any, message: Message) -> None:
        """Send one message once the client has room for it; the closing of a socket at once.

        That is short, and from there on the socket has a time limit: one that does not read cannot hold it off.
        """
        gate = self._gate(protocol)
        if gate is not None:
            closes = message["type"] == "websocket.close"
            if not closes:
                await gate.wait()
            last_chunk = message["type"] == "http.response.body" and not message.get("more_body", False)
            if last_chunk or closes:
                # Twisted complains about a producer that outlives its response.
                self._gates.pop(protocol, gate).leave()
        if self._is_over(protocol):
            # Nothing is sent and nothing waits: an endless answer must still let its own cancellation in.
            await asyncio.sleep(0)
            return
        await super().handle_reply(protocol, message)

    def _is_over(self, protocol: Any) -> bool:
        if self.connections.get(protocol, {"disconnected": True}).get("disconnected"):
            return True
        return isinstance(protocol, WebSocketConnection) and protocol.closing

    def _gate(self, protocol: Any) -> Gate | None:
        gate = self._gates.get(protocol)
        if gate is not None or self._is_over(protocol):
            return gate
        if isinstance(protocol, Request):
            if protocol.channel is None or protocol.finished:
                return None
            gate = Gate(protocol.unregisterProducer)
            protocol.registerProducer(gate, True)
        else:
            transport = protocol.transport
            gate = Gate(transport.unregisterProducer, protocol.has_room)
            # The HTTP connection it began as is still registered, and would let everything through.
            transport.unregisterProducer()
            transport.registerProducer(gate, True)
        self._gates[protocol] = gate
        return gate

    def protocol_disconnected(self, protocol: Any) -> None:
        gate = self._gates.pop(protocol, None)
        if isinstance(protocol, WebSocketConnection) and gate is not None:
            gate.leave()  # what is written may still go out, and then nothing holds the connection open
        elif gate is not None:
            gate.stopProducing()
        if protocol in self.connections:
            super().protocol_disconnected(protocol)

    def kill_all_applications(self) -> None:
        """Do nothing: ``halt`` has ended them, and waited."""


def _code(ended: asyncio.Future[None]) -> int:
    """Why a socket is closed whose application has ended (RFC 6455, 7.4.1): going away, an error, or normally."""
    if ended.cancelled():
        return 1001
    return 1000 if ended.exception() is None else 1011


async def _in_time(work: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
    if work is not None:
        async with asyncio.timeout(SHUTDOWN_SECONDS):
            await work()


async def _cancel_the_rest() -> None:
    """End what is still under way.

    Django's handler leaves the tasks of a view behind when it is cancelled itself, and the interpreter may crash when
    it meets them at its end: seen with CPython 3.11.7.
    """
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=LEFT_SECONDS)


@implementer(ILogObserver)
class Silence:
    """Takes Twisted's log, which names requests with their query strings; keeps the kind of a failure."""

    def __call__(self, event: dict[str, Any]) -> None:
        """Drop the event, or log the type of the exception in it."""
        failure = event.get("log_failure")
        if failure is not None:
            logger.warning("A connection failed: %s.", failure.type.__name__)


def run(
    application: Application,
    *,
    sockets: Sequence[socket.socket],
    tasks: Iterable[Work] = (),
    on_ready: Callable[[], Awaitable[None]],
    on_stop: Callable[[], Coroutine[Any, Any, None]] | None = None,
    body_limit: int = BODY_LIMIT,
    on_halt: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> None:
    """Serve on these listening sockets until SIGINT, SIGTERM or SIGHUP, then stop within 5 s and return.

    ``on_halt`` runs while requests and sockets are still there, so that they can be told; ``on_stop`` once they ended.
    Of a request's body ``body_limit`` bytes are kept, and one of eight times as many is cut off. A second signal ends
    the process at once. Raises what ``on_ready`` raises.
    """
    server = Server(application, sockets, tasks, on_ready, on_stop, body_limit, on_halt)
    loop: asyncio.AbstractEventLoop = reactor._asyncioEventloop

    def stop(number: int, frame: types.FrameType | None) -> None:
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_DFL)
        # A view that hangs in a thread would keep the interpreter waiting for ever.
        watchdog = threading.Timer(WATCHDOG_SECONDS, os._exit, (0,))
        watchdog.daemon = True
        watchdog.start()
        with contextlib.suppress(RuntimeError):  # the loop has just closed
            loop.call_soon_threadsafe(server.halt)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup means to outlive the terminal
        signal.signal(signal.SIGHUP, stop)
    server.run()
