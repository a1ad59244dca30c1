"""A host's side of all its routes: who comes in, sessions that outlive routes, and the requests that come over them."""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from relay.link.carrier import Carrier, RouteClosed, Sender, pump
from relay.link.link import LinkDown
from relay.link.streams import Streams
from relay.protocol.errors import HandshakeFailed, ProtocolError, SessionBroken
from relay.protocol.headers import Request
from relay.protocol.link import Code, Message, Type, close
from relay.protocol.noise import Responder
from relay.protocol.route import Granted, HostRoute, Log, prologue
from relay.protocol.session import Session

logger = logging.getLogger(__name__)

#: Seconds.
SHAKE_SECONDS: Final = 10.0
KEPT_SECONDS: Final = 600.0
#: Routes whose device has not proved the epoch's key yet, and sessions of one device.
MOST_HALF_OPEN: Final = 8
MOST_SESSIONS: Final = 3
#: Devices that have a route at once. The broker counts too; this holds with any broker.
MOST_REMOTES: Final = 8


class Turned(Exception):
    """A device is turned away with this code."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.name)
        self.code = code


class Book(Protocol):
    """What the host knows of its account: the device log that it verified itself, and the epoch's keys."""

    @property
    def account(self) -> bytes:
        """The account's id, 16 bytes."""
        ...

    @property
    def device(self) -> bytes:
        """This host's id, 16 bytes."""
        ...

    @property
    def static(self) -> bytes:
        """This host's private X25519 key."""
        ...

    @property
    def epoch(self) -> int:
        """The newest epoch."""
        ...

    @property
    def psk(self) -> bytes:
        """The pre-shared key of that epoch."""
        ...

    @property
    def log(self) -> Log:
        """The newest entry seen."""
        ...

    def key_of(self, remote: bytes) -> bytes | None:
        """The X25519 key of a device that may be a remote; None for one that is unknown, removed or a host only."""
        ...

    def agrees(self, log: Log) -> bool | None:
        """Whether a device's newest entry is in this log: True, False for another history, None for a newer one."""
        ...

    def look_again(self) -> None:
        """The broker knows more than this log has: fetch it."""
        ...


@dataclass
class _Kept:
    """A session and its device; `since` is when it lost its last route."""

    remote: bytes
    streams: Streams
    bell: asyncio.Event
    since: float
    carrier: Carrier | None = None
    route: HostRoute | None = None


@dataclass(frozen=True)
class Incoming:
    """A request of a device, to be answered on its stream."""

    remote: bytes
    streams: Streams = field(repr=False)
    stream: int = 0
    request: Request = field(default_factory=lambda: Request("GET", "/"))


