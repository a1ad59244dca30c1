"""An agent of launchd, in the user's session on macOS.

Keys from launchd.plist(5), commands from launchctl(1). ``launchctl print`` ends with 113 for a service that is not
loaded; ``bootout`` may return while the service is still stopping, and a ``bootstrap`` then fails with 5.
"""

from __future__ import annotations

import os
import plistlib
import re
import time
from pathlib import Path
from typing import Final
from xml.parsers.expat import ExpatError

from lerix_web.errors import ServiceError
from lerix_web.paths import FILE_MODE, FOLDER_MODE, reason
from lerix_web.service import programs
from lerix_web.service.manager import NoSession, State
from lerix_web.service.record import Record

LABEL: Final = "local.lerix"
#: Seconds between two starts, which is launchd's own least.
THROTTLE_SECONDS: Final = 10
#: Lerix ends within 6 s of being asked to.
EXIT_SECONDS: Final = 15


class Launchd:
    """The agent of the user `uid`, below the folder `home`."""

    def __init__(self, home: Path, uid: int, *, patience: float = EXIT_SECONDS + 5.0) -> None:
        self.file = home / "Library" / "LaunchAgents" / f"{LABEL}.plist"
        self._log = log_file(home)
        self._domain = f"gui/{uid}"
        self._patience = patience

    @property
    def logs(self) -> str:
        """The command that shows the log."""
        return f"tail '{self._log}'"

    def check(self) -> None:
        """Raise ServiceError where the user has no session on the screen."""
        answer = self._launchctl("print", self._domain)
        if answer.code != 0:
            raise NoSession(
                f"macOS starts services only for a user who is signed in at the screen ({answer.reason}). Sign in "
                "there, then run this again."
            )

    def render(self, record: Record) -> bytes:
        """Return the property list."""
        return plistlib.dumps(
            {
                "Label": LABEL,
                "ProgramArguments": list(record.command),
                "EnvironmentVariables": dict(record.environment),
                "RunAtLoad": True,
                "KeepAlive": {"SuccessfulExit": False},
                "ThrottleInterval": THROTTLE_SECONDS,
                "ExitTimeOut": EXIT_SECONDS,
                # Standard is slowed down as if nobody waited for it; people wait for Lerix.
                "ProcessType": "Interactive",
                "Umask": 0o077,
                # The first line on stdout is a launch link, which lets in whoever reads it.
                "StandardOutPath": os.devnull,
                "StandardErrorPath": str(self._log),
            }
        )

    def parse(self, content: bytes) -> Record:
        """Return the record of a list that `render` made. Raises ValueError for what cannot be understood."""
        try:
            facts = plistlib.loads(content)
        except (ExpatError, plistlib.InvalidFileException) as error:
            raise ValueError("no property list") from error
        command = facts.get("ProgramArguments") if isinstance(facts, dict) else None
        environment = facts.get("EnvironmentVariables", {}) if isinstance(facts, dict) else None
        if not isinstance(command, list) or len(command) < 2 or not isinstance(environment, dict):
            raise ValueError("no command")
        return Record(tuple(map(str, command)), {str(name): str(value) for name, value in environment.items()})

    def load(self) -> None:
        """Have launchd read the list, which starts the agent now and at each log-in."""
        self._make_log()
        self._bootout()
        # A "launchctl disable" of former times would make the next command fail without a reason.
        self._launchctl("enable", f"{self._domain}/{LABEL}")
        answer = self._launchctl("bootstrap", self._domain, str(self.file))
        if answer.code != 0:
            raise ServiceError(f"launchd refused to start Lerix ({answer.reason}).")

    def unload(self) -> None:
        """Stop the agent; without its list it starts no more."""
        self._bootout()

    def forget(self) -> None:
        """Nothing: launchd keeps no list of files."""

    def leftovers(self) -> list[Path]:
        """Nothing beside the file: the log stays."""
        return []

    def state(self) -> State:
        """Ask launchd."""
        answer = self._launchctl("print", f"{self._domain}/{LABEL}")
        if answer.code != 0:
            self.check()
            return State(pid=None, at_log_in=self.file.exists())
        pid = re.search(r"^\s*pid = (\d+)$", answer.out, re.MULTILINE)
        ended = re.search(r"^\s*last exit code = (-?\d+)", answer.out, re.MULTILINE)
        failed = pid is None and ended is not None and ended[1] != "0"
        return State(pid=int(pid[1]) if pid else None, at_log_in=True, failed=failed)

    def _bootout(self) -> None:
        target = f"{self._domain}/{LABEL}"
        answer = self._launchctl("bootout", target)
        end = time.monotonic() + self._patience
        while self._launchctl("print", target).code == 0:
            if time.monotonic() >= end:
                raise ServiceError(f"launchd does not let go of Lerix ({answer.reason}). Log out, then try again.")
            time.sleep(0.1)

    def _make_log(self) -> None:
        try:
            self._log.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            self._log.touch(FILE_MODE)
        except OSError as error:
            raise ServiceError(f"The log file {self._log} cannot be made: {reason(error)}.") from None

    def _launchctl(self, *arguments: str) -> programs.Answer:
        try:
            return programs.ask("launchctl", *arguments)
        except programs.NotThere as error:
            raise NoSession(f"{error} On macOS Lerix is kept running by launchd.") from None


def log_file(home: Path) -> Path:
    """Return where the agent's stderr goes."""
    return home / "Library" / "Logs" / "Lerix" / "lerix.log"
