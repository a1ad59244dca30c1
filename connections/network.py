"""Which error a failure of the transport is, told by httpx's class and what lies beneath it."""

import socket
import ssl
from collections.abc import Iterator

import httpx

from connections.errors import (
    AccessError,
    AnswerGarbled,
    ConnectionCut,
    ConnectionRefused,
    ConnectTimedOut,
    IdleTimedOut,
    NameNotFound,
    ProxyFailed,
    SendTimedOut,
    TlsFailed,
    Unreachable,
)

# httpx, httpcore and anyio each wrap the cause once or twice.
_DEEPEST = 24


def error_from_network(failure: httpx.RequestError) -> AccessError:
    """The error for what httpx raised instead of an answer, or while reading one."""
    match failure:
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            return ConnectTimedOut()
        case httpx.WriteTimeout():
            return SendTimedOut()
        case httpx.ReadTimeout():
            return IdleTimedOut()
        case httpx.ProxyError():
            return ProxyFailed()
        case httpx.DecodingError():
            return AnswerGarbled()
        case httpx.ConnectError():
            return _unreachable(failure)
        case httpx.ReadError() | httpx.WriteError() | httpx.CloseError() | httpx.RemoteProtocolError():
            return ConnectionCut()
        case _:
            return Unreachable()


def _unreachable(failure: BaseException) -> Unreachable:
    for cause in _causes(failure):
        match cause:
            case socket.gaierror():
                return NameNotFound()
            case ssl.SSLError():
                return TlsFailed()
            case ConnectionRefusedError():
                return ConnectionRefused()
    return Unreachable()


def _causes(failure: BaseException) -> Iterator[BaseException]:
    """`failure` and what it was raised from, also inside groups (one address each)."""
    waiting: list[BaseException | None] = [failure]
    for _ in range(_DEEPEST):
        if not waiting:
            return
        error = waiting.pop(0)
        if error is not None:
            yield error
            waiting += [error.__cause__, error.__context__]
            if isinstance(error, BaseExceptionGroup):
                waiting += error.exceptions
