"""A remote device's way to one host: a session that outlives routes, and what is asked over it."""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

from relay.link.carrier import Carrier, RouteClosed, Sender, pump
from relay.link.link import LinkDown
from relay.link.streams import StreamEnded, Streams
from relay.protocol.errors import PeerForgot, ProtocolError, SessionBroken
from relay.protocol.headers import Answer, Request
from relay.protocol.link import Code, Message, Type, close
from relay.protocol.noise import Initiator
from relay.protocol.route import Log, RemoteRoute, prologue
from relay.protocol.session import Session

#: Seconds.
OPEN_SECONDS: Final = 10.0
#: A route gets new keys, and its device is looked up again, so often.
ROUTE_SECONDS: Final = 3300.0
FIRST_PAUSE: Final = 0.25
#: The host will not go on with this session.
GONE: Final = frozenset({Code.REFUSED, Code.REVOKED, Code.RELAY_OFF, Code.CLOSED, Code.SIGNED_OUT, Code.NO_PLAN})
LONGEST_PAUSE: Final = 15.0
#: Until the end of an answer has come of which all else is here.
FINISH_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Terms:
    """What both sides must mean alike, and this device's key; ids 16 bytes, keys 32."""

    account: bytes
    host: bytes
    remote: bytes
    epoch: int
    host_key: bytes
    static: bytes = field(repr=False)
    psk: bytes = field(repr=False)
    log: Log

    @property
    def prologue(self) -> bytes:
        """What the handshake is bound to."""
        return prologue(account=self.account, host=self.host, remote=self.remote, epoch=self.epoch)


