"""What goes on for each access path while it is registered: begun when it comes, ended when it goes."""

import asyncio
from collections.abc import Callable, Sequence

from connections.paths import AccessPath, AccessPaths
from lerix_web.background import Background, Work

STOP_SECONDS = 5.0


async def follow_paths(registered: AccessPaths, works: Callable[[AccessPath], Sequence[Work]]) -> None:
    """Keep the works of every registered path running. Never ends; when it is cancelled, they end with it."""
    running: dict[str, tuple[AccessPath, Background]] = {}
    bell = asyncio.Event()
    registered.changed.ring(bell)
    try:
        while True:
            bell.clear()
            present = {path.key: path for path in registered.all()}
            for key, (path, background) in list(running.items()):
                # The same key may stand for another object by now.
                if present.get(key) is not path:
                    del running[key]
                    await background.stop(STOP_SECONDS)
            for key, path in present.items():
                if key not in running:
                    background = Background()
                    running[key] = path, background
                    background.start(works(path))
            await bell.wait()
    finally:
        await asyncio.gather(*(background.stop(STOP_SECONDS) for _, background in running.values()))
