"""Requests of remotes under the allow-list: those of Lerix are answered here, those of browsers by an ASGI application.

Plain ASGI in place of a Channels consumer: Channels runs every message of a consumer through a hop to one thread of the
process (measured: 1,900 messages a second, against 14,500 without), and what such a consumer would do here is to pass
the request on.

Who asks is proved by the channel, never by a header. A device that gives a stream up stops its turn; one whose link or
session is lost stops nothing.
"""

import asyncio
import contextvars
import hashlib
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final, cast
from urllib.parse import unquote

from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest

from connections.visitor import visiting
from relay.answers import MAX_BODY
from relay.errors import HostError, RequestUnknown
from relay.host.allowed import from_django, is_allowed, length_of, to_django
from relay.host.answered import Answered, Held
from relay.host.budget import Budget
from relay.host.model_api import Said, answer, refusal
from relay.host.offer import Offer
from relay.host.pages import Pages
from relay.host.relayed import Relayed
from relay.host.turns import Reading
from relay.link.host import Incoming
from relay.link.streams import StreamEnded, Streams
from relay.protocol.errors import ProtocolError
from relay.protocol.headers import Answer, Headers, Request
from relay.protocol.session import FAILED

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

#: Requests of all remotes that are worked on at once, turns that are only followed included.
MOST_REQUESTS: Final = 256
#: Bytes of a body that are taken and thrown away, so that a refusal can be said instead of a reset.
DRAINED: Final = 256 * 1024
CLOSE_SECONDS: Final = 0.5
#: Bytes of a form; of one that brings a file: the largest attachment, and the form around it.
MAX_FORM: Final = 2 * 1024 * 1024
MAX_UPLOAD: Final = 33 * 1024 * 1024
#: Seconds in which the next piece of a body comes, and all of it. Its bytes are lent, and others wait for them.
PIECE_SECONDS: Final = 60.0
BODY_SECONDS: Final = 600.0


def django_under(urlconf: str) -> Application:
    """Django with the addresses of `urlconf` and no others."""
    kind = type("RemoteRequest", (ASGIRequest,), {"urlconf": urlconf})
    handler = type("RemoteHandler", (_InMemory,), {"request_class": kind})
    return cast(Application, handler())


class _InMemory(ASGIHandler):
    """Django's own handler puts a body over FILE_UPLOAD_MAX_MEMORY_SIZE into a file: none of a remote's does.

    The adapter has its bytes in memory already, counted by the budget.
    """

    async def read_body(self, receive: Receive) -> BytesIO:  # type: ignore[override]
        """The body, which comes in one piece."""
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestAborted
        return BytesIO(message.get("body", b""))


class BodyBroken(Exception):
    """The body is not as long as was said, longer than any may be, or does not come."""


@dataclass
class _Going:
    """One request that is worked on."""

    task: asyncio.Task[None] | None = None
    #: The device is not there to read any more.
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    relayed: Relayed | None = None
    given_up: bool = False
    #: Django is told by `gone`, and ends by itself.
    django: bool = True

    def leave(self) -> None:
        """Nobody is there to read any more."""
        self.gone.set()
        if self.task is not None and not self.django:
            self.task.cancel()


