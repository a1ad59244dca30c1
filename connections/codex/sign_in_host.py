"""Renews a session at OpenAI's sign-in host, as Codex CLI 0.169.0 does it; for when there is no CLI to do it.

`POST https://auth.openai.com/oauth/token` with a JSON body; what a failure's code means is in `why`.
Source: observed, and openai/codex, login/src/auth/manager.rs.
"""

import json
import time
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

import httpx

from connections.codex.auth import plain_address
from connections.codex.auth_file import NewTokens, Obstacle
from connections.refusals import is_web_page
from connections.secrets import Secret

CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"
TOKEN_URL = "https://auth.openai.com/oauth/token"  # noqa: S105 - an address
LARGEST = 1024 * 1024
# Seconds for the whole exchange: a host that sends a byte now and then must not hold the lock for ever.
WHOLE = 25.0
_TIMEOUT = httpx.Timeout(connect=10.0, write=10.0, read=15.0, pool=5.0)


class Reason(StrEnum):
    """Why a renewal is asked for, in the sign-in host's words."""

    PROACTIVE = "proactive_expiry"
    UNAUTHORIZED = "unauthorized_recovery"


class Why(StrEnum):
    """Why a session can never be renewed again."""

    EXPIRED = "refresh_token_expired"
    REUSED = "refresh_token_reused"
    REVOKED = "refresh_token_invalidated"
    REFUSED = "refused"  # for a reason that was not told, or that we do not know


@dataclass(frozen=True)
class Refusal:
    """The host will never renew with this token."""

    why: Why


@dataclass(frozen=True)
class Failure:
    """It did not work this time. `wait` is how long the host wants to be left alone, where it says so."""

    obstacle: Obstacle
    wait: timedelta | None = None


class SignInHost:
    """The token endpoint at `url`. Raises ValueError for an address no token may be sent to."""

    def __init__(self, url: str, user_agent: str, transport: httpx.BaseTransport | None = None) -> None:
        self._url = plain_address(url)
        self._user_agent = user_agent
        self._transport = transport

    def renew(self, refresh_token: Secret, reason: Reason) -> NewTokens | Refusal | Failure:
        """Spend `refresh_token`. Blocks for at most about WHOLE seconds; raises nothing."""
        body = {
            "client_id": CLIENT_ID,
            "grant_type": "refresh_token",
            "refresh_reason": reason.value,
            "refresh_token": refresh_token.reveal(),
        }
        headers = {"User-Agent": self._user_agent, "originator": "lerix", "Accept": "application/json"}
        deadline = time.monotonic() + WHOLE
        raw = bytearray()
        try:
            with (
                httpx.Client(transport=self._transport, timeout=_TIMEOUT, follow_redirects=False) as client,
                client.stream("POST", self._url, json=body, headers=headers) as response,
            ):
                for piece in response.iter_bytes():
                    raw += piece
                    if len(raw) > LARGEST or time.monotonic() > deadline:
                        return Failure(Obstacle.UNEXPECTED)
        except (httpx.HTTPError, OSError):  # OSError: certificates that cannot be read
            return Failure(Obstacle.UNREACHABLE)
        return _meaning(response, bytes(raw))


def _meaning(response: httpx.Response, raw: bytes) -> NewTokens | Refusal | Failure:
    status = response.status_code
    if status >= 500 or status == 429:
        return Failure(Obstacle.SERVICE_FAILED, _retry_after(response.headers.get("retry-after")))
    if is_web_page(response.headers, raw[:512]):
        return Failure(Obstacle.UNEXPECTED)
    content = _object(raw)
    if status == 200:
        tokens = NewTokens(*(_token(content.get(name)) for name in ("access_token", "refresh_token", "id_token")))
        return tokens if tokens.access_token or tokens.refresh_token else Failure(Obstacle.UNEXPECTED)
    why = _why(content)
    if why is not Why.REFUSED or (status == 401 and content):
        return Refusal(why)
    if status == 400 and _code(content) == "invalid_grant":
        return Refusal(Why.REFUSED)
    return Failure(Obstacle.UNEXPECTED)


def _code(content: dict[str, Any]) -> str:
    """The code of a failure: `error.code`, or `error` where it is a text, or `code`."""
    error = content.get("error")
    code = error.get("code") if isinstance(error, dict) else error
    code = code if isinstance(code, str) else content.get("code")
    return code.lower() if isinstance(code, str) else ""


def _why(content: dict[str, Any]) -> Why:
    try:
        return Why(_code(content))
    except ValueError:
        return Why.REFUSED


def _object(raw: bytes) -> dict[str, Any]:
    try:
        content = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _token(value: object) -> Secret | None:
    """A token that can be stored and sent; anything else counts as not given, so that the old one stays."""
    if isinstance(value, str) and 0 < len(value) <= LARGEST and value.isascii() and value.isprintable():
        return Secret(value) if " " not in value else None
    return None


def _retry_after(value: str | None) -> timedelta | None:
    return timedelta(seconds=min(int(value), 3600)) if value and value.isdigit() and len(value) < 6 else None
