"""An answer that is ended before its task has taken its first step becomes final like any other."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from chat import generate
from chat.feed import LiveAnswer, feeds
from chat.models import Message, State
from tests.chat.conversing import at_rest
from tests.chat.fakes import FakePath


def stop(answer: LiveAnswer) -> None:
    answer.stop()
    answer.stop()


def leave(answer: LiveAnswer) -> None:
    """As where the server ends."""
    answer.cancel()


@pytest.mark.parametrize(("end", "state"), [(stop, State.STOPPED), (leave, State.INTERRUPTED)])
async def test_it_is_final_and_the_chat_is_free(
    fake: FakePath, monkeypatch: pytest.MonkeyPatch, end: Callable[[LiveAnswer], None], state: State
) -> None:
    begin = generate.begin

    def ended_at_once(*given: object) -> LiveAnswer:
        answer = begin(*given)  # type: ignore[arg-type]
        end(answer)
        return answer

    monkeypatch.setattr(generate, "begin", ended_at_once)
    chat, _ = await generate.send(None, "Question", uuid.uuid4(), fake.choice())
    await at_rest()
    assert (await Message.objects.aget(role="assistant")).state == state
    assert not feeds.live
    assert not fake.asked
    monkeypatch.undo()
    await generate.send(chat, "Another", uuid.uuid4(), fake.choice())
    await at_rest()
    assert (await Message.objects.order_by("pk").alast() or Message()).state == State.COMPLETE
