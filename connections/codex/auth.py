"""Attaches the session to requests: for the Codex backend and for nobody else."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

import httpx

from connections.codex.session import Session
from connections.errors import ForeignAddress
from connections.refusals import MAX_ERROR_BODY

BASE_URL = "https://chatgpt.com/backend-api"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Credentials(Protocol):
    """Where the sessions come from."""

    async def current(self) -> Session:
        """The session to send with, as the file holds it now. Raises AccessError when there is none."""

    async def again(self) -> Session:
        """The same after a 401: the file is read anew, whether it looks changed or not."""

    async def renewed(self, session: Session) -> Session | None:
        """A session renewed because `session` was answered 401 twice; None where it cannot be renewed at all.
        Raises AccessError when a renewal was tried and failed."""

    def refused(self, session: Session) -> None:
        """The service refused `session`, and nothing is left to try."""


def backend_url(base_url: str) -> httpx.URL:
    """The backend's address, ending in a slash. Raises ValueError for one no token may be sent to."""
    return plain_address(base_url.rstrip("/") + "/")


def plain_address(address: str) -> httpx.URL:
    """The address a token may be sent to. Raises ValueError for any other: without TLS, except on this
    computer, or with credentials in it."""
    url = httpx.URL(address)
    secure = url.scheme == "https" or (url.scheme == "http" and url.host in _LOOPBACK)
    if not secure or not url.host or url.userinfo or url.query or url.fragment:
        raise ValueError("an address that gets tokens must be a plain https address")
    return url


class CodexAuth(httpx.Auth):
    """The session's headers on each request under `base_url`, re-read each time.

    On a 401 the file is read once more and the request sent once more, even with the same token, which is
    what the Codex CLI does; on a second one the session is renewed and the request sent a last time.
    """

    def __init__(self, base_url: httpx.URL, credentials: Credentials) -> None:
        self._base_url = base_url
        self._credentials = credentials

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Raises ForeignAddress before anything is sent elsewhere, and what `Credentials` raises."""
        self._attach(request, await self._credentials.current())
        response = yield request
        if response.status_code != 401:
            return
        _bound(response)
        session = await self._credentials.again()
        self._attach(request, session)
        response = yield request
        if response.status_code != 401:
            return
        newer = await self._credentials.renewed(session)
        if newer is not None:
            _bound(response)
            session = newer
            self._attach(request, session)
            response = yield request
        if response.status_code == 401:
            self._credentials.refused(session)

    def _attach(self, request: httpx.Request, session: Session) -> None:
        base, url = self._base_url, request.url
        same_origin = (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port)
        if not same_origin or not url.path.startswith(base.path) or url.userinfo or ".." in url.path:
            raise ForeignAddress("a request for another address would have carried the Codex session")
        request.headers["Authorization"] = f"Bearer {session.access_token.reveal()}"
        request.headers["ChatGPT-Account-ID"] = session.account.id
        if session.fedramp:
            request.headers["X-OpenAI-Fedramp"] = "true"
        else:
            request.headers.pop("X-OpenAI-Fedramp", None)


def _bound(response: httpx.Response) -> None:
    """httpx reads an answer to its end before it sends the request again."""
    if isinstance(response.stream, httpx.AsyncByteStream):
        response.stream = _Bounded(response.stream)


class _Bounded(httpx.AsyncByteStream):
    """The beginning of a body, at most MAX_ERROR_BODY bytes and one chunk."""

    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            yield chunk
            size += len(chunk)
            if size > MAX_ERROR_BODY:
                return

    async def aclose(self) -> None:
        await self._stream.aclose()
