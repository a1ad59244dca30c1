"""What can go wrong at OpenAI's end, as small values to hand to `Upstream.fail`.

    Fault
    ├── Answer   another answer instead of the endpoint's own
    ├── HangUp   no answer at all: the connection ends
    ├── Late     the right answer, but not yet
    └── Spoil    a streamed answer that starts well and goes wrong on the way

The functions below make the ones that have been reported, with their exact bodies. `NAMED` lists them by the
names used in a chat with the stand-in and by its control door.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from tests.upstream.refusal import error_body


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer in place of the endpoint's own."""

    status: int
    body: bytes = field(repr=False)
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class HangUp:
    """The connection ends before a status line: by FIN, or by RST."""

    reset: bool = False


@dataclass(frozen=True, slots=True)
class Late:
    """The endpoint's own answer after ``seconds``; None waits until `Upstream.release`."""

    seconds: float | None = None


class Ending(StrEnum):
    """How a streamed answer ends."""

    COMPLETE = "complete"  # as it should, with its last event
    EOF = "eof"  # a proper end of the HTTP body without a last event
    CLOSE = "close"  # FIN in the midst of the chunked body
    RESET = "reset"  # RST in the midst of the chunked body
    STALL = "stall"  # silence until released, then goes on


class Splitting(StrEnum):
    """How the bytes of the stream are cut into HTTP chunks."""

    EVENTS = "events"
    BYTES = "bytes"  # every byte by itself, UTF-8 sequences included
    RANDOM = "random"  # pieces of 1 to 40 bytes, from `Spoil.seed`


@dataclass(frozen=True, slots=True)
class Failed:
    """``response.failed`` in place of ``response.completed``."""

    code: str
    message: str = "The answer failed."


@dataclass(frozen=True, slots=True)
class Incomplete:
    """``response.incomplete`` as the last event; the reason is max_output_tokens or content_filter."""

    reason: str


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """A top-level ``error`` event, after which the stream ends."""

    code: str
    message: str = "The stream broke."


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoil:
    """A streamed answer gone wrong. ``after`` counts text deltas before the ending; None is all of them."""

    ending: Ending = Ending.COMPLETE
    after: int | None = None
    last: Failed | Incomplete | ErrorEvent | None = None
    splitting: Splitting = Splitting.EVENTS
    seed: int = 0
    line_ending: str = "\n"
    keepalives: bool = False
    malformed: bool = False
    invalid_utf8: bool = False
    oversized: int = 0  # bytes of padding in one extra event
    delay: float = 0.0  # seconds before each text delta


Fault = Answer | HangUp | Late | Spoil


def answer(status: int, payload: object, **headers: str) -> Answer:
    """A JSON answer; ``retry_after="3"`` becomes the header ``retry-after: 3``."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(status, json.dumps(payload).encode(), headers=named)


def detail(status: int, text: object) -> Answer:
    """The body family ``{"detail": ...}`` with any status."""
    return answer(status, {"detail": text})


def error(
    status: int,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    kind: str = "invalid_request_error",
) -> Answer:
    """The body family ``{"error": {message, type, code, param}}`` with any status."""
    return answer(status, error_body(message, code=code, param=param, kind=kind))


def unauthorized(code: str = "token_expired") -> Answer:
    """A 401 of the backend: token_expired, token_invalidated, token_revoked."""
    message = "Provided authentication token is expired. Please try signing in again."
    if code != "token_expired":
        message = "Your authentication token has been invalidated. Please try signing in again."
    return answer(401, {**error_body(message, code=code), "status": 401})


def unauthorized_detail() -> Answer:
    """The backend's other 401 body."""
    return detail(401, "Unauthorized")


CLOUDFLARE_PAGE = b"""<!DOCTYPE html>
<html lang="en-US"><head><title>Just a moment...</title>
<meta http-equiv="Content-Type" content="text/html; charset=UTF-8">
<meta name="robots" content="noindex,nofollow">
</head><body><div class="main-wrapper" role="main"><noscript><div class="h2">
Enable JavaScript and cookies to continue</div></noscript></div></body></html>
"""


def cloudflare() -> Answer:
    """The challenge page in front of chatgpt.com."""
    headers = (("server", "cloudflare"), ("cf-mitigated", "challenge"), ("cf-ray", "8f0000000000abcd-FRA"))
    return Answer(403, CLOUDFLARE_PAGE, "text/html; charset=UTF-8", headers)


def html() -> Answer:
    """An HTML page with status 200, as captive portals and maintenance pages send."""
    return Answer(200, b"<!DOCTYPE html><html><body><h1>Welcome</h1></body></html>", "text/html; charset=utf-8")


def not_found() -> Answer:
    """404, as for an address that has gone."""
    return detail(404, "Not Found")


def usage_limit(resets_in: float = 3600, plan: str = "plus") -> Answer:
    """429 usage_limit_reached; ``resets_in`` seconds from now."""
    payload = {
        "error": {
            "type": "usage_limit_reached",
            "message": "The usage limit has been reached",
            "plan_type": plan,
            "resets_at": int(time.time() + resets_in),
            "resets_in_seconds": int(resets_in),
        }
    }
    return answer(429, payload, x_codex_primary_used_percent="100.0")


