"""What the stand-in was asked, in order, for tests to look at."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """How one exchange ended, seen from the stand-in."""

    OPEN = "open"
    ANSWERED = "answered"
    LEFT = "the client left"
    BROKEN = "broken off"


@dataclass(slots=True, eq=False)
class Recorded:
    """One request as it arrived; ``status`` and ``outcome`` are filled in as it is answered.

    ``headers`` have lower-case names (repeated ones joined by ", "), ``query`` keeps a name's last value,
    ``json`` is None when the body is not JSON, ``at`` is in ``time.monotonic`` seconds.
    """

    number: int
    method: str
    path: str
    query: dict[str, str] = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    json: object = field(repr=False)
    at: float = field(default_factory=time.monotonic, repr=False)
    status: int | None = None
    outcome: Outcome = Outcome.OPEN

    @property
    def host(self) -> str:
        """The Host header as sent."""
        return self.headers.get("host", "")

    @property
    def data(self) -> dict[str, object]:
        """The JSON body as an object; TypeError when it is anything else."""
        if not isinstance(self.json, dict):
            raise TypeError(f"{self.method} {self.path} carried no JSON object")
        return self.json

    def line(self) -> str:
        """One line for a log: host, method, path, status, outcome. Never a header or a body."""
        return f"{self.host} {self.method} {self.path} {self.status or '-'} {self.outcome}"


class Journal:
    """The requests in order of arrival, without those below ``hidden``. Safe from any thread."""

    def __init__(self, hidden: str) -> None:
        self._hidden = hidden
        self._changed = threading.Condition()
        self._requests: list[Recorded] = []

    def number(self) -> int:
        """The number the next request gets, from 1."""
        with self._changed:
            return len(self._requests) + 1

    def add(self, request: Recorded) -> None:
        """Append a request and wake whoever waits."""
        if request.path.startswith(self._hidden):
            return
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()

    def mark(self, request: Recorded, outcome: Outcome) -> None:
        """Say how an exchange ended; the first word stands."""
        with self._changed:
            if request.outcome is Outcome.OPEN:
                request.outcome = outcome
            self._changed.notify_all()

    def touch(self) -> None:
        """Wake whoever waits, after a change outside the journal."""
        with self._changed:
            self._changed.notify_all()

    def all(self) -> list[Recorded]:
        """A copy of the list so far."""
        with self._changed:
            return list(self._requests)

    def forget(self) -> None:
        """Empty the list."""
        with self._changed:
            self._requests.clear()

    def wait(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        """Block until ``condition()`` holds; TimeoutError naming ``what`` after ``timeout`` seconds."""
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                seen = "\n  ".join(request.line() for request in self._requests) or "nothing"
                raise TimeoutError(f"{what} did not happen within {timeout} s; seen:\n  {seen}")
