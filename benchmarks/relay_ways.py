"""What the way over broker and relay adds to an answer, and what it carries: see `benchmarks.relay`."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Sequence
from typing import Any, Final

import httpx

from benchmarks.bed import MODEL, Figure, Tab, median, ms, quantile, question
from benchmarks.relay_bed import RelayBed, reached
from connections.errors import AccessError
from relay.answers import RESPONSES, STATE
from relay.client.transport import IDEM

MIB: Final = 1024 * 1024
#: Bytes of a body that goes up. With what comes down it stays below what the broker lets an account send at once.
UP: Final = 8 * MIB
#: 16,000 characters each, and all of them once more at the end: 6.4 million bytes.
DOWN_TOKENS: Final = 200
#: In which the broker's account gets its bytes back.
REFILL_SECONDS: Final = 4.0
#: A session may open so many streams a second.
REQUEST_SECONDS: Final = 0.06


async def first_token(bed: RelayBed, *, quick: bool) -> list[Figure]:
    """From POST to the first bytes of the answer on the tab's event stream: over the relay, less the same locally."""
    figures = []
    for think, rounds in ((0.0, 12 if quick else 80), (0.2, 12 if quick else 40)):
        here: list[float] = []
        there: list[float] = []
        local = remote = None
        for number in range(rounds):
            if number % 10 == 0:
                # New chats now and then: one that grows without end would be another measurement.
                for tab in (local, remote):
                    if tab is not None:
                        tab.close()
                local, remote = await Tab.open(bed.mac), await Tab.open(bed.laptop)
                await asyncio.sleep(1)
            if local is None or remote is None:
                raise RuntimeError("no page was opened")
            # Each is first in turn, so that neither finds what the other has just warmed.
            pair = [(local, here), (remote, there)]
            for tab, times in pair if number % 2 else pair[::-1]:
                began = await tab.ask(question("stamped", 5, 40, think))
                if tab.stream.first is not None:
                    times.append(tab.stream.first - began)
                await asyncio.sleep(0.2)
        for tab in (local, remote):
            if tab is not None:
                tab.close()
        mind = f"a model that thinks {think * 1000:.0f} ms" if think else "no thinking"
        figures.append(_added(f"time to first token, {mind}", here, there, 0.010))
    return figures


async def token_delay(bed: RelayBed, *, quick: bool) -> list[Figure]:
    """From the moment the upstream sends a token to the arrival of an update that holds it, at 60 a second."""
    plan = question("stamped", 180, 60)
    local, remote = await Tab.open(bed.mac), await Tab.open(bed.laptop)
    await asyncio.sleep(1)
    here: list[float] = []
    there: list[float] = []
    for number in range(2 if quick else 8):
        pair = [(local, here), (remote, there)]
        for tab, delays in pair if number % 2 else pair[::-1]:
            await tab.ask(plan)
            delays.extend(tab.stream.delays)
            await asyncio.sleep(0.5)
    for tab in (local, remote):
        tab.close()
    return [_added("delay per token at 60 tokens/s", here, there, None)]


def _added(what: str, here: Sequence[float], there: Sequence[float], aim: float | None) -> Figure:
    parts = [(quantile(here, part), quantile(there, part)) for part in (0.5, 0.99)]
    added = " / ".join(ms(remote - local) for local, remote in parts)
    whole = ", ".join(f"{remote * 1000:.0f} over {local * 1000:.0f}" for local, remote in parts)
    name = f"added {what}: p50 / p99"
    if aim is None:
        return Figure(name, f"{added} ({whole})")
    met = parts[0][1] - parts[0][0] <= aim
    return Figure(name, f"{added} ({whole})", f"≤ {aim * 1000:.0f} ms p50", met)


async def small(bed: RelayBed, *, quick: bool) -> list[Figure]:
    """A request of a few bytes and its answer, from a device in this process to the Mac's and back."""
    times = []
    async with reached(bed) as client:
        for number in range(120 if quick else 500):
            began = time.perf_counter()
            (await client.get(STATE)).raise_for_status()
            if number >= 20:
                times.append(time.perf_counter() - began)
            await asyncio.sleep(REQUEST_SECONDS)
    value = f"{ms(quantile(times, 0.5))} / {ms(quantile(times, 0.99))}"
    return [Figure("small request (GET /v1/state) over the relay: p50 / p99", value)]


async def bodies(bed: RelayBed, *, quick: bool) -> list[Figure]:
    """A body up and a body down, each within what the broker lets an account send at once.

    Up goes what is no question: the Mac takes it whole, then refuses it. Down comes an answer that the Mac keeps, as a
    device reads it again that has lost it; what a model does for it is not part of this.
    """
    up, down = [], []
    async with reached(bed) as client:
        asked: dict[str, Any] = {
            "content": _ask(question("bulk", DOWN_TOKENS)),
            "headers": {IDEM: secrets.token_hex(16)},
        }
        await _read(client, asked)
        for _ in range(3 if quick else 8):
            await asyncio.sleep(REFILL_SECONDS)
            began = time.perf_counter()
            try:
                await client.post(RESPONSES, content=b"x" * UP)
            except AccessError:
                up.append(UP / (time.perf_counter() - began))
            began = time.perf_counter()
            down.append(await _read(client, asked) / (time.perf_counter() - began))
    return [
        Figure(
            f"a body of {UP / 1e6:.0f} MB up / an answer of 6.4 MB down, flat out",
            " / ".join(f"{median(each) / 1e6:.0f} MB/s" for each in (up, down)),
        )
    ]


async def _read(client: httpx.AsyncClient, asked: dict[str, Any]) -> int:
    count = 0
    async with client.stream("POST", RESPONSES, **asked) as answer:
        async for piece in answer.aiter_raw():
            count += len(piece)
    return count


def _ask(plan: str) -> bytes:
    message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": plan}]}
    fields = {"model": MODEL, "prompt_cache_key": "benchmark", "stream": True, "input": [message]}
    return json.dumps(fields).encode()
