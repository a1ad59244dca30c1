"""A WebSocket client that does exactly what a test says, and no more (RFC 6455)."""

import base64
import os
import socket
import struct
from collections.abc import Mapping
from types import TracebackType
from typing import Self

TEXT, BINARY, CLOSE = 1, 2, 8


class Client:
    """One handshake on a connection of its own, as a context manager; leaving it just closes the connection.

    ``status`` is the answer's code: 101 if the socket is open.
    """

    def __init__(self, port: int, path: str, headers: Mapping[str, str] | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        fields = {
            "Host": f"localhost:{port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            **(headers or {}),
        }
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        self.socket.sendall("\r\n".join(lines).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            part = self.socket.recv(1)
            if not part:
                break
            head += part
        self.status = int(head.split(b" ", 2)[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, content: bytes, opcode: int = BINARY) -> None:
        """Send one message in one frame, masked with zeros."""
        size = len(content)
        if size < 126:
            length = struct.pack("!B", 0x80 | size)
        elif size < 65536:
            length = struct.pack("!BH", 0x80 | 126, size)
        else:
            length = struct.pack("!BQ", 0x80 | 127, size)
        self.socket.sendall(bytes([0x80 | opcode]) + length + bytes(4) + content)

    def receive(self) -> bytes:
        """Return the content of the next text or binary message; the server sends each in one frame."""
        while True:
            opcode, content = self._frame()
            if opcode in {TEXT, BINARY}:
                return content

    def close_code(self) -> int:
        """Read on until the server closes the socket; return the code it gives."""
        while True:
            opcode, content = self._frame()
            if opcode == CLOSE:
                return int.from_bytes(content[:2], "big")

    def _frame(self) -> tuple[int, bytes]:
        first, size = self._exactly(2)
        if size == 126:
            (size,) = struct.unpack("!H", self._exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._exactly(8))
        return first & 0x0F, self._exactly(size)

    def _exactly(self, count: int) -> bytes:
        content = b""
        while len(content) < count:
            part = self.socket.recv(count - len(content))
            if not part:
                raise ConnectionError("the server closed the connection")
            content += part
        return content
