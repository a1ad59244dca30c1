"""Plays the events of an answer onto the wire, as they should be or spoiled."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.upstream.events import Event
from tests.upstream.faults import Ending, Splitting, Spoil
from tests.upstream.gates import Gate, Point
from tests.upstream.wire import Exchange

KEEPALIVE = ": keepalive\n\n"
MALFORMED = (
    "event: response.output_text.delta\ndata: {not json\n\n",
    'data: ["a", "list"]\n\n',
    'data: {"type": 7}\n\n',
    "event: nothing.at.all\n\n",
    "a line without a colon\n\n",
    "data:\n\n",
)
LARGEST_PIECE = 40


@dataclass(frozen=True, slots=True)
class Stage:
    """What surrounds an answer: ``gates()`` are asked at each point, ``stalled`` holds what has stalled."""

    gates: Callable[[], Sequence[Gate]]
    stalled: Gate
    billed: Callable[[], None]
    delay: float

    async def passing(self, point: Point) -> None:
        """Wait for every gate at this point."""
        for gate in self.gates():
            if gate.at is point:
                await gate.passing()


class _Tape:
    """Writes frames with the numbering, line ends and splitting that are wanted."""

    def __init__(self, exchange: Exchange, spoil: Spoil) -> None:
        self._exchange = exchange
        self._spoil = spoil
        self._random = random.Random(spoil.seed)
        self._number = 0

    async def event(self, event: Event) -> None:
        payload = {"type": event.kind, "sequence_number": self._number, **event.fields}
        self._number += 1
        await self.text(f"event: {event.kind}\ndata: {json.dumps(payload, ensure_ascii=False)}\n\n")

    async def text(self, frames: str) -> None:
        await self.raw(frames.replace("\n", self._spoil.line_ending).encode())

    async def raw(self, data: bytes) -> None:
        for piece in self._pieces(data):
            await self._exchange.write(piece)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        position = 0
        while position < len(data):
            size = {
                Splitting.EVENTS: len(data),
                Splitting.BYTES: 1,
                Splitting.RANDOM: self._random.randint(1, LARGEST_PIECE),
            }[self._spoil.splitting]
            yield data[position : position + size]
            position += size


async def play(exchange: Exchange, events: Sequence[Event], spoil: Spoil, stage: Stage) -> None:
    """Send the events after the headers were sent, and end the answer as ``spoil`` says."""
    tape = _Tape(exchange, spoil)
    sent = 0
    stalled = disturbed = False
    await stage.passing(Point.CREATED)
    for event in events:
        due = event.last or (event.delta and spoil.after is not None and sent >= spoil.after)
        if due and spoil.ending is Ending.STALL and not stalled:
            stalled = True
            await stage.stalled.passing()
        elif due and spoil.ending in {Ending.EOF, Ending.CLOSE, Ending.RESET}:
            await _break_off(exchange, spoil.ending)
            return
        current = events[-1] if due and spoil.last is not None else event
        if not disturbed and (sent == 1 or current.last):
            disturbed = True
            await _disturb(tape, spoil)
        if spoil.keepalives:
            await tape.text(KEEPALIVE)
        if current.delta:
            await stage.passing(Point.DELTA)
            await asyncio.sleep(spoil.delay or stage.delay)
            sent += 1
        elif current.last:
            await stage.passing(Point.END)
        if current.billed:
            stage.billed()
        await tape.event(current)
        if current.last:
            break
    await exchange.finish()


async def _disturb(tape: _Tape, spoil: Spoil) -> None:
    """What goes between the first delta and the second."""
    if spoil.malformed:
        await tape.text("".join(MALFORMED))
    if spoil.oversized:
        padding = json.dumps({"type": "codex.padding", "padding": "x" * spoil.oversized})
        await tape.text(f"event: codex.padding\ndata: {padding}\n\n")
    if spoil.invalid_utf8:
        broken = b'data: {"type": "response.output_text.delta", "delta": "\xff\xfe\xc3("}\n\n'
        await tape.raw(broken.replace(b"\n", spoil.line_ending.encode()))


async def _break_off(exchange: Exchange, ending: Ending) -> None:
    match ending:
        case Ending.CLOSE:
            await exchange.close()
        case Ending.RESET:
            await exchange.reset()
        case _:
            await exchange.finish()
