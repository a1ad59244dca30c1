"""The browser's session does what Python's does: the same frames and events, whatever a host says and when."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from relay.protocol import events
from relay.protocol.errors import ProtocolError
from relay.protocol.frames import UNNUMBERED, Frame, Kind
from relay.protocol.headers import Answer, Request
from relay.protocol.limits import Limits
from relay.protocol.session import Session
from tests.browser.vault.conftest import Vault

SMALL = Limits(streams=6, stream_window=40_000, session_window=100_000, kept=40_000, kept_frames=64)


def asked(work: Callable[..., Any], *given: Any) -> Any:
    """What Python says: a result, or the code of its refusal."""
    try:
        return work(*given)
    except ProtocolError as error:
        return {"error": error.code}


def frame(kind: Kind, stream: int, seq: int, payload: bytes = b"", ack: int = 0) -> Frame:
    return Frame(kind, stream, seq, ack, payload)


ANSWER = Answer(200).encode()
OPENS = 5
HEARD: dict[str, list[Frame]] = {
    "a whole answer": [
        frame(Kind.HEADERS, 1, 0, ANSWER),
        frame(Kind.DATA, 1, 1, b"hello"),
        frame(Kind.END, 1, 2),
        frame(Kind.DATA, 1, 3, b"more"),
    ],
    "numbers": [frame(Kind.HEADERS, 1, 0, ANSWER), frame(Kind.HEADERS, 1, 0, ANSWER), frame(Kind.DATA, 1, 2, b"x")],
    "headers twice": [frame(Kind.HEADERS, 1, 0, ANSWER), frame(Kind.HEADERS, 1, 1, ANSWER)],
    "a body before headers": [frame(Kind.DATA, 1, 0, b"x")],
    "an end before headers": [frame(Kind.END, 3, 0)],
    "an empty body": [frame(Kind.HEADERS, 1, 0, ANSWER), frame(Kind.DATA, 1, 1)],
    "a stream that never was": [frame(Kind.HEADERS, 11, 0, ANSWER)],
    "a stream of the host": [frame(Kind.HEADERS, 2, 0, ANSWER)],
    "no answer": [frame(Kind.HEADERS, 1, 0, b"{}")],
    "an acknowledgement of what was not sent": [frame(Kind.HEADERS, 1, 0, ANSWER, ack=99)],
    "resets": [
        frame(Kind.HEADERS, 1, 0, ANSWER),
        frame(Kind.RESET, 1, 1, b"\0\2"),
        frame(Kind.RESET, 1, 2, b"\0\2"),
        frame(Kind.HEADERS, 1, 3, b"{}"),
    ],
    "windows": [
        frame(Kind.WINDOW, 0, 0, (5).to_bytes(4, "big")),
        frame(Kind.WINDOW, 3, 1, (5).to_bytes(4, "big")),
        frame(Kind.WINDOW, 3, 2, bytes(4)),
    ],
    "a window beyond all": [frame(Kind.WINDOW, 0, 0, b"\x7f" + b"\xff" * 3)],
    "pings": [
        frame(Kind.PING, 0, UNNUMBERED, bytes(8), ack=1),
        frame(Kind.PONG, 0, UNNUMBERED, b"12345678"),
        frame(Kind.ACK, 0, UNNUMBERED, ack=2),
    ],
    "going away": [frame(Kind.GOAWAY, 0, 0, (3).to_bytes(4, "big") + b"\0\7")],
    "more than the window of the session": [
        *(frame(Kind.HEADERS, 2 * at + 1, at, ANSWER) for at in range(5)),
        *(frame(Kind.DATA, 2 * (at % 5) + 1, 5 + at, bytes(16384)) for at in range(66)),
    ],
    "more than the window of a stream": [
        frame(Kind.HEADERS, 1, 0, ANSWER),
        *(frame(Kind.DATA, 1, 1 + at, bytes(16384)) for at in range(17)),
    ],
}


def told(event: events.Event) -> dict[str, Any]:
    """An event, by the browser's names."""
    match event:
        case events.Answered(stream, answer):
            return {"type": "answered", "stream": stream, "answer": {"status": answer.status, "headers": []}}
        case events.Data(stream, data):
            return {"type": "data", "stream": stream, "data": data.hex()}
        case events.Ended(stream):
            return {"type": "ended", "stream": stream}
        case events.WasReset(stream, code):
            return {"type": "reset", "stream": stream, "code": code}
        case events.Ponged(payload):
            return {"type": "ponged", "stream": 0, "data": payload.hex()}
        case events.GoneAway(last, code):
            return {"type": "gone-away", "stream": last, "code": code}
        case events.Writable(stream):
            return {"type": "writable", "stream": stream}
    raise AssertionError(event)


@pytest.mark.parametrize("ended", [False, True])
def test_whatever_a_host_says_is_taken_or_refused_as_python_does(ended: bool, wires: Vault) -> None:
    for name, incoming in HEARD.items():
        session = Session(host=False)
        for _ in range(OPENS):
            stream = session.open(Request("GET", "/"))
            if ended:
                session.end(stream)
        session.attach(0)
        while session.pull() is not None:
            pass
        expected = []
        for each in incoming:
            happened = asked(session.receive, each.encode(), 0.0)
            expected.append([told(event) for event in happened] if isinstance(happened, list) else happened)
        given = {"opens": OPENS, "incoming": [each.encode().hex() for each in incoming], "ended": ended}
        assert wires.call("heard", **given) == expected, name


def test_no_more_streams_are_opened_than_a_host_takes(wires: Vault) -> None:
    limit = Limits().streams
    expected = [2 * number + 1 for number in range(limit)] + [{"error": 4422}]
    assert wires.call("crowd", count=limit + 1) == expected


