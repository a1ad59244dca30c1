"""What a remote shows of a host that is not there: since when, and why."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from connections.errors import Unavailable
from connections.status import NextStep
from relay.client.path import _AWAY, RelayPath
from relay.link.link import LinkState, Phase
from relay.link.remote import Remote
from relay.link.streams import Streams
from relay.protocol.link import Code
from relay.protocol.presence import LAST_WORDS, Presence, Why
from tests.relay.host.house import Obedient, ask, house
from tests.relay.link.wire import MAC, soon

THEN = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


class Way:
    """A way to a host that is as a test wants it."""

    connected = False
    code: int | None = None

    async def ready(self) -> None:
        await asyncio.Event().wait()


def path_over(way: Way, link: LinkState | None = None) -> RelayPath:
    state = link or LinkState(Phase.READY, datetime.now(UTC))
    return RelayPath(MAC, "Ada’s Mac", cast(Remote, way), lambda: state, "Lerix/0 (test)")


def test_every_reason_has_a_pill_and_a_sentence_with_the_name() -> None:
    assert set(_AWAY) == set(Why)
    for title, sentence in _AWAY.values():
        assert title
        assert "{}" in sentence
        assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("why", "code", "part"),
    [
        (Why.OFF, "relay-off", "switched off on Ada’s Mac"),
        (Why.CLOSED, "relay-closed", "Lerix was closed on Ada’s Mac"),
        (Why.ASLEEP, "relay-asleep", "Ada’s Mac is asleep"),
        (Why.SIGNED_OUT, "relay-signed-out", "signed out of the account"),
        (Why.LOST, "relay-off-line", "Ada’s Mac is not on line"),
        (Why.RESTARTING, "relay-connecting", "connecting to Ada’s Mac"),
    ],
)
def test_a_host_that_is_away_is_shown_with_its_reason_and_since_when(why: Why, code: str, part: str) -> None:
    path = path_over(Way())
    path.present(Presence(MAC, False, THEN, why))
    status = path.status()
    assert (status.ready, status.code, status.since) == (False, code, THEN)
    assert part in status.sentence
    assert "08" not in status.sentence  # the page shows the time
    assert status.next_step is NextStep.WAIT


def test_a_host_that_never_was_there_says_so_and_names_no_time() -> None:
    path = path_over(Way())
    path.present(Presence(MAC, False))
    assert path.status().code == "relay-not-set-up"
    assert "not offered Codex Relay yet" in path.status().sentence


def test_what_went_before_this_process_is_known_by_the_broker_and_not_by_its_own_start() -> None:
    way = Way()
    way.code = Code.NO_HOST
    path = path_over(way)
    path.noticed()
    assert path.status().code == "relay-off-line"
    path.present(Presence(MAC, False, THEN, Why.LOST))
    path.noticed()
    assert path.status().since == THEN
    # Told again with a better time, it is the same state with that time.
    path.present(Presence(MAC, False, THEN + timedelta(minutes=1), Why.LOST))
    assert path.status().since == THEN + timedelta(minutes=1)


def test_a_host_that_is_on_line_and_not_reached_yet_is_being_connected_to() -> None:
    way = Way()
    way.code = Code.NO_HOST
    path = path_over(way)
    path.present(Presence(MAC, True))
    assert path.status().code == "relay-connecting"
    way.code = Code.TOO_MANY
    assert path.status().code == "relay-busy"


@pytest.mark.parametrize(("code", "why"), list(LAST_WORDS.items()))
def test_the_hosts_own_last_word_is_shown_before_the_broker_has_told_it(code: Code, why: Why) -> None:
    way = Way()
    way.code = code
    path = path_over(way)
    assert path.status().title == _AWAY[why][0]


def test_the_brokers_absence_is_said_once_it_was_tried_in_vain() -> None:
    now = datetime.now(UTC)
    assert "is connecting" in path_over(Way(), LinkState(Phase.DIALLING, now)).status().sentence
    assert "is connecting" in path_over(Way(), LinkState(Phase.WAITING, now, None, 0)).status().sentence
    for phase in (Phase.DIALLING, Phase.WAITING):
        away = path_over(Way(), LinkState(phase, now, None, 2))
        assert "broker cannot be reached" in away.status().sentence


async def test_a_host_that_is_known_to_be_away_is_not_waited_for() -> None:
    path = path_over(Way())
    path.present(Presence(MAC, False, THEN, Why.ASLEEP))
    async with asyncio.timeout(12):
        with pytest.raises(Unavailable) as raised:
            await anext(path.answer(ask()))
    assert raised.value.code == "relay-asleep"
    await path.aclose()


async def test_a_host_that_is_coming_is_waited_for() -> None:
    async with house(Obedient(), connected=False) as home:
        home.made.remote.link_down()
        home.made.mac.down()
        home.made.host.link_down()
        await soon(lambda: home.made.remote.code == Code.NO_HOST)
        home.path.present(Presence(MAC, False, THEN, Why.RESTARTING))
        asking = asyncio.create_task(home.text())
        await asyncio.sleep(0.05)
        assert not asking.done()
        home.made.mac.up()
        home.made.remote.wake()
        assert await asking == "Well."


async def test_messages_are_kept_and_the_hosts_choice_of_models_stands() -> None:
    async with house(Obedient()) as home:
        assert home.path.keeps_messages
        assert (await home.path.models()).chosen


async def test_changes_are_told_once_each() -> None:
    way = Way()
    way.code = Code.NO_HOST
    path = path_over(way)
    seen: list[Any] = []

    async def read() -> None:
        async for status in path.changes():
            seen.append((status.code, status.since))  # noqa: PERF401  (looked at meanwhile)

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    for _ in range(3):
        path.present(Presence(MAC, False, THEN, Why.OFF))
        path.noticed()
        await asyncio.sleep(0.01)
    reading.cancel()
    assert seen[-1] == ("relay-off", THEN)
    assert len(seen) == 2


async def test_a_whole_answer_is_not_given_up_however_many_there_are() -> None:
    path = Obedient()
    async with house(path) as home:
        streams: list[bool] = []
        given_up = home.made.host._gave_up

        def noted(one: Streams, stream: int, reset: bool) -> None:
            streams.append(reset)
            given_up(one, stream, reset)

        home.made.host._gave_up = noted
        for _ in range(20):
            assert await home.text() == "Well."
        assert streams == []
        assert path.stopped == 0
