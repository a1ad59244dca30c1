"""Small things that coroutine tests share."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path


async def until(test: Callable[[], Awaitable[bool]] | Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until `test` says yes. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        for _ in itertools.count():
            answer = test()
            if answer is True or (not isinstance(answer, bool) and await answer):
                return
            await asyncio.sleep(0.01)


def files(folder: Path) -> list[Path]:
    """The files in a folder: a look at the disk, which is not to be taken inside of a coroutine."""
    return sorted(folder.iterdir())


def mode(path: Path) -> int:
    """The permissions of a file."""
    return path.stat().st_mode & 0o777
