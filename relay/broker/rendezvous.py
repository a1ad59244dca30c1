"""Where devices meet: a plain ASGI callable for WebSockets around the switch.

Plain ASGI, because a Channels consumer hands every message to a thread and back: measured at 1.7 to 1.9 thousand
messages a second, against 13 thousand and more like this.

A link is one WebSocket: HELLO goes out, AUTH must come within 5 s, then READY. From there each message is given to the
switch, and what the switch says is put into the outboxes of those it is for; each link has a task that empties its
outbox as fast as its device reads. What an outbox can hold is bounded by the credit that receivers granted, and by a
count of messages besides.
"""

import asyncio
import contextlib
import secrets
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from relay.broker import network
from relay.protocol import link as wire
from relay.protocol.errors import FrameMalformed
from relay.protocol.link import Code, Message, Type
from relay.protocol.switch import End, Link, Out, Send, Switch

#: Seconds.
AUTH_SECONDS: Final = 5.0
PING_SECONDS: Final = 15.0
DEAD_SECONDS: Final = 40.0
TICK_SECONDS: Final = 0.05
FORGET_SECONDS: Final = 300.0
#: A device that does not read is given up with its last words after so long.
LAST_WORDS_SECONDS: Final = 5.0
#: Messages in an outbox that carry no DATA: credit, openings, closings, pings.
MOST_CONTROL: Final = 2048
#: Sockets that have not proved themselves yet, in all and of one network.
MOST_STRANGERS: Final = 256
MOST_OF_NETWORK: Final = 32

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
SendASGI = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Claim:
    """What AUTH says; `host` is the name by which the broker was addressed, `nonce` the one of HELLO."""

    account: bytes
    device: bytes
    role: int
    nonce: bytes
    host: str
    proof: bytes


#: Says whether a claim holds, and the account's plan has the relay: None, or why not.
Check = Callable[[Claim], Awaitable[Code | None]]


class Attendance(Protocol):
    """Whoever wants to know of links that come and go; each is told once of either, and must not wait."""

    def came(self, link: Link) -> None:
        """A device has proved itself."""
        ...

    def went(self, link: Link, code: Code) -> None:
        """Its link has ended: by its own last word, by a code of the broker's, or with DONE for no word at all."""
        ...


class _Outbox:
    """What a link's device shall be sent, in order."""

    def __init__(self) -> None:
        self.messages: deque[bytes] = deque()
        self.control = 0
        self.code: Code | None = None
        #: When something came last.
        self.heard = 0.0
        self._bell = asyncio.Event()

    def put(self, message: Message) -> bool:
        """Returns False if the device has let too much pile up."""
        if message.type is not Type.DATA:
            self.control += 1
        self.messages.append(message.encode())
        self._bell.set()
        return self.control <= MOST_CONTROL

    def finish(self, code: Code) -> None:
        if self.code is None:
            self.code = code
            self._bell.set()

    async def take(self) -> bytes | None:
        """The next message, or None after the last one."""
        while not self.messages:
            if self.code is not None:
                return None
            self._bell.clear()
            await self._bell.wait()
        message = self.messages.popleft()
        if message[0] != Type.DATA:
            self.control -= 1
        return message


