"""The path of an API key: what is sent, what is told, and what each outcome makes of its state."""

import asyncio
import json
import logging
import traceback
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import httpx
import pytest

from connections import errors, key_errors, openai
from connections.catalogue import Effort, Model
from connections.client import Limits
from connections.openai import KeyAuth, OpenAIPath
from connections.paths import AccessPath
from connections.responses import AnswerEvent, Ask, TextDelta, Turn
from connections.secrets import Secret
from connections.status import NextStep
from tests.connections.far import COMPLETED, NOW, Clock, Far, ask, delta, refusal, stream

KEY = "sk-planted-key-0123456789"
BASE = "https://api.example/v1"
MODEL = Model("gpt-5.5", "GPT-5.5", efforts=(Effort("low"), Effort("high")), default_effort="low", summaries=True)
OTHER = Model("gpt-4.1", "GPT-4.1")
QUOTA = {"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota", "type": "x"}}
SCOPES = {"error": {"message": "You have insufficient permissions for this operation. Missing scopes: model.request."}}
UNKNOWN = {"error": {"message": f"Incorrect API key provided: {KEY}.", "code": "invalid_api_key"}}


async def opened() -> Secret:
    return Secret(KEY)


def path(far: httpx.AsyncBaseTransport, clock: Clock | None = None, **options: Any) -> OpenAIPath:
    clock = clock or Clock()
    settings: dict[str, Any] = {"credential": opened, "base_url": BASE, "now": clock, "sleep": clock.sleep, **options}
    return OpenAIPath("api-key-1", "Work", user_agent="Lerix/0.1 (test)", transport=far, limits=Limits(), **settings)


def listing(*ids: str) -> httpx.Response:
    data = [{"id": name, "object": "model", "created": 1, "owned_by": "system"} for name in ids]
    return httpx.Response(200, json={"object": "list", "data": data})


async def collect(of: OpenAIPath, question: Ask | None = None) -> list[AnswerEvent]:
    async with aclosing(of.answer(question or ask(model=MODEL))) as events:
        return [one async for one in events]


async def refused(of: OpenAIPath, question: Ask | None = None) -> errors.AccessError:
    try:
        await collect(of, question)
    except errors.AccessError as error:
        return error
    raise AssertionError("the answer did not fail")


# What is sent


async def test_an_answer_streams_from_the_platform_with_this_key() -> None:
    far = Far(stream(delta("Hel"), delta("lo"), COMPLETED))
    of: AccessPath = path(far)
    assert (of.provider, of.label, of.usage) == ("ChatGPT", "API key · Work", None)
    async with aclosing(of.answer(ask("Hi", MODEL, effort="high", instructions="Be brief."))) as events:
        assert "".join([one.text async for one in events if isinstance(one, TextDelta)]) == "Hello"
    (request,) = far.requests
    assert str(request.url) == f"{BASE}/responses"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert "originator" not in request.headers
    body = json.loads(request.content)
    assert body["model"] == "gpt-5.5"
    assert body["reasoning"] == {"effort": "high", "summary": "auto"}
    assert (body["store"], body["stream"]) == (False, True)
    assert body["include"] == ["reasoning.encrypted_content"]
    assert of.status().ready


@pytest.mark.parametrize(
    "url", ["https://api.example.evil/v1/models", "http://api.example/v1/models", "https://api.example:444/v1/models",
            "https://api.example/v2", "https://api.example/v1/../x", "https://user@api.example/v1/models"],
)  # fmt: skip
async def test_the_key_is_never_sent_to_another_address(url: str) -> None:
    auth = KeyAuth(httpx.URL(BASE + "/"), opened)
    request = httpx.Request("GET", url)
    with pytest.raises(errors.ForeignAddress):
        await anext(auth.async_auth_flow(request))
    assert "authorization" not in request.headers


@pytest.mark.parametrize("base", ["http://api.example/v1", "ftp://api.example", "https://user:x@api.example", "/v1"])
def test_an_address_that_no_key_may_be_sent_to_is_refused_at_once(base: str) -> None:
    with pytest.raises(ValueError, match="https address"):
        path(Far(stream()), base_url=base)


async def test_a_redirect_is_not_followed() -> None:
    far = Far(httpx.Response(307, headers={"location": "https://evil.example/v1/models"}))
    with pytest.raises(errors.UnexpectedAnswer):
        await path(far).models()
    assert len(far.requests) == 1


async def test_reasoning_is_replayed_to_the_same_key_and_model_only() -> None:
    one, other = path(Far(stream())), path(Far(stream()), revision=1)
    assert one.replay_key(MODEL) == path(Far(stream())).replay_key(MODEL)
    assert len({one.replay_key(MODEL), one.replay_key(OTHER), other.replay_key(MODEL)}) == 3
    one.take(opened, 1)
    assert one.replay_key(MODEL) == other.replay_key(MODEL)


