"""How fast an answer comes through Lerix, beside what was aimed at.

    .venv/bin/python -m benchmarks.streaming              everything, about a quarter of an hour
    .venv/bin/python -m benchmarks.streaming --quick      fewer repeats and shorter answers
    .venv/bin/python -m benchmarks.streaming --only NAME  one part (may be given more than once)

A bare upstream and a real `lerix serve` run in processes of their own; everything stays on loopback. The table is
Markdown. Needs Linux (/proc), and Chromium or Chrome for the part in the browser.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Callable, Coroutine, Sequence

from benchmarks import page_side, wire_side
from benchmarks.bed import Bed, Figure, others_at_work

Timed = Callable[..., Coroutine[None, None, list[Figure]]]

WIRE: dict[str, Timed] = {
    "first": wire_side.first_token,
    "delay": wire_side.token_delay,
    "flat": wire_side.flat_out,
    "cost": wire_side.cost,
    "memory": wire_side.memory,
    "start": wire_side.start,
}
PAGE: dict[str, Callable[..., list[Figure]]] = {
    "enter": page_side.enter,
    "long": page_side.long_answer,
    "page": page_side.usable,
}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming", description=(__doc__ or "").split("\n")[0])
    names = [*WIRE, *PAGE]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--quick", action="store_true", help="fewer repeats, shorter answers")
    return parser.parse_args(arguments)


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a Markdown table."""
    verdict = {True: "yes", False: "**no**", None: ""}
    rows = [(each.name, each.value, each.aim, verdict[each.met]) for each in figures]
    head = ("Figure", "Measured", "Aim", "Met")
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(4)]
    lines = [head, tuple("-" * width for width in widths), *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def report(figures: Sequence[Figure], noise: Sequence[float]) -> int:
    """Print the table below the machine and what others used of it; return the exit code, 1 where an aim is missed."""
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    print(f"{machine}; others used {min(noise):.0%} to {max(noise):.0%} of the processors between the parts.\n")
    print(table(figures))
    return 0 if all(each.met is not False for each in figures) else 1


def main(arguments: Sequence[str]) -> int:
    """Measure and print. Each part gets a Lerix of its own, so that none finds what another left behind."""
    options = parse(arguments)
    figures: list[Figure] = []
    noise = []
    for name in options.only or [*WIRE, *PAGE]:
        noise.append(others_at_work())
        print(f"{name} ... (processors {noise[-1]:.0%} in use by others)", file=sys.stderr, flush=True)
        with Bed() as bed:
            if name in WIRE:
                found = asyncio.run(WIRE[name](bed, quick=options.quick))
            else:
                found = PAGE[name](bed, quick=options.quick)
        for each in found:
            print(f"  {each.name}: {each.value}", file=sys.stderr, flush=True)
        figures += found
    return report(figures, noise)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
