"""A request of the Responses API is read back to exactly what was asked, and nothing else is read."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.catalogue import Catalogue, Model
from connections.catalogues import keep
from connections.models import CatalogueEntry
from connections.paths import AccessPath
from connections.responses import Ask, Excerpt, Picture, RequestForm, Turn, build_request
from relay.host.asking import MOST_IMAGES, MOST_PARTS, AskMalformed, ModelNotOffered, read_ask
from relay.host.offer import enabled_models
from tests.chat import files
from tests.relay.host.house import SOL, Obedient, ask

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
ITEM = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed"}
PAIRS = st.lists(st.tuples(WORDS, WORDS, st.booleans()), max_size=4)


def body(question: Ask) -> bytes:
    return json.dumps(build_request(question, RequestForm.PLATFORM)[1]).encode()


@given(PAIRS, WORDS, WORDS, st.sampled_from(["low", "high", None]))
def test_what_was_asked_is_read_back(
    pairs: list[tuple[str, str, bool]], last: str, instructions: str, effort: str | None
) -> None:
    turns = [
        turn
        for said, answered, reasoned in pairs
        for turn in (Turn("user", said), Turn("assistant", answered, (ITEM,) if reasoned else ()))
    ]
    question = Ask(SOL, (*turns, Turn("user", last)), instructions.strip(), effort, "c-1")
    read = read_ask(body(question), [SOL])
    # An effort that was not chosen is the model's own.
    assert read == Ask(SOL, question.turns, question.instructions, SOL.effort(effort), "c-1")


def test_a_model_that_is_not_offered_is_told_from_a_broken_request() -> None:
    with pytest.raises(ModelNotOffered):
        read_ask(body(ask()), [])
    with pytest.raises(ModelNotOffered):
        read_ask(body(ask()), [Model("gpt-6", "GPT-6")])


def test_settings_and_facts_of_the_model_are_those_of_the_host() -> None:
    remote = Model("gpt-5.5", "Another", lite=True, verbosity="high")
    assert read_ask(body(ask("Hi", remote)), [SOL]).model is SOL


@pytest.mark.parametrize(
    "change",
    [
        {"stream": False},
        {"model": 7},
        {"prompt_cache_key": "x" * 81},
        {"prompt_cache_key": "a\nb"},
        {"input": []},
        {"input": "Hello"},
        {"input": [{"type": "message", "role": "system", "content": [{"type": "input_text", "text": "x"}]}]},
        {"input": [{"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "x"}]}]},
        {"input": [{"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "file:///"}]}]},
        {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": 7}]}]},
        {"input": [{"type": "function_call_output", "output": "x"}]},
        {"input": [ITEM]},
        {"instructions": 7},
        {"reasoning": []},
        {"reasoning": {"effort": 7}},
    ],
)
def test_what_lerix_does_not_write_is_not_read(change: dict[str, Any]) -> None:
    with pytest.raises(AskMalformed):
        read_ask(json.dumps({**json.loads(body(ask())), **change}).encode(), [SOL])


def test_tools_and_other_settings_do_not_pass() -> None:
    more = {"tools": [{"type": "web_search"}], "store": True, "previous_response_id": "x", "metadata": {}}
    read = read_ask(json.dumps({**json.loads(body(ask())), **more}).encode(), [SOL])
    assert read == ask()


async def test_only_models_that_are_switched_on_are_offered(db: None) -> None:
    path: AccessPath = Obedient()
    await keep(path.key, Catalogue((SOL, Model("gpt-6", "GPT-6"))))
    assert await enabled_models(path) == []
    await CatalogueEntry.objects.filter(slug="gpt-6").aupdate(enabled=True)
    assert [model.slug for model in await enabled_models(path)] == ["gpt-6"]
    await CatalogueEntry.objects.filter(slug="gpt-6").aupdate(retired=True)
    assert await enabled_models(path) == []


def question(*parts: dict[str, Any]) -> bytes:
    asked = json.loads(body(ask()))
    asked["input"] = [{"type": "message", "role": "user", "content": list(parts)}]
    return json.dumps(asked).encode()


def image(data: bytes = files.png(), kind: str = "image/png", **more: object) -> dict[str, Any]:
    address = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    return {"type": "input_image", "image_url": address, **more}


def text(words: object = "Look") -> dict[str, Any]:
    return {"type": "input_text", "text": words}


@pytest.mark.parametrize("words", ["Look", ""])
def test_images_and_texts_of_files_are_read_back(words: str) -> None:
    picture = Picture("image/jpeg", base64.b64encode(files.photo()).decode())
    asked = Ask(SOL, (Turn("user", words, (), (Excerpt("<file>x</file>"), picture)),), "", "low", "c-1")
    assert read_ask(body(asked), [SOL]) == asked


@pytest.mark.parametrize(
    "parts",
    [
        (image(kind="image/svg+xml"), text()),
        (image(kind="application/pdf"), text()),
        (image(b"not a picture"), text()),
        (image(files.photo()), text()),
        (image(b""), text()),
        ({"type": "input_image", "image_url": "https://example.com/a.png"}, text()),
        ({"type": "input_image", "image_url": "file:///etc/passwd"}, text()),
        ({"type": "input_image", "image_url": "data:image/png;base64,!!!!"}, text()),
        ({"type": "input_image", "image_url": "data:image/png,abc"}, text()),
        ({"type": "input_image", "image_url": 7}, text()),
        ({"type": "input_image", "file_id": "file_1"}, text()),
        ({"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}, text()),
        (text(), {"type": "input_audio"}),
        (text(7), text()),
        (text(), text(None)),
        (),
        tuple(text() for _ in range(MOST_PARTS + 1)),
    ],
)
def test_of_files_nothing_else_is_read(parts: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(AskMalformed):
        read_ask(question(*parts), [SOL])


def test_only_the_image_itself_passes() -> None:
    read = read_ask(question(image(detail="original", file_id="file_1"), text()), [SOL])
    (part,) = read.turns[0].files
    _, sent = build_request(read, RequestForm.LITE)
    assert isinstance(part, Picture)
    assert sent["input"][-1]["content"][0].keys() == {"type", "image_url"}


def test_too_many_images_are_refused() -> None:
    asked = json.loads(question(image(), text()))
    asked["input"] *= MOST_IMAGES + 1
    with pytest.raises(AskMalformed):
        read_ask(json.dumps(asked).encode(), [SOL])
