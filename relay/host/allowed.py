"""What other Lerix may ask; what of a browser's request reaches Django, and what of Django's answer leaves it again."""

from collections.abc import Iterable
from typing import Final

from relay.answers import MODELS, RESPONSES, STATE
from relay.protocol.headers import Headers, Request

#: Compared with the path as it was written: one with dots, encoded or doubled slashes or a host is another one.
REQUESTS: Final = frozenset({("GET", STATE), ("GET", MODELS), ("POST", RESPONSES)})
MAX_QUERY: Final = 2048
DEVICE: Final = "x-lerix-device"
# `content-length` is made anew, from what came. No cookie, host, authorization, forwarded or x-* ever passes.
_REQUEST: Final = frozenset({"accept", "accept-language", "content-type", "if-none-match", "last-event-id"})
_REQUEST_BEGIN: Final = "hx-"
# Of the answer, everything but what belongs to this connection, to this browser or to this server.
_NOT_ANSWERED: Final = frozenset(
    {
        "set-cookie",
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "server",
        "date",
        "authorization",
        "www-authenticate",
    }
)


def is_allowed(request: Request) -> bool:
    """Whether it is one of the addresses for other Lerix, which `relay.host.model_api` answers."""
    path, _, query = request.path.partition("?")
    return (request.method, path) in REQUESTS and len(query) <= MAX_QUERY


def to_django(request: Request, device: bytes, length: int | None) -> list[tuple[bytes, bytes]]:
    """The headers that Django sees; one that came twice counts once. `length` is that of a body, if any."""
    kept = {name: value for name, value in request.headers if name in _REQUEST or name.startswith(_REQUEST_BEGIN)}
    kept[DEVICE] = device.hex()
    if length is not None:
        kept["content-length"] = str(length)
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept.items()]


def from_django(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers that a remote sees."""
    pairs = ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers)
    return tuple((name, value) for name, value in pairs if name not in _NOT_ANSWERED)


def length_of(request: Request) -> int | None:
    """What Content-Length says; None where it does not say a number of bytes."""
    texts = [value for name, value in request.headers if name == "content-length"]
    if len(texts) != 1 or not (texts[0].isascii() and texts[0].isdigit() and len(texts[0]) < 12):
        return None
    return int(texts[0])
