"""Python, the data folder and the port."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path
from typing import Final

import lerix_web
from lerix_web import facts, instance, sockets
from lerix_web.doctor.finding import Finding, Level, split
from lerix_web.errors import PortError
from lerix_web.paths import FOLDER_MODE

OLDEST: Final = (3, 11)
# Free space in bytes below which the doctor warns, and below which the next chat may not be stored.
LITTLE: Final = 1024**3
TOO_LITTLE: Final = 50 * 1024**2


def python() -> Finding:
    """The Python that runs this, and what comes with it."""
    versions = facts.versions()
    said = ", ".join(f"{name} {version}" for name, version in versions.items())
    if sys.version_info < OLDEST:
        return Finding("Python", Level.PROBLEM, said, "Install Python 3.11 or newer.")
    return Finding("Python", Level.OK, said)


def data_folder(folder: Path) -> Finding:
    """Whether the data folder is there, ours, closed to others, writable, and has room."""
    name = "Data folder"
    try:
        found = folder.stat()
    except FileNotFoundError:
        return Finding(name, Level.WARN, f"{folder} is not there yet. Lerix makes it when it starts.")
    except OSError as error:
        return Finding(name, Level.PROBLEM, f"{folder} cannot be looked at: {error.strerror}.", "Check its parents.")
    if not stat.S_ISDIR(found.st_mode):
        return Finding(name, Level.PROBLEM, f"{folder} is no folder.", "Name another one in LERIX_HOME.")
    if found.st_uid != os.geteuid():
        return Finding(name, Level.PROBLEM, f"{folder} belongs to another user.", "Name another one in LERIX_HOME.")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Finding(name, Level.PROBLEM, f"{folder} cannot be written.", f"Run chmod 700 '{folder}'.")
    if stat.S_IMODE(found.st_mode) & ~FOLDER_MODE:
        return Finding(
            name, Level.PROBLEM, f"{folder} can be read by other users of this machine.", f"Run chmod 700 '{folder}'."
        )
    free = shutil.disk_usage(folder).free
    said = f"{folder}, {size(free)} free"
    if free < TOO_LITTLE:
        return Finding(name, Level.PROBLEM, f"{said}.", "Free some space: chats cannot be stored without.")
    return Finding(name, Level.WARN if free < LITTLE else Level.OK, said)


def port(folder: Path, number: int) -> Finding:
    """Whether Lerix runs, and if not, whether it could listen."""
    name = "Port"
    running = instance.ask(folder, "ping")
    if running is not None:
        version, at = running.get("version"), running.get("port")
        said = f"Lerix {version} is running on port {at}"
        if version != lerix_web.__version__:
            step = "Stop it and start it again to use the new one."
            return Finding(name, Level.WARN, f"{said}, and {lerix_web.__version__} is installed.", step)
        return Finding(name, Level.OK, said)
    if number == 0:
        return Finding(name, Level.OK, "Lerix is not running; it will take any free port")
    try:
        opened = sockets.listen(number)
    except PortError as error:
        return split(name, Level.PROBLEM, str(error))
    for each in opened:
        each.close()
    return Finding(name, Level.OK, f"{number} is free; Lerix is not running")


def size(count: int) -> str:
    """Return bytes as people say them."""
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if count >= step:
            return f"{count / step:.1f} {unit}"
    return f"{count} bytes"
