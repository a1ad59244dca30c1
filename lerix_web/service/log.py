"""The log of the service on macOS, kept short: launchd appends what Lerix writes to stderr, and never cuts it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
from pathlib import Path
from typing import Final

from lerix_web.paths import write_private
from lerix_web.service.launchd import log_file

#: Bytes it may have before it is cut, and bytes of its end that are kept beside it, as "lerix.log.1".
LIMIT: Final = 1024 * 1024
KEPT: Final = 256 * 1024
SECONDS: Final = 60.0


async def keep_short(path: Path | None = None, descriptor: int | None = None, *, seconds: float = SECONDS) -> None:
    """While `descriptor` (stderr if None) is the log at `path`, look at its size every so many seconds.

    Returns at once where it is not, as in a terminal and under systemd.
    """
    log = log_file(Path.home()) if path is None else path
    number = sys.__stderr__.fileno() if descriptor is None and sys.__stderr__ is not None else descriptor
    while number is not None:
        if not await asyncio.to_thread(_look, log, number):
            return
        await asyncio.sleep(seconds)


def _look(path: Path, descriptor: int) -> bool:
    try:
        facts, opened = path.stat(), os.fstat(descriptor)
        if (facts.st_dev, facts.st_ino) != (opened.st_dev, opened.st_ino):
            return False
        if opened.st_size > LIMIT:
            with path.open("rb") as file:
                file.seek(-KEPT, os.SEEK_END)
                write_private(path.with_name(f"{path.name}.1"), file.read(KEPT))
            # Else the next line would stand where it would have stood, behind a hole.
            fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_APPEND)
            os.ftruncate(descriptor, 0)
    except OSError:
        return False
    return True
