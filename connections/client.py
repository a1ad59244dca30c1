"""The model API over HTTP: a base URL, an `httpx.Auth` and a transport make a client; with it come a
streamed answer and small JSON documents. Every failure is an AccessError."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

import httpx

from connections.errors import (
    AccessError,
    AnswerGarbled,
    AnswerTooLarge,
    AnswerUnfinished,
    CatalogueUnreadable,
    NotAnEventStream,
    UnexpectedAnswer,
    WebPageAnswered,
)
from connections.network import error_from_network
from connections.refusals import (
    MAX_ERROR_BODY,
    error_from_failure,
    error_from_incomplete,
    error_from_response,
    is_web_page,
)
from connections.responses import (
    AnswerEvent,
    Completed,
    Failed,
    Incomplete,
    OutputItem,
    TextDelta,
    decode,
    item_text,
)
from connections.sse import MAX_EVENT, MAX_LINE, EventStreamError, EventStreamParser, ServerSentEvent


@dataclass(frozen=True)
class Limits:
    """Times in seconds, sizes in bytes.

    `idle` is between two pieces of an answer, as the Codex CLI has it: a model may think for minutes.
    `retries` further attempts are made before the first event, at `backoff`, then twice that and so on.
    """

    connect: float = 15.0
    write: float = 30.0
    idle: float = 300.0
    retries: int = 2
    backoff: float = 0.5
    line: int = MAX_LINE
    event: int = MAX_EVENT
    answer: int = 64 * 1024 * 1024
    document: int = 4 * 1024 * 1024


class ModelAPI:
    """One model API. `base_url` ends in a slash; paths are relative to it.

    `on_headers` is given the headers of each answer, of any status. `now`, `sleep` and `jitter` (a
    factor around 1) can be replaced in tests.
    """

    def __init__(
        self,
        base_url: httpx.URL,
        auth: httpx.Auth | None,
        user_agent: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        limits: Limits | None = None,
        on_headers: Callable[[httpx.Headers], None] = lambda headers: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = lambda: random.uniform(0.5, 1.5),  # noqa: S311 - spreads retries, hides nothing
    ) -> None:
        self.limits = limits or Limits()
        self._base_url = base_url
        self._auth = auth
        self._user_agent = user_agent
        self._transport = transport
        self._on_headers = on_headers
        self._now = now
        self._sleep = sleep
        self._jitter = jitter
        self._client: httpx.AsyncClient | None = None

    async def aclose(self) -> None:
        """Close the connections. A later request opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def document(self, path: str, params: Mapping[str, str]) -> tuple[httpx.Headers, Any]:
        """GET a JSON document: its headers and decoded content. Raises AccessError."""
        request = self._http().build_request("GET", path, params=dict(params))
        raw = bytearray()
        async with self._open(request) as response:
            headers = response.headers
            async for piece in response.aiter_bytes():
                raw += piece
                if len(raw) > self.limits.document:
                    raise CatalogueUnreadable
        if is_web_page(headers, bytes(raw[:512])):
            raise WebPageAnswered
        try:
            return headers, json.loads(raw.decode("utf-8"))
        except (ValueError, RecursionError):
            raise CatalogueUnreadable from None

    async def answer(
        self, path: str, headers: Mapping[str, str], body: Mapping[str, Any]
    ) -> AsyncGenerator[AnswerEvent, None]:
        """POST `body` and give the events of the answer; the last one is Completed. Raises AccessError.

        Once an event of the stream was seen the request is never sent again: it would be billed twice.
        Closing the generator, or cancelling its task, closes the connection.
        """
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        for attempt in range(self.limits.retries + 1):
            request = self._http().build_request("POST", path, headers=dict(headers), content=content)
            reader = _AnswerReader(self.limits, self._now)
            try:
                async with self._open(request) as response:
                    await _check_kind(response)
                    async for piece in response.aiter_bytes():
                        for event in reader.read(piece):
                            yield event
                            if isinstance(event, Completed):
                                return
                reader.end()
            except AccessError as error:
                again = error.transient and error.until is None and not reader.begun
                if not again or attempt == self.limits.retries:
                    raise
            await self._sleep(self.limits.backoff * 2**attempt * self._jitter())

    @asynccontextmanager
    async def _open(self, request: httpx.Request) -> AsyncGenerator[httpx.Response, None]:
        """Send `request`: an answer of status 200 whose body is still to be read, closed in the end."""
        try:
            response = await self._http().send(request, stream=True)
            try:
                self._on_headers(response.headers)
                if response.status_code != 200:
                    body = await _beginning(response)
                    raise error_from_response(response.status_code, response.headers, body, now=self._now())
                yield response
            finally:
                await response.aclose()
        except httpx.RequestError as failure:
            raise error_from_network(failure) from failure

    def _http(self) -> httpx.AsyncClient:
        # Made at the first request, since the certificates take a while to load.
        if self._client is None:
            limits = self.limits
            self._client = httpx.AsyncClient(
                base_url=self._base_url,
                auth=self._auth,
                transport=self._transport,
                headers={
                    "User-Agent": self._user_agent,
                    "Accept": "application/json",
                    # Compression would hold back deltas, and hide how large an answer is.
                    "Accept-Encoding": "identity",
                },
                timeout=httpx.Timeout(
                    connect=limits.connect, write=limits.write, read=limits.idle, pool=limits.connect
                ),
                # More than anybody has answers coming at once: one beyond it would wait, and then fail.
                limits=httpx.Limits(max_connections=256, max_keepalive_connections=4, keepalive_expiry=30.0),
                follow_redirects=False,
            )
        return self._client


