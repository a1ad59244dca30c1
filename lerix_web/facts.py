"""What is true of this installation: versions, sizes. For Settings > About and for `lerix doctor`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import re
import signal
import sqlite3
from pathlib import Path
from typing import Final

import django

import lerix_web

CODEX_SECONDS: Final = 5.0


def versions() -> dict[str, str]:
    """Return the versions of what Lerix runs on, by name, Lerix itself first."""
    return {
        "Lerix": lerix_web.__version__,
        "Python": platform.python_version(),
        "Django": django.get_version(),
        "SQLite": sqlite3.sqlite_version,
    }


def database_size(database: Path) -> int:
    """Return the bytes that the database takes, with what is not yet merged into its file."""
    size = 0
    for path in (database, database.with_name(f"{database.name}-wal")):
        with contextlib.suppress(OSError):
            size += path.stat().st_size
    return size


def changed(path: Path) -> float | None:
    """Return when a file was last changed, in seconds since 1970, or None where there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return None


async def codex_version(program: Path, *, seconds: float = CODEX_SECONDS) -> str | None:
    """Return the version that the Codex CLI gives of itself, or None where it gives none in time."""
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return None
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            # With its children, which would keep the pipe open: npm's codex starts another program.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    found = re.search(rb"\d+\.\d+\.\d+[\w.+-]{0,40}", said[:1000])
    return found[0].decode() if found and process.returncode == 0 else None
