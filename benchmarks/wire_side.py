"""What can be measured without a browser: times on the wire, processor time, memory, the start."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.bed import Bed, Direct, Figure, Tab, median, ms, quantile, question


async def first_token(bed: Bed, *, quick: bool) -> list[Figure]:
    """From POST to the first bytes of the answer on the tab's event stream, less the same at the upstream.

    An upstream that answers at once shows all the work that there is; a model thinks first, and meanwhile the page
    is told of the new messages.
    """
    figures = []
    for streams, think, most in ((1, 0.0, 120), (1, 0.2, 60), (50, 0.0, 6)):
        rounds = max(2, most // 6) if quick else most
        there: list[float] = []
        here: list[float] = []
        direct = list(await asyncio.gather(*(Direct.open(bed) for _ in range(streams))))
        tabs: list[Tab] = []
        for number in range(rounds):
            if number % 10 == 0:
                # New chats now and then: one that grows without end would be another measurement.
                for each in tabs:
                    each.close()
                tabs = [await Tab.open(bed) for _ in range(streams)]
                await asyncio.sleep(1)
            plan = question("stamped", 5, 40, think)
            there += await _first(direct, plan)
            here += await _first(tabs, plan)
            await asyncio.sleep(0.3)
        for tab, bare in zip(tabs, direct, strict=True):
            tab.close()
            bare.close()
        added = [quantile(here, part) - quantile(there, part) for part in (0.5, 0.99)]
        aim = ("≤ 5 ms p50", added[0] <= 0.005) if streams == 1 else ("", None)
        mind = f"a model that thinks {think * 1000:.0f} ms" if think else "no thinking"
        what = f"added time to first token, {_streams(streams)}, {mind}: p50 / p99"
        figures.append(Figure(what, f"{ms(added[0])} / {ms(added[1])}", *aim))
    return figures


async def _first(many: Sequence[Tab | Direct], plan: str) -> list[float]:
    began = await asyncio.gather(*(each.ask(plan) for each in many))
    return [each.stream.first - at for each, at in zip(many, began, strict=True) if each.stream.first is not None]


async def token_delay(bed: Bed, *, quick: bool) -> list[Figure]:
    """From the moment the upstream sends a token to the arrival of an update that holds it, at 60 a second."""
    figures = []
    for streams, aim in ((1, 0.050), (50, 0.150)):
        plan = question("stamped", 300 if quick else 1200, 60)
        found = {}
        used = 0.0
        for name, kind in (("upstream", Direct), ("lerix", Tab)):
            many: list[Any] = list(await asyncio.gather(*(kind.open(bed) for _ in range(streams))))
            await asyncio.sleep(1)
            before, began = bed.cpu(), time.monotonic()
            await asyncio.gather(*(_later(each, plan, 0.1037 * number) for number, each in enumerate(many)))
            used = (bed.cpu() - before) / (time.monotonic() - began)
            found[name] = [delay for each in many for delay in each.stream.delays]
            for each in many:
                each.close()
        added = [quantile(found["lerix"], part) - quantile(found["upstream"], part) for part in (0.5, 0.99)]
        what = f"added delay per token, {_streams(streams)} at 60 tokens/s: p50 / p99"
        limit = f"≤ {aim * 1000:.0f} ms p99"
        figures += [
            Figure(what, f"{ms(added[0])} / {ms(added[1])}", limit, added[1] <= aim),
            Figure(f"processor while {_streams(streams)} at 60 tokens/s", f"{used:.0%} of one core"),
        ]
    return figures


async def _later(one: Tab | Direct, plan: str, seconds: float) -> None:
    """Ask after `seconds`: what many questions at one moment cost is told by the time to the first token."""
    await asyncio.sleep(seconds)
    await one.ask(plan)


async def flat_out(bed: Bed, *, quick: bool) -> list[Figure]:
    """Tokens a second of one answer that comes as fast as Lerix takes it, to its final state on the page."""
    count = 5_000 if quick else 20_000
    speeds = []
    for _ in range(3):
        tab = await Tab.open(bed)
        began = await tab.ask(question("mixed", count))
        speeds.append(count / (tab.stream.ended - began))
        tab.close()
    name = f"flat-out speed, one stream of {count:,} tokens of mixed Markdown"
    return [Figure(name, f"{median(speeds):,.0f} tokens/s")]


async def cost(bed: Bed, *, quick: bool) -> list[Figure]:
    """Processor time of Lerix for a token, at 2,000 tokens a second with one reader, final pass included."""
    figures = []
    for kind, what in (("prose", "prose"), ("code", "one code block"), ("table", "one table")):
        each = []
        for count, repeats in ((1_000, 4 if quick else 20), (10_000, 1 if quick else 3), (100_000, 0 if quick else 1)):
            if not repeats:
                continue
            spent = 0.0
            for _ in range(repeats):
                tab = await Tab.open(bed)
                await asyncio.sleep(0.3)
                before = bed.cpu()
                await tab.ask(question(kind, count, 2000))
                await asyncio.sleep(0.2)
                spent += bed.cpu() - before
                tab.close()
            each.append(spent / repeats / count)
        values = " / ".join(f"{value * 1e6:.0f}" for value in each)
        ratio = each[-1] / each[0]
        counts = "1,000 / 10,000" if quick else "1,000 / 10,000 / 100,000"
        name = f"cost per token at {counts} tokens, {what}"
        figures.append(Figure(name, f"{values} µs (last to first {ratio:.2f})", "last ≤ 1.2 × first", ratio <= 1.2))
    return figures


async def memory(bed: Bed, *, quick: bool) -> list[Figure]:
    """Resident memory with 200 open event streams, then with 50 answers coming beside them."""
    bed.restart()
    before = bed.memory()
    tab = await Tab.open(bed)
    many = [await Tab.open(bed, tab.chat) for _ in range(200)]
    await asyncio.sleep(2)
    held = bed.memory()
    for each in [*many, tab]:
        each.close()
    await asyncio.sleep(1)
    chats = [await Tab.open(bed) for _ in range(50)]
    more = [await Tab.open(bed, chat.chat) for chat in chats for _ in range(3)]
    asked = [asyncio.create_task(chat.ask(question("stamped", 200, 20))) for chat in chats]
    await asyncio.sleep(9)
    busy = bed.memory()
    await asyncio.gather(*asked)
    for each in [*chats, *more]:
        each.close()
    return [
        Figure("memory with no stream", f"{before:.0f} MB"),
        Figure("memory with 200 open event streams", f"{held:.0f} MB", "≤ 150 MB", held <= 150),
        Figure("memory with 200 open event streams while 50 answers come", f"{busy:.0f} MB", "≤ 150 MB", busy <= 150),
    ]


async def start(bed: Bed, *, quick: bool) -> list[Figure]:
    """From the start of the process to its ready line, with a database that is up to date."""
    times = []
    for _ in range(3 if quick else 7):
        bed.lerix.terminate()
        bed.lerix.kill()
        began = time.monotonic()
        bed.lerix.start()
        times.append(time.monotonic() - began)
    middle = median(times)
    return [Figure("start to ready", f"{middle:.2f} s (slowest {max(times):.2f})", "≤ 2 s", middle <= 2)]


def _streams(count: int) -> str:
    return "1 stream" if count == 1 else f"{count} streams at once"
