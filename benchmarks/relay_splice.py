"""The least that a relay can do: two WebSockets of the library `websockets`, and what comes on one goes to the other.

    python -m benchmarks.relay_splice      prints its port and serves until its standard input ends

Who connects first waits for the next; these two are a pair.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed


async def main() -> None:
    """Serve until standard input ends."""
    waiting: list[tuple[ServerConnection, asyncio.Future[ServerConnection]]] = []

    async def splice(mine: ServerConnection) -> None:
        if waiting:
            other, met = waiting.pop()
            met.set_result(mine)
        else:
            met = asyncio.get_running_loop().create_future()
            waiting.append((mine, met))
            other = await met
        with contextlib.suppress(ConnectionClosed):
            async for message in mine:
                await other.send(message)

    async with serve(splice, "127.0.0.1", 0, compression=None, ping_interval=None, max_size=64 * 1024) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        ended = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(ended), sys.stdin)
        await ended.read()


if __name__ == "__main__":
    asyncio.run(main())
