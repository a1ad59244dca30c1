"""What a session tells its application."""

from dataclasses import dataclass, field

from relay.protocol.headers import Answer, Request


@dataclass(frozen=True, slots=True)
class Requested:
    """A new stream, with what it asks."""

    stream: int
    request: Request


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer on a stream begins."""

    stream: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Data:
    """A part of a body. Call `Session.consume` once it is taken: until then the peer may send only the window."""

    stream: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ended:
    """The peer's body on a stream is complete."""

    stream: int


@dataclass(frozen=True, slots=True)
class WasReset:
    """The peer has given a stream up."""

    stream: int
    code: int


@dataclass(frozen=True, slots=True)
class Writable:
    """More may be sent on a stream than before; on all of them if it is 0."""

    stream: int


@dataclass(frozen=True, slots=True)
class Ponged:
    """The peer is there."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class GoneAway:
    """The peer takes no more streams after `last`."""

    last: int
    code: int


Event = Requested | Answered | Data | Ended | WasReset | Writable | Ponged | GoneAway
