"""One stream: a request in one direction, its answer in the other; states as in HTTP/2.

idle → open → half closed (by us, by them) → closed        RESET closes it from everywhere
"""

from dataclasses import dataclass

from relay.protocol.errors import StreamMisused


@dataclass(slots=True)
class Stream:
    """A stream that is not closed. Windows in bytes: `may_send` was granted by the peer, `may_come` by us."""

    id: int
    may_send: int
    may_come: int
    #: HEADERS went out, or came in.
    said_headers: bool = False
    heard_headers: bool = False
    ended_here: bool = False
    ended_there: bool = False
    #: Bytes that the application has taken and the peer was not told of yet.
    taken: int = 0
    #: Bytes handed to the application that it has not taken.
    untaken: int = 0

    @property
    def closed(self) -> bool:
        """Whether both sides have ended it."""
        return self.ended_here and self.ended_there

    def say_headers(self) -> None:
        """Our one HEADERS. Raises StreamMisused."""
        if self.said_headers or self.ended_here:
            raise StreamMisused
        self.said_headers = True

    def say_data(self) -> None:
        """Our DATA. Raises StreamMisused."""
        if not self.said_headers or self.ended_here:
            raise StreamMisused

    def say_end(self) -> None:
        """Our END. Raises StreamMisused."""
        self.say_data()
        self.ended_here = True

    def hear_headers(self) -> None:
        """The peer's one HEADERS. Raises StreamMisused."""
        if self.heard_headers or self.ended_there:
            raise StreamMisused
        self.heard_headers = True

    def hear_data(self) -> None:
        """The peer's DATA. Raises StreamMisused."""
        if not self.heard_headers or self.ended_there:
            raise StreamMisused

    def hear_end(self) -> None:
        """The peer's END. Raises StreamMisused."""
        self.hear_data()
        self.ended_there = True
