"""What Codex Relay adds to an answer, what its broker carries, and what an idle link costs, beside what was aimed at.

    .venv/bin/python -m benchmarks.relay               everything, about eight minutes
    .venv/bin/python -m benchmarks.relay --quick       fewer repeats, under three minutes
    .venv/bin/python -m benchmarks.relay --only NAME   one part (may be given more than once)

first      time to the first token over the relay, less the same on the computer with the Codex session
delay      the same for each token
small      a small request and its answer
bodies     bytes a second of a body up and of an answer down
browser    small requests, large bodies and the first visible token in a browser on another device
messages   messages a second through the broker, beside a bare splice of two WebSockets
idle       what 2,000 links over which nothing goes cost the broker

Two real `lerix serve` and a real `lerix broker` run in processes of their own, with a bare upstream in place of OpenAI;
everything stays on loopback. What is compared is measured in turns, so that what others do on the machine hits both.
The table is Markdown. Needs Linux (/proc), and Chromium or Chrome for the part in the browser.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Final

from benchmarks import relay_browser, relay_load, relay_ways
from benchmarks.bed import Figure, others_at_work
from benchmarks.relay_bed import RelayBed
from benchmarks.streaming import report

Timed = Callable[..., Coroutine[None, None, list[Figure]]]

#: Over two Lerix and a broker, which all of them share.
WAYS: Final[dict[str, Timed]] = {
    "first": relay_ways.first_token,
    "delay": relay_ways.token_delay,
    "small": relay_ways.small,
    "bodies": relay_ways.bodies,
    "browser": relay_browser.browser,
}
#: With a broker of their own.
LOAD: Final[dict[str, Timed]] = {"messages": relay_load.messages, "idle": relay_load.idle}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.relay", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*WAYS, *LOAD]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    options = parse(arguments)
    wanted = options.only or [*WAYS, *LOAD]
    figures: list[Figure] = []
    noise: list[float] = []

    def measure(name: str, measured: Callable[[], Coroutine[None, None, list[Figure]]]) -> None:
        noise.append(others_at_work())
        print(f"{name} ... (processors {noise[-1]:.0%} in use by others)", file=sys.stderr, flush=True)
        found = asyncio.run(measured())
        for each in found:
            print(f"  {each.name}: {each.value}", file=sys.stderr, flush=True)
        figures.extend(found)

    ways = [name for name in WAYS if name in wanted]
    if ways:
        with RelayBed() as bed:
            for name in ways:
                measure(name, partial(WAYS[name], bed, quick=options.quick))
    for name in LOAD:
        if name in wanted:
            measure(name, partial(LOAD[name], quick=options.quick))
    return report(figures, noise)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