class Host:
    """All routes and sessions of this host over `link`.

    `serve` is called with each request, `gave_up` with each stream that ends before its answer, and whether its device
    wants no more of it (True) or its session was lost (False).
    """

    def __init__(
        self,
        link: Sender,
        book: Book,
        serve: Callable[[Incoming], None],
        *,
        gave_up: Callable[[Streams, int, bool], None] = lambda streams, stream, reset: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = link
        self._book = book
        self._serve = serve
        self._gave_up = gave_up
        self._clock = clock
        #: By the route's number: the device that comes, and what carries it.
        self._carriers: dict[int, tuple[bytes, Carrier]] = {}
        self._half_open = 0
        self._kept: dict[bytes, _Kept] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def remotes(self) -> frozenset[bytes]:
        """The devices that have a route now."""
        return frozenset(kept.remote for kept in self._kept.values() if kept.carrier is not None)

    async def handle(self, message: Message) -> None:
        """Take a message of the link."""
        if message.type is Type.INCOMING:
            self._spawn(message)
        elif message.route in self._carriers:
            self._carriers[message.route][1].feed(message)

    def link_down(self) -> None:
        """The link is gone, and all routes with it; sessions wait."""
        for _, carrier in self._carriers.values():
            carrier.close(Code.DONE)

    def expel(self, remote: bytes | None = None, code: Code = Code.REVOKED) -> None:
        """End everything of a device, or of all: removed, signed out, switched off. Also what is about to come in."""
        for other, carrier in self._carriers.values():
            if remote is None or other == remote:
                carrier.close(code)
        for session_id, kept in list(self._kept.items()):
            if remote is None or kept.remote == remote:
                del self._kept[session_id]
                kept.streams.lose()

    async def said_goodbye(self, seconds: float) -> None:
        """Wait until the devices of routes that were ended have been told, so long at most."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    def sweep(self) -> None:
        """Let go of sessions that lost their device too long ago. To be called a few times a minute."""
        now = self._clock()
        for session_id, kept in list(self._kept.items()):
            if kept.carrier is None and now - kept.since > KEPT_SECONDS:
                del self._kept[session_id]
                kept.streams.lose()

    async def aclose(self) -> None:
        """End everything."""
        self.expel(code=Code.CLOSED)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # One route

    def _spawn(self, message: Message) -> None:
        # Known at once: what its device says next may be handed over before the task has begun.
        remote, epoch = message.payload[:16], int.from_bytes(message.payload[16:], "big")
        carrier = Carrier(self._link, message.route)
        self._carriers[message.route] = remote, carrier
        task = asyncio.get_running_loop().create_task(self._route(carrier, remote, epoch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _route(self, carrier: Carrier, remote: bytes, epoch: int) -> None:
        code: int = Code.DONE
        try:
            await self._admit(carrier, remote, epoch)
        except Turned as turned:
            code = turned.code
        except RouteClosed as closed:
            code = closed.code
        except ProtocolError as error:
            code = error.code
            logger.info("A route was ended: %s.", error)
        except TimeoutError:
            code = Code.REFUSED
        except LinkDown:
            return
        finally:
            if self._carriers.get(carrier.number) == (remote, carrier):
                del self._carriers[carrier.number]
        with contextlib.suppress(LinkDown):
            await self._link.send(close(carrier.number, code))

    async def _admit(self, carrier: Carrier, remote: bytes, epoch: int) -> None:
        book = self._book
        if epoch != book.epoch:
            if epoch > book.epoch:
                book.look_again()
            raise Turned(Code.OTHER_EPOCH)
        if self._half_open >= MOST_HALF_OPEN or self._is_full_for(remote):
            raise Turned(Code.TOO_MANY)
        bound = prologue(account=book.account, host=book.device, remote=remote, epoch=epoch)
        route = HostRoute(Responder(static=book.static, prologue=bound), log=book.log)
        self._half_open += 1
        try:
            async with asyncio.timeout(SHAKE_SECONDS):
                kept, session_id = await self._shake_hands(carrier, route, remote)
        finally:
            self._half_open -= 1
        # Only now is it sure that the device has the epoch's key; meanwhile it may have been expelled.
        carrier.check()
        if self._is_full_for(remote):
            raise Turned(Code.TOO_MANY)
        self._keep(session_id, kept, carrier, route)
        try:
            await pump(carrier, route, kept.streams, kept.bell, self._clock)
        except SessionBroken:
            # What broke the rules is not to be repeated over the next route, nor may it be missing there.
            if self._kept.get(session_id) is kept:
                del self._kept[session_id]
                kept.streams.lose()
            raise
        finally:
            if kept.carrier is carrier:
                kept.carrier, kept.route, kept.since = None, None, self._clock()
                route.close()

    def _is_full_for(self, remote: bytes) -> bool:
        remotes = self.remotes
        return remote not in remotes and len(remotes) >= MOST_REMOTES

    async def _shake_hands(self, carrier: Carrier, route: HostRoute, remote: bytes) -> tuple[_Kept, bytes]:
        asked = route.asked(await carrier.receive())
        key = self._book.key_of(remote)
        if key is None:
            self._book.look_again()
            # One that has just joined knows more than this log has; "removed" would be wrong.
            is_newer = self._book.agrees(asked.log) is None
            raise Turned(Code.OTHER_EPOCH if is_newer else Code.REVOKED)
        if asked.static != key:
            raise HandshakeFailed
        match self._book.agrees(asked.log):
            case None:
                self._book.look_again()
                raise Turned(Code.OTHER_EPOCH)
            case False:
                logger.warning("A device has seen another history of the account than this computer. It is shut out.")
                raise HandshakeFailed
        session_id = asked.session_id
        kept = self._kept.get(session_id) if session_id is not None else None
        resumes = kept is not None and kept.remote == remote and kept.streams.session.can_resume(asked.rx)
        if kept is None or session_id is None or not resumes:
            kept, session_id, resumes = self._fresh(remote), secrets.token_bytes(16), False
        granted = Granted(session_id, kept.streams.session, resumed=resumes)
        await carrier.send(route.grant(granted, self._book.psk))
        route.receive(await carrier.receive(), self._clock())
        return kept, session_id

    def _fresh(self, remote: bytes) -> _Kept:
        bell = asyncio.Event()

        def requested(stream: int, request: Request) -> None:
            self._serve(Incoming(remote, streams, stream, request))

        streams = Streams(
            Session(host=True),
            bell,
            requested=requested,
            gave_up=lambda stream, reset: self._gave_up(streams, stream, reset),
        )
        return _Kept(remote, streams, bell, self._clock())

    def _keep(self, session_id: bytes, kept: _Kept, carrier: Carrier, route: HostRoute) -> None:
        older, kept.carrier = kept.carrier, carrier
        older_route, kept.route = kept.route, route
        if older is not None and older_route is not None:
            older_route.leave()  # at once: it must not take a frame that the new one shall send
            older.close(Code.SUPERSEDED)
        self._kept[session_id] = kept
        mine = [each for each, other in self._kept.items() if other.remote == kept.remote]
        for surplus in mine[: max(0, len(mine) - MOST_SESSIONS)]:
            gone = self._kept.pop(surplus)
            if gone.carrier is not None:
                gone.carrier.close(Code.TOO_MANY)
            gone.streams.lose()
