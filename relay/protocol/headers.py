"""The payload of HEADERS: a request, or the beginning of an answer, as compact JSON.

    request  {"m": "POST", "p": "/path?query", "h": [["name", "value"], ...], "i": "32 hexadecimal digits" | null}
    answer   {"s": 200, "h": [["name", "value"], ...]}

`i` names a request that changes something, so that it is carried out once however often it is sent.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from relay.protocol.errors import FrameMalformed, HeadersTooLarge
from relay.protocol.frames import MAX_PAYLOAD

MOST_HEADERS: Final = 64
_METHOD = re.compile(r"[A-Z]{1,16}")
# An absolute path without a host, without blanks and control characters.
_PATH = re.compile(r"/(?!/)[!-~]*")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]{1,128}")
_VALUE = re.compile(r"[\t -~\x80-\xff]*")
_IDEM = re.compile(r"[0-9a-f]{32}")

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. `idem` is there for every method but GET and HEAD."""

    method: str
    path: str
    headers: Headers = field(default=(), repr=False)
    idem: str | None = None

    def encode(self) -> bytes:
        """Raises HeadersTooLarge, FrameMalformed."""
        return _write({"m": self.method, "p": self.path, "h": self.headers, "i": self.idem}, decode_request)


@dataclass(frozen=True, slots=True)
class Answer:
    """How an answer begins."""

    status: int
    headers: Headers = field(default=(), repr=False)

    def encode(self) -> bytes:
        """Raises HeadersTooLarge, FrameMalformed."""
        return _write({"s": self.status, "h": self.headers}, decode_answer)


def decode_request(payload: bytes) -> Request:
    """Read a request. Raises FrameMalformed, HeadersTooLarge."""
    value = _read(payload, {"m", "p", "h", "i"})
    method, path, idem = value["m"], value["p"], value["i"]
    if not (isinstance(method, str) and _METHOD.fullmatch(method) and isinstance(path, str) and _PATH.fullmatch(path)):
        raise FrameMalformed
    if idem is not None and not (isinstance(idem, str) and _IDEM.fullmatch(idem)):
        raise FrameMalformed
    if (idem is None) != (method in {"GET", "HEAD"}):
        raise FrameMalformed
    return Request(method, path, _headers(value["h"]), idem)


def decode_answer(payload: bytes) -> Answer:
    """Read the beginning of an answer. Raises FrameMalformed, HeadersTooLarge."""
    value = _read(payload, {"s", "h"})
    status = value["s"]
    if type(status) is not int or not 200 <= status <= 599:
        raise FrameMalformed
    return Answer(status, _headers(value["h"]))


def _write(value: dict[str, Any], check: Any) -> bytes:
    payload = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    if len(payload) > MAX_PAYLOAD:
        raise HeadersTooLarge
    check(payload)  # what we would not take we do not send
    return payload


def _read(payload: bytes, names: set[str]) -> dict[str, Any]:
    try:
        value = json.loads(payload.decode())
    except (ValueError, RecursionError):
        raise FrameMalformed from None
    if not isinstance(value, dict) or set(value) != names:
        raise FrameMalformed
    return value


def _headers(value: object) -> Headers:
    if not isinstance(value, list):
        raise FrameMalformed
    if len(value) > MOST_HEADERS:
        raise HeadersTooLarge
    found = []
    for pair in value:
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)):
            raise FrameMalformed
        name, text = pair
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(text):
            raise FrameMalformed
        found.append((name, text))
    return tuple(found)
