#!/usr/bin/env python3
"""Long trials of what must never go wrong: ``python3 benchmarks/soak.py renewal --count 1000``.

renewal   The real Codex CLI and Lerix renew one session at the same moment, again and again: half of the rounds
          with a Lerix that renews through the CLI, half with one that renews by itself. The sign-in host is the
          stand-in of the tests, which answers after a random while. Ends with 1 at the first round after which
          either of them could not go on.

Needs the CLI, which `.ci/run` installs, and the packages of the tests: it runs itself in `.venv` where there is one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"


def main(arguments: list[str]) -> int:
    """Run the trial that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trial", choices=["renewal"])
    parser.add_argument("--count", type=int, default=1000, help="rounds (1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the random delays (0)")
    options = parser.parse_args(arguments)
    return asyncio.run(renewal(options.count, options.seed))


async def renewal(count: int, seed: int) -> int:
    """Renew side by side ``count`` times; 0 when nobody was stranded."""
    chance = random.Random(seed)  # noqa: S311 - delays
    found = real_cli.find_program()
    if found is None:
        print("The Codex CLI is not installed. Run .ci/run, or: npm install -g @openai/codex", file=sys.stderr)
        return 2
    halves = [(True, "through the CLI", count - count // 2), (False, "by itself", count // 2)]
    for uses_cli, how, rounds in halves:
        with tempfile.TemporaryDirectory(prefix="lerix-soak-") as folder, Upstream() as up:
            cli = real_cli.RealCli(found, up, Path(folder) / "codex")
            cli.log_in()
            begun = time.monotonic()

            def after(number: int, up: Upstream = up, how: str = how, rounds: int = rounds) -> None:
                for _ in range(2):
                    up.fail(TOKEN, Late(chance.choice((0.0, 0.0, chance.uniform(0, 0.1)))))
                if number % 50 == 0 or number == rounds:
                    print(f"\r  Lerix renews {how}: {number} of {rounds}", end="", flush=True)

            try:
                told = await real_cli.side_by_side(cli, rounds, lerix_uses_cli=uses_cli, after=after)
            except real_cli.Stranded as problem:
                print(f"\nStranded: {problem}")
                return 1
            seconds = time.monotonic() - begun
            print(
                f"\r  Lerix renews {how}: {rounds} rounds in {seconds:.0f} s, {told['renewals']} renewals, "
                f"{told['refused']} lost races, nobody stranded"
            )
    return 0


if __name__ == "__main__":
    if PYTHON.exists() and Path(sys.prefix).resolve() != (ROOT / ".venv").resolve():
        os.execv(PYTHON, [str(PYTHON), *sys.argv])  # noqa: S606 - no shell is wanted
    sys.path.insert(0, str(ROOT))

from tests import real_cli  # noqa: E402 - only now can they be found
from tests.upstream import TOKEN, Upstream  # noqa: E402
from tests.upstream.faults import Late  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
