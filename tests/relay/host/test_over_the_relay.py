"""A remote's access path over a cutting link: what the host's path says and does, and nothing else."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from connections.codex.usage import Usage, UsageWindow
from connections.errors import (
    AccessError,
    ConnectionCut,
    ModelRefused,
    ServiceFaltered,
    SignInRefused,
    Unavailable,
    UsageLimitReached,
)
from connections.responses import Completed, OutputItem, ReasoningDelta, TextDelta, TokenUsage, Turn
from connections.status import NextStep
from relay.errors import HostFailed, HostLeft, HostUnreachable, NotOffered, TurnForgotten
from relay.link.host import KEPT_SECONDS
from relay.protocol.link import Code
from tests.relay.host.house import SOL, House, Obedient, ask, house, unready
from tests.relay.link.wire import PHONE, soon

UNTIL = datetime(2027, 1, 2, 3, 4, tzinfo=UTC)


async def begin(home: House, text: str = "Hello") -> tuple[list[str], asyncio.Task[None]]:
    """An answer that is read by a task, and what has come of it."""
    came: list[str] = []

    return came, asyncio.get_running_loop().create_task(read_into(came, home, text))


async def read_into(came: list[str], home: House, text: str = "Hello") -> None:
    async with aclosing(home.path.answer(ask(text))) as events:
        async for event in events:
            came += [event.text] if isinstance(event, TextDelta) else []


async def test_the_models_that_are_switched_on_are_listed() -> None:
    async with house(Obedient()) as home:
        catalogue = await home.path.models()
        assert catalogue.models == (SOL,)
        assert catalogue.etag
        assert home.path.label == "Codex Relay · Ada’s Mac"
        assert home.path.key == "relay-" + "0a" * 16


async def test_what_is_asked_arrives_as_it_was_asked() -> None:
    path = Obedient()
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed"}
    before = (Turn("user", "Grüße 🌿"), Turn("assistant", "Ja.\nUnd?", (item,)))
    question = ask("Weiter", SOL, *before)
    async with house(path) as home:
        assert await home.text(question) == "Well."
    assert path.asked == [question]


async def test_every_kind_of_event_arrives_as_it_was() -> None:
    said = [
        ReasoningDelta("Think", 1),
        TextDelta("a\u2028\r\n\n: lerix-error {}\n\n", 1, 2),
        OutputItem({"type": "reasoning", "encrypted_content": "x"}, 0),
        Completed("resp_9", TokenUsage(9, 4, 5, 2, 14)),
    ]

    class Saying(Obedient):
        async def answer(self, ask):  # type: ignore[no-untyped-def]
            for event in said:
                yield event

    async with house(Saying()) as home:
        assert [event async for event in home.path.answer(ask())] == said


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize(
    "error",
    [
        UsageLimitReached(detail="the week is over", until=UNTIL),
        SignInRefused(),
        ModelRefused(detail="no"),
        ServiceFaltered(),
        ConnectionCut(),
    ],
)
async def test_errors_arrive_as_themselves_and_are_not_retried(error: AccessError, at: int) -> None:
    path = Obedient()
    path.script = ["some"] * at + [error]
    came: list[str] = []
    async with house(path) as home:
        with pytest.raises(type(error)) as raised:
            await read_into(came, home)
    told = raised.value
    assert type(told) is type(error)
    assert (told.code, told.sentence, told.until, told.detail) == (
        error.code,
        error.sentence,
        error.until,
        error.detail,
    )
    assert came == ["some"] * at
    assert len(path.asked) == 1
    assert home.noted == [("gpt-5.5", error)]


async def test_a_path_that_is_not_ready_says_so_on_the_remote() -> None:
    path = Obedient()
    path.state = unready()
    path.script = [Unavailable(path.state)]
    async with house(path) as home:
        with pytest.raises(Unavailable) as raised:
            await home.text()
        assert raised.value.code == "sign-in-again"
        assert raised.value.next_step is NextStep.WAIT  # there is nothing to press on this computer
        status = home.path.status()
        assert (status.ready, status.code) == (False, "sign-in-again")
        assert status.sentence.startswith("Ada’s Mac is on line, but cannot answer: Codex's sign-in has ended.")


async def test_an_error_of_the_hosts_own_tells_nothing_of_it() -> None:
    path = Obedient()
    path.script = [RuntimeError("planted-secret")]
    async with house(path) as home:
        with pytest.raises(HostFailed) as raised:
            await home.text()
    assert "planted" not in repr(vars(raised.value))


async def test_usage_arrives_with_the_answer() -> None:
    path = Obedient()
    window = UsageWindow("codex", 55.0, 300, UNTIL)
    path.usage = Usage(datetime.now(UTC), (window,), "plus")
    async with house(path) as home:
        await home.text()
        assert home.path.usage == path.usage
        # So that the list is fetched again where the host switches another model on, and only then.
        assert home.path.models_etag == (await home.path.models()).etag


async def test_stop_stops_the_turn_on_the_host_within_a_second() -> None:
    path = Obedient()
    path.script = ["first", ..., "never"]
    async with house(path) as home:
        came, reading = await begin(home)
        await soon(lambda: came)
        reading.cancel()
        async with asyncio.timeout(20):
            await soon(lambda: path.stopped)
        await soon(lambda: home.turns.running == 0)


async def test_stop_while_it_waits_takes_it_out_of_the_queue() -> None:
    path = Obedient()
    path.script = [..., "x"]
    async with house(path) as home:
        started = [await begin(home, str(number)) for number in range(2)]
        await soon(lambda: home.turns.running == 2)
        started.append(await begin(home, "waits"))
        await soon(lambda: home.turns.waiting == 1)
        started[2][1].cancel()
        await soon(lambda: home.turns.waiting == 0)
        path.go.set()
        await asyncio.gather(started[0][1], started[1][1])
        assert len(path.asked) == 2


async def test_two_turns_run_at_once_and_more_wait_visibly() -> None:
    path = Obedient()
    path.script = [..., "x"]
    async with house(path) as home:
        started = [await begin(home, str(number)) for number in range(4)]
        await soon(lambda: (home.turns.running, home.turns.waiting) == (2, 2))
        await soon(lambda: home.path.position > 0)
        assert "yours is number" in home.path.status().sentence
        path.go.set()
        await asyncio.gather(*(reading for _, reading in started))
        assert path.most == 2
        assert [came for came, _ in started] == [["x"]] * 4
        assert home.path.position == 0


async def test_cuts_in_mid_answer_lose_nothing_and_it_is_asked_once() -> None:
    path, pauses = Obedient(), [asyncio.Event(), asyncio.Event()]
    words = [f"word {number} " for number in range(300)]
    path.script = [*words[:100], pauses[0], *words[100:200], pauses[1], *words[200:]]
    async with house(path) as home:
        came, reading = await begin(home)
        for number, pause in enumerate(pauses, 1):
            await soon(lambda: len(came) == 100 * number)  # noqa: B023
            home.made.cut()  # of the host's link, then of the remote's
            pause.set()
        async with asyncio.timeout(30):
            await reading
        assert came == words
        assert len(path.asked) == 1


async def test_a_lost_session_stops_no_turn_and_the_answer_goes_on_where_it_was() -> None:
    path = Obedient()
    path.script = ["before ", ..., "after"]
    async with house(path) as home:
        came, reading = await begin(home)
        await soon(lambda: came)
        made = home.made
        made.now = made.clock()
        made.phone.down()
        made.remote.link_down()
        await soon(lambda: not made.host.remotes)
        made.now += KEPT_SECONDS + 60
        made.host.sweep()  # as after a sleep of more than ten minutes
        assert path.stopped == 0
        path.go.set()
        await soon(lambda: not home.turns.running)
        made.phone.up()
        made.remote.wake()
        async with asyncio.timeout(30):
            await reading
        assert came == ["before ", "after"]
        assert len(path.asked) == 1


async def lose_session(home: House) -> None:
    """The remote comes back, and the host has forgotten its session."""
    await soon(lambda: home.made.host._kept)
    for kept in home.made.host._kept.values():
        kept.streams.lose()
    home.made.host._kept.clear()
    home.made.remote.link_down()


async def test_an_answer_that_waited_and_lost_its_session_twice_is_whole() -> None:
    path, pause = Obedient(), asyncio.Event()
    path.script = [..., "one ", "two ", "three"]
    async with house(path) as home:
        started = [await begin(home, str(number)) for number in range(3)]
        await soon(lambda: home.turns.waiting == 1 and home.path.position == 1)
        path.script = ["one ", "two ", pause, "three"]
        await lose_session(home)
        path.go.set()
        await soon(lambda: len(started[2][0]) == 2)
        await lose_session(home)
        pause.set()
        await asyncio.gather(*(reading for _, reading in started))
        assert [came for came, _ in started] == [["one ", "two ", "three"]] * 3
        assert len(path.asked) == 3


async def test_a_host_that_was_started_anew_does_not_begin_the_turn_again() -> None:
    path = Obedient()
    path.script = ["before", ..., "after"]
    async with house(path) as home:
        came, reading = await begin(home)
        await soon(lambda: came)
        home.turns.boot = "0" * 32
        home.turns._turns.clear()
        home.made.host._kept.clear()
        home.made.remote.link_down()
        async with asyncio.timeout(30):
            with pytest.raises(TurnForgotten):
                await reading
        assert len(path.asked) == 1
        path.go.set()


async def test_a_device_that_is_expelled_hears_it_and_its_turns_end() -> None:
    path = Obedient()
    path.script = ["before", ..., "after"]
    async with house(path) as home:
        came, reading = await begin(home)
        await soon(lambda: came)
        home.made.notes.keys.clear()
        home.made.host.expel(PHONE, Code.REVOKED)
        home.turns.stop(PHONE)
        async with asyncio.timeout(20):
            with pytest.raises(HostLeft):
                await reading
            await soon(lambda: path.stopped)
        status = home.path.status()
        assert not status.ready
        assert "does not let this computer in" in status.sentence
        with pytest.raises(Unavailable):
            await home.text()


async def test_a_host_that_is_away_is_said_to_be_and_nothing_is_sent() -> None:
    path = Obedient()
    async with house(path) as home:
        before = datetime.now(UTC)
        home.made.mac.down()
        home.made.host.link_down()
        await soon(lambda: home.made.remote.code == Code.NO_HOST)
        status = home.path.status()
        assert status.code == "relay-off-line"
        assert "may be asleep" in status.sentence
        assert status.since is not None
        assert abs(status.since - before) < timedelta(seconds=20)
        with pytest.raises(Unavailable):
            await home.text()
        assert path.asked == []
        home.made.mac.up()
        home.made.remote.wake()
        await soon(lambda: home.made.remote.connected)
        assert await home.text() == "Well."
        assert home.path.status().sentence == "Ada’s Mac is on line."


async def test_a_model_that_is_switched_off_is_not_answered() -> None:
    path = Obedient()

    async def none() -> tuple[()]:
        return ()

    async with house(path, none) as home:
        assert (await home.path.models()).models == ()
        with pytest.raises(NotOffered):
            await home.text()
        assert path.asked == []


async def test_a_transport_without_a_way_says_so() -> None:
    async with house(Obedient(), connected=False) as home:
        home.made.remote.link_down()
        home.made.mac.down()
        home.made.host.link_down()
        await soon(lambda: home.made.remote.code == Code.NO_HOST)
        with pytest.raises(Unavailable):
            await home.path.models()
        assert HostUnreachable().code == "relay-unreachable"


async def test_reasoning_of_another_account_is_not_replayed() -> None:
    path = Obedient()
    async with house(path) as home:
        first = home.path.replay_key(SOL)
        await home.text()
        known = home.path.replay_key(SOL)
        assert known != first
        assert "account" not in known
        path.replay_key = lambda model: f"codex:other:{model.slug}"  # type: ignore[method-assign]
        await home.path._look()
        assert home.path.replay_key(SOL) != known
