"""How much a session may hold and do, and a bucket that measures rates without a clock of its own."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, rates per second."""

    streams: int = 32
    stream_window: int = 256 * 1024
    session_window: int = 1024 * 1024
    #: What is kept until the other side has it.
    kept: int = 1024 * 1024
    #: Frames besides DATA that are kept; a peer that makes more of them never acknowledges.
    kept_frames: int = 4096
    opens: float = 20.0
    open_burst: float = 60.0
    resets: float = 100 / 60
    reset_burst: float = 100.0
    #: An ACK of its own after so many frames; the caller sends one after 100 ms as well.
    ack_every: int = 8


class Bucket:
    """Takes `rate` a second, and `burst` at once. Times are seconds of any clock that does not go back."""

    __slots__ = ("_burst", "_left", "_rate", "_then")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._left, self._then = burst, 0.0

    def take(self, now: float) -> bool:
        """Take one. Returns False if there is none."""
        self._left = min(self._burst, self._left + max(0.0, now - self._then) * self._rate)
        self._then = max(now, self._then)
        if self._left < 1:
            return False
        self._left -= 1
        return True
