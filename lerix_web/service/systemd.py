"""A unit of the user's own systemd.

The unit's syntax, from systemd.syntax(7), systemd.service(5) and systemd.exec(5): values are split into words at
blanks; a word may stand in double quotes, inside which a backslash escapes; then ``%`` begins a specifier and ``%%`` is
one per cent sign; and in the arguments of ExecStart, but not in its program, ``$`` begins a variable and ``$$`` is one
dollar sign. A program with quotes or a backslash in its path is refused, however it is written (systemd 252).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lerix_web.errors import ServiceError
from lerix_web.service import programs
from lerix_web.service.manager import NoSession, State
from lerix_web.service.record import Record

UNIT: Final = "lerix.service"
#: Seconds until it is started again, and how often in how many seconds before systemd gives up until the next log-in.
RESTART_SECONDS: Final = 10
BURST: Final = 20
BURST_SECONDS: Final = 600

#: What starts a program whose path systemd takes as an argument only.
_SHELL: Final = ("/bin/sh", "-c", 'exec "$0" "$@"')
_UNFIT: Final = frozenset("$'\"\\")

_TEXT = """\
# Written by "lerix service install", which replaces it.
[Unit]
Description=Lerix
StartLimitIntervalSec={interval}
StartLimitBurst={burst}

[Service]
ExecStart={command}
{environment}
Restart=on-failure
RestartSec={pause}
TimeoutStopSec=15
UMask=0077
# The first line on stdout is a launch link, which lets in whoever reads it.
StandardOutput=null
StandardError=journal

[Install]
WantedBy=default.target
"""


class Systemd:
    """The unit in `folder`, which is the user's systemd/user folder."""

    logs: Final = "journalctl --user -u lerix"

    def __init__(self, folder: Path) -> None:
        self.file = folder / UNIT

    def check(self) -> None:
        """Raise ServiceError where no systemd runs for this user."""
        self._systemctl("show", "--property=Version")

    def render(self, record: Record) -> bytes:
        """Return the unit."""
        command = (*_SHELL, *record.command) if _UNFIT & set(record.command[0]) else record.command
        text = _TEXT.format(
            command=" ".join(quote(word, argument=place > 0) for place, word in enumerate(command)),
            environment="\n".join(f"Environment={quote(f'{k}={v}')}" for k, v in sorted(record.environment.items())),
            interval=BURST_SECONDS,
            burst=BURST,
            pause=RESTART_SECONDS,
        )
        return text.encode()

    def parse(self, content: bytes) -> Record:
        """Return the record of a unit that `render` made. Raises ValueError for what cannot be understood."""
        command: list[str] = []
        environment: dict[str, str] = {}
        for line in content.decode().split("\n"):
            key, _, value = line.partition("=")
            if key == "ExecStart":
                command = [word.replace("$$", "$") if place else word for place, word in enumerate(words(value))]
            elif key == "Environment":
                environment |= {name: text for name, _, text in (word.partition("=") for word in words(value))}
        if tuple(command[: len(_SHELL)]) == _SHELL:
            del command[: len(_SHELL)]
        if len(command) < 2:
            raise ValueError("no command")
        return Record(tuple(command), environment)

    def load(self) -> None:
        """Have systemd read the unit, start it at each log-in, and start it now, anew if it runs."""
        self._systemctl("daemon-reload")
        self._systemctl("enable", UNIT)
        self._systemctl("reset-failed", UNIT, may_fail=True)
        self._systemctl("restart", UNIT)

    def unload(self) -> None:
        """Stop it, and start it at no log-in any more."""
        self._systemctl("disable", "--now", UNIT)

    def forget(self) -> None:
        """Have systemd notice that the unit is gone."""
        self._systemctl("daemon-reload")
        self._systemctl("reset-failed", UNIT, may_fail=True)

    def leftovers(self) -> list[Path]:
        """What else `load` leaves beside the file."""
        return [self.file.parent / "default.target.wants" / UNIT]

    def state(self) -> State:
        """Ask systemd. Raises ServiceError where none runs for this user."""
        asked = self._systemctl("show", UNIT, "--property=ActiveState,SubState,MainPID,UnitFileState")
        facts = dict(line.partition("=")[::2] for line in asked.out.splitlines())
        pid = facts.get("MainPID", "0")
        active = facts.get("ActiveState", "")
        return State(
            pid=int(pid) if pid.isdigit() and int(pid) > 0 and active in {"active", "reloading"} else None,
            at_log_in=facts.get("UnitFileState", "") == "enabled",
            failed=active == "failed" or facts.get("SubState") == "auto-restart",
        )

    def _systemctl(self, *arguments: str, may_fail: bool = False) -> programs.Answer:
        try:
            answer = programs.ask("systemctl", "--user", *arguments)
        except programs.NotThere as error:
            raise NoSession(f"{error} Lerix is kept running by systemd, and there is none here.") from None
        if answer.code == 0 or may_fail:
            return answer
        # "Failed to connect to bus: No medium found", "... $XDG_RUNTIME_DIR not defined ...", "System has not been
        # booted with systemd as init system".
        if any(word in answer.said for word in ("connect to", "XDG_RUNTIME_DIR", "not been booted with systemd")):
            raise NoSession(
                f"No systemd runs for this user here ({answer.reason}). Sign in at a desktop or by ssh rather than "
                "by su or sudo, then run this again."
            )
        raise ServiceError(f"systemd refused ({answer.reason}). systemctl --user status lerix says more.")


def quote(text: str, *, argument: bool = False) -> str:
    """Write a text as one word of a unit's value; `argument` as one of ExecStart after its program.

    Line breaks and other control characters have no place in one; Record holds none.
    """
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text.replace("$", "$$") if argument else text}"'


def words(value: str) -> list[str]:
    """Split a value into its words, as far as `quote` writes them. Raises ValueError for anything else."""
    found: list[str] = []
    place = 0
    while place < len(value):
        if value[place] == " ":
            place += 1
            continue
        if value[place] != '"':
            raise ValueError("a word without quotes")
        word, place = "", place + 1
        while value[place : place + 1] != '"':
            if value[place : place + 1] == "\\":
                place += 1
            if place >= len(value):
                raise ValueError("a quote that is not closed")
            word, place = word + value[place], place + 1
        found.append(word.replace("%%", "%"))
        place += 1
    return found