def usage_not_included() -> Answer:
    """429 for a plan without Codex."""
    return answer(429, {"error": {"type": "usage_not_included", "message": "Usage not included in your plan"}})


def rate_limit(retry_after: int = 2) -> Answer:
    """429 of the plain kind; ``retry_after`` seconds."""
    message = f"Rate limit reached. Please try again in {retry_after}s."
    body = error_body(message, code="rate_limit_exceeded", kind="rate_limit_error")
    return answer(429, body, retry_after=str(retry_after))


def unsupported_model(slug: str = "gpt-6-astra") -> Answer:
    """400 for a model that the account may not use."""
    return detail(400, f"The '{slug}' model is not supported when using Codex with a ChatGPT account.")


def deactivated_workspace() -> Answer:
    """402, with an object as detail."""
    return detail(402, {"code": "deactivated_workspace"})


def server_error(status: int = 500) -> Answer:
    """A plain 5xx."""
    return error(status, "An error occurred while processing your request.", kind="server_error")


def overloaded(code: str = "server_is_overloaded") -> Answer:
    """503 server_is_overloaded or slow_down."""
    message = "Our servers are currently overloaded. Please try again later."
    return error(503, message, code=code, kind="service_unavailable_error")


def refresh_refused(code: str = "refresh_token_reused") -> Answer:
    """A permanent refusal of the token endpoint: 401 with the code, or 400 ``{"error": "invalid_grant"}``."""
    if code == "invalid_grant":
        return answer(400, {"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."})
    return error(401, "Your session could not be renewed. Please try signing in again.", code=code)


def cut(after: int = 3) -> Spoil:
    """A clean end of the body after some deltas, without ``response.completed``."""
    return Spoil(ending=Ending.EOF, after=after)


def closed(after: int = 3) -> Spoil:
    """The connection closes within the chunked body."""
    return Spoil(ending=Ending.CLOSE, after=after)


def reset(after: int = 3) -> Spoil:
    """The connection is reset within the chunked body."""
    return Spoil(ending=Ending.RESET, after=after)


def stall(after: int = 3) -> Spoil:
    """Silence after some deltas, until `Upstream.release` or until the client leaves."""
    return Spoil(ending=Ending.STALL, after=after)


def failed(code: str, message: str = "The answer failed.", after: int | None = None) -> Spoil:
    """``response.failed`` with a code, after all or some deltas."""
    return Spoil(last=Failed(code, message), after=after)


def incomplete(reason: str = "max_output_tokens", after: int | None = None) -> Spoil:
    """``response.incomplete`` with a reason."""
    return Spoil(last=Incomplete(reason), after=after)


def error_event(code: str = "server_error", after: int | None = 2) -> Spoil:
    """A top-level error event, then the end of the body."""
    return Spoil(last=ErrorEvent(code), after=after)


NAMED: dict[str, Callable[[], Fault]] = {
    "401": unauthorized,
    "401 detail": unauthorized_detail,
    "402": deactivated_workspace,
    "403": cloudflare,
    "404": not_found,
    "429": rate_limit,
    "500": server_error,
    "503": lambda: server_error(503),
    "usage limit": usage_limit,
    "usage not included": usage_not_included,
    "unsupported model": unsupported_model,
    "overloaded": overloaded,
    "html": html,
    "hang up": HangUp,
    "refused reset": lambda: HangUp(reset=True),
    "late": lambda: Late(5.0),
    "silent": Late,
    "cut": cut,
    "close": closed,
    "reset": reset,
    "stall": stall,
    "no end": lambda: Spoil(ending=Ending.EOF),
    "malformed": lambda: Spoil(malformed=True),
    "invalid utf-8": lambda: Spoil(invalid_utf8=True),
    "bytes": lambda: Spoil(splitting=Splitting.BYTES),
    "random": lambda: Spoil(splitting=Splitting.RANDOM, seed=7),
    "crlf": lambda: Spoil(line_ending="\r\n"),
    "keepalives": lambda: Spoil(keepalives=True),
    "oversized": lambda: Spoil(oversized=32 * 1024 * 1024),
    "slow": lambda: Spoil(delay=0.5),
    "context length": lambda: failed("context_length_exceeded", "Your input exceeds the context window.", 0),
    "quota": lambda: failed("insufficient_quota", "You exceeded your current quota.", 0),
    "failed": lambda: failed("server_error", "The server had an error while processing your request.", 3),
    "incomplete": incomplete,
    "content filter": lambda: incomplete("content_filter", 5),
    "error event": error_event,
    "refresh reused": refresh_refused,
    "refresh expired": lambda: refresh_refused("refresh_token_expired"),
    "refresh invalidated": lambda: refresh_refused("refresh_token_invalidated"),
    "invalid grant": lambda: refresh_refused("invalid_grant"),
}