async def test_where_summaries_are_not_given_the_answer_is_asked_for_without_once_for_all() -> None:
    words = "Your organization must be verified to generate reasoning summaries. Please go to: https://x.example"
    far = Far(
        refusal(400, {"error": {"message": words, "param": "reasoning.summary", "code": "unsupported_value"}}),
        stream(delta("ok"), COMPLETED),
        stream(delta("ok"), COMPLETED),
    )
    of = path(far)
    await collect(of)
    await collect(of)
    asked = [json.loads(request.content)["reasoning"] for request in far.requests]
    assert asked == [{"effort": "low", "summary": "auto"}, {"effort": "low"}, {"effort": "low"}]
    assert of.status().ready


async def test_history_goes_along_without_what_only_the_codex_backend_takes() -> None:
    far = Far(stream(delta("ok"), COMPLETED))
    await collect(path(far), ask(model=OTHER, turns=[Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c")]))
    body = json.loads(far.requests[0].content)
    assert [item["role"] for item in body["input"]] == ["user", "assistant", "user"]
    assert "annotations" not in body["input"][1]["content"][0]
    assert "reasoning" not in body
    assert "include" not in body


# What each outcome makes of it


@pytest.mark.parametrize(
    ("reply", "kind", "code", "step"),
    [
        (refusal(401, UNKNOWN), key_errors.KeyRefused, "key-refused", NextStep.REPLACE_KEY),
        (refusal(401, None), key_errors.KeyRefused, "key-refused", NextStep.REPLACE_KEY),
        (refusal(401, SCOPES), key_errors.KeyNotAllowed, "key-not-allowed", NextStep.REPLACE_KEY),
        (refusal(403, SCOPES), key_errors.KeyNotAllowed, "key-not-allowed", NextStep.REPLACE_KEY),
        (refusal(403, None), key_errors.KeyNotAllowed, "key-not-allowed", NextStep.REPLACE_KEY),
        (refusal(403, {"error": {"code": "unsupported_country_region_territory"}}),
         errors.RegionRefused, "region-refused", NextStep.RETRY),
        (refusal(429, QUOTA), key_errors.CreditUsedUp, "credit-used-up", NextStep.ADD_CREDIT),
        (refusal(404, {"detail": "Not Found"}), errors.UnexpectedAnswer, "service-changed", NextStep.RETRY),
        (httpx.Response(200, text="<!doctype html>", headers={"content-type": "text/html"}),
         key_errors.PageInTheWay, "service-changed", NextStep.RETRY),
        (httpx.ConnectError("x"), errors.Unreachable, "unreachable", NextStep.RETRY),
        (refusal(400, {"error": {"code": "model_not_found", "message": "no"}}),
         key_errors.KeyModelRefused, "ready", None),
        (refusal(400, {"error": {"message": "Your organization must be verified to stream this model."}}),
         key_errors.VerificationNeeded, "ready", None),
        (refusal(500, None), errors.ServiceFailed, "ready", None),
        (refusal(429, {"error": {"message": "slow"}}), errors.RateLimited, "ready", None),
    ],
)  # fmt: skip
async def test_a_refusal_is_told_for_a_key_and_makes_the_state(
    reply: httpx.Response | Exception, kind: type[errors.AccessError], code: str, step: NextStep | None
) -> None:
    of = path(Far(reply))
    error = await refused(of)
    assert isinstance(error, kind)
    status = of.status()
    assert (status.code, status.next_step, status.ready) == (code, step, code == "ready")
    for text in (error.sentence, status.sentence, str(error)):
        assert "codex" not in text.lower()
        assert "planted" not in text


def test_no_sentence_for_a_key_speaks_of_codex() -> None:
    every: list[type[errors.AccessError]] = [errors.AccessError]
    for kind in every:
        every += kind.__subclasses__()
    for kind in every:
        if kind is errors.Unavailable:
            continue
        told = key_errors.for_key(kind())
        assert "codex" not in told.sentence.lower(), told
        assert "chatgpt.com" not in told.sentence, told
    for title, sentence, _ in openai._STATES.values():
        assert "codex" not in (title + sentence).lower()
        assert sentence.endswith(".")


async def test_a_refused_key_is_not_sent_again_until_it_is_checked_or_replaced() -> None:
    far = Far(refusal(401, UNKNOWN), listing("gpt-5.5"), refusal(401, UNKNOWN), stream(delta("ok"), COMPLETED))
    of = path(far)
    await refused(of)
    error = await refused(of)
    assert isinstance(error, errors.Unavailable)
    assert "Nothing was sent" in error.sentence
    assert len(far.requests) == 1
    await of.models()  # somebody pressed Check again
    assert of.status().ready
    await refused(of)
    of.take(opened, 1)
    assert of.status().ready
    await collect(of)


async def test_a_list_does_not_clear_what_only_an_answer_can() -> None:
    of = path(Far(refusal(429, QUOTA), listing("gpt-5.5"), stream(delta("ok"), COMPLETED)))
    await refused(of)
    await of.models()
    assert of.status().code == "credit-used-up"
    await collect(of)  # credit was added meanwhile
    assert of.status().ready


async def test_somebody_who_says_that_there_is_credit_again_is_believed() -> None:
    of = path(Far(refusal(429, QUOTA)))
    await refused(of)
    of.forgive()
    assert of.status().ready


async def test_a_rate_limit_holds_one_model_back_and_ends_by_itself() -> None:
    clock = Clock()
    far = Far(refusal(429, {"error": {"message": "slow"}}, retry_after="30"), stream(delta("ok"), COMPLETED))
    of = path(far, clock)
    assert isinstance(await refused(of), errors.RateLimited)
    status = of.status()
    assert (status.code, status.next_step, status.until) == ("rate-limited", NextStep.WAIT, NOW + timedelta(seconds=30))
    again = await refused(of)
    assert (type(again), again.until) == (errors.RateLimited, status.until)
    assert len(far.requests) == 1
    await collect(of, ask(model=OTHER))
    clock.time += timedelta(seconds=31)
    assert of.status().ready
    far.replies = [stream(delta("ok"), COMPLETED)]
    await collect(of)


async def test_the_end_of_a_rate_limit_is_told_to_those_who_wait() -> None:
    of = OpenAIPath(
        "api-key-1", "Work", BASE, opened, "Lerix", Far(refusal(429, {"error": {}}, retry_after="1"))
    )  # fmt: skip
    await refused(of)
    async with asyncio.timeout(20):
        codes = []
        async for status in of.changes():
            codes.append(status.code)
            if status.ready:
                break
    assert codes == ["rate-limited", "ready"]


async def test_what_lasts_is_known_again_after_a_restart_and_the_rest_is_not() -> None:
    for code in openai._STATES:
        of = path(Far(listing("gpt-5.5")), trouble=code)
        assert of.status().ready == (code not in openai.LASTING)
    assert path(Far(listing("gpt-5.5")), trouble="from a later version").status().ready


@pytest.mark.parametrize(
    ("error", "step"),
    [
        (key_errors.SealingKeyGone, NextStep.REPLACE_KEY),
        (key_errors.SealedKeyDamaged, NextStep.REPLACE_KEY),
        (key_errors.SealingKeyAway, NextStep.UNLOCK),
    ],
)
async def test_a_key_that_cannot_be_opened_is_a_state_and_nothing_is_sent(
    error: type[errors.AccessError], step: NextStep
) -> None:
    works = False

    async def credential() -> Secret:
        if not works:
            raise error
        return Secret(KEY)

    far = Far(listing("gpt-5.5"))
    of = path(far, credential=credential)
    assert (await of.look()).next_step is step
    for attempt in (collect(of), of.models()):
        with pytest.raises(error):
            await attempt
    assert far.requests == []
    works = True
    assert (await of.look()).ready


async def test_a_list_that_does_not_come_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(openai, "LIST_SECONDS", 0.05)
    of = path(Far(never))
    with pytest.raises(errors.ConnectTimedOut):
        await of.models()
    assert of.status().code == "unreachable"


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b'{"data": 1}', b'{"models": []}'])
async def test_a_list_that_cannot_be_read_means_that_the_service_changed(body: bytes) -> None:
    of = path(Far(httpx.Response(200, content=body, headers={"content-type": "application/json"})))
    with pytest.raises(errors.CatalogueUnreadable):
        await of.models()
    assert of.status().code == "service-changed"


async def test_an_answer_that_is_coming_ends_before_a_retired_path_closes() -> None:
    of = path(Far(stream(delta("a"), delta("b"), COMPLETED)))
    async with aclosing(of.answer(ask(model=MODEL))) as events:
        first = await anext(events)
        await of.retire()
        rest = [one async for one in events]
    assert isinstance(first, TextDelta)
    assert [one.text for one in rest if isinstance(one, TextDelta)] == ["b"]
    assert of._api._client is None


async def test_the_key_is_in_no_error_log_or_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    replies: Sequence[Any] = (
        refusal(401, UNKNOWN), refusal(400, {"detail": f"you sent Bearer {KEY}"}), httpx.ConnectError(KEY[:2]),
        httpx.Response(200, text="no stream"), refusal(429, QUOTA), stream(delta("x")),
    )  # fmt: skip
    texts: list[str] = []
    for reply in replies:
        of = path(Far(reply))
        error = await refused(of)
        texts += [*traceback.format_exception(error), repr(error), repr(vars(error)), error.detail]
        texts += [repr(of), repr(vars(of)), repr(of.status()), repr(of._api), repr(of._credential)]
    texts.append(caplog.text)
    assert not [text for text in texts if "planted" in text]
