"""The tests on a machine that stalls: a plug-in for pytest, for whoever looks for races.

    python3 manage.py test -p tests.stalls.plugin tests/browser -n 4

Event loops and threads sleep at random moments: those of the tests, of the stand-in and of each Lerix and broker that
they start. Answers come with pauses between their pieces, and the scripts of pages are kept waiting. What fails then
failed by chance before, on a machine slow enough; bounds of a few seconds in a test may of course be missed as well.
The environment says how much:

    STALLS_SEED     another order of the stalls (1)
    STALLS_SHARE    share of an event loop's turns that stall (0.004)
    STALLS_SECONDS  the longest stall of a loop or a thread (0.1)
    STALLS_PAGE     the longest stall of a page, in milliseconds (0, none)
"""

import asyncio
import os
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.serving import LerixProcess
from tests.stalls import loops
from tests.upstream.wire import Exchange

#: The folder that programs find on PYTHONPATH, and what is in it before anything else of theirs.
SITE = Path(__file__).with_name("site")
#: The pauses of an answer: before this share of its pieces, the longest in seconds, and among how many of the first.
PAUSES, PAUSE, PIECES = 0.3, 0.06, 60
PAGE = """(() => {
    const [later, now] = [setTimeout.bind(window), performance.now.bind(performance)];
    const stall = () => {
        const end = now() + Math.random() ** 2 * MOST;
        while (now() < end);
        later(stall, Math.random() * 1000);
    };
    later(stall, Math.random() * 100);
})();"""


def pytest_sessionstart() -> None:
    """Begin to stall: this process, the programs it starts, the stand-in's answers, the pages."""
    loops.install()
    patch = pytest.MonkeyPatch()

    environment: property = vars(LerixProcess)["environment"]

    def stalled(process: LerixProcess) -> dict[str, str]:
        made: dict[str, str] = environment.__get__(process)
        own = {name: value for name, value in os.environ.items() if name.startswith("STALLS_")}
        return {**made, **own, "PYTHONPATH": f"{SITE}{os.pathsep}{made['PYTHONPATH']}"}

    patch.setattr(LerixProcess, "environment", property(stalled))

    write = Exchange.write
    written: WeakKeyDictionary[Exchange, int] = WeakKeyDictionary()

    async def paused(exchange: Exchange, data: bytes) -> None:
        written[exchange] = written.get(exchange, 0) + 1
        if written[exchange] < PIECES and loops.chance.random() < PAUSES:
            await asyncio.sleep(loops.chance.random() * PAUSE)
        await write(exchange, data)

    patch.setattr(Exchange, "write", paused)

    new_context = Browser.new_context
    milliseconds = float(os.environ.get("STALLS_PAGE", "0"))

    def slow_pages(browser: Browser, **wanted: Any) -> BrowserContext:
        context = new_context(browser, **wanted)
        if milliseconds:
            context.add_init_script(PAGE.replace("MOST", str(milliseconds)))
        return context

    patch.setattr(Browser, "new_context", slow_pages)
