"""What can be read from the tokens of a Codex session without keys: the payload's claims.

Signatures are not checked. The claims only choose headers and what a page shows; whether a token is any
good is the service's to say. Claim names: Codex CLI 0.169.0, login/src/token_data.rs.
"""

import base64
import json
import re
from datetime import UTC, datetime
from typing import Any

_AUTH = "https://api.openai.com/auth"
_PROFILE = "https://api.openai.com/profile"
_LARGEST = 256 * 1024
# The year 2200: an `exp` beyond it is a number of something else, as milliseconds.
_LATEST = 7_258_118_400
_PLAN = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_ACCOUNT = re.compile(r"[A-Za-z0-9_.:-]{1,120}")


def claims(token: object) -> dict[str, Any]:
    """The payload of a JWT; empty for anything that is not a JWT with an object as its payload."""
    if not isinstance(token, str) or len(token) > _LARGEST or token.count(".") != 2:
        return {}
    payload = token.split(".")[1]
    try:
        raw = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        content = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def expires_at(payload: dict[str, Any]) -> datetime | None:
    """`exp` as an aware UTC datetime; None where it is missing or no sensible number."""
    value = payload.get("exp")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _LATEST:
        return None
    return datetime.fromtimestamp(int(value), UTC)


def account_id(*payloads: dict[str, Any]) -> str | None:
    """The first account id which the payloads name."""
    found = (usable_id(_auth(payload).get("chatgpt_account_id")) for payload in payloads)
    return next((id_ for id_ in found if id_ is not None), None)


def usable_id(value: object) -> str | None:
    """`value` where it can be an account's id and be sent in a header."""
    return value if isinstance(value, str) and _ACCOUNT.fullmatch(value) else None


def plan(*payloads: dict[str, Any]) -> str | None:
    """The first plan which the payloads name, an open set of words."""
    found = (usable_plan(_auth(payload).get("chatgpt_plan_type")) for payload in payloads)
    return next((plan_ for plan_ in found if plan_ is not None), None)


def usable_plan(value: object) -> str | None:
    """`value` where it can be a plan's name."""
    return value if isinstance(value, str) and _PLAN.fullmatch(value) else None


def is_fedramp(*payloads: dict[str, Any]) -> bool:
    """Whether the account is in the government cloud, whose requests carry a header of their own."""
    return any(_auth(payload).get("chatgpt_account_is_fedramp") is True for payload in payloads)


def masked_email(*payloads: dict[str, Any]) -> str | None:
    """The first e-mail address in the payloads, with only its first letter and its domain."""
    for payload in payloads:
        for value in (payload.get("email"), _object(payload.get(_PROFILE)).get("email")):
            if isinstance(value, str) and 0 < len(value) <= 254 and value.isprintable():
                name, at, domain = value.rpartition("@")
                if at and name and domain:
                    return f"{name[0]}•••@{domain}"
    return None


def _auth(payload: dict[str, Any]) -> dict[str, Any]:
    return _object(payload.get(_AUTH))


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