class Reply:
    """The beginning of an answer, and its body to read once; `aclose` gives up what was not read."""

    def __init__(self, streams: Streams, stream: int, answer: Answer) -> None:
        self.answer = answer
        self._streams = streams
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body. Raises StreamEnded."""
        while data := await self._streams.read(self._stream):
            yield data

    async def aclose(self) -> None:
        """Tell the host that nobody reads on."""
        self._streams.give_up(self._stream)

    async def finish(self) -> None:
        """Read to the end, which is all that is missing: a host counts what is given up. In vain for a while only."""
        try:
            async with asyncio.timeout(FINISH_SECONDS):
                while await self._streams.read(self._stream):
                    pass
        except (StreamEnded, TimeoutError):
            pass
        finally:
            self._streams.give_up(self._stream)


class Remote:
    """One host, as this device reaches it over `link`.

    `terms` is asked before each route; `peer_log` is called with what the host has seen of the device log;
    `changed` after each change of `connected` and `code`, which says why there is no route.
    """

    def __init__(
        self,
        link: Sender,
        terms: Callable[[], Terms],
        *,
        numbers: "itertools.count[int]",
        peer_log: Callable[[Log], None] = lambda log: None,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.connected = False
        self.code: int | None = None
        self._link = link
        self._terms = terms
        self._numbers = numbers
        self._peer_log = peer_log
        self._changed = changed
        self._clock = clock
        self._chance = chance
        self._bell = asyncio.Event()
        self._wake = asyncio.Event()
        self._carrier: Carrier | None = None
        self._streams: Streams | None = None
        self._session_id: bytes | None = None
        self._ready = asyncio.Event()
        self._away = False

    # The link's side

    def takes(self, message: Message) -> bool:
        """Take a message of the link if it is about this host's route; says whether it is."""
        if self._carrier is None or message.route != self._carrier.number:
            return False
        self._carrier.feed(message)
        return True

    def wake(self) -> None:
        """Try now: the link is ready, or a person asks."""
        self._wake.set()

    def present(self, *, online: bool | None) -> None:
        """What the broker says of the host: on line (now, perhaps again), not on line, or nothing that is known.

        One that is on line is tried at once, one that is not only now and then: its coming will be told.
        """
        self._away = online is False
        if online and not self.connected:
            self.wake()

    def link_down(self, code: int | None = None) -> None:
        """The link is gone, and its routes with it; where the broker shut this device out, the session too."""
        if self._carrier is not None:
            self._carrier.close(Code.DONE if code is None else code)
        if code in GONE:
            # Between two routes there is none whose end would say it.
            self.code = code
            self._lose(is_final=True)

    async def run(self) -> None:
        """Keep a route to the host until cancelled."""
        failures = 0
        try:
            while True:
                self._wake.clear()
                begun = self._clock()
                code: int | None = Code.DONE
                try:
                    await self._route()
                except RouteClosed as closed:
                    code = closed.code
                except LinkDown:
                    # That there is no link now does not undo that this device was shut out.
                    code = self.code if self.code in GONE else None
                except ProtocolError as error:
                    code = error.code
                    if isinstance(error, SessionBroken):
                        self._lose()
                except TimeoutError:
                    code = Code.NO_HOST
                if code in GONE:
                    self._lose(is_final=True)
                was_connected = self.connected
                self._say(connected=False, code=code)
                failures = 0 if was_connected and self._clock() - begun > 1 else failures + 1
                if code == Code.DONE and was_connected:
                    continue
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures, 10)) * self._chance()
                if self._away:
                    pause = (LONGEST_PAUSE + pause) / 2
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
        finally:
            # Nobody looks for the host any more: whoever waits for it must not go on waiting.
            self.connected = False
            self._ready.clear()
            if self.code not in GONE:
                self.code = Code.REFUSED
            self._lose(is_final=True)

    async def _route(self) -> None:
        terms = self._terms()
        carrier = self._carrier = Carrier(self._link, next(self._numbers))
        route: RemoteRoute | None = None
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                opening = terms.host + terms.epoch.to_bytes(4, "big")
                await self._link.send(Message(Type.OPEN, carrier.number, opening))
                await carrier.opened()
                route = await self._shake_hands(carrier, terms)
            streams = self._streams
            if streams is None:
                return
            self._say(connected=True, code=None)
            async with asyncio.timeout(ROUTE_SECONDS):
                await pump(carrier, route, streams, self._bell, self._clock)
        except TimeoutError:
            if route is None:
                raise  # the host did not answer
        finally:
            self._carrier = None
            if route is not None:
                route.close()
            with contextlib.suppress(LinkDown):
                await self._link.send(close(carrier.number, Code.DONE))

    async def _shake_hands(self, carrier: Carrier, terms: Terms) -> RemoteRoute:
        session = self._streams.session if self._streams is not None else None
        initiator = Initiator(static=terms.static, host=terms.host_key, psk=terms.psk, prologue=terms.prologue)
        route = RemoteRoute(initiator, log=terms.log, session=session, session_id=self._session_id)
        await carrier.send(route.first())
        answer = await carrier.receive()
        try:
            route.receive(answer, self._clock(), lambda: Session(host=False))
        except PeerForgot:
            self._lose()
            raise
        if not route.resumed:
            self._lose()
        if route.session is not None and self._streams is None:
            self._streams = Streams(route.session, self._bell)
            self._session_id = route.session_id
        if route.peer_log is not None:
            self._peer_log(route.peer_log)
        await carrier.send(route.confirm())
        return route

    def _lose(self, *, is_final: bool = False) -> None:
        streams, self._streams, self._session_id = self._streams, None, None
        if streams is not None:
            streams.lose(is_final=is_final)

    def _say(self, *, connected: bool, code: int | None) -> None:
        self.connected, self.code = connected, code
        if connected:
            self._ready.set()
        else:
            self._ready.clear()
        self._changed()

    # The application's side

    async def ready(self) -> None:
        """Wait until there is a route."""
        await self._ready.wait()

    async def ask(self, request: Request, body: bytes = b"") -> Reply:
        """Ask, and wait for the answer to begin. Over cuts of the link it goes on by itself.

        Raises StreamEnded where the host gave it up or has lost the session, TooManyStreams, RouteClosed where there
        never was a route.
        """
        streams = self._streams
        if streams is None:
            raise RouteClosed(self.code or Code.NO_HOST)
        stream = streams.open(request)
        try:
            await streams.write(stream, body)
            streams.end(stream)
            return Reply(streams, stream, await streams.answered(stream))
        except (asyncio.CancelledError, StreamEnded):
            streams.give_up(stream)
            raise
