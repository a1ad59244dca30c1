"""A route: one encrypted connection between a remote device and a host, from the handshake to its end.

    remote   OPENING ──first──▶ SAID ──message 2──▶ CONFIRMED ──▶ CLOSED
    host     OPENING ──message 1──▶ SAID ──CONFIRM──▶ CONFIRMED ──▶ CLOSED

Payloads of the handshake are JSON in 1,024 bytes, padded by blanks:

    message 1  {"v": 1, "log": [n, "head"], "resume": {"session": "32 hex digits", "rx": n} | null}
    message 2  {"v": 1, "log": [n, "head"], "session": "32 hex digits", "rx": n, "resumed": bool}

`log` is the newest entry of the device log that each side has seen; what it means when they differ is decided by the
caller, through `Peer.log`. Message 1 can be replayed by the broker, so a host changes nothing until CONFIRM has come:
only who knows the epoch's key can make it.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from relay.protocol.errors import FrameMalformed, HandshakeFailed, PeerForgot
from relay.protocol.events import Event
from relay.protocol.frames import UNNUMBERED, Frame, Kind, decode
from relay.protocol.noise import Cipher, Initiator, Responder
from relay.protocol.session import Session

PAYLOAD: Final = 1024
VERSION: Final = 1
ID: Final = 16
_HEX = re.compile(r"(?:[0-9a-f]{2})*")


def prologue(*, account: bytes, host: bytes, remote: bytes, epoch: int) -> bytes:
    """What both sides must mean alike: the ids (16 bytes each) and the epoch of the workspace key."""
    return b"lerix-relay/1" + account + host + remote + epoch.to_bytes(4, "big")


@dataclass(frozen=True)
class Log:
    """The newest entry of the device log that a side has seen: its number and its SHA-256."""

    n: int
    head: bytes


class State(Enum):
    """Where a route stands."""

    OPENING = auto()
    SAID = auto()
    CONFIRMED = auto()
    CLOSED = auto()


class _Route:
    """What both sides have in common: frames through the ciphers, once there are any."""

    def __init__(self) -> None:
        self.state = State.OPENING
        self.session: Session | None = None
        self._send: Cipher | None = None
        self._receive: Cipher | None = None

    def pull(self) -> bytes | None:
        """Return the next message for the link, or None."""
        if self.state is not State.CONFIRMED or self.session is None or self._send is None:
            return None
        frame = self.session.pull()
        return None if frame is None else self._send.encrypt(frame)

    def leave(self) -> None:
        """Another route has taken the session over: this one says and hears nothing more."""
        self.state = State.CLOSED

    def close(self) -> None:
        """The link is gone. The session, if there is one, is kept and waits for another."""
        if self.state is State.CONFIRMED and self.session is not None:
            self.session.detach()
        self.state = State.CLOSED

    def _frame(self, message: bytes) -> bytes:
        if self._receive is None:
            raise HandshakeFailed
        return self._receive.decrypt(message)


class RemoteRoute(_Route):
    """The remote device's side.

    `session` and `session_id` are those to resume, or None for a new session. While this route is being opened the
    session takes nothing from an older one: what its number `rx` says here stays true.
    """

    def __init__(
        self, initiator: Initiator, *, log: Log, session: Session | None = None, session_id: bytes | None = None
    ) -> None:
        super().__init__()
        self._initiator, self._log = initiator, log
        self._old, self.session_id = session, session_id
        self.peer_log: Log | None = None
        self.resumed = False

    def first(self) -> bytes:
        """Return message 1."""
        resume = None
        if self._old is not None and self.session_id is not None:
            self._old.detach()
            resume = {"session": self.session_id.hex(), "rx": self._old.rx}
        self.state = State.SAID
        return self._initiator.first(_write({"v": VERSION, "log": _log(self._log), "resume": resume}))

    def receive(self, message: bytes, now: float, new_session: Callable[[], Session] | None = None) -> list[Event]:
        """Take a message from the link. Message 2 makes the session: the old one, or `new_session()`.

        Raises ProtocolError in all kinds; the link ends then.
        """
        if self.state is State.CONFIRMED and self.session is not None:
            return self.session.receive(self._frame(message), now)
        if self.state is not State.SAID or new_session is None:
            raise HandshakeFailed
        payload, send, receive = self._initiator.second(message)
        said = _read(payload, {"v", "log", "session", "rx", "resumed"})
        resumed, rx = said["resumed"], said["rx"]
        session_id = _bytes(said["session"], ID)
        if not isinstance(resumed, bool) or type(rx) is not int or rx < 0:
            raise HandshakeFailed
        session = self._old if resumed else new_session()
        if session is None or (resumed and (session_id != self.session_id or not session.can_resume(rx))):
            raise PeerForgot
        self._send, self._receive = send, receive
        self.session, self.session_id, self.resumed = session, session_id, resumed
        self.peer_log = _read_log(said["log"])
        self.state = State.CONFIRMED
        session.attach(rx)
        return []

    def confirm(self) -> bytes:
        """Return the first message after the handshake; to be sent before anything that `pull` gives."""
        if self.state is not State.CONFIRMED or self._send is None or self.session is None:
            raise HandshakeFailed
        return self._send.encrypt(Frame(Kind.CONFIRM, 0, UNNUMBERED, self.session.rx).encode())


@dataclass(frozen=True)
class Asked:
    """What message 1 said: the device's static key, its log, and the session it wants to go on with."""

    static: bytes
    log: Log
    session_id: bytes | None
    rx: int


