"""The stand-in's streams are in order, and break in every way that a test asks for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.upstream import (
    MODELS,
    PUBLIC_RESPONSES,
    RESPONSES,
    TOKEN,
    USAGE,
    Account,
    Outcome,
    Point,
    Reply,
    Tokens,
    Upstream,
    faults,
)
from tests.upstream.asking import bearer, full, headers, read_events, text_of
from tests.upstream.faults import Fault, HangUp, Late, Splitting, Spoil

IMPATIENT = httpx.Timeout(30, read=0.1)
WORDS = ["Grüße", ", ", "日本", "語 ", "🌿", "!"]


def ask(client: httpx.Client, account: Account, **changes: Any) -> httpx.Response:
    return client.post(RESPONSES, headers=headers(account), json=full(**changes))


def ask_pieces(client: httpx.Client, account: Account) -> Iterator[bytes]:
    with client.stream("POST", RESPONSES, headers=headers(account), json=full()) as answer:
        yield from answer.iter_raw()


# As it should be


def test_events_come_in_order_with_numbers_and_an_empty_output_at_the_end(
    up: Upstream, client: httpx.Client, ada: Account
) -> None:
    up.reply(Reply(chunks=WORDS, reasoning="Think twice", tokens=Tokens(9, 5, cached=4, reasoning=2)))
    answer = ask(client, ada)
    stream = read_events(answer.text)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-codex-primary-used-percent"] == "12.0"
    assert answer.headers["x-models-etag"]
    assert [event["sequence_number"] for event in stream] == list(range(len(stream)))
    kinds = [event["type"].removeprefix("response.") for event in stream]
    assert list(dict.fromkeys(kinds)) == [
        *("created", "codex.rate_limits", "in_progress", "output_item.added"),
        *("reasoning_summary_part.added", "reasoning_summary_text.delta", "reasoning_summary_text.done"),
        *("reasoning_summary_part.done", "output_item.done", "metadata", "content_part.added"),
        *("output_text.delta", "thought_of_tomorrow", "output_text.done", "content_part.done", "completed"),
    ]
    assert text_of(stream) == "".join(WORDS)
    end = stream[-1]["response"]
    assert end["output"] == []
    assert end["usage"]["input_tokens_details"] == {"cached_tokens": 4}
    assert end["usage"]["total_tokens"] == 14


def test_summaries_and_sealed_reasoning_are_sent_only_when_asked_for(
    up: Upstream, client: httpx.Client, ada: Account
) -> None:
    stream = read_events(ask(client, ada, reasoning={"effort": "low"}, include=[]).text)
    assert not [event for event in stream if "reasoning_summary" in event["type"]]
    items = [event["item"] for event in stream if event["type"] == "response.output_item.done"]
    assert "encrypted_content" not in items[0]


def test_the_platform_streams_with_its_output_at_the_end(up: Upstream, client: httpx.Client) -> None:
    key = {"Authorization": f"Bearer {up.add_api_key()}"}
    up.reply("Well.")
    answer = client.post(PUBLIC_RESPONSES, headers=key, json={"model": "gpt-5.5", "input": "Hi", "stream": True})
    end = read_events(answer.text)[-1]
    assert end["response"]["output"][1]["content"][0]["text"] == "Well."


def test_requests_are_recorded_in_order(up: Upstream, client: httpx.Client, ada: Account) -> None:
    client.get(MODELS, headers=bearer(ada), params={"client_version": "0.169.0"})
    ask(client, ada)
    first, second = up.wait_for(MODELS) + up.wait_for(RESPONSES)
    assert (first.number, first.query, first.json) == (1, {"client_version": "0.169.0"}, None)
    assert second.headers["chatgpt-account-id"] == ada.account_id
    assert second.data["model"] == "gpt-5.5"
    assert ada.access_token not in repr(second)
    assert up.wait_outcome(second) is Outcome.ANSWERED
    assert up.log[1] == f"127.0.0.1:{up.port} POST {RESPONSES} 200 answered"
    with pytest.raises(TimeoutError, match="1 requests to /oauth/token"):
        up.wait_for(TOKEN, timeout=0.01)


# Whole answers gone wrong


@pytest.mark.parametrize(
    ("fault", "status", "shown"),
    [
        (faults.unauthorized(), 401, "token_expired"),
        (faults.unauthorized_detail(), 401, "Unauthorized"),
        (faults.deactivated_workspace(), 402, "deactivated_workspace"),
        (faults.cloudflare(), 403, "Just a moment"),
        (faults.not_found(), 404, "Not Found"),
        (faults.usage_limit(60, "pro"), 429, "usage_limit_reached"),
        (faults.usage_not_included(), 429, "usage_not_included"),
        (faults.rate_limit(7), 429, "try again in 7s"),
        (faults.unsupported_model("gpt-6-sol"), 400, "The 'gpt-6-sol' model is not supported"),
        (faults.server_error(500), 500, "server_error"),
        (faults.server_error(503), 503, "server_error"),
        (faults.overloaded(), 503, "server_is_overloaded"),
        (faults.html(), 200, "<h1>"),
        (faults.detail(418, {"code": "teapot"}), 418, "teapot"),
    ],
)
def test_an_answer_can_be_replaced_once(
    up: Upstream, client: httpx.Client, ada: Account, fault: Fault, status: int, shown: str
) -> None:
    up.fail(RESPONSES, fault)
    spoiled = ask(client, ada)
    assert spoiled.status_code == status
    assert shown in spoiled.text
    assert up.turns == 0
    assert read_events(ask(client, ada).text)[-1]["type"] == "response.completed"


def test_faults_follow_one_another_and_can_last(up: Upstream, client: httpx.Client, ada: Account) -> None:
    up.fail(USAGE, faults.server_error(), times=2)
    up.fail(USAGE, faults.unauthorized(), times=None)
    seen = [client.get(USAGE, headers=bearer(ada)).status_code for _ in range(5)]
    assert seen == [500, 500, 401, 401, 401]
    up.clear()
    assert client.get(USAGE, headers=bearer(ada)).status_code == 200
    with pytest.raises(ValueError, match="does not stream"):
        up.fail(USAGE, faults.cut())


@pytest.mark.parametrize("code", ["refresh_token_expired", "refresh_token_reused", "refresh_token_invalidated"])
def test_a_renewal_can_be_refused(up: Upstream, client: httpx.Client, code: str) -> None:
    up.fail(TOKEN, faults.refresh_refused(code))
    assert client.post(TOKEN, json={}).json()["error"]["code"] == code


def test_the_connection_can_end_before_an_answer(up: Upstream, client: httpx.Client, ada: Account) -> None:
    up.fail(RESPONSES, HangUp())
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        ask(client, ada)
    up.fail(RESPONSES, HangUp(reset=True))
    with pytest.raises(httpx.ReadError):
        ask(client, ada)
    up.go_offline()
    with pytest.raises(httpx.ConnectError):
        ask(client, ada)
    up.go_online()
    assert ask(client, ada).status_code == 200


def test_an_answer_can_be_late(up: Upstream, client: httpx.Client, ada: Account) -> None:
    up.fail(USAGE, Late(0.1))
    before = time.monotonic()
    assert client.get(USAGE, headers=bearer(ada)).status_code == 200
    assert time.monotonic() - before >= 0.1
    up.fail(USAGE, Late())
    with pytest.raises(httpx.ReadTimeout):
        client.get(USAGE, headers=bearer(ada), timeout=IMPATIENT)
    assert up.wait_outcome(up.wait_for(USAGE, 2)[1]) is Outcome.LEFT


# Streams gone wrong


def test_a_stream_can_be_cut_cleanly_closed_or_reset(up: Upstream, client: httpx.Client, ada: Account) -> None:
    for fault in (faults.cut(2), faults.closed(2), faults.reset(2)):
        up.reply(Reply(chunks=WORDS))
        up.fail(RESPONSES, fault)
    stream = read_events(ask(client, ada).text)
    assert text_of(stream) == "".join(WORDS[:2])
    assert stream[-1]["type"] == "response.output_text.delta"
    for problem in (httpx.RemoteProtocolError, httpx.ReadError):
        received: list[bytes] = []
        with pytest.raises(problem):
            received.extend(ask_pieces(client, ada))
        assert text_of(read_events(b"".join(received).decode())) == "".join(WORDS[:2])
    assert up.turns == 3
    assert [request.outcome for request in up.requests] == [Outcome.ANSWERED, Outcome.BROKEN, Outcome.BROKEN]


def test_a_cut_before_the_first_delta_is_not_billed(up: Upstream, client: httpx.Client, ada: Account) -> None:
    up.reply(Reply("Hello"))
    up.fail(RESPONSES, faults.cut(0))
    assert text_of(read_events(ask(client, ada).text)) == ""
    assert up.turns == 0


def test_a_stream_can_lack_its_end(up: Upstream, client: httpx.Client, ada: Account) -> None:
    up.reply("All of it")
    up.fail(RESPONSES, faults.NAMED["no end"]())
    stream = read_events(ask(client, ada).text)
    assert text_of(stream) == "All of it"
    assert stream[-1]["type"] == "response.output_item.done"


def test_a_stalled_stream_goes_on_when_released(up: Upstream, client: httpx.Client, ada: Account) -> None:
    up.reply(Reply(chunks=WORDS))
    up.fail(RESPONSES, faults.stall(1))
    with client.stream("POST", RESPONSES, headers=headers(ada), json=full()) as answer:
        up.stalled.wait_held()
        up.release()
        received = answer.read().decode()
    assert text_of(read_events(received)) == "".join(WORDS)


def test_a_client_that_leaves_is_noticed(up: Upstream, client: httpx.Client, ada: Account) -> None:
    up.fail(RESPONSES, faults.stall(1))
    with client.stream("POST", RESPONSES, headers=headers(ada), json=full()) as answer:
        up.stalled.wait_held()
        assert answer.status_code == 200
    assert up.wait_outcome(up.to(RESPONSES)[0]) is Outcome.LEFT
    assert up.stalled.held == 0


@pytest.mark.parametrize(
    ("fault", "kind", "shown"),
    [
        (faults.failed("context_length_exceeded"), "response.failed", "context_length_exceeded"),
        (faults.incomplete("content_filter"), "response.incomplete", "content_filter"),
        (faults.error_event("server_error"), "error", "server_error"),
    ],
)
def test_a_stream_can_end_in_another_event(
    up: Upstream, client: httpx.Client, ada: Account, fault: Fault, kind: str, shown: str
) -> None:
    up.fail(RESPONSES, fault)
    stream = read_events(ask(client, ada).text)
    assert stream[-1]["type"] == kind
    assert shown in str(stream[-1])
    assert [event["sequence_number"] for event in stream] == list(range(len(stream)))


@pytest.mark.parametrize(
    "spoil",
    [
        Spoil(splitting=Splitting.BYTES),
        Spoil(splitting=Splitting.RANDOM, seed=1),
        Spoil(line_ending="\r\n"),
        Spoil(line_ending="\r\n", splitting=Splitting.RANDOM, seed=2, keepalives=True),
    ],
    ids=["bytes", "random", "crlf", "all"],
)
def test_splits_line_ends_and_comments_do_not_change_what_is_said(
    up: Upstream, client: httpx.Client, ada: Account, spoil: Spoil
) -> None:
    up.reply(Reply(chunks=WORDS))
    up.fail(RESPONSES, spoil)
    pieces = list(ask_pieces(client, ada))
    received = b"".join(pieces).decode()
    assert text_of(read_events(received)) == "".join(WORDS)
    if spoil.splitting is not Splitting.EVENTS:
        assert max(len(piece) for piece in pieces) <= (1 if spoil.splitting is Splitting.BYTES else 40)
        assert any(piece[0] & 0xC0 == 0x80 for piece in pieces), "a UTF-8 sequence was split"
    assert ("\r\n\r\n" in received) == (spoil.line_ending == "\r\n")
    assert (": keepalive" in received) == spoil.keepalives


def test_a_stream_can_hold_nonsense(up: Upstream, client: httpx.Client, ada: Account) -> None:
    up.fail(RESPONSES, Spoil(malformed=True, invalid_utf8=True, oversized=100_000))
    content = ask(client, ada).content
    assert b"data: {not json\n" in content
    assert b"\xff\xfe" in content
    assert max(len(line) for line in content.split(b"\n")) > 100_000
    assert content.rstrip().endswith(b"}}")


# Gates and replies


def test_a_gate_lets_deltas_out_one_by_one(up: Upstream, client: httpx.Client, ada: Account) -> None:
    gate = up.gate()
    up.reply(Reply(chunks=WORDS))
    received = b""
    for piece in ask_pieces(client, ada):
        received += piece
        if piece.startswith(b"event: response.content_part.added"):
            gate.wait_held()
            assert up.turns == 0
            gate.step(2)
            gate.wait_held()
            assert up.turns == 1
            gate.open()
    assert text_of(read_events(received.decode())) == "".join(WORDS)
    assert ask(client, ada).status_code == 200, "an open gate holds nothing"


def test_a_gate_can_stand_at_the_headers_or_before_the_end(up: Upstream, client: httpx.Client, ada: Account) -> None:
    up.gate(Point.HEADERS)
    with pytest.raises(httpx.ReadTimeout):
        client.post(RESPONSES, headers=headers(ada), json=full(), timeout=IMPATIENT)
    (first,) = up.wait_for(RESPONSES)
    assert (up.wait_outcome(first), first.status, up.turns) == (Outcome.LEFT, None, 0)
    up.clear()
    end = up.gate("end")
    with client.stream("POST", RESPONSES, headers=headers(ada), json=full()):
        end.wait_held()
        assert up.turns == 1
    assert up.wait_outcome(up.to(RESPONSES)[1]) is Outcome.LEFT


def test_a_reply_can_bring_its_own_fault_and_delay(up: Upstream, client: httpx.Client, ada: Account) -> None:
    up.reply(Reply(fault=faults.usage_limit()))
    up.reply(Reply(chunks=["a", "b"], delay=0.03))
    assert ask(client, ada).status_code == 429
    before = time.monotonic()
    assert text_of(read_events(ask(client, ada).text)) == "ab"
    assert time.monotonic() - before >= 0.06
