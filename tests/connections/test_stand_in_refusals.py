"""The stand-in's Codex backend refuses the request bodies that the real one refuses, in its words."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.upstream import RESPONSES, Account, Upstream
from tests.upstream.asking import LITE_HEADER, PIXEL, full, headers, lite, read_events, user

Body = dict[str, Any]


def detail_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["detail"]


def error_of(answer: httpx.Response) -> tuple[int, str | None, str | None]:
    problem = answer.json()["error"]
    return answer.status_code, problem["code"], problem["param"]


def image(url: Any) -> Body:
    return {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": url}]}


def message(role: str, kind: str) -> Body:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": "Hi"}]}


def test_both_forms_pass_as_they_should(up: Upstream, client: httpx.Client, ada: Account) -> None:
    history = [message("developer", "input_text"), user(), message("assistant", "output_text"), image(PIXEL)]
    for sent, body in [(headers(ada), full(input=history)), (headers(ada, lite=True), lite(input=history))]:
        answer = client.post(RESPONSES, headers=sent, json=body)
        assert answer.status_code == 200, answer.text
        assert read_events(answer.text)[-1]["type"] == "response.completed"
    assert up.turns == 2
    sent = headers(ada, lite=True)
    del sent["ChatGPT-Account-ID"]
    assert client.post(RESPONSES, headers=sent, json=lite()).status_code == 200, "this header may be left out"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"stream": False}, "Stream must be set to true"),
        ({"store": True}, "Store must be set to false"),
        ({"instructions": " "}, "Instructions are required"),
        ({"input": "Hello"}, "Input must be a list"),
        ({"input": [message("system", "input_text")]}, "System messages are not allowed"),
        (
            {"model": "gpt-9"},
            "The 'gpt-9' model is not supported when using Codex with a ChatGPT account.",
        ),
        *(
            ({name: 1}, f"Unsupported parameter: {name}")
            for name in (
                "max_output_tokens temperature top_p metadata user prompt_cache_retention previous_response_id "
                "max_tokens truncation safety_identifier"
            ).split()
        ),
    ],
)
def test_the_full_form_is_refused_with_a_detail(
    up: Upstream, client: httpx.Client, ada: Account, change: Body, text: str
) -> None:
    assert detail_of(client.post(RESPONSES, headers=headers(ada), json=full(**change))) == (400, text)
    assert up.turns == 0


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"reasoning": {"effort": "max"}}, "unsupported_value", "reasoning.effort"),
        ({"reasoning": {"effort": "ultra"}}, "unsupported_value", "reasoning.effort"),
        ({"reasoning": {"summary": "none"}}, "invalid_value", "reasoning.summary"),
        ({"reasoning": {"context": "all_turns"}}, "unsupported_value", "reasoning.context"),
        ({"reasoning": "high"}, "invalid_type", "reasoning"),
        ({"text": {"verbosity": "huge"}}, "invalid_value", "text.verbosity"),
        ({"input": [message("assistant", "input_text")]}, "invalid_value", "input[0].content[0]"),
        ({"input": [message("user", "output_text")]}, "invalid_value", "input[0].content[0]"),
        ({"input": [message("user", "input_file")]}, "invalid_value", "input[0].content[0]"),
        ({"input": [message("tool", "input_text")]}, "invalid_value", "input[0].role"),
        ({"input": [{"role": "user", "content": "Hello"}]}, "invalid_type", "input[0].content"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "invalid_value", "input[0]"),
        ({"input": ["Hello"]}, "invalid_type", "input[0]"),
        ({"input": [image({"url": PIXEL})]}, "invalid_value", "input[0].content[0].image_url"),
        ({"input": [image(PIXEL[:24] + "bm90IGFuIGltYWdl")]}, "invalid_value", "input[0].content[0].image_url"),
    ],
)
def test_the_full_form_is_refused_with_an_error(
    client: httpx.Client, ada: Account, change: Body, code: str, param: str
) -> None:
    answer = client.post(RESPONSES, headers=headers(ada), json=full(**change))
    assert error_of(answer) == (400, code, param)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"reasoning": {"effort": "low"}}, f"{LITE_HEADER} requires `reasoning.context` to be `all_turns`."),
        ({"parallel_tool_calls": True}, f"{LITE_HEADER} requires `parallel_tool_calls` to be false."),
        ({"model": "gpt-5.5"}, f"This model is not supported when using {LITE_HEADER}."),
        ({"instructions": "Be kind."}, f"{LITE_HEADER} does not take `instructions`."),
        (
            {"input": [{"type": "additional_tools", "role": "developer", "tools": [{"type": "web_search"}]}]},
            f"{LITE_HEADER} only supports function tools, custom tools, and client-executed tool search.",
        ),
    ],
)
def test_the_lite_form_is_refused(client: httpx.Client, ada: Account, change: Body, text: str) -> None:
    answer = client.post(RESPONSES, headers=headers(ada, lite=True), json=lite(**change))
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, text)


def test_a_lite_model_is_not_found_without_its_headers(up: Upstream, client: httpx.Client, ada: Account) -> None:
    for missing in (LITE_HEADER, "version", "session-id"):
        sent = headers(ada, lite=True)
        del sent[missing]
        answer = client.post(RESPONSES, headers=sent, json=lite())
        assert detail_of(answer) == (404, "Model not found gpt-6-sol")
    up.rules.lite_headers_required = False
    sent = headers(ada, lite=True)
    del sent["version"]
    assert client.post(RESPONSES, headers=sent, json=lite()).status_code == 200


def test_a_plan_without_the_model_is_refused(up: Upstream, client: httpx.Client, tmp_path: Path) -> None:
    bob = up.sign_in(tmp_path, email="bob@example.com", plan="free")
    answer = client.post(RESPONSES, headers=headers(bob, lite=True), json=lite(model="gpt-6-astra"))
    assert detail_of(answer)[1].startswith("The 'gpt-6-astra' model is not supported")


def test_reasoning_comes_back_sealed_and_to_its_own_account_only(
    up: Upstream, client: httpx.Client, ada: Account, tmp_path: Path
) -> None:
    stream = read_events(client.post(RESPONSES, headers=headers(ada), json=full()).text)
    done = [event["item"] for event in stream if event["type"] == "response.output_item.done"]
    opened = [event["item"] for event in stream if event["type"] == "response.output_item.added"]
    item = done[0]
    assert item["type"] == "reasoning"
    history = full(input=[user(), item, message("assistant", "output_text"), user("And now?")])
    assert client.post(RESPONSES, headers=headers(ada), json=history).status_code == 200
    eve = up.sign_in(tmp_path, email="eve@example.com")
    foreign = client.post(RESPONSES, headers=headers(eve), json=history)
    assert error_of(foreign) == (400, "invalid_encrypted_content", None)
    unfinished = client.post(RESPONSES, headers=headers(ada), json=full(input=[opened[0]]))
    assert error_of(unfinished) == (400, "invalid_encrypted_content", None)
    bare = {"type": "reasoning", "id": "rs_1", "summary": []}
    lost = client.post(RESPONSES, headers=headers(ada), json=full(input=[bare]))
    assert lost.status_code == 404
    assert lost.json()["error"]["message"].startswith("Item with id 'rs_1' not found. Items are not persisted")


def test_the_headers_and_the_encoding_of_a_body_matter(client: httpx.Client, ada: Account) -> None:
    body = json.dumps(full()).encode()
    sent = {**headers(ada), "Content-Type": "application/json"}
    assert client.post(RESPONSES, headers={**sent, "Accept": "application/json"}, content=body).status_code == 406
    assert client.post(RESPONSES, headers={**sent, "Content-Type": "text/plain"}, content=body).status_code == 415
    zipped = {**sent, "Content-Encoding": "gzip"}
    assert client.post(RESPONSES, headers=zipped, content=gzip.compress(body)).status_code == 415
    for content in (b"{", b"[]", b""):
        assert client.post(RESPONSES, headers=sent, content=content).status_code == 400
    foreign = {**sent, "ChatGPT-Account-ID": "another"}
    assert client.post(RESPONSES, headers=foreign, content=body).status_code == 401


def test_the_forms_of_the_real_cli_can_be_let_pass(up: Upstream, client: httpx.Client, ada: Account) -> None:
    up.rules.instructions_required = False
    body = full(client_metadata={"x": "y"}, service_tier="priority", tool_choice="auto", tools=[])
    del body["instructions"]
    assert client.post(RESPONSES, headers=headers(ada), json=body).status_code == 200
