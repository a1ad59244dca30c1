"""Sessions of the browser over links that are cut, with Python's host: handshakes and encryption are the real ones."""

from __future__ import annotations

import contextlib
import hashlib
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from relay.protocol import events
from relay.protocol.headers import Answer, Request
from relay.protocol.noise import Responder
from relay.protocol.route import Granted, HostRoute, State
from relay.protocol.session import Session
from tests.browser.vault.conftest import Vault
from tests.relay.protocol.simulation import DEVICE_KEY, HOST_KEY, LIMITS, LOG, PROLOGUE, PSK, Work, public, reply


class Host:
    """Python's end of links that are cut: each connection is a link, `cut(count)` says before which message it ends."""

    def __init__(self, seed: int, cut: Callable[[int], bool], *, forgets: bool) -> None:
        self.random, self.cut, self.forgets = random.Random(seed), cut, forgets
        self.delivered = self.links = 0
        self.executed: Counter[str] = Counter()
        self.answers: dict[str, bytes] = {}
        self.sessions: dict[bytes, Session] = {}
        self.works: dict[int, Work] = {}
        self.problems: list[str] = []

    def __call__(self, socket: ServerConnection) -> None:
        route = HostRoute(Responder(static=HOST_KEY, prologue=PROLOGUE), log=LOG)
        self.links += 1
        if self.forgets and self.links % 10 == 0:
            self.sessions.clear()
        try:
            self._serve(socket, route)
        except (ConnectionClosed, _Cut):
            pass
        except Exception as error:  # it would be lost in this thread
            self.problems.append(repr(error))
        finally:
            route.close()
            # Without a closing handshake, as a network does it.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(2)

    def _serve(self, socket: ServerConnection, route: HostRoute) -> None:
        while True:
            try:
                message = socket.recv(timeout=0.05)
            except TimeoutError:
                message = None
            if isinstance(message, bytes):
                self._count()
                self._take(socket, route, message)
            elif route.session is not None:
                route.session.acknowledge()
            while (out := route.pull()) is not None:
                self._send(socket, out)

    def _count(self) -> None:
        self.delivered += 1
        if self.cut(self.delivered):
            raise _Cut

    def _send(self, socket: ServerConnection, message: bytes) -> None:
        self._count()
        socket.send(message)

    def _take(self, socket: ServerConnection, route: HostRoute, message: bytes) -> None:
        if route.state is State.OPENING:
            asked = route.asked(message)
            assert asked.static == public(DEVICE_KEY)
            found = self.sessions.get(asked.session_id) if asked.session_id else None
            if found is not None and asked.session_id is not None and found.can_resume(asked.rx):
                granted = Granted(asked.session_id, found, resumed=True)
            else:
                granted = Granted(self.random.randbytes(16), Session(host=True, limits=LIMITS), resumed=False)
            self._send(socket, route.grant(granted, PSK))
            return
        before = route.state
        happened = route.receive(message, 0.0)
        assert route.session is not None
        if before is State.SAID and route.granted is not None:
            self.sessions = {route.granted.session_id: route.granted.session}
            if not route.granted.resumed:
                self.works.clear()
        for event in happened:
            self._heard(route.session, event)
        self._work(route.session)

    def _heard(self, session: Session, event: events.Event) -> None:
        if isinstance(event, events.Requested):
            self.works[event.stream] = Work(event.request)
        elif isinstance(event, events.Data):
            self.works[event.stream].got += event.data
            session.consume(event.stream, len(event.data))
        elif isinstance(event, events.Ended):
            work = self.works[event.stream]
            work.answer = self._execute(work.request, bytes(work.got))
            session.answer(event.stream, Answer(200))

    def _execute(self, request: Request, sent: bytes) -> bytes:
        if request.idem is not None and request.idem in self.answers:
            return self.answers[request.idem]
        answer = reply(request.idem, sent, int(request.path[1:]))
        if request.idem is not None:
            self.executed[request.idem] += 1
            self.answers[request.idem] = answer
            self.answers[f"{request.idem} sent"] = sent
        return answer

    def _work(self, session: Session) -> None:
        for stream, work in list(self.works.items()):
            if work.answer is None:
                continue
            count = min(len(work.answer) - work.sent, session.writable(stream), self.random.randrange(1, 90_000))
            if count:
                session.send(stream, work.answer[work.sent : work.sent + count])
                work.sent += count
            if work.sent == len(work.answer):
                session.end(stream)
                del self.works[stream]


class _Cut(Exception):
    """The link ends here."""


@contextlib.contextmanager
def serving(host: Host) -> Iterator[str]:
    server: Server = serve(host, "127.0.0.1", 0, compression=None, close_timeout=0.1)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"
    server.shutdown()
    thread.join(5)


def meet(wires: Vault, seed: int, host: Host, *, asks: int = 6, longest: int = 120_000) -> dict[str, Any]:
    """Let a browser ask over links that are cut; every body must be whole and everything done once."""
    keys = {
        "device": DEVICE_KEY.hex(),
        "host": public(HOST_KEY).hex(),
        "psk": PSK.hex(),
        "log": [LOG.n, LOG.head.hex()],
        "account": bytes(16).hex(),
        "hostId": (bytes([1]) * 16).hex(),
        "remoteId": (bytes([2]) * 16).hex(),
        "epoch": 0,
    }
    limits = {"streamWindow": LIMITS.stream_window, "sessionWindow": LIMITS.session_window, "kept": LIMITS.kept}
    with serving(host) as url:
        given = {"url": url, "seed": seed, "asks": asks, "longest": longest, "limits": limits, "keys": keys}
        told: dict[str, Any] = wires.call("device", **given)
    assert host.problems == []
    for ask in told["asks"]:
        idem = ask["idem"]
        sent = host.answers[f"{idem} sent"] if idem else b""
        assert hashlib.sha256(sent).hexdigest() == ask["sent"]
        assert hashlib.sha256(reply(idem, sent, ask["wants"])).hexdigest() == ask["got"]
        assert ask["status"] == 200
        if idem is not None:
            assert host.executed[idem] == 1
    return told


def test_requests_pass_whole_over_a_link_that_holds(wires: Vault) -> None:
    told = meet(wires, 1, Host(1, lambda count: False, forgets=False), asks=12, longest=400_000)
    assert told["links"] == 1


def test_requests_survive_links_that_are_cut_at_random(wires: Vault) -> None:
    links = resumed = 0
    for seed in range(6):
        chance = random.Random(~seed)
        cut = 0.02 + 0.01 * (seed % 4)
        host = Host(seed, lambda count: chance.random() < cut, forgets=seed % 3 == 0)  # noqa: B023
        told = meet(wires, seed, host, asks=10, longest=200_000)
        links, resumed = links + told["links"], resumed + told["resumed"]
    assert links > 20
    assert resumed > 10


@pytest.mark.parametrize("every", [1, 2, 3, 4])
def test_links_that_end_during_each_handshake_still_get_through(every: int, wires: Vault) -> None:
    meet(wires, 9, Host(9, lambda count: count <= 24 and count % every == 0, forgets=False), asks=3)
