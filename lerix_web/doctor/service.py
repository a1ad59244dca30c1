"""The service that keeps Lerix running, where it is installed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from lerix_web import cli
from lerix_web.doctor.finding import Finding, Level
from lerix_web.errors import ServiceError
from lerix_web.service import actions
from lerix_web.service.manager import Manager, NoSession
from lerix_web.service.record import SETTINGS, Record

NAME: Final = "Service"


def service(folder: Path, codex_home: Path, port: int, manager: Manager | None = None) -> Finding:
    """Whether Lerix is kept running, and whether what was recorded for that is still there and still the same.

    `manager` is this system's if None. A Lerix that is no service is as it should be.
    """
    here = actions.Here(folder, codex_home, port, dict(os.environ.items()))
    step = f"Run {cli.program()} service install."
    try:
        manager = manager or actions.manager_of()
    except ServiceError as error:
        return Finding(NAME, Level.OK, str(error))
    try:
        record = actions.installed(manager)
    except ServiceError:
        return Finding(NAME, Level.PROBLEM, f"{manager.file} cannot be read or understood.", step)
    if record is None:
        return Finding(NAME, Level.OK, f"Not installed; Lerix runs when you start it ({cli.program()} service install)")
    paths = record.paths()
    gone = [name for name, path in paths.items() if actions.missing(name, path)]
    # Both folders are made when they are needed.
    for name in [name for name in gone if name not in {"CODEX_HOME", "LERIX_HOME"}]:
        level = Level.PROBLEM if name in {"python", "lerix"} else Level.WARN
        return Finding(NAME, level, f"It starts Lerix with {name} at {paths[name]}, which is not there any more.", step)
    other = _other(record, here)
    if other:
        return Finding(NAME, Level.WARN, f"It was installed with another {', '.join(other)} than Lerix has here.", step)
    return _state(manager, step)


def _other(record: Record, here: actions.Here) -> list[str]:
    """Return the names of what is recorded otherwise than it is now."""
    try:
        now = here.record()
    except ServiceError:
        return []
    was, found = record.paths(), now.paths()
    # A codex that is gone from the PATH of this terminal may still do for the service.
    paths = [name for name in found if was.get(name) != found[name]]
    ours = [name for name in SETTINGS if name.startswith("LERIX_")]
    settings = [name for name in ours if record.environment.get(name) != now.environment.get(name)]
    return paths + settings


def _state(manager: Manager, step: str) -> Finding:
    try:
        state = manager.state()
    except NoSession:
        return Finding(NAME, Level.OK, "Installed; whether it runs can be said only in the session that it runs in")
    except ServiceError as error:
        return Finding(NAME, Level.WARN, "Installed, and how it is cannot be said.", str(error))
    if not state.at_log_in:
        return Finding(NAME, Level.WARN, "Installed, and it does not start at log-in.", step)
    if state.pid is None:
        said = "Installed, and not running" + (": it has failed." if state.failed else ".")
        return Finding(NAME, Level.WARN, said, f"See what goes wrong with: {manager.logs}")
    return Finding(NAME, Level.OK, f"Installed and running (process {state.pid})")
