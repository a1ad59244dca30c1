"""Which error an HTTP answer or a failed response is. No I/O.

The service has two families of error bodies, `{"detail": str | object}` and
`{"error": {"message", "type", "code", "param"}}`; each may come with any status. Which texts and codes
mean what was gathered from the Codex CLI 0.169.0 and from reports of other clients.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connections.errors import (
    AccessError,
    AnswerIncomplete,
    ContentFiltered,
    ContextTooLong,
    EffortRefused,
    HistoryRefused,
    ImageRefused,
    ModelRefused,
    OutputLimitReached,
    Overloaded,
    PromptRefused,
    QuotaExceeded,
    RateLimited,
    RegionRefused,
    RequestRefused,
    ServiceFailed,
    ServiceFaltered,
    SignInRefused,
    UnexpectedAnswer,
    UsageLimitReached,
    UsageNotIncluded,
    WebPageAnswered,
    WorkspaceRefused,
)

# More of an error's body is never read.
MAX_ERROR_BODY = 64 * 1024
_DETAIL = 300
# A reset further away than this is nonsense: the longest window is a month.
_FURTHEST = timedelta(days=62)
# Tokens, keys and whatever else looks like one: a server may echo what it was sent. Texts for people
# have no word of forty such characters, and every JWT has.
_SECRETIVE = re.compile(r"(?i)\bbearer\s+\S+|\beyJ[\w.\-]*|\b(?:sk|at|rt)-[\w\-]+|[\w\-.~+/=]{40,}")
_TRY_AGAIN_IN = re.compile(r"(?i)try again in\s+(\d{1,7}(?:\.\d{1,6})?)\s*(ms|s)")

_BY_CODE: Mapping[str, type[AccessError]] = {
    "context_length_exceeded": ContextTooLong,
    "deactivated_workspace": WorkspaceRefused,
    "insufficient_quota": QuotaExceeded,
    "invalid_encrypted_content": HistoryRefused,
    "invalid_prompt": PromptRefused,
    "model_not_found": ModelRefused,
    "rate_limit_exceeded": RateLimited,
    "server_is_overloaded": Overloaded,
    "slow_down": Overloaded,
    "unsupported_country_region_territory": RegionRefused,
    "usage_limit_reached": UsageLimitReached,
    "usage_not_included": UsageNotIncluded,
}
_LITE = "x-openai-internal-codex-responses-lite"
# Looked for in the message, in lower case, where the code says nothing.
_BY_TEXT: tuple[tuple[str, type[AccessError]], ...] = (
    ("model is not supported", ModelRefused),
    ("model not found", ModelRefused),
    ("items are not persisted", HistoryRefused),
    ("does not represent a valid image", ImageRefused),
)
_BY_REASON: Mapping[str, type[AnswerIncomplete]] = {
    "max_output_tokens": OutputLimitReached,
    "content_filter": ContentFiltered,
}


@dataclass(frozen=True)
class Refusal:
    """The fields of an error body, both families in one. `resets_at` is an aware UTC datetime."""

    code: str = ""
    kind: str = ""
    message: str = ""
    param: str = ""
    resets_at: datetime | None = None


def error_from_response(
    status: int, headers: Mapping[str, str], body: bytes, *, now: datetime | None = None
) -> AccessError:
    """The error which an answer with this status is.

    `headers` are looked up by lower-case names; `body` is at most the first MAX_ERROR_BODY bytes; `now`
    is an aware datetime, by default the present.
    """
    if is_web_page(headers, body):
        return WebPageAnswered()
    now = now or datetime.now(UTC)
    refusal = read_refusal(body, now)
    until = refusal.resets_at or _after(headers.get("retry-after"), now)
    return _kind(status, refusal)(detail=clean_detail(refusal.message), until=until)


def error_from_failure(error: object, *, now: datetime | None = None) -> AccessError:
    """The error in a `response.failed` or `error` event; `error` is its decoded error object."""
    now = now or datetime.now(UTC)
    refusal = _refusal(error, now) if isinstance(error, dict) else Refusal()
    kind = _named(refusal) or ServiceFailed
    until = refusal.resets_at
    wait = _TRY_AGAIN_IN.search(refusal.message)
    if until is None and wait is not None:
        seconds = float(wait[1]) / (1000 if wait[2].lower() == "ms" else 1)
        until = now + timedelta(seconds=seconds)
    return kind(detail=clean_detail(refusal.message), until=until)


def error_from_incomplete(reason: str) -> AccessError:
    """The error which a `response.incomplete` with this reason is."""
    return _BY_REASON.get(reason, AnswerIncomplete)(detail=clean_detail(reason))


def is_web_page(headers: Mapping[str, str], body: bytes = b"") -> bool:
    """Whether HTML came, by its content type or, where none is told, by its beginning."""
    kind = headers.get("content-type", "").strip().lower()
    if kind:
        return kind.startswith(("text/html", "application/xhtml"))
    return body.lstrip()[:9].lower().startswith((b"<!doctype", b"<html"))


def read_refusal(body: bytes, now: datetime) -> Refusal:
    """The fields of an error body; an empty Refusal where it is no JSON object."""
    try:
        content = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return Refusal()
    if not isinstance(content, dict):
        return Refusal()
    inner = content.get("error") or content.get("detail") or content
    if isinstance(inner, str):
        return Refusal(message=inner)
    return _refusal(inner, now) if isinstance(inner, dict) else Refusal()


def clean_detail(text: str) -> str:
    """`text` for people: no control characters, nothing like a token, at most 300 characters."""
    plain = "".join(char if char.isprintable() else " " for char in text[:MAX_ERROR_BODY])
    # Removed before it is cut: the beginning of a token is too much already.
    plain = " ".join(_SECRETIVE.sub("[removed]", plain).split())
    return plain if len(plain) <= _DETAIL else plain[: _DETAIL - 1] + "…"


def _kind(status: int, refusal: Refusal) -> type[AccessError]:
    if status == 401:
        return SignInRefused
    named = _named(refusal)
    if named is not None:
        return named
    if status in (402, 403):
        return WorkspaceRefused
    if status == 429:
        return RateLimited
    if status in (400, 413, 422):
        return ContextTooLong if status == 413 else RequestRefused
    if status in (408, 425) or status >= 500:
        return ServiceFaltered if status in (500, 502, 503, 504) else ServiceFailed
    return UnexpectedAnswer


def _named(refusal: Refusal) -> type[AccessError] | None:
    for name in (refusal.code, refusal.kind):
        if name in _BY_CODE:
            return _BY_CODE[name]
    message = refusal.message.lower()
    if _LITE in message:  # the wrong form was sent, which says nothing about the account
        return None
    for part, kind in _BY_TEXT:
        if part in message:
            return kind
    if refusal.param.endswith(".image_url"):
        return ImageRefused
    if refusal.param == "reasoning.effort":
        return EffortRefused
    return None


def _refusal(error: dict[str, object], now: datetime) -> Refusal:
    return Refusal(
        code=_text(error.get("code")),
        kind=_text(error.get("type")),
        message=_text(error.get("message")) or _text(error.get("detail")),
        param=_text(error.get("param")),
        resets_at=_moment(error.get("resets_at"), now) or _after(error.get("resets_in_seconds"), now),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _moment(value: object, now: datetime) -> datetime | None:
    """A time in Unix seconds, where it is in the future and no nonsense."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _after(value - now.timestamp(), now) if abs(value) < 1e11 else None


def _after(seconds: object, now: datetime) -> datetime | None:
    """`seconds` from now, given as a number or as the digits of a Retry-After header."""
    if isinstance(seconds, str):
        seconds = int(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) < 10 else None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    if not 0 < seconds <= _FURTHEST.total_seconds():
        return None
    return (now + timedelta(seconds=seconds)).replace(microsecond=0)
