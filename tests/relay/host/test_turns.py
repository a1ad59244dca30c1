"""Turns: begun once, kept to be read again, bounded."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from connections.errors import AccessError
from connections.responses import AnswerEvent, Ask, TextDelta
from relay.answers import END, read_comment
from relay.errors import HostBusy, OtherRequest, TurnForgotten
from relay.host import turns as module
from relay.host.budget import Budget
from relay.host.turns import KEPT_SECONDS, MOST_WAITING, Reading, Turn, Turns
from tests.relay.host.house import Obedient, ask
from tests.relay.link.wire import PHONE, soon

NAME = (PHONE, "1" * 32)
HASH = b"h" * 32


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def made(path: Obedient, clock: Clock | None = None) -> Turns:
    return Turns(cast(Any, path), clock=clock or Clock())


async def read(turn: Turn, at: int = 0) -> bytes:
    async with asyncio.timeout(20):
        return b"".join([piece async for piece in Reading(turn, at)])


async def ended(turn: Turn) -> None:
    await soon(lambda: turn.done)


async def test_the_same_request_attaches_or_is_read_again_and_is_asked_once() -> None:
    path = Obedient()
    path.script = ["a", ..., "b"]
    turns = made(path)
    first = turns.begin(NAME, HASH, ask())
    assert turns.find(NAME, HASH, turns.boot) is first
    readers = [asyncio.ensure_future(read(first)) for _ in range(3)]
    await asyncio.sleep(0.01)
    path.go.set()
    one, two, three = await asyncio.gather(*readers)
    assert one == two == three == await read(first)
    for at in (0, 1, 17, len(one) - 1, len(one), len(one) + 5):
        assert await read(first, at) == one[at:]
    assert len(path.asked) == 1


async def test_a_question_goes_out_before_anybody_counts_the_turns() -> None:
    path, now = Obedient(), asyncio.get_running_loop().time
    rung: list[tuple[int, float]] = []

    class Bell(asyncio.Event):
        def set(self) -> None:
            rung.append((len(path.asked), now()))
            super().set()

    bell = Bell()
    path.script = [...]
    turns = made(path)
    turns.changed.ring(bell)
    begun = now()
    turn = turns.begin(NAME, HASH, ask())
    async with asyncio.timeout(20):
        await bell.wait()
        ((asked, when),) = rung
        assert asked == 1
        assert when - begun > 0.05
        assert turns.running == 1
        bell.clear()
        path.go.set()
        await ended(turn)
        await bell.wait()
    assert turns.running == 0


async def test_another_request_under_the_same_name_is_refused() -> None:
    turns = made(Obedient())
    await ended(turns.begin(NAME, HASH, ask()))
    with pytest.raises(OtherRequest) as refused:
        turns.find(NAME, b"x" * 32, turns.boot)
    assert refused.value.status == 422
    assert turns.find((bytes(16), NAME[1]), b"x" * 32, turns.boot) is None


async def test_the_name_is_entered_before_anything_is_asked() -> None:
    seen: list[bool] = []

    class Looking(Obedient):
        async def answer(self, ask: Any) -> Any:
            seen.append(turns.find(NAME, HASH, None) is not None)
            async for event in super().answer(ask):
                yield event

    turns = made(Looking())
    await ended(turns.begin(NAME, HASH, ask()))
    assert seen == [True]


async def test_a_turn_of_an_earlier_process_is_not_begun_again() -> None:
    turns = made(Obedient())
    with pytest.raises(TurnForgotten):
        turns.find(NAME, HASH, "0" * 32)
    assert turns.find(NAME, HASH, None) is None


async def test_after_a_day_a_turn_is_forgotten() -> None:
    clock = Clock()
    turns = made(Obedient(), clock)
    await ended(turns.begin(NAME, HASH, ask()))
    clock.now = KEPT_SECONDS - 1
    turns.sweep()
    assert turns.find(NAME, HASH, turns.boot) is not None
    clock.now += 2
    turns.sweep()
    assert turns.find(NAME, HASH, turns.boot) is None


async def test_what_is_kept_is_bounded_and_a_name_that_lost_its_answer_is_not_begun_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_SPOOLED", 40_000)
    monkeypatch.setattr(module, "MOST_KEPT", 100_000)
    path = Obedient()
    path.script = ["x" * 30_000]
    turns = made(path)
    names = [(PHONE, f"{number:032x}") for number in range(5)]
    for name in names:
        await ended(turns.begin(name, HASH, ask()))
    turns.sweep()
    assert sum(len(turn.spool or b"") for turn in turns._turns.values()) <= 60_000 + 5_000
    assert turns.find(names[-1], HASH, turns.boot) is not None
    with pytest.raises(TurnForgotten):
        turns.find(names[0], HASH, turns.boot)


async def test_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_NAMES", 3)
    turns = made(Obedient())
    for number in range(8):
        await ended(turns.begin((PHONE, f"{number:032x}"), HASH, ask()))
    turns.sweep()
    assert len(turns._turns) == 3


async def test_an_answer_larger_than_the_spool_ends_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SPOOLED", 5_000)
    path = Obedient()
    path.script = ["x" * 1000] * 20
    turns = made(path)
    turn = turns.begin(NAME, HASH, ask())
    said = await read(turn)
    last = read_comment(said.split(END)[-2])
    assert last is not None
    assert last[1]["code"] == "relay-too-large"
    assert len(said) < 6_000
    assert path.now == 0


async def test_more_than_may_wait_are_turned_away_before_anything_is_asked() -> None:
    path = Obedient()
    path.script = [...]
    turns = made(path)
    for number in range(2 + MOST_WAITING):
        turns.begin((PHONE, f"{number:032x}"), HASH, ask())
    with pytest.raises(HostBusy):
        turns.begin(NAME, HASH, ask())
    assert turns.find(NAME, HASH, turns.boot) is None
    await turns.aclose()
    assert path.now == 0
    assert (turns.running, turns.waiting) == (0, 0)


async def test_those_who_wait_are_told_their_place_as_it_changes() -> None:
    path = Obedient()
    path.script = [...]
    turns = made(path)
    started = [turns.begin((PHONE, f"{number:032x}"), HASH, ask()) for number in range(5)]
    pieces: list[bytes] = []

    async def listen() -> None:
        async for piece in Reading(started[4], 0):
            pieces.append(piece)  # noqa: PERF401  (looked at meanwhile)

    reading = asyncio.ensure_future(listen())
    await soon(lambda: len(pieces) == 1)
    started[0].stop()
    await soon(lambda: len(pieces) == 2)
    path.go.set()
    await reading
    said = [read_comment(block) for block in b"".join(pieces).split(END)]
    assert [each[1] for each in said if each is not None and each[0] == "queue"][:2] == [3, 2]


async def test_a_turn_that_is_stopped_before_it_began_leaves_its_place() -> None:
    path = Obedient()
    turns = made(path)
    turns.begin(NAME, HASH, ask()).stop()
    await soon(lambda: turns.running == 0)
    assert path.asked == []


async def test_a_second_stop_does_not_meet_the_closing_of_the_connection() -> None:
    closing = asyncio.Event()
    closed = []

    class Slow(Obedient):
        async def answer(self, ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
            try:
                yield TextDelta("Well.")
                await asyncio.Event().wait()
            finally:
                closing.set()
                await asyncio.sleep(0.01)
                closed.append(True)

    turns = made(Slow())
    turn = turns.begin(NAME, HASH, ask())
    await soon(lambda: bool(turn.spool))
    turns.stop()
    await closing.wait()
    turns.stop(NAME[0])
    await ended(turn)
    assert closed == [True]


async def test_stop_after_the_last_event_does_not_spoil_the_answer() -> None:
    noted: list[AccessError | None] = []
    release = asyncio.Event()

    async def note(model: object, error: AccessError | None) -> None:
        await release.wait()
        noted.append(error)

    turns = Turns(cast(Any, Obedient()), noted=note)
    turn = turns.begin(NAME, HASH, ask())
    await soon(lambda: turn.whole)
    turn.stop()
    release.set()
    await ended(turn)
    assert noted == [None]
    assert b"lerix-error" not in await read(turn)


async def test_a_database_that_fails_does_not_spoil_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    async def note(model: object, error: AccessError | None) -> None:
        raise OSError

    turns = Turns(cast(Any, Obedient()), noted=note)
    with caplog.at_level(logging.CRITICAL):
        turn = turns.begin(NAME, HASH, ask())
        assert b"Well." in await read(turn)


async def test_the_bytes_of_a_request_are_free_when_its_turn_has_ended() -> None:
    path = Obedient()
    path.script = [...]
    budget = Budget(100)
    lease = await budget.lend(40)
    turn = made(path).begin(NAME, HASH, ask(), lambda: lease)
    await asyncio.sleep(0.01)
    assert budget.held == 40
    turn.stop()
    await soon(lambda: budget.held == 0)


async def test_bytes_are_lent_in_order_and_a_small_request_does_not_pass_a_large_one() -> None:
    budget = Budget(100)
    first, second = await budget.lend(50, b"a"), await budget.lend(40, b"b")
    large = asyncio.ensure_future(budget.lend(1000, b"c"))  # counts as a half of all
    small = asyncio.ensure_future(budget.lend(10, b"d"))
    gone = asyncio.ensure_future(budget.lend(10, b"d"))
    await asyncio.sleep(0)
    assert not small.done()
    gone.cancel()
    first.release()
    first.release()
    assert budget.held == 100
    lease = await large
    (await small).release()
    lease.release()
    second.release()
    await asyncio.gather(gone, return_exceptions=True)
    assert budget.held == 0


async def test_a_device_that_holds_its_half_waits_and_keeps_nobody_else_waiting() -> None:
    budget = Budget(100)
    held = [await budget.lend(25, b"a"), await budget.lend(25, b"a")]
    more = asyncio.ensure_future(budget.lend(1, b"a"))
    other = await budget.lend(50, b"b")
    assert not more.done()
    for lease in (*held, other):
        lease.release()
    (await more).release()
    assert budget.held == 0


async def test_whoever_stops_waiting_for_bytes_lets_the_next_one_pass() -> None:
    budget = Budget(100)
    first, second = await budget.lend(50, b"a"), await budget.lend(20, b"b")
    large = asyncio.ensure_future(budget.lend(50, b"c"))
    small = asyncio.ensure_future(budget.lend(30, b"d"))
    await asyncio.sleep(0)
    assert not small.done()
    large.cancel()
    (await small).release()
    first.release()
    second.release()
    assert budget.held == 0
