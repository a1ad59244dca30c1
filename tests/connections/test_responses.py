"""Requests in the three forms, and what the service's events mean."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.responses import (
    CLIENT_VERSION,
    Completed,
    Failed,
    Incomplete,
    OutputItem,
    ReasoningDelta,
    RequestForm,
    TextDelta,
    TokenUsage,
    Turn,
    build_request,
    decode,
    form_for,
    item_text,
    well_formed,
)
from connections.sse import ServerSentEvent
from tests.connections.far import OLD, SOL, ask

# What the backend was seen to take (Codex CLI 0.169.0); anything else may be a 400.
TAKEN = {
    "model", "input", "stream", "store", "prompt_cache_key", "instructions", "include",
    "reasoning", "text", "parallel_tool_calls",
}  # fmt: skip
REASONING: dict[str, Any] = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [],
    "encrypted_content": "sealed",
    "status": None,
}


def said(kind: str, **fields: Any) -> ServerSentEvent:
    return ServerSentEvent("message", json.dumps({"type": kind, **fields}))


def test_the_full_form_has_its_own_instructions_and_only_fields_the_backend_takes() -> None:
    headers, body = build_request(ask(model=OLD), RequestForm.FULL)
    assert body.keys() <= TAKEN
    assert body["instructions"].strip()
    assert (body["stream"], body["store"], body["include"]) == (True, False, ["reasoning.encrypted_content"])
    assert body["reasoning"] == {"effort": "medium", "summary": "auto"}
    assert body["input"] == [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}]
    assert "text" not in body
    assert not [name for name in headers if "lite" in name]


def test_the_lite_form_has_a_developer_message_and_what_the_service_checks() -> None:
    headers, body = build_request(ask(model=SOL, instructions="Be brief."), RequestForm.LITE)
    assert body.keys() <= TAKEN - {"instructions"}
    assert body["input"][0]["role"] == "developer"
    assert body["input"][0]["content"][0]["text"] == "Be brief."
    assert body["parallel_tool_calls"] is False
    assert body["reasoning"] == {"effort": "low", "summary": "auto", "context": "all_turns"}
    assert body["text"] == {"verbosity": "low"}
    assert headers["x-openai-internal-codex-responses-lite"] == "true"
    assert headers["version"] == CLIENT_VERSION


def test_the_platform_form_sends_nothing_of_codex() -> None:
    headers, body = build_request(ask(model=OLD), RequestForm.PLATFORM)
    assert set(headers) == {"Accept", "Content-Type"}
    assert "instructions" not in body
    assert body["store"] is False


@pytest.mark.parametrize("form", [RequestForm.FULL, RequestForm.LITE])
def test_a_chat_keeps_its_session_and_says_honestly_who_asks(form: RequestForm) -> None:
    first, second = (build_request(ask(text), form) for text in ("one", "two"))
    assert first[0] == second[0]
    assert first[0]["session-id"] == first[1]["prompt_cache_key"] == ask().conversation
    assert first[0]["originator"] == "lerix"


def test_the_catalogues_flag_decides_the_form() -> None:
    assert (form_for(SOL), form_for(OLD)) == (RequestForm.LITE, RequestForm.FULL)


@pytest.mark.parametrize(("wanted", "sent"), [("high", "high"), ("ultra", "low"), (None, "low"), ("", "low")])
def test_an_effort_is_sent_only_when_the_model_has_it(wanted: str | None, sent: str) -> None:
    _, body = build_request(ask(effort=wanted), RequestForm.LITE)
    assert body["reasoning"]["effort"] == sent


def test_reasoning_is_replayed_before_its_answer_and_only_with_its_sealed_content() -> None:
    bare = {"type": "reasoning", "id": "rs_2", "summary": []}
    turns = [
        Turn("user", "a"),
        Turn("assistant", "b", (REASONING, bare, {"type": "message"})),
        Turn("user", "c"),
    ]
    _, body = build_request(ask(model=OLD, turns=turns), RequestForm.FULL)
    kinds = [(item["type"], item.get("role")) for item in body["input"]]
    assert kinds == [("message", "user"), ("reasoning", None), ("message", "assistant"), ("message", "user")]
    assert body["input"][1] == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "encrypted_content": "sealed",
    }
    assert body["input"][2]["content"][0]["type"] == "output_text"


def test_an_answer_stopped_before_its_first_word_is_left_out_with_its_reasoning() -> None:
    turns = [Turn("user", "a"), Turn("assistant", "", (REASONING,)), Turn("user", "c")]
    _, body = build_request(ask(model=OLD, turns=turns), RequestForm.FULL)
    assert [item["role"] for item in body["input"]] == ["user", "user"]


def test_text_that_is_not_well_formed_does_not_break_a_request() -> None:
    _, body = build_request(ask("half \ud83d pair"), RequestForm.LITE)
    json.dumps(body, ensure_ascii=False).encode()
    assert well_formed("𝄞 ü") == "𝄞 ü"


def test_each_event_of_an_answer_is_understood() -> None:
    assert decode(said("response.output_text.delta", delta="Hi", output_index=1, content_index=2)) == TextDelta(
        "Hi", 1, 2
    )
    assert decode(said("response.refusal.delta", delta="No")) == TextDelta("No")
    assert decode(said("response.reasoning_summary_text.delta", delta="Hm", summary_index=3)) == ReasoningDelta("Hm", 3)
    assert decode(said("response.output_item.done", item=REASONING, output_index=0)) == OutputItem(REASONING)
    assert decode(said("response.failed", response={"error": {"code": "x"}})) == Failed({"code": "x"})
    assert decode(said("response.incomplete", response={"incomplete_details": {"reason": "r"}})) == Incomplete("r")
    assert decode(said("error", error={"code": "y"})) == Failed({"code": "y"})


def test_completion_gives_the_usage_and_never_the_text() -> None:
    usage = {
        "input_tokens": 5, "input_tokens_details": {"cached_tokens": 2}, "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 8,
    }  # fmt: skip
    output = [{"type": "message", "content": [{"type": "output_text", "text": "ghost"}]}]
    event = decode(said("response.completed", response={"id": "resp_1", "usage": usage, "output": output}))
    assert event == Completed("resp_1", TokenUsage(5, 2, 3, 1, 8))


@pytest.mark.parametrize("data", ["", "[DONE]", "{", "[]", "3", '{"type": 4}', '{"type": "codex.rate_limits"}'])
def test_unknown_events_and_unreadable_data_are_skipped(data: str) -> None:
    assert decode(ServerSentEvent("response.output_text.delta", data)) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ["delta", "item", "response", "error", "output_index", "content_index", "summary_index"]
KINDS = ["response.output_text.delta", "response.reasoning_summary_text.delta", "response.output_item.done"]
KINDS += ["response.completed", "response.failed", "response.incomplete", "error"]


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_no_content_of_a_known_event_raises(kind: str, fields: dict[str, Any]) -> None:
    event = decode(said(kind, **fields))
    if isinstance(event, OutputItem):
        item_text(event.item)
