#!/usr/bin/env python3
"""Long trials of what must never go wrong: ``python3 benchmarks/soak.py renewal --count 1000``.

renewal   The real Codex CLI and Lerix renew one session at the same moment, again and again: half of the rounds
          with a Lerix that renews through the CLI, half with one that renews by itself. The sign-in host is the
          stand-in of the tests, which answers after a random while. Ends with 1 at the first round after which
          either of them could not go on.

auth      Auth.json files made of a good one by seeded damage (bytes flipped, cut, repeated, values of other types and
          sizes, other encodings): each must give a state with its sentence, never an exception, and must lie there
          as it was.

relay     A device and a host of the relay ask and answer over links that are cut at random, with real handshakes and
          encryption; each seed is one run. Ends with 1 at the first body that is not whole, or the first request
          that was carried out twice.

`renewal` needs the CLI, which `.ci/run` installs. All need the packages of the tests: it runs itself in `.venv`
where there is one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"
#: Values that have no business where they are put.
ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1e308, 10**30, "", "x", "a.b", "a.b.c", "e30.e30.e30", [], {}, [[]], {"exp": 1}),
    *("apikey", "chatgpt", "agentIdentity", "\x00", "\ud800", "x" * 100_000, "2026-11-22T06:47:23.884445187Z"),
)


def main(arguments: list[str]) -> int:
    """Run the trial that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trial", choices=["renewal", "auth", "relay"])
    parser.add_argument("--count", type=int, help="rounds (renewal and relay 1,000; auth 10,000)")
    parser.add_argument("--seed", type=int, default=0, help="of what is left to chance (0)")
    options = parser.parse_args(arguments)
    if options.trial == "auth":
        return auth(options.count or 10_000, options.seed)
    if options.trial == "relay":
        return relay(options.count or 1_000, options.seed)
    return asyncio.run(renewal(options.count or 1_000, options.seed))


def relay(count: int, seed: int) -> int:
    """Run ``count`` seeds from ``seed`` on; 0 when everything came whole and once."""
    begun = time.monotonic()
    links = messages = kept = 0
    for number in range(seed, seed + count):
        try:
            world = chaos(number)
        except AssertionError as error:
            print(f"\nSeed {number} failed: {error}")
            return 1
        links, messages, kept = links + world.links, messages + world.delivered, max(kept, world.most_kept)
    seconds = time.monotonic() - begun
    print(
        f"{count} runs in {seconds:.0f} s: {messages:,} messages over {links:,} links, at most {kept // 1024} KiB kept"
    )
    return 0


def auth(count: int, seed: int) -> int:
    """Read ``count`` damaged files; 0 when each gave a state and was left as it was."""
    chance = random.Random(seed)  # noqa: S311 - damage
    seen: Counter[str] = Counter()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lerix-soak-") as folder, Upstream() as up:
        home = Path(folder)
        up.sign_in(home)
        file = home / "auth.json"
        good = file.read_bytes()
        files = SessionFiles(home)
        for number in range(count):
            content = damaged(good, chance)
            file.write_bytes(content)
            before = file.stat()
            state = files.read()
            now = datetime.now(UTC)
            whole = state_at(state, now) if isinstance(state, Session) else state
            status = status_of(whole, now)
            after = file.stat()
            if not status.sentence or (before.st_mtime_ns, before.st_ino) != (after.st_mtime_ns, after.st_ino):
                print(f"\nFile {number} of seed {seed} gave no sentence, or was touched")
                return 1
            if file.read_bytes() != content or sorted(home.iterdir()) != [file]:
                print(f"\nFile {number} of seed {seed} was changed")
                return 1
            seen[status.code] += 1
    states = ", ".join(f"{code} {times}" for code, times in seen.most_common())
    print(f"  {count} files in {time.monotonic() - begun:.0f} s: {states}")
    return 0


def damaged(good: bytes, chance: random.Random) -> bytes:
    """Return the bytes of a file that is wrong in one way or several."""
    if chance.random() < 0.5:
        content: dict[str, Any] = json.loads(good)
        for _ in range(chance.randint(1, 4)):
            tokens = content.get("tokens")
            place = tokens if isinstance(tokens, dict) and tokens and chance.random() < 0.5 else content
            place[chance.choice(list(place))] = chance.choice(ODD)
        return json.dumps(content).encode()
    data = bytearray(good)
    for _ in range(chance.randint(1, 30)):
        at = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                del data[at : at + chance.randint(1, 400)]
            case 2:
                data[at:at] = chance.randbytes(chance.randint(1, 40))
            case _:
                data[at:at] = data[at : at + chance.randint(1, 200)]
        data.extend(b" ")
    return bytes(data)


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

from connections.codex.session import Session, SessionFiles  # noqa: E402 - only now can they be found
from connections.codex.states import state_at, status_of  # noqa: E402
from tests import real_cli  # noqa: E402 - only now can they be found
from tests.relay.protocol.simulation import chaos  # noqa: E402
from tests.upstream import TOKEN, Upstream  # noqa: E402
from tests.upstream.faults import Late  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
