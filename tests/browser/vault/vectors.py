"""The account of tests/relay/vectors/account-v1.json, and ways to change it, for tests that compare with Python."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from relay.account.keys.errors import KeysError
from tests.relay.keys.story import FILE

FIXED: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
ACCOUNT = bytes.fromhex(FIXED["account"])
CHANGES: dict[str, Any] = {change["name"]: change for change in FIXED["changes"]}
LAST = CHANGES["rekey"]
unhex = bytes.fromhex


def code(work: Callable[[], object]) -> str:
    """What Python says to something: the error's code, or "opened"."""
    try:
        work()
    except KeysError as error:
        return error.code
    return "opened"


def flips(data: bytes, places: Sequence[int] | None = None) -> list[bytes]:
    """The data with each byte changed, in the way of `flipped` in checks.js."""
    changed = []
    for at in range(len(data)) if places is None else places:
        other = bytearray(data)
        other[at] ^= 0x80 if at % 2 else 0x01
        changed.append(bytes(other))
    return changed


def entries(last: str = "rekey") -> list[str]:
    """The log as it is after a change."""
    found: list[str] = []
    for name, change in CHANGES.items():
        found += change["entries"]
        if name == last:
            break
    return found
