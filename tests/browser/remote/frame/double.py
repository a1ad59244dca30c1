"""A broker's address in front of a real broker and a real Lerix, without the encrypted way between them.

The pages, their headers and their files are the real broker's, but for two modules: the channel and the account, which
fake/ has. What the channel asks goes to the Lerix as if its own browser had asked.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import select
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

FAKE = Path(__file__).parent / "fake"
FAKED = {"lerix/vault/channel.js": FAKE / "channel.js", "lerix/app/account.js": FAKE / "account.js"}
TEST = "/api/1/test/"
MAC = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"
READY: dict[str, Any] = {"phase": "ready", "code": None, "since": None, "why": None}
HOPS = {"connection", "transfer-encoding", "keep-alive", "date", "server"}


@dataclass
class Asked:
    """One request that came to a Mac. `cut` is set when the browser gave it up."""

    mac: str
    method: str
    path: str
    headers: dict[str, str]
    idem: str | None
    body: bytes
    cut: threading.Event = field(default_factory=threading.Event)


class Double(ThreadingHTTPServer):
    """Serves until the end of a `with`; `url` has no slash at its end."""

    daemon_threads = True

    def __init__(self, broker: str, lerix: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://localhost:{self.server_port}"
        self.broker, self.lerix = urlsplit(broker).netloc, urlsplit(lerix).netloc
        #: What the broker gave, by path.
        self.files: dict[str, tuple[int, dict[str, str], bytes]] = {}
        #: By which the Lerix knows its own browser.
        self.cookie = ""
        self.changed = threading.Condition()
        self.reset()

    def reset(self) -> None:
        """Begin anew: one Mac, which is there."""
        with self.changed:
            self.account: dict[str, Any] | None = {
                "account": "11" * 16,
                "key": "22" * 32,
                "macs": [{"id": MAC, "name": "Ada’s Mac"}],
            }
            self.states = {MAC: READY, OTHER: READY}
            self.asked: list[Asked] = []
            #: What a test answers itself, by path: status, headers and body.
            self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
            #: Answers that are lost on their way back, so many.
            self.lose = 0
            #: What changes something goes on to the Mac while this is set.
            self.hold = threading.Event()
            self.hold.set()
            self.changed.notify_all()

    def away(self, why: str | None = "asleep", mac: str = MAC, code: int = 4404) -> None:
        """The Mac goes away, and what was under way ends."""
        self._state(mac, {"phase": "away", "code": code, "since": 1_700_000_000, "why": why})

    def back(self, mac: str = MAC) -> None:
        """The Mac is there again."""
        self._state(mac, READY)

    def sent(self, path: str) -> list[Asked]:
        """Return what came to the Macs for a path."""
        return [asked for asked in self.asked if asked.path.partition("?")[0] == path]

    def wait_for(self, path: str, seconds: float = 30, mac: str = "") -> None:
        """Wait until something came for a path, to that Mac if one is named."""
        end = time.monotonic() + seconds
        while not any(mac in {"", asked.mac} for asked in self.sent(path)):
            assert time.monotonic() < end, f"nothing came for {path}"
            time.sleep(0.02)

    def _state(self, mac: str, state: dict[str, Any]) -> None:
        with self.changed:
            self.states = {**self.states, mac: state}
            self.changed.notify_all()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Browsers hang up; nothing else fails here unseen, since pages wait for their answers."""