class _AnswerReader:
    """Bytes of one event stream to the events of an answer; failures inside it are raised."""

    def __init__(self, limits: Limits, now: Callable[[], datetime]) -> None:
        self.begun = False  # an event of the stream was seen
        self._now = now
        self._left = limits.answer
        self._parser = EventStreamParser(max_line=limits.line, max_event=limits.event)
        self._spoken: set[int] = set()  # outputs whose text came in deltas

    def read(self, piece: bytes) -> Iterator[AnswerEvent]:
        """The events which `piece` completes. An error is raised after the events before it."""
        self._left -= len(piece)
        if self._left < 0:
            raise AnswerTooLarge
        try:
            events = self._parser.feed(piece)
        except EventStreamError:
            raise AnswerGarbled from None
        for event in events:
            self.begun = True
            yield from self._read(event)
        self._check()

    def end(self) -> NoReturn:
        """The stream ended, and Completed had not come."""
        self._check()
        raise AnswerUnfinished

    def _read(self, event: ServerSentEvent) -> Iterator[AnswerEvent]:
        match decode(event):
            case None:
                return
            case Failed(error):
                raise error_from_failure(error, now=self._now())
            case Incomplete(reason):
                raise error_from_incomplete(reason)
            case TextDelta() as delta:
                self._spoken.add(delta.output_index)
                yield delta
            case OutputItem() as item:
                text = "" if item.output_index in self._spoken else item_text(item.item)
                if text:  # a server that does not stream it in deltas
                    yield TextDelta(text, item.output_index)
                yield item
            case other:
                yield other

    def _check(self) -> None:
        try:
            self._parser.close()
        except EventStreamError:
            raise AnswerGarbled from None


async def _check_kind(response: httpx.Response) -> None:
    """Raise for an answer that is told to be no event stream; one which tells nothing may be one."""
    kind = response.headers.get("content-type", "").strip().lower()
    if not kind or kind.startswith("text/event-stream"):
        return
    error = error_from_response(response.status_code, response.headers, await _beginning(response))
    raise NotAnEventStream(detail=error.detail) if type(error) is UnexpectedAnswer else error


async def _beginning(response: httpx.Response) -> bytes:
    """The body of an error, as far as it is ever looked at."""
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) >= MAX_ERROR_BODY:
            break
    return bytes(body[:MAX_ERROR_BODY])
