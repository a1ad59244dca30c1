"""Notices after the fact that this computer slept, or that its network is another one. Looks each five seconds.

No system tells a Python program of its sleep alike, so it is seen by the clock: the time of day went on, and nothing
ran here meanwhile. The network is seen by the addresses of this computer from which it would reach others: a UDP socket
that is connected to a far address has one, and connecting it sends nothing.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Final

#: Seconds.
LOOK_SECONDS: Final = 5.0
JUMP_SECONDS: Final = 20.0
# Addresses for documents, which nobody has (RFC 5737, RFC 3849); only the way towards them is asked.
_FAR: Final = ((socket.AF_INET, ("192.0.2.1", 9)), (socket.AF_INET6, ("2001:db8::1", 9)))

Addresses = tuple[str | None, ...]


def own_addresses() -> Addresses:
    """From where this computer would reach others, by IPv4 and IPv6; None where it would not. Asks nobody."""
    return tuple(_towards(family, address) for family, address in _FAR)


def _towards(family: socket.AddressFamily, address: tuple[str, int]) -> str | None:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0])
    except OSError:
        return None


async def watch(
    changed: Callable[[], None],
    *,
    addresses: Callable[[], Addresses] = own_addresses,
    wall: Callable[[], float] = time.time,
    look: float = LOOK_SECONDS,
    jump: float = JUMP_SECONDS,
) -> None:
    """Call `changed` after each sleep and each change of network that is not a loss; until cancelled."""
    known, then = addresses(), wall()
    while True:
        await asyncio.sleep(look)
        here, now = addresses(), wall()
        slept, then = now - then > look + jump, now
        # Without any address there is nobody to reach; the next one that comes is another one again.
        moved, known = here != known and any(here), here
        if slept or moved:
            changed()