@dataclass(frozen=True)
class Granted:
    """What the host answers: a session, and whether it is the one that was asked for."""

    session_id: bytes
    session: Session
    resumed: bool


class HostRoute(_Route):
    """The host's side: `asked`, then `grant`, and nothing counts before `receive` has seen CONFIRM."""

    def __init__(self, responder: Responder, *, log: Log) -> None:
        super().__init__()
        self._responder, self._log = responder, log
        self._asked: Asked | None = None
        self.granted: Granted | None = None

    def asked(self, message: bytes) -> Asked:
        """Read message 1. Raises HandshakeFailed."""
        if self.state is not State.OPENING:
            raise HandshakeFailed
        said = _read(self._responder.first(message), {"v", "log", "resume"})
        session_id, rx, resume = None, 0, said["resume"]
        if resume is not None:
            if not isinstance(resume, dict) or set(resume) != {"session", "rx"}:
                raise HandshakeFailed
            session_id, rx = _bytes(resume["session"], ID), resume["rx"]
            if type(rx) is not int or rx < 0:
                raise HandshakeFailed
        self.state = State.SAID
        self._asked = Asked(self._responder.remote, _read_log(said["log"]), session_id, rx)
        return self._asked

    def grant(self, granted: Granted, psk: bytes) -> bytes:
        """Return message 2, which offers a session: one to go on with only if `can_resume` of what was asked."""
        if self.state is not State.SAID or self._asked is None or self.granted is not None:
            raise HandshakeFailed
        if granted.resumed and not granted.session.can_resume(self._asked.rx):
            raise PeerForgot
        said = {
            "v": VERSION,
            "log": _log(self._log),
            "session": granted.session_id.hex(),
            "rx": granted.session.rx if granted.resumed else 0,
            "resumed": granted.resumed,
        }
        message, self._send, self._receive = self._responder.second(_write(said), psk)
        self.granted = granted
        return message

    def receive(self, message: bytes, now: float) -> list[Event]:
        """Take a message from the link; the first one must be CONFIRM, and attaches the session.

        Raises ProtocolError in all kinds; the link ends then.
        """
        frame = self._frame(message)
        if self.state is State.CONFIRMED and self.session is not None:
            return self.session.receive(frame, now)
        if self.state is not State.SAID or self.granted is None or self._asked is None:
            raise HandshakeFailed
        confirm = decode(frame)
        if confirm.kind is not Kind.CONFIRM:
            raise FrameMalformed
        session = self.granted.session
        # Between message 2 and now an older link may have brought acknowledgements; they stay true.
        session.detach()
        session.attach(max(self._asked.rx, session.oldest) if self.granted.resumed else 0)
        self.session, self.state = session, State.CONFIRMED
        return []


def _write(value: dict[str, Any]) -> bytes:
    payload = json.dumps(value, separators=(",", ":")).encode()
    return payload.ljust(PAYLOAD)


def _read(payload: bytes, names: set[str]) -> dict[str, Any]:
    try:
        value = json.loads(payload.decode("ascii")) if len(payload) == PAYLOAD else None
    except (ValueError, RecursionError):
        raise HandshakeFailed from None
    if not isinstance(value, dict) or set(value) != names or value["v"] != VERSION:
        raise HandshakeFailed
    return value


def _log(log: Log) -> list[object]:
    return [log.n, log.head.hex()]


def _read_log(value: object) -> Log:
    if not isinstance(value, list) or len(value) != 2 or type(value[0]) is not int or value[0] < 0:
        raise HandshakeFailed
    return Log(value[0], _bytes(value[1], 32))


def _bytes(text: object, length: int) -> bytes:
    if not isinstance(text, str) or len(text) != 2 * length or not _HEX.fullmatch(text):
        raise HandshakeFailed
    return bytes.fromhex(text)
