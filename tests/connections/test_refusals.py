"""Which error each answer of the service is."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections import errors
from connections.errors import AccessError, ConnectionsError
from connections.refusals import clean_detail, error_from_failure, error_from_incomplete, error_from_response
from tests.connections.far import NOW, access_token

RESETS = int((NOW + timedelta(hours=2)).timestamp())


def error(status: int, body: Any = None, **headers: str) -> AccessError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return error_from_response(status, {n.replace("_", "-"): v for n, v in headers.items()}, raw, now=NOW)


def all_errors(root: type[ConnectionsError] = ConnectionsError) -> list[type[ConnectionsError]]:
    return [root, *(below for child in root.__subclasses__() for below in all_errors(child))]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"detail": "Unsupported parameter: max_output_tokens"}, errors.RequestRefused),
        (400, {"detail": "Instructions are required"}, errors.RequestRefused),
        (400, {"detail": [{"loc": ["body"], "msg": "field required"}]}, errors.RequestRefused),
        (400, {"detail": "The 'gpt-9' model is not supported when using Codex with a ChatGPT account."},
         errors.ModelRefused),
        (400, {"error": {"message": "This model is not supported when using X-OpenAI-Internal-Codex-Responses-Lite."}},
         errors.RequestRefused),
        (400, {"error": {"code": "unsupported_value", "param": "reasoning.effort", "message": "no"}},
         errors.EffortRefused),
        (400, {"error": {"code": "unsupported_value", "param": "reasoning.context", "message": "no"}},
         errors.RequestRefused),
        (400, {"error": {"code": "context_length_exceeded"}}, errors.ContextTooLong),
        (400, {"detail": {"code": "context_length_exceeded", "message": "long"}}, errors.ContextTooLong),
        (400, {"error": {"code": "invalid_value", "param": "input[0].content[1].image_url"}}, errors.ImageRefused),
        (400, {"error": {"message": "The image data you provided does not represent a valid image."}},
         errors.ImageRefused),
        (400, {"error": {"code": "invalid_prompt"}}, errors.PromptRefused),
        (400, {"error": {"code": "invalid_encrypted_content"}}, errors.HistoryRefused),
        (413, None, errors.ContextTooLong),
        (401, {"detail": "Unauthorized"}, errors.SignInRefused),
        (401, {"error": {"code": "token_expired"}, "status": 401}, errors.SignInRefused),
        (402, {"detail": {"code": "deactivated_workspace"}}, errors.WorkspaceRefused),
        (402, None, errors.WorkspaceRefused),
        (403, {"detail": "Forbidden"}, errors.WorkspaceRefused),
        (403, {"error": {"code": "unsupported_country_region_territory"}}, errors.RegionRefused),
        (404, {"detail": "Model not found gpt-5.6-luna"}, errors.ModelRefused),
        (404, {"error": {"message": "Item with id 'rs_1' not found. Items are not persisted when `store` is false"}},
         errors.HistoryRefused),
        (404, {"detail": "Not Found"}, errors.UnexpectedAnswer),
        (302, b"", errors.UnexpectedAnswer),
        (418, b"", errors.UnexpectedAnswer),
        (426, b"", errors.UnexpectedAnswer),
        (429, {"error": {"type": "usage_limit_reached"}}, errors.UsageLimitReached),
        (429, {"error": {"type": "usage_not_included"}}, errors.UsageNotIncluded),
        (429, {"error": {"code": "insufficient_quota"}}, errors.QuotaExceeded),
        (429, {"error": {"code": "rate_limit_exceeded"}}, errors.RateLimited),
        (429, b"", errors.RateLimited),
        (500, None, errors.ServiceFaltered),
        (502, b"bad gateway", errors.ServiceFaltered),
        (503, b"", errors.ServiceFaltered),
        (504, b"", errors.ServiceFaltered),
        (501, b"", errors.ServiceFailed),
        (529, b"", errors.ServiceFailed),
        (503, {"error": {"code": "server_is_overloaded"}}, errors.Overloaded),
        (503, {"error": {"code": "slow_down"}}, errors.Overloaded),
    ],
)  # fmt: skip
def test_each_family_of_answers_is_its_own_error(status: int, body: Any, kind: type[AccessError]) -> None:
    assert type(error(status, body)) is kind


@pytest.mark.parametrize("status", [200, 403, 404, 503])
def test_a_web_page_is_told_as_one_whatever_its_status(status: int) -> None:
    assert type(error(status, b"x", content_type="text/html; charset=UTF-8")) is errors.WebPageAnswered
    assert type(error(status, b"\n<!DOCTYPE html><title>Just a moment")) is errors.WebPageAnswered


def test_a_usage_limit_says_when_it_resets() -> None:
    by_time = error(429, {"error": {"type": "usage_limit_reached", "resets_at": RESETS}})
    by_seconds = error(429, {"error": {"type": "usage_limit_reached", "resets_in_seconds": 7200}})
    assert by_time.until == by_seconds.until == NOW + timedelta(hours=2)


@pytest.mark.parametrize("value", [RESETS - 99999, 0, -1, 10**30, 1e300, True, "soon", None, [], float("nan")])
def test_a_nonsense_reset_is_no_reset(value: Any) -> None:
    assert error(429, {"error": {"type": "usage_limit_reached", "resets_at": value}}).until is None


def test_a_wait_may_be_told_by_a_header() -> None:
    assert error(429, b"", retry_after="30").until == NOW + timedelta(seconds=30)
    assert error(503, b"", retry_after="Fri, 31 Dec 1999 23:59:59 GMT").until is None
    assert error(503, b"", retry_after="9" * 500).until is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("context_length_exceeded", errors.ContextTooLong),
        ("insufficient_quota", errors.QuotaExceeded),
        ("usage_not_included", errors.UsageNotIncluded),
        ("invalid_prompt", errors.PromptRefused),
        ("server_is_overloaded", errors.Overloaded),
        ("slow_down", errors.Overloaded),
        ("rate_limit_exceeded", errors.RateLimited),
        ("server_error", errors.ServiceFailed),
        (None, errors.ServiceFailed),
    ],
)
def test_a_failed_answer_is_the_error_its_code_names(code: str | None, kind: type[AccessError]) -> None:
    assert type(error_from_failure({"code": code, "message": "why"}, now=NOW)) is kind


def test_a_rate_limit_inside_an_answer_may_say_how_long_to_wait() -> None:
    told = {"code": "rate_limit_exceeded", "message": "Please try again in 11.5s. Visit"}
    found = error_from_failure(told, now=NOW)
    assert found.until == NOW + timedelta(seconds=11.5)


def test_an_incomplete_answer_is_the_error_its_reason_names() -> None:
    assert type(error_from_incomplete("max_output_tokens")) is errors.OutputLimitReached
    assert type(error_from_incomplete("content_filter")) is errors.ContentFiltered
    assert type(error_from_incomplete("else")) is errors.AnswerIncomplete


def test_only_a_refused_model_is_marked_as_refused() -> None:
    marked = {cls for cls in all_errors() if getattr(cls, "model_refused", False)}
    assert marked == set(all_errors(errors.ModelRefused))


def test_the_service_s_own_text_is_shown_short_and_without_tokens_or_control_characters() -> None:
    for secret in (access_token(), "sk-proj-abc123", "Bearer short", "at-token", "k" * 40):
        detail = error(400, {"detail": f"refused\x1b[31m\n{secret} here"}).detail
        assert detail == "refused [31m [removed] here"
    assert len(clean_detail("word " * 200)) == 300
    # The cut comes after the removal, or it would leave the beginning of a token behind.
    assert "eyJ" not in clean_detail("word " * 58 + access_token())


@given(st.integers(100, 599), st.binary(max_size=80), st.text(max_size=20))
def test_no_answer_raises(status: int, body: bytes, wait: str) -> None:
    found = error_from_response(status, {"retry-after": wait}, body, now=NOW)
    assert isinstance(found, AccessError)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "detail", "code", "type", "message", "resets_at", "param"]), inner)
    ),
    max_leaves=8,
)


@given(JSON)
def test_no_error_body_raises(body: Any) -> None:
    assert isinstance(error(429, body), AccessError)
    assert isinstance(error_from_failure(body, now=NOW), AccessError)


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    drawn = re.findall(r"^([│├└─ ]*)(\w+)", (errors.__doc__ or "").split("\n\n", 1)[1], re.MULTILINE)
    depths = [(len(indent) // 4, name) for indent, name in drawn]
    parents: list[str] = []
    pairs = set()
    for depth, name in depths:
        parents[depth:] = [name]
        pairs.add((name, parents[depth - 1] if depth else "Exception"))
    classes = [cls for cls in all_errors() if cls.__module__ == errors.__name__]
    assert pairs == {(cls.__name__, cls.__bases__[0].__name__) for cls in classes}


def test_each_error_has_a_sentence_and_a_code_of_its_own() -> None:
    # Not those that other tests have made for themselves in this process.
    classes = [cls for cls in all_errors(AccessError) if not cls.__module__.startswith("tests.")]
    own = [cls for cls in classes if issubclass(cls, AccessError) and cls not in (AccessError, errors.LimitError)]
    assert len({cls.code for cls in own} - {"service-failed"}) == len(own) - 2  # ServiceFaltered shows as its parent
    for cls in own:
        assert re.fullmatch(r"[A-Z][^!]*\.", cls.sentence), cls
        assert len(cls.sentence) < 220
