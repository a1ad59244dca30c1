"""Changes of the files, and readers who wait for them."""

import asyncio
from contextlib import aclosing
from pathlib import Path

from connections.codex.session import Session, SessionFiles, SignedOut, Unreadable
from connections.codex.watch import GRACE, Broadcast, SessionWatch
from tests.connections.far import Clock, sign_in, write

CODEX = Path("/usr/bin/codex")


class Counting(SessionFiles):
    """Files that count how often they are read."""

    reads = 0

    def read(self) -> object:  # type: ignore[override]
        self.reads += 1
        return super().read()


async def test_an_unchanged_file_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, sign_in())
    files = Counting(tmp_path, find_cli=lambda: CODEX)
    watch = SessionWatch(files, sleep=Clock().sleep)
    for _ in range(5):
        assert isinstance(await watch.refresh(), Session)
    assert files.reads == 1
    await watch.refresh(force=True)
    assert files.reads == 2


async def test_a_file_caught_half_written_shows_no_error(tmp_path: Path) -> None:
    whole = write(tmp_path, sign_in())
    raw = whole.read_bytes()
    whole.write_bytes(raw[:100])
    slept = []

    async def writer_goes_on(seconds: float) -> None:
        slept.append(seconds)
        whole.write_bytes(raw)

    watch = SessionWatch(SessionFiles(tmp_path, find_cli=lambda: CODEX), sleep=writer_goes_on)
    assert isinstance(await watch.refresh(), Session)
    assert slept == [GRACE]


async def test_a_fault_that_lasts_is_believed_after_two_more_looks_and_not_looked_at_again(
    tmp_path: Path,
) -> None:
    write(tmp_path, b"{")
    clock = Clock()
    watch = SessionWatch(SessionFiles(tmp_path, find_cli=lambda: CODEX), sleep=clock.sleep)
    assert isinstance(await watch.refresh(), Unreadable)
    assert isinstance(await watch.refresh(), Unreadable)
    assert clock.slept == [GRACE, GRACE]


async def test_logging_out_and_in_is_noticed(tmp_path: Path) -> None:
    watch = SessionWatch(SessionFiles(tmp_path, find_cli=lambda: CODEX), sleep=Clock().sleep)
    seen = [await watch.refresh()]
    auth = write(tmp_path, sign_in())
    seen.append(await watch.refresh())
    auth.unlink()
    seen.append(await watch.refresh())
    assert [type(state) for state in seen] == [SignedOut, Session, SignedOut]


async def test_a_slow_reader_gets_the_newest_value_only_and_costs_nothing_meanwhile() -> None:
    source = Broadcast(0)
    async with aclosing(source.changes()) as changes:
        assert await anext(changes) == 0
        for value in range(1, 10_000):
            source.publish(value)
        assert await anext(changes) == 9_999
        assert not source._waiters
        waiting = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0)
        source.publish(9_999)
        await asyncio.sleep(0)
        assert not waiting.done()
        source.publish(7)
        assert await waiting == 7


async def test_readers_that_leave_are_forgotten() -> None:
    source = Broadcast(0)

    async def read() -> None:
        async with aclosing(source.changes()) as changes:
            async for _ in changes:
                pass

    tasks = [asyncio.create_task(read()) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(source._waiters) == 50
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not source._waiters