class Rendezvous:
    """The ASGI application for the links of all accounts; run `keep` beside it."""

    def __init__(
        self, check: Check, *, switch: Switch | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.switch = switch or Switch()
        self._check = check
        self._clock = clock
        self._outboxes: dict[Link, _Outbox] = {}
        self._strangers: Counter[str] = Counter()
        self._closing = False
        self._attendance: Attendance | None = None
        self._attending: set[Link] = set()

    def attend(self, attendance: Attendance) -> None:
        """Tell `attendance` of all links from now on."""
        self._attendance = attendance

    async def __call__(self, scope: Scope, receive: Receive, send: SendASGI) -> None:
        if (await receive())["type"] != "websocket.connect":
            return
        place = network.of_scope(scope)
        full = self._strangers.total() >= MOST_STRANGERS or self._strangers[place] >= MOST_OF_NETWORK
        if self._closing or full:
            await send({"type": "websocket.close", "code": Code.RESTARTING if self._closing else Code.TOO_MANY})
            return
        self._strangers[place] += 1
        try:
            await send({"type": "websocket.accept"})
            link = await self._admit(scope, receive, send)
        finally:
            self._strangers[place] -= 1
            if not self._strangers[place]:
                del self._strangers[place]
        if link is not None:
            await self._serve(link, receive, send)

    async def keep(self) -> None:
        """Pass on credit that was held back, and forget idle counters; until cancelled."""
        forget = self._clock() + FORGET_SECONDS
        while True:
            await asyncio.sleep(TICK_SECONDS if self.switch.is_holding else 1.0)
            now = self._clock()
            self._dispatch(self.switch.tick(now))
            if now >= forget:
                self.switch.forget_idle(now)
                forget = now + FORGET_SECONDS

    def present(self) -> list[tuple[bytes, bytes]]:
        """Whose links are here: account and device, each once."""
        return list({(link.account, link.device): None for link in self._outboxes})

    def expel(self, account: bytes, device: bytes | None, code: Code) -> None:
        """End the links of a device, or of a whole account."""
        for link in self.switch.of_account(account):
            if device is None or link.device == device:
                self._dispatch(self.switch.expel(link, code))

    def tell(self, links: Iterable[Link], message: Message) -> None:
        """Send a message of the broker's own over some links, as far as they are still there."""
        self._dispatch([Send(link, message) for link in links])

    async def close(self, *, after: float, spread: float) -> None:
        """Tell everybody to come back, from `after` seconds on, spread over so many; then end all links."""
        self._closing = True
        said = wire.event({"kind": "restarting", "after_ms": int(after * 1000), "spread_ms": int(spread * 1000)})
        for link, outbox in list(self._outboxes.items()):
            outbox.put(said)
            self._dispatch(self.switch.expel(link, Code.RESTARTING))

    # One link

    async def _admit(self, scope: Scope, receive: Receive, send: SendASGI) -> Link | None:
        """Have the device prove itself. Returns None where it did not; the socket is closed then."""
        nonce = secrets.token_bytes(32)
        code: Code | None = Code.REFUSED
        try:
            async with asyncio.timeout(AUTH_SECONDS):
                # One that does not even read this has no more time than the others.
                await send({"type": "websocket.send", "bytes": Message(Type.HELLO, 0, nonce).encode()})
                claim = _claim(await receive(), nonce, _host(scope))
                if claim is None:
                    return None
                code = await self._check(claim)
        except FrameMalformed:
            code = Code.MALFORMED
        except TimeoutError:
            code = Code.REFUSED
        else:
            if code is None:
                link, outs = self.switch.join(claim.account, claim.device, claim.role)
                if link is not None:
                    self._outboxes[link] = _Outbox()
                self._dispatch(outs)
                if link is not None:
                    self._came(link)
                    return link
                code = Code.TOO_MANY
        await send({"type": "websocket.close", "code": int(code or Code.REFUSED)})
        return None

    async def _serve(self, link: Link, receive: Receive, send: SendASGI) -> None:
        outbox = self._outboxes[link]
        writing = asyncio.create_task(self._write(outbox, send))
        outbox.heard = self._clock()
        reading = asyncio.create_task(self._read(link, outbox, receive))
        listening = asyncio.create_task(self._listen(outbox, reading))
        try:
            await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
            if not writing.done():
                # The device is gone, or the switch ended it and its last words may still get through.
                self._dispatch(self.switch.leave(link))
                self._went(link, Code.DONE)
                outbox.finish(Code.DONE)
                await asyncio.wait({writing}, timeout=LAST_WORDS_SECONDS)
        finally:
            self._dispatch(self.switch.leave(link))
            self._went(link, Code.DONE)
            del self._outboxes[link]
            for task in (reading, writing, listening):
                task.cancel()
            await asyncio.gather(reading, writing, listening, return_exceptions=True)

    async def _read(self, link: Link, outbox: _Outbox, receive: Receive) -> None:
        """Give what comes to the switch, until the socket closes or the link ends."""
        while outbox.code is None:
            event = await receive()
            heard = outbox.heard = self._clock()
            if event["type"] == "websocket.disconnect":
                return
            try:
                message = wire.decode(event.get("bytes") or b"")
            except FrameMalformed:
                self._dispatch(self.switch.expel(link, Code.MALFORMED))
                return
            self._dispatch(self.switch.receive(link, message, heard))

    async def _listen(self, outbox: _Outbox, reading: asyncio.Task[None]) -> None:
        """Ask a device that is silent for a sign of life; where none comes, stop reading.

        Beside the reading and not around each message, where a time-out was a tenth of what a message took. Looked at
        so often that one is given up 32 s after its last word at the latest.
        """
        while True:
            await asyncio.sleep(PING_SECONDS / 2)
            silent = self._clock() - outbox.heard
            if silent > DEAD_SECONDS - PING_SECONDS:
                reading.cancel()
                return
            if silent >= PING_SECONDS:
                outbox.put(Message(Type.PING, 0, secrets.token_bytes(8)))

    async def _write(self, outbox: _Outbox, send: SendASGI) -> None:
        """Send what is in the outbox as fast as the device takes it, then the closing code."""
        while (message := await outbox.take()) is not None:
            await send({"type": "websocket.send", "bytes": message})
        with contextlib.suppress(Exception):  # it may be closed from the other side already
            await send({"type": "websocket.close", "code": int(outbox.code or Code.DONE)})

    def _came(self, link: Link) -> None:
        if self._attendance is not None:
            self._attending.add(link)
            self._attendance.came(link)

    def _went(self, link: Link, code: Code) -> None:
        # By whichever comes first: the end that was decided on, or the socket's.
        if self._attendance is not None and link in self._attending:
            self._attending.discard(link)
            self._attendance.went(link, code)

    def _dispatch(self, outs: Iterable[Out]) -> None:
        for out in outs:
            outbox = self._outboxes.get(out.link)
            if outbox is None:
                continue
            match out:
                case End(link, code):
                    outbox.finish(code)
                    self._went(link, code)
                case Send(link, message):
                    if not outbox.put(message):
                        self._dispatch(self.switch.expel(link, Code.TOO_MANY))


def _claim(event: MutableMapping[str, Any], nonce: bytes, host: str) -> Claim | None:
    """Read AUTH; None if the socket closed. Raises FrameMalformed."""
    if event["type"] != "websocket.receive":
        return None
    message = wire.decode(event.get("bytes") or b"")
    if message.type is not Type.AUTH:
        raise FrameMalformed
    payload = message.payload
    return Claim(payload[:16], payload[16:32], payload[32], nonce, host, payload[33:])


def _host(scope: Scope) -> str:
    """The name in the Host header, without its port and the dot that may end it; as `calls.host_of` has it."""
    headers = dict(scope.get("headers", ()))
    text: str = headers.get(b"host", b"").decode("latin-1").lower()
    return text.rpartition("]")[0].strip("[") if text.startswith("[") else text.partition(":")[0].removesuffix(".")
