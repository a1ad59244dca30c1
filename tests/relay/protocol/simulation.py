"""A device and a host over links that are cut: real handshakes, real encryption, no sockets and no clock.

Everything is decided by the seed, so a run that fails can be run again. A link loses what is under way when it is cut;
both sides learn of it, and the device dials again. What the host carried out is counted, by the request's `idem`.
"""

import hashlib
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from relay.protocol import events
from relay.protocol.headers import Answer, Request
from relay.protocol.limits import Limits
from relay.protocol.noise import Initiator, Responder
from relay.protocol.route import Granted, HostRoute, Log, RemoteRoute, State, prologue
from relay.protocol.session import Session

HOST_KEY, DEVICE_KEY, PSK = bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32
PROLOGUE = prologue(account=bytes(16), host=bytes([1]) * 16, remote=bytes([2]) * 16, epoch=0)
LOG = Log(2, bytes(32))
LIMITS = Limits(stream_window=64 * 1024, session_window=256 * 1024, kept=256 * 1024)


def public(private: bytes) -> bytes:
    """The X25519 public key of a private one."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def body(name: str, length: int) -> bytes:
    """A body that can be told from every other, and from itself at another place."""
    return hashlib.shake_128(name.encode()).digest(length)


@dataclass
class Ask:
    """A request of the device, and what has come of it."""

    idem: str | None
    sends: bytes
    wants: int
    stream: int | None = None
    sent: int = 0
    ended: bool = False
    status: int | None = None
    got: bytearray = field(default_factory=bytearray)
    done: bool = False


@dataclass
class Work:
    """A request on the host."""

    request: Request
    got: bytearray = field(default_factory=bytearray)
    answer: bytes | None = None
    sent: int = 0


class World:
    """Both sides and the link between them. `cut(count)` says whether the link ends before message `count` arrives."""

    def __init__(
        self,
        seed: int,
        asks: list[Ask],
        cut: Callable[[int], bool],
        *,
        forgets: Callable[[int], bool] = lambda links: False,
        limits: Limits = LIMITS,
    ) -> None:
        self.random = random.Random(seed)
        self.limits, self.asks, self._cut, self._forgets = limits, asks, cut, forgets
        self.delivered = self.links = self.resent = 0
        self.most_kept = 0
        self.executed: Counter[str] = Counter()
        self._answers: dict[str, bytes] = {}
        self._to_host: deque[bytes] = deque()
        self._to_remote: deque[bytes] = deque()
        self._remote: RemoteRoute | None = None
        self._host: HostRoute | None = None
        self._session: Session | None = None
        self._session_id: bytes | None = None
        self._host_sessions: dict[bytes, Session] = {}
        self._works: dict[int, Work] = {}
        self._untaken: list[tuple[Session, int, int]] = []

    def run(self, most: int = 200_000) -> None:
        """Go on until every request has its answer. Raises AssertionError if that never happens."""
        for _ in range(most):
            if all(ask.done for ask in self.asks):
                return
            self._step()
        raise AssertionError(f"not done after {most} steps: {self._session}")

    def _step(self) -> None:
        if self._remote is None:
            self._dial()
        choice = self.random.random()
        if choice < 0.35:
            self._deliver_to_host()
        elif choice < 0.7:
            self._deliver_to_remote()
        elif choice < 0.8:
            self._ask()
        elif choice < 0.9:
            self._work()
        elif choice < 0.95:
            self._take()
        else:
            for session in self._sessions():
                session.acknowledge()  # as the timer of 100 ms does
        self._pump()
        for session in self._sessions():
            self.most_kept = max(self.most_kept, session._kept_data)

    def _sessions(self) -> list[Session]:
        both = (self._session, self._host.session if self._host else None)
        return [session for session in both if session is not None]

    # Links

    def _dial(self) -> None:
        self.links += 1
        if self._forgets(self.links):
            self._host_sessions.clear()
            self._works.clear()
        initiator = Initiator(static=DEVICE_KEY, host=public(HOST_KEY), psk=PSK, prologue=PROLOGUE)
        self._remote = RemoteRoute(initiator, log=LOG, session=self._session, session_id=self._session_id)
        self._host = HostRoute(Responder(static=HOST_KEY, prologue=PROLOGUE), log=LOG)
        self._to_host.append(self._remote.first())

    def _pump(self) -> None:
        for route, way in ((self._remote, self._to_host), (self._host, self._to_remote)):
            while route is not None and len(way) < 16 and (message := route.pull()) is not None:
                way.append(message)

    def _is_cut(self) -> bool:
        self.delivered += 1
        if not self._cut(self.delivered):
            return False
        for route in (self._remote, self._host):
            if route is not None:
                route.close()
        self._remote = self._host = None
        self._to_host.clear()
        self._to_remote.clear()
        return True

    def _deliver_to_host(self) -> None:
        host = self._host
        if host is None or not self._to_host or self._is_cut():
            return
        message = self._to_host.popleft()
        if host.state is State.OPENING:
            asked = host.asked(message)
            assert asked.static == public(DEVICE_KEY)
            found = self._host_sessions.get(asked.session_id) if asked.session_id else None
            if found is not None and asked.session_id is not None and found.can_resume(asked.rx):
                granted = Granted(asked.session_id, found, resumed=True)
            else:
                granted = Granted(self.random.randbytes(16), Session(host=True, limits=self.limits), resumed=False)
            self._to_remote.append(host.grant(granted, PSK))
            return
        before = host.state
        for event in host.receive(message, 0.0):
            self._host_heard(event)
        if before is State.SAID and host.granted is not None:
            self._host_sessions = {host.granted.session_id: host.granted.session}
            if not host.granted.resumed:
                self._works.clear()

    def _deliver_to_remote(self) -> None:
        remote = self._remote
        if remote is None or not self._to_remote or self._is_cut():
            return
        message = self._to_remote.popleft()
        if remote.state is State.SAID:
            remote.receive(message, 0.0, lambda: Session(host=False, limits=self.limits))
            if not remote.resumed:
                # All streams are lost; what has no whole answer is asked again, by the same name.
                for ask in self.asks:
                    if not ask.done:
                        ask.stream, ask.sent, ask.ended, ask.status = None, 0, False, None
                        ask.got.clear()
            self._session, self._session_id = remote.session, remote.session_id
            self._to_host.append(remote.confirm())
            return
        for event in remote.receive(message, 0.0):
            self._remote_heard(event)

    # The device's application

    def _ask(self) -> None:
        session = self._session
        if session is None:
            return
        ask = self.random.choice([ask for ask in self.asks if not ask.done] or [self.asks[0]])
        if ask.done:
            return
        if ask.stream is None:
            if len(session.streams) < self.limits.streams:
                method = "POST" if ask.idem else "GET"
                ask.stream = session.open(Request(method, f"/{ask.wants}", (), ask.idem))
            return
        if ask.ended:
            return
        count = min(len(ask.sends) - ask.sent, session.writable(ask.stream), self.random.randrange(1, 40_000))
        if count:
            session.send(ask.stream, ask.sends[ask.sent : ask.sent + count])
            ask.sent += count
        if ask.sent == len(ask.sends):
            ask.ended = True
            session.end(ask.stream)

    def _remote_heard(self, event: events.Event) -> None:
        stream = getattr(event, "stream", None)
        ask = next((ask for ask in self.asks if ask.stream == stream and not ask.done), None)
        if ask is None or self._session is None:
            return
        if isinstance(event, events.Answered):
            assert ask.status is None
            ask.status = event.answer.status
        elif isinstance(event, events.Data):
            ask.got += event.data
            self._untaken.append((self._session, event.stream, len(event.data)))
        elif isinstance(event, events.Ended):
            ask.done = True

    # The host's application

    def _host_heard(self, event: events.Event) -> None:
        assert self._host is not None
        session = self._host.session
        assert session is not None
        if isinstance(event, events.Requested):
            self._works[event.stream] = Work(event.request)
        elif isinstance(event, events.Data):
            self._works[event.stream].got += event.data
            self._untaken.append((session, event.stream, len(event.data)))
        elif isinstance(event, events.Ended):
            work = self._works[event.stream]
            work.answer = self._execute(work.request, bytes(work.got))
            session.answer(event.stream, Answer(200))

    def _execute(self, request: Request, sent: bytes) -> bytes:
        if request.idem is not None and request.idem in self._answers:
            return self._answers[request.idem]
        answer = reply(request.idem, sent, int(request.path[1:]))
        if request.idem is not None:
            self.executed[request.idem] += 1
            self._answers[request.idem] = answer
        return answer

    def _work(self) -> None:
        session = self._host.session if self._host else None
        ready = [stream for stream, work in self._works.items() if work.answer is not None]
        if session is None or not ready:
            return
        stream = self.random.choice(ready)
        work = self._works[stream]
        answer = work.answer or b""
        count = min(len(answer) - work.sent, session.writable(stream), self.random.randrange(1, 40_000))
        if count:
            session.send(stream, answer[work.sent : work.sent + count])
            work.sent += count
        if work.sent == len(answer):
            session.end(stream)
            del self._works[stream]

    def _take(self) -> None:
        if self._untaken:
            session, stream, count = self._untaken.pop(self.random.randrange(len(self._untaken)))
            session.consume(stream, count)


def reply(idem: str | None, sent: bytes, wants: int) -> bytes:
    """What the host answers: so many bytes that follow from what was sent."""
    return body(f"{idem} {hashlib.sha256(sent).hexdigest()}", wants)


def some_asks(seed: int, count: int = 8, longest: int = 300_000) -> list[Ask]:
    """Requests of all sizes, every second one a POST."""
    chance = random.Random(seed)
    asks = []
    for number in range(count):
        idem = chance.randbytes(16).hex() if number % 2 else None
        length = chance.choice([0, 1, 255, 5000, longest // 4, longest]) if idem else 0
        wants = chance.choice([0, 1, 1000, 16384, 16385, longest // 2, longest])
        asks.append(Ask(idem, body(f"{seed} {number}", length), wants))
    return asks


def check(world: World) -> None:
    """Every body is whole, and what changes something was done once. Raises AssertionError."""
    for ask in world.asks:
        assert ask.status == 200
        assert bytes(ask.got) == reply(ask.idem, ask.sends, ask.wants)
        if ask.idem is not None:
            assert world.executed[ask.idem] == 1
    assert world.most_kept <= world.limits.kept


def chaos(seed: int) -> World:
    """One run: 2 % of messages are where a link ends; every tenth link the host has forgotten the session."""
    chance = random.Random(~seed)
    world = World(
        seed,
        some_asks(seed),
        lambda count: chance.random() < 0.02,
        forgets=lambda links: seed % 3 == 0 and links % 10 == 0,
    )
    world.run()
    check(world)
    return world