class Adapter:
    """Answers what comes over `relay.link.host.Host`, which gets `serve` and `gave_up`."""

    def __init__(
        self, application: Application, offer: Offer, budget: Budget | None = None, pages: Pages | None = None
    ) -> None:
        self.budget = budget or Budget()
        self._pages = pages
        self._answered = Answered()
        self._application = application
        self._offer = offer
        self._going: dict[tuple[Streams, int], _Going] = {}

    def serve(self, incoming: Incoming) -> None:
        """Answer a request, as a task of its own."""
        if len(self._going) >= MOST_REQUESTS:
            incoming.streams.give_up(incoming.stream, FAILED)
            return
        going = self._going[incoming.streams, incoming.stream] = _Going()
        # An empty context: nothing of whoever happened to feed the link.
        work = self._work(incoming, going)
        going.task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        going.task.add_done_callback(lambda task: self._going.pop((incoming.streams, incoming.stream), None))

    def gave_up(self, streams: Streams, stream: int, reset: bool) -> None:
        """A device gave a stream up (`reset`), or its session is lost."""
        going = self._going.get((streams, stream))
        if going is None:
            return
        if reset:
            going.given_up = True
            if going.relayed is not None:
                going.relayed.give_up()
        going.leave()

    async def aclose(self) -> None:
        """End what is worked on."""
        tasks = {going.task for going in self._going.values() if going.task is not None}
        for going in self._going.values():
            going.leave()
        if not tasks:
            return
        # Django closes what it opened where it is told that the reader has gone, and not where it is cancelled.
        _, late = await asyncio.wait(tasks, timeout=CLOSE_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _work(self, incoming: Incoming, going: _Going) -> None:
        done = False
        try:
            if is_allowed(incoming.request) or (self._pages is not None and self._pages.allow(incoming.request)):
                done = await self._pass(incoming, going)
            else:
                done = await self._refuse(incoming)
        except (StreamEnded, BodyBroken):
            logger.debug("A remote's request ended early.")
        except ProtocolError:
            logger.warning("An answer does not fit into the relay's headers.")
        except Exception:
            logger.exception("A remote's request failed.")
        finally:
            if not done:
                incoming.streams.give_up(incoming.stream, FAILED)

    async def _refuse(self, incoming: Incoming) -> bool:
        left = DRAINED
        while left > 0 and (data := await incoming.streams.read(incoming.stream)):
            left -= len(data)
        if left <= 0:
            return False
        return await _give(incoming, refusal(RequestUnknown()))

    async def _pass(self, incoming: Incoming, going: _Going) -> bool:
        request = incoming.request
        length = length_of(request) if request.idem is not None else 0
        if length is None or length > self._most(request):
            raise BodyBroken
        lease = await self.budget.lend(length, incoming.remote) if length else None
        going.relayed = relayed = Relayed(incoming.remote, request.idem, b"", self._offer, lease)
        try:
            body = await _body(incoming, length)
            named = hashlib.sha256(b"\0".join((request.method.encode(), request.path.encode(), b"")))
            named.update(body)
            relayed.digest = named.digest()
            if going.given_up:
                relayed.give_up()
            if self._pages is not None and not is_allowed(request):
                return await self._page(self._pages, incoming, going, relayed, body)
            going.django = False
            return await _give(incoming, await answer(request, relayed, body))
        finally:
            left = relayed.keep_lease()
            if left is not None:
                left.release()

    def _most(self, request: Request) -> int:
        """Bytes that the body of a request may have."""
        if is_allowed(request):
            return MAX_BODY
        return MAX_UPLOAD if self._pages is not None and self._pages.takes_files(request) else MAX_FORM

    async def _page(self, pages: Pages, incoming: Incoming, going: _Going, relayed: Relayed, body: bytes) -> bool:
        """Give a browser on another device a page; what changes something is done once, and to its end."""
        held, gone = None, going.gone  # what tells Django that nobody is there
        if relayed.idem is not None:
            name = (relayed.device, relayed.idem)
            try:
                held = self._answered.find(name, relayed.digest)
                if held is not None:
                    # A second time. Raises AnsweredAlready.
                    return await _give(incoming, Said(Answer(held.status, held.headers), await held.whole()))
            except HostError as error:
                return await _give(incoming, refusal(error))
            held = self._answered.begin(name, relayed.digest)
            gone = asyncio.Event()  # a device that loses its way does not cut it in the middle
        reply = _Reply(incoming.streams, incoming.stream, going.gone, pages.headers, held)
        try:
            with visiting(pages.visitor(relayed.device)):
                await self._application(_scope(incoming, len(body)), _receiver(body, gone), reply.send)
        finally:
            if held is not None:
                held.finish()
        return reply.ended


async def _give(incoming: Incoming, said: Said) -> bool:
    streams, stream = incoming.streams, incoming.stream
    streams.answer(stream, said.head)
    if isinstance(said.body, Reading):
        async for piece in said.body:
            await streams.write(stream, piece)
    else:
        await streams.write(stream, said.body)
    streams.end(stream)
    return True


class _Reply:
    """What the application sends, put onto the stream, and into `held` where it is kept."""

    def __init__(
        self, streams: Streams, stream: int, gone: asyncio.Event, extra: Headers = (), held: Held | None = None
    ) -> None:
        self.ended = False
        self._streams = streams
        self._stream = stream
        self._gone = gone
        self._extra = extra
        self._held = held

    async def send(self, message: Message) -> None:
        """Waits until the device reads. Where it has gone, nothing is sent, and `gone` is set."""
        try:
            await self._send(message)
        except StreamEnded:
            self._gone.set()

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = from_django(message.get("headers", ())) + self._extra
            if self._held is not None:
                self._held.begin(message["status"], headers)
            self._streams.answer(self._stream, Answer(message["status"], headers))
        elif message["type"] == "http.response.body" and not self.ended:
            body = message.get("body", b"")
            if self._held is not None:
                self._held.put(body)
            if body:
                await self._streams.write(self._stream, body)
            if not message.get("more_body", False):
                self._streams.end(self._stream)
                self.ended = True


def _receiver(body: bytes, gone: asyncio.Event) -> Receive:
    rest: list[bytes] = [body]

    async def receive() -> Message:
        if rest:
            return {"type": "http.request", "body": rest.pop(), "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    return receive


def _scope(incoming: Incoming, length: int) -> dict[str, Any]:
    request = incoming.request
    path, _, query = request.path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("ascii"),
        "query_string": query.encode("ascii"),
        "root_path": "",
        "headers": to_django(request, incoming.remote, length if request.idem is not None else None),
        # Without a Host header Django takes this name, which is among those that it answers to.
        "server": ("localhost", 80),
        "client": None,
    }


async def _body(incoming: Incoming, length: int) -> bytes:
    parts = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                async with asyncio.timeout(PIECE_SECONDS):
                    data = await incoming.streams.read(incoming.stream)
                if not data:
                    break
                parts += data
                if len(parts) > length:
                    raise BodyBroken
    except TimeoutError:
        raise BodyBroken from None
    if len(parts) != length:
        raise BodyBroken
    return bytes(parts)
