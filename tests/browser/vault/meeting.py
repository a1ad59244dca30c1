"""A broker and a host in a thread of their own, for a browser that dials the broker by a real WebSocket.

The switch and the host's side are the real ones; what stands in for the broker's own server can cut, change, hold back
and refuse what passes through it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from relay.account.keys.device import DevicePublic, Role, check_proof
from relay.account.keys.errors import KeysError
from relay.account.keys.holders import WorkspaceKey
from relay.account.keys.workspace import WorkspaceKeys
from relay.link.host import Host, Incoming
from relay.link.link import LinkDown
from relay.link.streams import StreamEnded, Streams
from relay.protocol import link as wire
from relay.protocol.headers import Answer
from relay.protocol.link import Code, Message, Type
from relay.protocol.route import Log
from relay.protocol.switch import HOST, REMOTE, End, Link, Out, Switch
from tests.relay.link.wire import ACCOUNT, FREE, MAC, Notes

WORKSPACE = [bytes([number]) * 32 for number in (30, 31, 32, 33)]
Result = TypeVar("Result")


def psk(epoch: int) -> bytes:
    """The pre-shared key of an epoch."""
    keys = WorkspaceKeys(tuple(WorkspaceKey(key) for key in WORKSPACE))
    return keys.relay_psk(epoch).reveal()


@dataclass
class _Phone:
    """The browser's connection."""

    socket: ServerConnection
    link: Link
    out: asyncio.Queue[Message | Code] = field(default_factory=asyncio.Queue)


