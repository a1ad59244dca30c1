"""Background tasks: kept alive, logged by name, ended in time."""

import asyncio
import logging

import pytest

from lerix_web.background import Background


async def test_a_failing_task_is_logged_and_started_again(caplog: pytest.LogCaptureFixture) -> None:
    runs = 0
    steady = asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise ValueError("fell over")
        steady.set()
        await asyncio.sleep(60)

    background = Background(first_pause=0.001)
    background.start([("watch", work)])
    async with asyncio.timeout(20):
        await steady.wait()
    await background.stop(1)
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "Background task watch failed." in caplog.text


async def test_a_task_that_returns_is_done() -> None:
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1

    background = Background(first_pause=0.001)
    background.start([("once", work)])
    await asyncio.sleep(0.05)
    await background.stop(1)
    assert runs == 1


async def test_a_task_that_will_not_stop_is_named_and_left(caplog: pytest.LogCaptureFixture) -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    background = Background()
    background.start([("stubborn", stubborn)])
    await asyncio.sleep(0)
    await background.stop(0.05)
    assert "Background task stubborn did not stop in time." in caplog.text
    release.set()
    await asyncio.sleep(0.01)
