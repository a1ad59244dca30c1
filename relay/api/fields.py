"""Reading the fields of JSON objects from the other side, and writing bytes and times as JSON has them."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from relay.api import MAX_REQUEST

_TEXT = re.compile(r"[A-Za-z0-9_-]*")


class MessageMalformed(ValueError):
    """A message that is not in the form this interface says. Holds the name of the part, never its content."""


def encode(data: bytes) -> str:
    """Write bytes as text."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: object, *, exactly: int | None = None, at_most: int = MAX_REQUEST) -> bytes:
    """Read what `encode` wrote. Raises MessageMalformed, also for another length."""
    if not isinstance(text, str) or len(text) > at_most * 4 // 3 + 4 or not _TEXT.fullmatch(text):
        raise MessageMalformed("bytes")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        raise MessageMalformed("bytes") from None
    # One spelling only, so that no two texts mean the same bytes.
    if encode(data) != text or len(data) > at_most or (exactly is not None and len(data) != exactly):
        raise MessageMalformed("bytes")
    return data


class Fields:
    """Reads the fields of one JSON object; everything raises MessageMalformed with the field's name."""

    def __init__(self, value: object) -> None:
        if not isinstance(value, Mapping):
            raise MessageMalformed("object")
        self._value: Mapping[str, Any] = value

    def text(self, name: str, *, longest: int = 1000) -> str:
        found = self._value.get(name)
        if not isinstance(found, str) or len(found) > longest or "\0" in found:
            raise MessageMalformed(name)
        return found

    def number(self, name: str, *, low: int = 0, high: int = 2**53) -> int:
        found = self._value.get(name)
        if type(found) is not int or not low <= found <= high:
            raise MessageMalformed(name)
        return found

    def flag(self, name: str) -> bool:
        found = self._value.get(name)
        if not isinstance(found, bool):
            raise MessageMalformed(name)
        return found

    def raw(self, name: str, *, exactly: int | None = None, at_most: int = MAX_REQUEST) -> bytes:
        try:
            return decode(self._value.get(name), exactly=exactly, at_most=at_most)
        except MessageMalformed:
            raise MessageMalformed(name) from None

    def raw_or_none(self, name: str, *, exactly: int | None = None, at_most: int = MAX_REQUEST) -> bytes | None:
        return self.raw(name, exactly=exactly, at_most=at_most) if self._value.get(name) is not None else None

    def time(self, name: str) -> datetime:
        """Whole seconds since 1970, as an aware time."""
        return datetime.fromtimestamp(self.number(name, high=253402300799), UTC)

    def time_or_none(self, name: str) -> datetime | None:
        return self.time(name) if self._value.get(name) is not None else None

    def mapping(self, name: str) -> Mapping[str, Any]:
        found = self._value.get(name)
        if not isinstance(found, Mapping):
            raise MessageMalformed(name)
        return found

    def part_or_none(self, name: str) -> "Fields | None":
        return Fields(self.mapping(name)) if self._value.get(name) is not None else None

    def items(self, name: str, *, longest: int) -> Sequence[Any]:
        found = self._value.get(name)
        if not isinstance(found, list) or len(found) > longest:
            raise MessageMalformed(name)
        return found

    def raws(self, name: str, *, longest: int, at_most: int) -> tuple[bytes, ...]:
        try:
            return tuple(decode(item, at_most=at_most) for item in self.items(name, longest=longest))
        except MessageMalformed:
            raise MessageMalformed(name) from None


def seconds(moment: datetime) -> int:
    """Write an aware time as whole seconds since 1970."""
    return int(moment.timestamp())
