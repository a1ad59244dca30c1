"""How an answer is asked for and read: retries, its end, its limits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

from connections import errors
from connections.client import Limits
from connections.responses import Completed, OutputItem, TextDelta
from tests.connections.far import (
    COMPLETED,
    Body,
    Clock,
    Far,
    ask,
    codex,
    collect,
    delta,
    ending,
    event,
    refusal,
    sign_in,
    stream,
    text_of,
    write,
)

CREATED = event("response.created", response={"id": "resp_1"})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write(tmp_path, sign_in())
    return tmp_path


# Retries


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_fault_of_the_service_is_retried_twice_with_growing_pauses(home: Path, status: int) -> None:
    far, clock = Far(refusal(status)), Clock()
    with pytest.raises(errors.ServiceFaltered):
        await collect(codex(home, far, clock))
    assert len(far.requests) == 3
    assert 0.25 <= clock.slept[0] <= 0.75
    assert 0.5 <= clock.slept[1] <= 1.5


async def test_a_second_try_may_succeed(home: Path) -> None:
    far = Far(refusal(503), httpx.ConnectError("x"), stream(delta("ok"), COMPLETED))
    assert await text_of(codex(home, far)) == "ok"


@pytest.mark.parametrize(
    "reply",
    [
        refusal(400), refusal(403), refusal(404), refusal(429), refusal(501),
        refusal(503, {"error": {"code": "server_is_overloaded"}}),
        refusal(503, retry_after="120"),
        httpx.ReadTimeout("silent"), httpx.WriteTimeout("full"), httpx.ProxyError("407"),
    ],
)  # fmt: skip
async def test_what_another_try_would_not_mend_is_not_retried(home: Path, reply: Any) -> None:
    far = Far(reply)
    with pytest.raises(errors.AccessError):
        await collect(codex(home, far))
    assert len(far.requests) == 1


@pytest.mark.parametrize("beginning", [CREATED, delta("Hel")])
async def test_an_answer_that_has_begun_is_never_asked_for_again(home: Path, beginning: bytes) -> None:
    async def cut() -> AsyncIterator[bytes]:
        yield beginning
        raise httpx.ReadError("reset")

    far = Far(httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Body(cut())))
    with pytest.raises(errors.ConnectionCut):
        await collect(codex(home, far))
    assert len(far.requests) == 1


async def test_a_stream_cut_before_its_first_event_is_asked_for_again(home: Path) -> None:
    async def cut() -> AsyncIterator[bytes]:
        yield b": hello\n"
        raise httpx.ReadError("reset")

    first = httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Body(cut()))
    assert await text_of(codex(home, Far(first, stream(delta("ok"), COMPLETED)))) == "ok"


# The end of an answer


async def test_an_answer_ends_at_its_completion_without_waiting_for_the_stream_to_end(home: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield delta("all") + COMPLETED + delta("ghost")
        await asyncio.Event().wait()

    body = Body(endless())
    path = codex(home, Far(httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=body)))
    async with asyncio.timeout(20):
        events = await collect(path)
    assert [type(one) for one in events] == [TextDelta, Completed]
    assert body.closed


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([delta("a")], errors.AnswerUnfinished),
        ([], errors.AnswerUnfinished),
        ([delta("a"), b"data: \xff\n\n"], errors.AnswerGarbled),
        ([delta("a") + b"data: \xff\n\n" + COMPLETED], errors.AnswerGarbled),
        ([delta("a"), b"data: " + b"x" * 5000], errors.AnswerGarbled),
        ([delta("a")] * 400, errors.AnswerTooLarge),
        ([delta("a"), event("response.failed", response={"error": {"code": "server_error"}})], errors.ServiceFailed),
        ([delta("a"), event("error", error={"code": "slow_down"})], errors.Overloaded),
        ([delta("a"), event("response.incomplete", response={"incomplete_details": {"reason": "max_output_tokens"}})],
         errors.OutputLimitReached),
    ],
)  # fmt: skip
async def test_an_answer_without_completion_is_an_error_and_keeps_what_came(
    home: Path, pieces: list[bytes], kind: type[errors.AccessError]
) -> None:
    far = Far(stream(*pieces))
    path = codex(home, far, limits=Limits(line=4000, event=4000, answer=40_000))
    came, error = await ending(path)
    assert type(error) is kind
    assert len(far.requests) == 1
    assert came[:1] == (["a"] if pieces else [])


async def test_broken_and_unknown_events_are_skipped(home: Path) -> None:
    noise = [b"data: {broken\n\n", b"data: [DONE]\n\n", event("codex.rate_limits"), b": ping\n\n"]
    assert await text_of(codex(home, Far(stream(*noise, delta("ok"), COMPLETED)))) == "ok"


async def test_text_that_came_only_as_a_finished_item_is_given_once(home: Path) -> None:
    item = {"type": "message", "content": [{"type": "output_text", "text": "whole"}]}
    done = event("response.output_item.done", item=item, output_index=0)
    silent = await collect(codex(home, Far(stream(done, COMPLETED))))
    assert silent[:2] == [TextDelta("whole"), OutputItem(item)]
    assert await text_of(codex(home, Far(stream(delta("whole"), done, COMPLETED)))) == "whole"


async def test_an_answer_that_is_no_event_stream_is_told(home: Path) -> None:
    plain = httpx.Response(200, json={"hello": 1})
    with pytest.raises(errors.NotAnEventStream):
        await collect(codex(home, Far(plain)))
    named = httpx.Response(200, json={"error": {"code": "context_length_exceeded"}})
    with pytest.raises(errors.ContextTooLong):
        await collect(codex(home, Far(named)))


async def test_a_stream_that_does_not_name_its_type_is_read_all_the_same(home: Path) -> None:
    far = Far(httpx.Response(200, stream=Body([delta("ok"), COMPLETED])))
    assert await text_of(codex(home, far)) == "ok"


async def test_only_the_beginning_of_an_error_body_is_read(home: Path) -> None:
    body = Body([b"x" * 65536] * 1000)
    far = Far(httpx.Response(400, stream=body))
    with pytest.raises(errors.RequestRefused):
        await collect(codex(home, far))
    assert body.given <= 2 * 65536
    assert body.closed


async def test_a_reader_that_pauses_holds_the_service_back(home: Path) -> None:
    body = Body([delta("x" * 10_000)] * 2000)
    path = codex(home, Far(httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=body)))
    async with aclosing(path.answer(ask())) as events:
        await anext(events)
        await asyncio.sleep(0.05)
        assert body.given < 40_000
    assert body.closed
