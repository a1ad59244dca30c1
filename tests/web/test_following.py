"""What goes on for each access path begins when the path comes and ends when it goes."""

import asyncio
from functools import partial

from connections.paths import AccessPath, AccessPaths
from lerix_web.background import Work
from lerix_web.following import follow_paths
from tests.chat.fakes import FakePath


class Log:
    """Which works run now, and which have begun ever."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.begun: list[str] = []
        self.changed = asyncio.Event()

    def works(self, path: AccessPath) -> list[Work]:
        return [(f"{path.key} {name}", partial(self.work, f"{path.key} {name}")) for name in ("one", "two")]

    async def work(self, name: str) -> None:
        self.running.append(name)
        self.begun.append(name)
        self.changed.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.running.remove(name)
            self.changed.set()

    async def until(self, *names: str) -> None:
        async with asyncio.timeout(20):
            while sorted(self.running) != sorted(names):
                self.changed.clear()
                await self.changed.wait()


async def test_works_follow_the_paths_that_are_registered() -> None:
    paths, log = AccessPaths(), Log()
    first, second = FakePath(key="a"), FakePath(key="b")
    paths.add(first)
    following = asyncio.create_task(follow_paths(paths, log.works))
    await log.until("a one", "a two")
    paths.add(second)
    await log.until("a one", "a two", "b one", "b two")
    paths.remove("a")
    await log.until("b one", "b two")
    # The same path that goes and comes in one go is left alone; another one under its key is not.
    paths.remove("b")
    paths.add(second)
    paths.add(first)
    await log.until("a one", "a two", "b one", "b two")
    assert log.begun.count("b one") == 1
    paths.remove("b")
    paths.add(FakePath(key="b"))
    async with asyncio.timeout(20):
        while log.begun.count("b two") < 2:
            log.changed.clear()
            await log.changed.wait()
    following.cancel()
    await asyncio.wait([following])
    assert log.running == []
