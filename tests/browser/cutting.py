"""What breaks between a browser, a server and a model, made to happen on purpose."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time
from types import TracebackType
from typing import Self

from tests.upstream import Gate, Reply

CHUNK = 65_536
LINGER_ZERO = struct.pack("ii", 1, 0)


def free_port() -> int:
    """A port that nobody listens on now, and that systems give to nobody meanwhile: those are higher ones."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


class Talker:
    """An answer whose words leave the stand-in one by one at known moments.

    ``words`` come at most ``pause`` seconds apart, grouped in paragraphs of ten.
    """

    def __init__(self, words: int, pause: float) -> None:
        self.words = [f"w{number}" + ("\n\n" if number % 10 == 9 else " ") for number in range(words)]
        self.pause = pause
        self.moments: list[float] = []
        self._gate = Gate()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._talk, daemon=True)

    @property
    def reply(self) -> Reply:
        """What to hand to the stand-in."""
        return Reply(chunks=self.words, gate=self._gate)

    @property
    def whole(self) -> list[str]:
        """All words."""
        return "".join(self.words).split()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._gate.open()

    def begin(self) -> None:
        """Wait until it is asked, then start to talk."""
        self._gate.wait_held()
        self._thread.start()

    def finish(self) -> None:
        """Say all the rest at once."""
        self._stop.set()
        self._thread.join()
        self._gate.open()

    def said_by(self, moment: float) -> int:
        """How many words had left at that moment of ``time.monotonic``."""
        return sum(said <= moment for said in list(self.moments))

    def _talk(self) -> None:
        while len(self.moments) < len(self.words) and not self._stop.wait(self.pause):
            self._gate.step()
            self.moments.append(time.monotonic())


class CuttingProxy:
    """A TCP proxy to Lerix that cuts event streams after a random number of bytes while ``cutting`` is set.

    With each cut the next may come a little later: what a page lacks grows while it is cut off, and comes as a whole.

    While ``offline`` is set every new connection is ended at once; `sever` ends those that are there.
    Both ports have as many digits, so names of hosts are replaced in the bytes without changing any length.
    """

    def __init__(self, target: int, seed: int, longest: int = 4_000) -> None:
        self.target = target
        self.cutting = threading.Event()
        self.offline = threading.Event()
        self.cuts = 0
        self._random = random.Random(seed)
        self._longest = longest
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ours, self._theirs = (f"localhost:{port}".encode() for port in (self.port, target))
        assert len(self._ours) == len(self._theirs)
        self._open: set[socket.socket] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.sever()

    def sever(self) -> None:
        """End every connection that is open now."""
        for opened in list(self._open):
            _end(opened)

    def _accept(self) -> None:
        while True:
            try:
                browser, _ = self._listener.accept()
                if self.offline.is_set():
                    browser.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            self._open |= {browser, server}
            pair = _Pair(browser, server)
            threading.Thread(target=self._to_server, args=(pair,), daemon=True).start()
            threading.Thread(target=self._to_browser, args=(pair,), daemon=True).start()

    def _to_server(self, pair: _Pair) -> None:
        with contextlib.suppress(OSError):
            while data := pair.browser.recv(CHUNK):
                if data.startswith(b"GET "):
                    pair.budget = None
                if data.startswith(b"GET /events/") and self.cutting.is_set():
                    pair.budget = self._random.randint(1, self._longest + 500 * self.cuts)
                pair.server.sendall(data.replace(self._ours, self._theirs))
        self._over(pair)

    def _to_browser(self, pair: _Pair) -> None:
        with contextlib.suppress(OSError):
            while data := pair.server.recv(CHUNK):
                if pair.budget is not None and len(data) >= pair.budget:
                    pair.browser.sendall(data[: pair.budget])
                    self.cuts += 1
                    if self.cuts % 2:
                        # Every other time by a reset, which may also throw away what was just sent.
                        pair.browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
                    break
                if pair.budget is not None:
                    pair.budget -= len(data)
                pair.browser.sendall(data.replace(self._theirs, self._ours))
        self._over(pair)

    def _over(self, pair: _Pair) -> None:
        for opened in (pair.browser, pair.server):
            self._open.discard(opened)
            _end(opened)


class _Pair:
    """The two ends of one connection, and how many bytes of an event stream may still pass (None: all)."""

    def __init__(self, browser: socket.socket, server: socket.socket) -> None:
        self.browser = browser
        self.server = server
        self.budget: int | None = None


def _end(opened: socket.socket) -> None:
    with contextlib.suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)
    opened.close()
