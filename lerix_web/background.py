"""Work that goes on beside the requests: kept alive while the server runs, ended with it."""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

logger = logging.getLogger(__name__)

#: (name for the log, makes a fresh coroutine for each start)
Work = tuple[str, Callable[[], Coroutine[Any, Any, None]]]

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0


class Background:
    """Runs named coroutines; one that fails is logged and started again after 1, 2, 4 ... 60 s.

    One that returns has done its work and is not started again.
    """

    def __init__(self, *, first_pause: float = FIRST_PAUSE) -> None:
        self._first_pause = first_pause
        # The loop holds tasks weakly.
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, works: Iterable[Work]) -> None:
        """Start each work as a task of its own in the running loop."""
        for name, make in works:
            # An empty context: a thread-sensitive executor of some request must not be inherited.
            task = asyncio.create_task(self._keep(name, make), name=name, context=contextvars.Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self, seconds: float) -> None:
        """Cancel all and wait for them, at most so many seconds."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                logger.warning("Background task %s did not stop in time.", task.get_name())

    async def _keep(self, name: str, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        loop = asyncio.get_running_loop()
        pause = self._first_pause
        while True:
            started = loop.time()
            try:
                await make()
                return
            except Exception:
                if loop.time() - started > LONGEST_PAUSE:
                    pause = self._first_pause  # it had recovered since
                logger.exception("Background task %s failed. It starts again in %.0f s.", name, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
