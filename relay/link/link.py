"""One WebSocket to the broker that is dialled again whenever it ends, for as long as `run` runs.

    DIALLING ──HELLO, AUTH, READY──▶ READY ──▶ WAITING ──pause──▶ DIALLING

The pause grows from half a second to half a minute, each time by chance between nothing and that, so that a thousand
devices do not come back in the same moment; `wake` ends it at once, and has a connection that is there show that it
is. A broker that is about to restart says when to come back. Where dialling again cannot help (removed, no plan,
another process of this device took over) it is tried once in a minute, since that may change, and after another process
took over once in a quarter of an hour; once in a minute also after `leave`.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from connections.secrets import Secret
from relay.account.keys.device import DeviceKeys, Role
from relay.api import PARENT_HEADER
from relay.authorities import trusted
from relay.protocol import link as wire
from relay.protocol.errors import FrameMalformed, ProtocolError
from relay.protocol.link import PATH, Code, Message, Type

#: Twice what the protocol uses, as the broker has it.
MAX_SIZE: Final = 2 * wire.MAX_MESSAGE
#: Messages that have come and were not taken; beyond, the socket is not read.
MAX_QUEUE: Final = 16
#: Dialling again does not help by itself.
FUTILE: Final = frozenset({Code.REFUSED, Code.REVOKED, Code.NO_PLAN, Code.SUPERSEDED})
# The longest that a broker may ask a device to stay away, in seconds.
_LONGEST_ABSENCE: Final = 120.0


class Phase(StrEnum):
    """Where a link stands."""

    DIALLING = "dialling"
    READY = "ready"
    WAITING = "waiting"


@dataclass(frozen=True)
class LinkState:
    """The phase, since when, and why the last connection ended: a `Code`, or None where there was no answer.

    `failures` counts the diallings in vain since the last connection.
    """

    phase: Phase
    since: datetime
    code: int | None = None
    failures: int = 0


@dataclass(frozen=True)
class Identity:
    """Who dials, and where: `broker` is its address, for example "https://lerix.example.com".

    `parent` is what the embedded broker knows its own Lerix by; for any other it is None.
    """

    broker: str
    account: bytes
    device: DeviceKeys
    role: Role
    parent: Secret | None = None

    @property
    def url(self) -> str:
        """The address of the meeting place."""
        return self.broker.replace("http", "ws", 1) + PATH

    @property
    def host(self) -> str:
        """The name that proofs are made for."""
        return urlsplit(self.broker).hostname or ""


@dataclass(frozen=True)
class Timing:
    """Seconds."""

    open: float = 10.0
    prove: float = 10.0
    #: Longer than the broker's: where it asks first, nobody else needs to.
    ping: float = 18.0
    dead: float = 40.0
    #: After a sleep or a change of network a connection has to answer within so long.
    probe: float = 4.0
    #: A last word is given so long to leave.
    last_word: float = 0.5
    first_pause: float = 0.5
    longest_pause: float = 30.0
    futile_pause: float = 60.0
    #: Two processes of one device would push each other out again and again.
    superseded_pause: float = 900.0
    #: A connection that lasted so long was a good one: the pauses begin small again.
    lasting: float = 30.0


class LinkDown(Exception):
    """There is no connection now; what was to be sent was not sent."""


class Socket(Protocol):
    """What is used of a WebSocket."""

    async def send(self, message: bytes) -> None:
        """Send; waits while the other side does not read."""
        ...

    async def recv(self) -> str | bytes:
        """The next message. Raises ConnectionClosed."""
        ...

    async def close(self, code: int = 1000) -> None:
        """Close."""
        ...


Connect = Callable[[str], Awaitable[Any]]


class Link:
    """A device's link. `handle` is given each message that is not about the link itself, one after the other.

    `told` is given each EVENT of the broker's. `changed` is called after each change of `state`.
    """

    def __init__(
        self,
        identity: Identity,
        handle: Callable[[Message], Awaitable[None]],
        *,
        user_agent: str = "Lerix",
        told: Callable[[Mapping[str, Any]], None] = lambda event: None,
        changed: Callable[[], None] = lambda: None,
        timing: Timing | None = None,
        dial: Connect | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.identity = identity
        self.state = LinkState(Phase.WAITING, datetime.now(UTC))
        self._handle = handle
        self._user_agent = user_agent
        self._tell = told
        self._changed = changed
        self._timing = timing or Timing()
        self._dial = dial or self._connect
        self._clock = clock
        self._chance = chance
        self._socket: Socket | None = None
        self._wake = asyncio.Event()
        self._failures = 0
        self._left = False
        # What waits for the next message, and whether one must come soon.
        self._waiting: asyncio.Timeout | None = None
        self._probing = False
        # When the broker said to come back: (seconds from now, spread).
        self._back: tuple[float, float] | None = None

    def wake(self) -> None:
        """The network is another one, the computer woke up, a person asks: dial now if it is waiting.

        A connection that is there must answer soon: after a sleep it may be gone and nobody has said so.
        """
        self._left = False
        if self._socket is None:
            self._wake.set()
        elif self._waiting is not None and not self._probing and not self._waiting.expired():
            self._probing = True
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def leave(self, code: Code) -> None:
        """Say this last word, and stay away until `wake`, or for a minute. Harmless without a connection."""
        self._left = True
        with contextlib.suppress(LinkDown, TimeoutError):
            async with asyncio.timeout(self._timing.last_word):
                await self.send(wire.close(0, code))

    async def send(self, message: Message) -> None:
        """Send a message; waits while the broker does not read. Raises LinkDown."""
        socket = self._socket
        if socket is None:
            raise LinkDown
        try:
            await socket.send(message.encode())
        except ConnectionClosed:
            raise LinkDown from None

    async def run(self) -> None:
        """Keep the link until cancelled."""
        failures = 0
        while True:
            self._wake.clear()
            self._set(Phase.DIALLING, self.state.code)
            begun = self._clock()
            code = await self._once()
            if self._probing:
                self._wake.set()  # it did not answer: the pause is for those who were not woken
            if self._clock() - begun >= self._timing.lasting:
                failures = 0
            self._set(Phase.WAITING, code)
            await self._pause(code, failures)
            failures += 1

    # One connection

    async def _once(self) -> int | None:
        """Dial, prove, and take messages until the end. Returns the code that the broker gave, if any."""
        self._probing = False
        self._failures += 1  # unless it comes to READY
        try:
            socket: Socket = await self._dial(self.identity.url)
        except (OSError, InvalidHandshake, InvalidURI, TimeoutError):
            return None
        code: int | None = Code.DONE
        try:
            await self._prove(socket)
            self._socket = socket
            self._wake.clear()
            self._failures = 0
            self._set(Phase.READY)
            await self._listen(socket)
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd is not None else None
        except ProtocolError as error:
            code = error.code
        except TimeoutError:
            code = None
        finally:
            self._socket = None
            await socket.close()
        return code

    async def _prove(self, socket: Socket) -> None:
        async with asyncio.timeout(self._timing.prove):
            hello = await _next(socket)
            if hello.type is not Type.HELLO:
                raise FrameMalformed
            who = self.identity
            proof = who.device.prove(nonce=hello.payload, account=who.account, role=who.role, host=who.host)
            claim = who.account + who.device.id + bytes((int(who.role),)) + proof
            await socket.send(Message(Type.AUTH, 0, claim).encode())
            if (await _next(socket)).type is not Type.READY:
                raise FrameMalformed

    async def _listen(self, socket: Socket) -> None:
        heard, seconds = self._clock(), self._timing.ping
        while True:
            try:
                async with asyncio.timeout(seconds) as self._waiting:
                    message = await _next(socket)
            except TimeoutError:
                if seconds != self._timing.ping or self._clock() - heard >= self._timing.dead - self._timing.ping:
                    raise
                if self._probing:
                    seconds = self._timing.probe
                await socket.send(Message(Type.PING, 0, bytes(8)).encode())
                continue
            finally:
                self._waiting = None
            heard, seconds, self._probing = self._clock(), self._timing.ping, False
            if message.type is Type.PING:
                await socket.send(Message(Type.PONG, 0, message.payload).encode())
            elif message.type is Type.EVENT:
                self._told(wire.read_event(message.payload))
            elif message.type in {Type.HELLO, Type.AUTH, Type.READY}:
                raise FrameMalformed
            elif message.type is not Type.PONG:
                await self._handle(message)

    def _told(self, event: dict[str, Any]) -> None:
        if event.get("kind") == "restarting":
            after, spread = (_seconds(event.get(name)) for name in ("after_ms", "spread_ms"))
            self._back = (after, spread)
        self._tell(event)

    # Between two connections

    async def _pause(self, code: int | None, failures: int) -> None:
        timing = self._timing
        if self._back is not None:
            after, spread = self._back
            self._back = None
            seconds = after + spread * self._chance()
        elif code in FUTILE or self._left:
            self._left = False
            pause = timing.superseded_pause if code == Code.SUPERSEDED else timing.futile_pause
            seconds = pause * (0.75 + self._chance() / 2)
        else:
            seconds = min(timing.longest_pause, timing.first_pause * 2 ** min(failures, 10)) * self._chance()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _connect(self, url: str) -> Any:
        # No proxy of the environment, no compression of what is encrypted; our own pings go through to the
        # application, which those of the protocol do not.
        parent = self.identity.parent
        return await connect(
            url,
            additional_headers={} if parent is None else {PARENT_HEADER: parent.reveal()},
            user_agent_header=self._user_agent,
            open_timeout=self._timing.open,
            close_timeout=2,
            max_size=MAX_SIZE,
            max_queue=MAX_QUEUE,
            ssl=trusted() if url.startswith("wss:") else None,
            compression=None,
            ping_interval=None,
            proxy=None,
        )

    def _set(self, phase: Phase, code: int | None = None) -> None:
        self.state = LinkState(phase, datetime.now(UTC), code, self._failures)
        self._changed()


async def _next(socket: Socket) -> Message:
    data = await socket.recv()
    return wire.decode(data if isinstance(data, bytes) else b"")


def _seconds(value: object) -> float:
    """Milliseconds as the broker says them, within reason."""
    return min(_LONGEST_ABSENCE, value / 1000) if type(value) is int and value >= 0 else 0.0
