"""The models of an API key: which are listed, by what names, in what order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.catalogue import Model
from connections.openai_models import decode_models


def names(*ids: str) -> dict[str, str]:
    data = [{"id": name, "created": place} for place, name in enumerate(ids)]
    return {model.slug: model.name for model in decode_models({"data": data}).models}


def test_only_models_that_chat_are_listed_by_names_for_people() -> None:
    chat = {
        "gpt-6.1-sol": "GPT-6.1 Sol", "gpt-5.5": "GPT-5.5", "gpt-5-mini": "GPT-5 mini", "gpt-5-pro": "GPT-5 Pro",
        "gpt-5.1-codex-max": "GPT-5.1 Codex Max", "gpt-5-chat-latest": "GPT-5 chat latest",
        "gpt-4.1-nano": "GPT-4.1 nano",
        "gpt-4o": "GPT-4o", "gpt-4-turbo": "GPT-4 Turbo", "chatgpt-4o-latest": "ChatGPT-4o latest",
        "gpt-3.5-turbo": "GPT-3.5 Turbo", "o3": "o3", "o4-mini": "o4-mini",
        "ft:gpt-4.1-mini-2025-04-14:acme:support:AbC1": "GPT-4.1 mini, tuned: support",
    }  # fmt: skip
    others = (
        "text-embedding-3-small whisper-1 tts-1 tts-1-hd gpt-image-1 chatgpt-image-latest omni-moderation-latest "
        "gpt-realtime gpt-4o-realtime-preview gpt-audio gpt-4o-audio-preview gpt-4o-transcribe gpt-4o-mini-tts sora-2 "
        "gpt-4o-search-preview gpt-5-search-api gpt-3.5-turbo-instruct o3-deep-research computer-use-preview dall-e-3 "
        "codex-mini-latest davinci-002 babbage-002 gpt-oss-120b gpt-4o-transcribe-diarize ft:babbage-002:acme::x"
    ).split()
    assert names(*others, *chat) == chat


def test_a_dated_snapshot_is_listed_last_and_only_without_the_model_that_moves_on() -> None:
    assert list(names("gpt-5.5-2026-03-05", "gpt-5.5", "gpt-4-0613", "gpt-4", "gpt-4.5-preview-2025-02-27", "o3")) == [
        "gpt-5.5", "gpt-4", "o3", "gpt-4.5-preview-2025-02-27",
    ]  # fmt: skip
    assert names("gpt-4.5-preview-2025-02-27") == {"gpt-4.5-preview-2025-02-27": "GPT-4.5 preview (2025-02-27)"}


def test_the_newest_models_come_first() -> None:
    listed = names("o3", "gpt-4.1", "gpt-5.5", "gpt-10", "gpt-5-mini", "gpt-5", "gpt-6-luna", "o4-mini", "gpt-6.1-sol")
    assert list(listed) == [
        "gpt-10", "gpt-6.1-sol", "gpt-6-luna", "gpt-5.5", "gpt-5", "gpt-5-mini", "gpt-4.1", "o4-mini", "o3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("slug", "efforts", "default"),
    [
        ("gpt-4.1", [], None),
        ("gpt-5-chat-latest", [], None),
        ("gpt-5", ["minimal", "low", "medium", "high"], "medium"),
        ("gpt-5.1", ["none", "low", "medium", "high"], "medium"),
        ("gpt-5.5", ["none", "low", "medium", "high", "xhigh"], "medium"),
        ("gpt-6.1-sol", ["low", "medium", "high", "xhigh"], "medium"),
        ("gpt-5-codex", ["low", "medium", "high"], "medium"),
        ("gpt-5-pro", ["high"], "high"),
        ("o4-mini", ["low", "medium", "high"], "medium"),
    ],
)
def test_a_model_that_reasons_has_the_efforts_it_takes(slug: str, efforts: list[str], default: str | None) -> None:
    (model,) = decode_models({"data": [{"id": slug}]}).models
    assert [effort.name for effort in model.efforts] == efforts
    assert model.default_effort == default
    assert model.summaries == bool(efforts)
    assert Model.from_json(model.to_json()) == model


@pytest.mark.parametrize(
    ("slug", "context"),
    [
        ("gpt-3.5-turbo", 16_385),
        ("gpt-4", 8_192),
        ("gpt-4-0613", 8_192),
        ("gpt-4-1106-preview", 128_000),
        ("gpt-4o", 128_000),
        ("chatgpt-4o-latest", 128_000),
        ("gpt-4.1-mini", 1_047_576),
        ("o1-mini", 128_000),
        ("o3", 200_000),
        ("gpt-5.1", 400_000),
        ("gpt-5-chat-latest", 128_000),
        ("gpt-6.1-sol", None),
    ],
)
def test_the_context_of_documented_families_is_known(slug: str, context: int | None) -> None:
    (model,) = decode_models({"data": [{"id": slug}]}).models
    assert model.context_window == context


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.from_regex(r"(ft:)?(gpt-|o)\d[\w:.-]*"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["data", "id", "created"]), inner),
    max_leaves=12,
)


@given(JSON)
def test_no_list_raises_anything_but_valueerror(payload: Any) -> None:
    for each in (payload, {"data": payload}, {"data": [{"id": payload}]}):
        try:
            models = decode_models(each).models
        except ValueError:
            continue
        for model in models:
            assert Model.from_json(model.to_json()) == model
