"""What starts services on this system: systemd on Linux, launchd on macOS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lerix_web.errors import ServiceError
from lerix_web.service.record import Record


class NoSession(ServiceError):
    """The system starts no services for this user, at least not from here."""


@dataclass(frozen=True)
class State:
    """How the service is: its process if it runs, whether it starts at log-in, whether the system has given it up."""

    pid: int | None
    at_log_in: bool
    failed: bool = False


class Manager(Protocol):
    """One system's way to keep a program running for a user.

    `file` is what the system reads; `logs` is the command that shows what Lerix had to say. What asks the system raises
    ServiceError, and NoSession where the system does nothing for this user.
    """

    file: Path

    @property
    def logs(self) -> str:
        """The command that shows the log."""

    def check(self) -> None:
        """Raise ServiceError where services cannot be started from here."""

    def render(self, record: Record) -> bytes:
        """Return the content of the file."""

    def parse(self, content: bytes) -> Record:
        """Return what `render` was given. Raises ValueError."""

    def load(self) -> None:
        """Have the file read, the service started at each log-in, and started anew now."""

    def unload(self) -> None:
        """Stop it, and start it no more."""

    def forget(self) -> None:
        """Have it noticed that the file is gone."""

    def leftovers(self) -> list[Path]:
        """What `load` leaves beside the file."""

    def state(self) -> State:
        """Ask how the service is."""
