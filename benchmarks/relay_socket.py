"""A bare WebSocket client: it costs as little as it can, so that what is measured is the server between two of them."""

from __future__ import annotations

import asyncio
import base64
import os
import struct
from collections.abc import Callable
from typing import Final

from relay.account.keys.device import DeviceKeys, Role
from relay.protocol import link as wire
from relay.protocol.link import PATH, Message, Type

SECONDS: Final = 30.0
_BINARY: Final = 0x82
_MASK: Final = bytes.fromhex("5af01e9c")


class Socket(asyncio.Protocol):
    """One connection. `took` is called with each message that comes."""

    def __init__(self, port: int, path: str, took: Callable[[bytes], None]) -> None:
        self.took = took
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = _request(port, path)
        self._held = b""
        self._transport: asyncio.WriteTransport | None = None

    @classmethod
    async def open(cls, port: int, path: str = "/", took: Callable[[bytes], None] = lambda message: None) -> Socket:
        """Connect to a port of this machine."""
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: cls(port, path, took), "127.0.0.1", port)
        async with asyncio.timeout(SECONDS):
            await made.opened
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - for the type checker
        self._transport = transport
        transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("the server hung up"))

    def data_received(self, data: bytes) -> None:
        data = self._held + data
        at = 0
        if not self.opened.done():
            at = data.find(b"\r\n\r\n") + 4
            if at < 4:
                self._held = data
                return
            if not data.startswith(b"HTTP/1.1 101"):
                self.opened.set_exception(ConnectionError(data[:100].decode("latin-1")))
                return
            self.opened.set_result(None)
        while len(data) - at >= 2:
            head, size = 2, data[at + 1]
            if size == 126:
                head, size = 4, int.from_bytes(data[at + 2 : at + 4], "big")
            end = at + head + size
            if end > len(data):
                break
            if data[at] == _BINARY:
                self.took(data[at + head : end])
            at = end
        self._held = data[at:]

    def write(self, frames: bytes) -> None:
        """Send what `frame` made."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("the server hung up")
        self._transport.write(frames)

    def close(self) -> None:
        """Leave."""
        if self._transport is not None:
            self._transport.abort()


def frame(content: bytes) -> bytes:
    """One message as a client has to send it: masked."""
    size = len(content)
    length = struct.pack("!BB", _BINARY, 0x80 | size) if size < 126 else struct.pack("!BBH", _BINARY, 0x80 | 126, size)
    key = (_MASK * (size // 4 + 1))[:size]
    masked = (int.from_bytes(content, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return length + _MASK + masked


async def prove(port: int, account: bytes, device: DeviceKeys, role: Role) -> Socket:
    """Dial a broker and prove a device. Returns a socket that is let in, and that answers the broker's pings."""
    said: asyncio.Queue[Message] = asyncio.Queue()
    socket = await Socket.open(port, PATH, lambda data: said.put_nowait(wire.decode(data)))
    async with asyncio.timeout(SECONDS):
        hello = await said.get()
        proof = device.prove(nonce=hello.payload, account=account, role=role, host="localhost")
        claim = account + device.id + bytes((int(role),)) + proof
        socket.write(frame(Message(Type.AUTH, 0, claim).encode()))
        if (await said.get()).type is not Type.READY:
            raise ConnectionError("the broker did not let the device in")
    socket.took = lambda data: answer(socket, data)
    return socket


def answer(socket: Socket, data: bytes) -> None:
    """What an idle link says: PONG."""
    if data[0] == Type.PING:
        socket.write(frame(Message(Type.PONG, 0, wire.decode(data).payload).encode()))


def _request(port: int, path: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    fields = {
        "Host": f"localhost:{port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
    }
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
