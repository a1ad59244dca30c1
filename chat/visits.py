"""Answers that browsers on other devices have begun: so many at once, and none longer than their device may be here."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import Final

from chat.feed import feeds

#: Answers that run at once for one device, and for all.
MOST_OF_DEVICE: Final = 4
MOST: Final = 8

#: Messages of one device in a minute.
MOST_OF_MINUTE: Final = 30

_seated: Counter[bytes] = Counter()
# When each device sent its last messages. An account has some dozens of devices.
_sent: dict[bytes, deque[float]] = {}
# How often each device was ended, and all of them at once.
_ended: Counter[bytes | None] = Counter()


class TooManyVisits(Exception):
    """Other devices have begun as many answers as may run; nothing was stored."""


class Seat:
    """The right of a device to one more answer, until `leave`, which may be called twice."""

    def __init__(self, device: bytes) -> None:
        self.device = device
        #: An answer has been begun: the seat is left when that ends.
        self.taken = False
        self._left = False

    def leave(self) -> None:
        """The answer has ended, or was never begun."""
        if not self._left:
            self._left = True
            _seated[self.device] -= 1
            if not _seated[self.device]:
                del _seated[self.device]


def enter(device: bytes) -> Seat:
    """Take a seat. Raises TooManyVisits, also where a device sends more than a person does."""
    now = time.monotonic()
    sent = _sent.setdefault(device, deque(maxlen=MOST_OF_MINUTE))
    full = len(sent) == MOST_OF_MINUTE and now - sent[0] < 60
    if full or _seated[device] >= MOST_OF_DEVICE or _seated.total() >= MOST:
        raise TooManyVisits
    sent.append(now)
    _seated[device] += 1
    return Seat(device)


def admitted(device: bytes) -> str:
    """Return a word for the time since which a device may ask: another one after it was ended, or after a restart."""
    return f"{feeds.boot}.{_ended[None]}.{_ended[device]}"


def stop(device: bytes | None = None) -> None:
    """End what a device has begun, or all devices: removed, signed out, switched off. What came is kept."""
    _ended[device] += 1
    for answer in list(feeds.live.values()):
        if answer.device is not None and device in {None, answer.device}:
            answer.stop()