class Meeting:
    """Runs from `with` to its end; `url` is what the browser takes for the broker's origin."""

    def __init__(self) -> None:
        self.notes = Notes(epoch=3, psk=psk(3))
        self.phone_key: DevicePublic | None = None
        #: What the broker closes with instead of READY.
        self.refuses: Code | None = None
        #: Every so many messages of the browser's link it is cut, or a byte of a DATA changed; 0 for never.
        self.cut_every = self.change_every = 0
        #: Nothing that comes is answered.
        self.is_silent = False
        self.dialled = self.opened = self.passed = self.data = self.produced = 0
        self.executed: Counter[str] = Counter()
        self.given_up: list[tuple[int, bool]] = []
        self.problems: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._phone: _Phone | None = None
        self._mac: Link | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.url = self.do(self._start())
        self.do(self.mac_up())
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do something in the broker's thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def soon(self, test: Callable[[], object]) -> None:
        """Wait until something is so. Raises AssertionError after 30 s."""
        for _ in range(6000):
            if test():
                return
            threading.Event().wait(0.005)
        raise AssertionError("it never came to that")

    # What happens to the two

    async def mac_up(self) -> None:
        """The host dials, and the browser is told."""
        self._mac, outs = self.switch.join(ACCOUNT, MAC, HOST)
        self._dispatch(outs)
        self._tell(online=True)

    async def mac_down(self, *, why: str | None = "asleep", since: int | None = 1_790_000_000) -> None:
        """The host's link ends, and the browser is told."""
        mac, self._mac = self._mac, None
        if mac is not None:
            self._dispatch(self.switch.leave(mac, Code.NO_HOST))
            self.host.link_down()
        self._tell(online=False, since=since, why=why)

    async def cut(self) -> None:
        """The browser's link ends without a word."""
        if self._phone is not None:
            self._phone.socket.transport.abort()

    async def forget(self) -> None:
        """The host forgets all sessions, as after a restart, and the link is cut."""
        self.host.link_down()
        self.host._kept.clear()
        await self.cut()

    async def leave(self, code: Code) -> None:
        """The host ends all routes with a code, and its link."""
        self.host.expel(code=code)
        await self.host.said_goodbye(20)
        await self.mac_down(why="off")

    async def expel(self, code: Code) -> None:
        """The broker ends the browser's link."""
        if self._phone is not None:
            self._dispatch(self.switch.expel(self._phone.link, code))

    # Inside

    async def _start(self) -> str:
        self.switch = Switch(FREE)
        self.host = Host(
            _Mac(self), self.notes, self._serve, gave_up=lambda streams, stream, reset: self._gave_up(stream, reset)
        )
        self._server = await serve(self._admit, "127.0.0.1", 0, compression=None, close_timeout=0.1)
        return f"http://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"

    async def _stop(self) -> None:
        self._server.close(close_connections=True)
        await self.host.aclose()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _admit(self, socket: ServerConnection) -> None:
        self.dialled += 1
        nonce = secrets.token_bytes(32)
        await socket.send(Message(Type.HELLO, 0, nonce).encode())
        with contextlib.suppress(ConnectionClosed):
            claim = wire.decode(_bytes(await socket.recv()))
            if not self._is_proved(claim, nonce):
                await socket.close(Code.REFUSED)
            elif self.refuses is not None:
                await socket.close(self.refuses)
            else:
                await self._meet(socket, claim.payload[16:32])

    def _is_proved(self, claim: Message, nonce: bytes) -> bool:
        payload = claim.payload
        if claim.type is not Type.AUTH or self.phone_key is None or payload[32] != Role.REMOTE:
            return False
        try:
            check_proof(
                self.phone_key, payload[33:], nonce=nonce, account=payload[:16], role=Role.REMOTE, host="127.0.0.1"
            )
        except KeysError:
            return False
        return payload[:32] == ACCOUNT + self.phone_key.id

    async def _meet(self, socket: ServerConnection, device: bytes) -> None:
        link, outs = self.switch.join(ACCOUNT, device, REMOTE)
        assert link is not None
        phone = self._phone = _Phone(socket, link)
        self._dispatch(outs)
        self._tell(online=self._mac is not None, why=None if self._mac is not None else "lost")
        writing = asyncio.create_task(self._write(phone))
        try:
            async for data in socket:
                if self._passes():
                    continue
                message = wire.decode(_bytes(data))
                self.opened += message.type is Type.OPEN
                self._dispatch(self.switch.receive(link, message, self._loop.time()))
        finally:
            writing.cancel()
            self._dispatch(self.switch.leave(link))
            if self._phone is phone:
                self._phone = None

    async def _write(self, phone: _Phone) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = await phone.out.get()
                if isinstance(message, Code):
                    await phone.socket.close(message)
                elif not self._passes():
                    await phone.socket.send(self._changed(message).encode())

    def _passes(self) -> bool:
        """Count a message of the browser's link. Returns True where it does not get through."""
        self.passed += 1
        if self.cut_every and self.passed % self.cut_every == 0 and self._phone is not None:
            self._phone.socket.transport.abort()
            return True
        return self.is_silent

    def _changed(self, message: Message) -> Message:
        self.data += message.type is Type.DATA
        if message.type is not Type.DATA or not self.change_every or self.data % self.change_every:
            return message
        payload = bytearray(message.payload)
        payload[self.data % len(payload)] ^= 1
        return Message(Type.DATA, message.route, bytes(payload))

    def _tell(self, *, online: bool, since: int | None = None, why: str | None = None) -> None:
        if self._phone is not None:
            host = {"id": MAC.hex(), "online": online, "since": since, "why": why}
            self._phone.out.put_nowait(wire.event({"kind": "presence", "hosts": [host]}))

    def _dispatch(self, outs: list[Out]) -> None:
        for out in outs:
            phone = self._phone
            if phone is not None and out.link is phone.link:
                phone.out.put_nowait(out.code if isinstance(out, End) else out.message)
            elif out.link is self._mac and not isinstance(out, End):
                self._spawn(self.host.handle(out.message))

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.problems.append(repr(error))

    def _gave_up(self, stream: int, reset: bool) -> None:
        self.given_up.append((stream, reset))

    # What the host answers

    def _serve(self, incoming: Incoming) -> None:
        self._spawn(self._answer(incoming))

    async def _answer(self, incoming: Incoming) -> None:
        streams, stream = incoming.streams, incoming.stream
        path, _, number = incoming.request.path.partition("?")
        with contextlib.suppress(StreamEnded):
            if path == "/reset":
                streams.give_up(stream, 2)
            elif path == "/long":
                streams.answer(stream, Answer(200))
                await self._long(streams, stream, int(number))
            elif path == "/echo":
                await self._echo(incoming)
            elif path == "/empty":
                streams.answer(stream, Answer(204, (("x-who", "mac"), ("x-who", "again"))))
                streams.end(stream)

    async def _echo(self, incoming: Incoming) -> None:
        """Answer with what was sent, three times, in pieces."""
        streams, stream, parts = incoming.streams, incoming.stream, []
        while data := await streams.read(stream):
            parts.append(data)
        body = b"".join(parts)
        self.executed[incoming.request.idem or ""] += 1
        streams.answer(stream, Answer(200, (("x-sha256", hashlib.sha256(body).hexdigest()),)))
        for _ in range(3):
            for start in range(0, len(body), 7000):
                await streams.write(stream, body[start : start + 7000])
        streams.end(stream)

    async def _long(self, streams: Streams, stream: int, kib: int) -> None:
        self.produced = 0
        for _ in range(kib):
            await streams.write(stream, bytes(1024))
            self.produced += 1
        streams.end(stream)


class _Mac:
    """The host's link to the switch."""

    def __init__(self, meeting: Meeting) -> None:
        self._meeting = meeting

    async def send(self, message: Message) -> None:
        """Raises LinkDown."""
        await asyncio.sleep(0)
        meeting = self._meeting
        if meeting._mac is None:
            raise LinkDown
        meeting._dispatch(meeting.switch.receive(meeting._mac, message, meeting._loop.time()))


def _bytes(data: str | bytes) -> bytes:
    assert isinstance(data, bytes)
    return data


LOG = Log(7, b"h" * 32)
