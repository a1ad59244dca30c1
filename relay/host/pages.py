"""Which of this computer's pages browsers on other devices get, and as whom they are served."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from connections.visitor import Visitor
from relay.host.allowed import MAX_QUERY
from relay.protocol.headers import Headers, Request

#: What tells a browser's frame whether its own scripts and styles belong to these pages.
ASSETS, VERSION = "lerix-assets", "lerix-version"

FORM: Final = "application/x-www-form-urlencoded"
FILES: Final = "multipart/form-data"
#: In a rule, what a POST with files is called: no other address takes any.
UPLOAD: Final = "UPLOAD"
#: A method or UPLOAD, and the whole path as it is written.
Rule = tuple[str, re.Pattern[str]]
_UUID: Final = "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_NUMBER: Final = "[1-9][0-9]{0,17}"


def rule(method: str, path: str) -> Rule:
    """A rule for a path in which <uuid> and <int> stand for one of each.

    >>> bool(rule("GET", "/chats/<uuid>/")[1].fullmatch("/chats/../"))
    False
    """
    pattern = re.escape(path).replace("<uuid>", _UUID).replace("<int>", _NUMBER)
    return method, re.compile(pattern, re.ASCII)


@dataclass(frozen=True)
class Pages:
    """The pages. `visitor` says as whom a device is served; `headers` stand in each answer."""

    rules: Sequence[Rule]
    visitor: Callable[[bytes], Visitor]
    headers: Headers = ()
    #: Ends what a device has begun, or every device: it may not be here any more.
    stop: Callable[[bytes | None], None] = lambda device: None

    def allow(self, request: Request) -> bool:
        """Whether a remote may ask this. Compared with the path as it was written, so that nothing is read twice."""
        path, _, query = request.path.partition("?")
        asked = _verb(request)
        return len(query) <= MAX_QUERY and any(
            asked == method and pattern.fullmatch(path) for method, pattern in self.rules
        )

    def takes_files(self, request: Request) -> bool:
        """Whether a request that is allowed brings a file: its body may be longer than that of others."""
        return _verb(request) == UPLOAD


def _verb(request: Request) -> str:
    """The method, as rules have it; "" of a POST that is neither a form nor brings files."""
    if request.method != "POST":
        return "" if request.method == UPLOAD else request.method
    kinds = {value.partition(";")[0].strip().lower() for name, value in request.headers if name == "content-type"}
    return "POST" if kinds == {FORM} else UPLOAD if kinds == {FILES} else ""
