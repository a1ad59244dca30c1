"""The addresses for other Lerix: what is answered where something goes wrong, and to whom that has gone."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import NoReturn

import pytest

from connections.catalogue import Model
from relay.answers import MODELS, STATE
from relay.errors import HostFailed
from relay.host.allowed import REQUESTS
from relay.host.model_api import _GIVEN
from relay.protocol.headers import Request
from tests.relay.host.house import SOL, Obedient, house
from tests.relay.host.test_over_the_relay import begin, lose_session
from tests.relay.link.wire import soon, whole


def test_what_is_answered_is_what_is_allowed() -> None:
    assert set(_GIVEN) == REQUESTS


@pytest.mark.parametrize("address", [STATE, MODELS])
async def test_an_error_of_this_hosts_own_is_an_answer_and_tells_nothing_of_it(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(Obedient(), broken) as home:
        with caplog.at_level(logging.CRITICAL, "relay.host.model_api"):
            reply = await home.raw(Request("GET", address))
        body = await whole(reply)
    assert reply.answer.status == 500
    assert json.loads(body)["lerix_error"]["code"] == HostFailed.code
    assert b"planted" not in body


async def test_a_question_that_meets_such_an_error_is_refused_and_not_sent_again_and_again() -> None:
    path, asked = Obedient(), 0

    async def models() -> Sequence[Model]:
        nonlocal asked
        asked += 1
        return await broken() if failing else (SOL,)

    failing = False
    async with house(path, models) as home:
        await home.path.models()
        failing, asked = True, 0
        with pytest.raises(HostFailed):
            await home.text()
    assert asked == 1
    assert path.asked == []


async def broken() -> NoReturn:
    raise RuntimeError("planted-secret")


async def test_nothing_here_waits_for_a_reader_that_has_gone_while_its_turn_goes_on() -> None:
    path = Obedient()
    path.script = [..., "word"]
    async with house(path) as home:
        came, reading = await begin(home)
        await soon(lambda: home.turns.running == 1 and home.adapter._going)
        (following,) = [going.task for going in home.adapter._going.values() if going.task is not None]
        await lose_session(home)
        await soon(following.done)
        assert (home.turns.running, path.stopped) == (1, 0)
        path.go.set()
        await reading
        assert came == ["word"]
        assert len(path.asked) == 1
