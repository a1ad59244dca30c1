"""The few threads that the interface's database work runs in.

Each keeps its connection. A thread and a connection per request, as Django's own views have, made a hundred log-ins at
once wait for each other's lock inside SQLite; here they wait in line, and a line that grows too long is refused.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

from django.db import Error as DatabaseFailure
from django.db import connections

from relay.api import Problem
from relay.broker.refusals import Refused

THREADS: Final = 4
MOST_WAITING: Final = 400

R = TypeVar("R")


class Desk:
    """Runs pieces of work, at most `threads` at a time and `most` in all."""

    def __init__(self, threads: int = THREADS, most: int = MOST_WAITING) -> None:
        self._pool = ThreadPoolExecutor(threads, "broker")
        self._places = threading.BoundedSemaphore(most)

    async def do(self, work: Callable[[], R]) -> R:
        """Run the work and return its result. Raises what it raises, Refused(UNAVAILABLE) if too much waits."""
        if not self._places.acquire(blocking=False):
            raise Refused(Problem.UNAVAILABLE)
        future = self._pool.submit(_keep_connection, work)
        # By the work's own end: a client that goes away does not free the thread.
        future.add_done_callback(self._leave)
        return await asyncio.wrap_future(future)

    def _leave(self, future: Future[Any]) -> None:
        self._places.release()


def _keep_connection(work: Callable[[], R]) -> R:
    try:
        return work()
    except DatabaseFailure:
        # It may be of no more use; the next work opens another.
        connections.close_all()
        raise


desk = Desk()
