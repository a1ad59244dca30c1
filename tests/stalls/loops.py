"""Stalls of one process: the turns of its event loops, and what its pools of threads are given to do.

Without a part of Lerix or of its tests, since it also runs in programs before anything else does.
"""

import asyncio
import concurrent.futures.thread as pools
import os
import random
import time
from collections.abc import Callable

#: A number for the order of the stalls. Which of them meets what still depends on the machine.
SEED = os.environ.get("STALLS_SEED", "1")
#: The share of an event loop's turns before which it stalls. A piece of work for a thread does four times as often.
SHARE = float(os.environ.get("STALLS_SHARE", "0.004"))
#: The longest stall. Most are much shorter: a square of chance.
SECONDS = float(os.environ.get("STALLS_SECONDS", "0.1"))

chance = random.Random(f"{SEED} {os.getpid()}")


def stall(share: float) -> None:
    """Sleep for a while, in this share of the calls."""
    if chance.random() < share:
        time.sleep(chance.random() ** 2 * SECONDS)


def install() -> None:
    """Have every event loop and every pool of this process stall from now on."""
    _slow_down(asyncio.BaseEventLoop, "_run_once", SHARE)
    _slow_down(pools._WorkItem, "run", 4 * SHARE)


def _slow_down(owner: type, name: str, share: float) -> None:
    was: Callable[[object], None] = getattr(owner, name)

    def slow(self: object) -> None:
        stall(share)
        was(self)

    setattr(owner, name, slow)