class _Handler(BaseHTTPRequestHandler):
    server: Double
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        faked = next((file for name, file in FAKED.items() if path.endswith(f"/{name}")), None)
        if faked is not None and path.startswith("/static/"):
            headers = {"content-type": "text/javascript; charset=utf-8", "access-control-allow-origin": "*"}
            self._answer(200, headers, faked.read_bytes())
        elif path == f"{TEST}account":
            self._answer(200, {"content-type": "application/json"}, json.dumps(self.server.account).encode())
        elif path == f"{TEST}state":
            self._states(self.path.partition("?")[2])
        else:
            self._forward()

    def do_POST(self) -> None:
        if self.path == f"{TEST}mac":
            self._mac()
        else:
            self._forward()

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def _forward(self) -> None:
        """To the broker, as a proxy on this machine would. Files are kept, for there are many."""
        if (kept := self.server.files.get(self.path)) is not None:
            self._answer(*kept)
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOPS}
        with contextlib.closing(http.client.HTTPConnection(self.server.broker, timeout=60)) as connection:
            connection.request(self.command, self.path, self._body() or None, headers)
            answer = connection.getresponse()
            content = answer.read()
        passed = {name: value for name, value in answer.getheaders() if name.lower() not in HOPS}
        if self.path.startswith("/static/"):
            self.server.files[self.path] = (answer.status, passed, content)
        self._answer(answer.status, passed, content)

    def _states(self, mac: str) -> None:
        self._begin({"content-type": "application/jsonl"})
        told = None
        while True:
            with self.server.changed:
                states = self.server.states
                if states is told:
                    self.server.changed.wait(timeout=20)
                    continue
            online = {each: state["phase"] == "ready" for each, state in states.items()}
            self.wfile.write(json.dumps({"state": states[mac], "online": online}).encode() + b"\n")
            told = states

    def _begin(self, headers: dict[str, str]) -> None:
        """An answer whose end is that of the connection."""
        self.send_response(200)
        self.send_header("connection", "close")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _mac(self) -> None:
        given = json.loads(unquote(self.headers["x-asked"]))
        headers = {name.lower(): value for name, value in given["headers"]}
        asked = Asked(given["mac"], given["method"], given["path"], headers, given["idem"], self._body())
        self.server.asked.append(asked)
        own = self.server.answers.get(asked.path.partition("?")[0])
        if own is not None:
            status, answered, content = own
            self._begin({"x-answered": _head(status, list(answered.items()))})
            self._send(asked, content)
            return
        if asked.method == "POST":
            self.server.hold.wait(60)
            if select.select([self.connection], [], [], 0.05)[0]:
                asked.cut.set()  # hung up: the Mac never hears of it
                return
        site = {"cookie": self.server.cookie, "sec-fetch-site": "same-origin", "origin": f"http://{self.server.lerix}"}
        with contextlib.closing(http.client.HTTPConnection(self.server.lerix, timeout=60)) as connection:
            connection.request(asked.method, asked.path, asked.body or None, {**headers, **site})
            answer = connection.getresponse()
            if asked.method == "POST" and self.server.lose:
                self.server.lose -= 1
                answer.read()
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            passed = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOPS | {"set-cookie"}]
            self._begin({"x-answered": _head(answer.status, passed)})
            for piece in self._pieces(answer, connection, asked):
                self._send(asked, piece)

    def _send(self, asked: Asked, content: bytes) -> None:
        try:
            self.wfile.write(content)
        except OSError:
            asked.cut.set()

    def _pieces(
        self, answer: http.client.HTTPResponse, connection: http.client.HTTPConnection, asked: Asked
    ) -> Iterator[bytes]:
        """Read as it comes, and end where the browser hangs up or the Mac goes away."""
        there = self.server.states[asked.mac]["phase"]
        pieces: queue.Queue[bytes] = queue.Queue(8)
        threading.Thread(target=_read, args=(answer, pieces), daemon=True).start()
        while self.server.states[asked.mac]["phase"] == there:
            if select.select([self.connection], [], [], 0)[0]:
                asked.cut.set()
                break
            with contextlib.suppress(queue.Empty):
                piece = pieces.get(timeout=0.05)
                if not piece:
                    return
                yield piece
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the parent's name)
        """Say nothing."""


def _read(answer: http.client.HTTPResponse, pieces: queue.Queue[bytes]) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException, AttributeError):
        while piece := answer.read1(65_536):
            pieces.put(piece)
    pieces.put(b"")


def _head(status: int, headers: list[tuple[str, str]]) -> str:
    return quote(json.dumps({"status": status, "headers": headers}))


@contextlib.contextmanager
def elsewhere(page: bytes) -> Iterator[str]:
    """Serve one page on another origin, as a hostile site would; give its address."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the parent's name)
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{site.server_port}/"
        site.shutdown()
