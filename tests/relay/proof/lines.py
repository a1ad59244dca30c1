"""The line between a computer and the broker: it records what passes, and can be slow, cut, silent or dead."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

_RESET = struct.pack("ii", 1, 0)


def unmasked(stream: bytes) -> bytes:
    """What a client sent, in plain: the frames of a WebSocket carry a mask, under which nothing would be found.

    A stream of requests is given back as it is.
    """
    head, blank, rest = stream.partition(b"\r\n\r\n")
    if b"\r\nupgrade: websocket" not in head.lower():
        return stream
    found = bytearray(head + blank)
    while len(rest) >= 2:
        size, at = rest[1] & 0x7F, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size, at = int.from_bytes(rest[2 : 2 + width], "big"), 2 + width
        mask, content = rest[at : at + 4], rest[at + 4 : at + 4 + size]
        whole = (mask * (len(content) // 4 + 1))[: len(content)]
        found += (int.from_bytes(content, "big") ^ int.from_bytes(whole, "big")).to_bytes(len(content), "big")
        rest = rest[at + 4 + size :]
    return bytes(found)


class Line:
    """A TCP proxy to `target` on this machine.

    `delay` is in seconds for each piece. While `dead` is set new connections are ended at once; while `silent` is set
    nothing passes, and nobody is told.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay = 0.0
        self.cuts = 0
        self.dead = threading.Event()
        self.silent = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        #: All that has passed: a stream for each connection and direction, and whether it goes to the broker.
        self.streams: list[tuple[bool, bytearray]] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """What a computer takes for its broker."""
        return f"http://localhost:{self.port}"

    def heard(self) -> bytes:
        """All that has passed, in both directions, without the masks of WebSockets."""
        return b"".join(unmasked(bytes(stream)) if up else bytes(stream) for up, stream in self.streams)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """End every connection that is open now, every other time by a reset."""
        with self._lock:
            ends, self._open = self._open, set()
            self.cuts += bool(ends)
        for end in ends:
            with contextlib.suppress(OSError):
                if self.cuts % 2:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def cutting(self, seconds: float) -> Iterator[None]:
        """Cut every so often, and a little less often each time: where all is slow, something gets through at last."""
        over = threading.Event()

        def work() -> None:
            pause = seconds
            while not over.wait(pause):
                self.cut()
                pause *= 1.1

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self.dead.is_set():
                    raise ConnectionRefusedError
                far = socket.create_connection(("127.0.0.1", self.target), timeout=30)
                far.settimeout(None)
            except OSError:
                near.close()
                continue
            for end in (near, far):
                # Each piece at once, as without a line between: the delay is ours to choose.
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                # Died meanwhile: whoever cut it did not see these.
                ends = set() if self.dead.is_set() else {near, far}
                self._open |= ends
            if not ends:
                near.close()
                far.close()
                continue
            for source, sink in ((near, far), (far, near)):
                taken = bytearray()
                self.streams.append((source is near, taken))
                threading.Thread(target=self._carry, args=(source, sink, taken), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, taken: bytearray) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                taken += data
                if self.delay:
                    time.sleep(self.delay)
                while self.silent.is_set():
                    time.sleep(0.01)
                sink.sendall(data)
        with self._lock:
            self._open -= {source, sink}
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