def test_a_queue_gives_back_what_it_was_given(wires: Vault) -> None:
    expected, queue = [], []
    for at in range(300):
        queue += [at, -at]
        expected += [queue.pop(0), queue[-1], len(queue)]
    assert wires.call("queue", count=300) == expected


# The same steps in both


class Script:
    """Lets a Python remote and a Python host talk by chance, over links that lose what is under way, and notes it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.remote, self.host = Session(host=False, limits=SMALL), Session(host=True, limits=SMALL)
        self.steps: list[list[Any]] = []
        self.heard: list[Any] = []
        self.to_remote: list[bytes] = []
        self.to_host: list[bytes] = []
        self.untaken: list[tuple[int, int]] = []
        self.answered: set[int] = set()
        self.over: set[int] = set()
        self.now = 0.0

    def run(self, count: int) -> None:
        self.step("attach", 0)
        self.host.attach(0)
        for _ in range(count):
            self.now += 1.0
            self.chance.choice([self.ask, self.write, self.carry, self.carry, self.answer, self.answer, self.other])()

    def step(self, name: str, *given: Any) -> Any:
        """Have the remote do something, and note it with what comes of it."""
        remote = self.remote
        work: dict[str, Callable[..., Any]] = {
            "attach": remote.attach,
            "detach": remote.detach,
            "open": lambda: remote.open(Request("POST", "/x", (), "ab" * 16)),
            "writable": remote.writable,
            "send": lambda stream, length: remote.send(stream, bytes(length)),
            "end": remote.end,
            "reset": remote.reset,
            "consume": remote.consume,
            "ping": lambda: remote.ping(bytes(8)),
            "acknowledge": remote.acknowledge,
            "pull": remote.pull,
            "receive": lambda frame: remote.receive(frame, self.now),
            "numbers": lambda: [remote.rx, remote.tx, remote.oldest, list(remote.streams), remote.ack_due],
        }
        out = asked(work[name], *given)
        self.steps.append([name, *(each.hex() if isinstance(each, bytes) else each for each in given)])
        if name == "receive" and isinstance(out, list):
            self.heard.append([told(event) for event in out])
        else:
            self.heard.append(out.hex() if isinstance(out, bytes) else out)
        return out

    def one_of(self, session: Session) -> int | None:
        return self.chance.choice(session.streams) if session.streams else None

    def ask(self) -> None:
        self.step("open")

    def write(self) -> None:
        stream = self.one_of(self.remote)
        if stream is not None:
            most = self.step("writable", stream)
            self.step("send", stream, min(most, self.chance.choice([0, 1, 5000, 40_000])))
            if self.chance.random() < 0.3:
                self.step("end", stream)

    def carry(self) -> None:
        """Some frames cross in both directions; sometimes the link ends instead, and another begins."""
        if self.chance.random() < 0.06:
            self.to_remote.clear()
            self.to_host.clear()
            self.step("detach")
            self.host.detach()
            self.host.attach(self.remote.rx)
            self.step("attach", self.host.rx)
            return
        for _ in range(self.chance.randrange(6)):
            if (frame := self.step("pull")) is not None:
                self.to_host.append(frame)
            if (frame := self.host.pull()) is not None:
                self.to_remote.append(frame)
        while self.to_host and self.chance.random() < 0.9:
            for event in self.host.receive(self.to_host.pop(0), self.now):
                if isinstance(event, events.Data):
                    self.host.consume(event.stream, len(event.data))
        while self.to_remote and self.chance.random() < 0.9:
            for event in self.step("receive", self.to_remote.pop(0)):
                if isinstance(event, events.Data):
                    self.untaken.append((event.stream, len(event.data)))

    def answer(self) -> None:
        stream = self.one_of(self.host)
        if stream is None or stream in self.over:
            return
        if stream not in self.answered:
            self.answered.add(stream)
            self.host.answer(stream, Answer(200))
        count = min(self.host.writable(stream), self.chance.choice([0, 1, 16384, 16385, 40_000]))
        self.host.send(stream, bytes(count))
        if self.chance.random() < 0.2:
            self.over.add(stream)
            self.host.end(stream)
        elif self.chance.random() < 0.05:
            self.host.reset(stream, 2)

    def other(self) -> None:
        match self.chance.randrange(5):
            case 0:
                self.step("ping")
            case 1:
                self.step("acknowledge")
                self.host.acknowledge()
            case 2 if (stream := self.one_of(self.remote)) is not None and self.chance.random() < 0.3:
                self.step("reset", stream)
            case 3:
                self.step("numbers")
            case _:
                self.chance.shuffle(self.untaken)
                while self.untaken and self.chance.random() < 0.8:
                    self.step("consume", *self.untaken.pop())


def test_the_same_steps_give_the_same_frames_and_events(wires: Vault) -> None:
    """What stands in `numbers` and in each frame pulled holds every window, acknowledgement and resume to Python's."""
    limits = {"streams": 6, "streamWindow": 40_000, "sessionWindow": 100_000, "kept": 40_000, "keptFrames": 64}
    seen: set[str] = set()
    for seed in range(8):
        script = Script(seed)
        script.run(250)
        found = wires.call("steps", steps=script.steps, limits=limits)
        for step, expected, got in zip(script.steps, script.heard, found, strict=True):
            assert got == expected, (seed, step[0])
        happened = [event for each in script.heard if isinstance(each, list) for event in each]
        seen |= {step[0] for step in script.steps} | {event["type"] for event in happened if isinstance(event, dict)}
    assert seen >= {"answered", "data", "ended", "reset", "writable", "ponged", "consume", "detach", "send", "end"}
