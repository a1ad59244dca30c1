"""Asking the system's own programs, which start and stop services."""

from __future__ import annotations

import os
import subprocess
from typing import Final, NamedTuple

from lerix_web.errors import ServiceError

#: systemd's own limit for a stop is longer than any of ours, which ends after 15 s.
SECONDS: Final = 60.0
#: What is kept of an answer: launchctl describes a whole session in some hundred KB.
LIMIT: Final = 64 * 1024


class NotThere(ServiceError):
    """The program is missing, or cannot be started."""


class Answer(NamedTuple):
    """The exit code, and what was written to stdout and to stderr."""

    code: int
    out: str
    said: str

    @property
    def reason(self) -> str:
        """The last line it complained with, without a full stop, to stand in brackets."""
        lines = [line.strip() for line in f"{self.out}\n{self.said}".splitlines() if line.strip()]
        return (lines[-1][:200] if lines else f"exit code {self.code}").rstrip(".")


def ask(*command: str, seconds: float = SECONDS) -> Answer:
    """Run a program to its end. Raises NotThere, or ServiceError where it does not end in time."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
            # Its sentences are read, and would be in the user's language.
            env=dict(os.environ.items()) | {"LC_ALL": "C", "SYSTEMD_COLORS": "0"},
        )
    except subprocess.TimeoutExpired:
        raise ServiceError(
            f"{command[0]} did not answer within {seconds:.0f} seconds. Run lerix service status to see how it stands."
        ) from None
    except OSError:
        raise NotThere(f"{command[0]} was not found, or cannot be started.") from None
    return Answer(done.returncode, _text(done.stdout), _text(done.stderr))


def _text(written: bytes) -> str:
    return written[:LIMIT].decode("utf-8", "replace")
