"""httpx over Codex Relay: requests to one host, and answers that go on over cuts of the way to it.

A cut that the session survives is not seen here at all. Where the session is lost as well (ten minutes asleep, another
session at the host), the request is sent again under the same `idem` with the number of bytes that are here already:
the host has kept the turn and goes on from there, or says that it has forgotten it. It is never asked twice.

What httpx's own transports raise is raised here too; what the host says went wrong is raised as the AccessError that it
was there.
"""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any, Final

import httpx

from connections.errors import AccessError, ContextTooLong
from relay.answers import BOOT, END, ERROR, FROM, LAST, MAX_BODY, QUEUE, read_comment, read_error
from relay.errors import HostLeft, HostSilent, HostUnreachable
from relay.link.carrier import RouteClosed
from relay.link.remote import GONE, Remote, Reply
from relay.link.streams import StreamEnded
from relay.protocol.errors import ProtocolError
from relay.protocol.headers import Request
from relay.protocol.link import Code

#: Seconds that a lost host is waited for while an answer is on its way.
PATIENCE: Final = 600.0
#: The header by which a caller names a request, so that it can send the same again; 32 hexadecimal digits.
IDEM: Final = "idempotency-key"
MAX_ERROR: Final = 64 * 1024
#: An event may be so long; more than a host keeps of a whole answer.
MAX_HELD: Final = 8 * 1024 * 1024
_IDEM = re.compile(r"[0-9a-f]{32}")
_SENT: Final = frozenset({"accept", "accept-language", "content-type", "if-none-match"})
#: There is no use in waiting here.
_HOPELESS: Final = GONE | {Code.NO_HOST}


class RelayTransport(httpx.AsyncBaseTransport):
    """Requests over `remote`, one host as this device reaches it.

    `boot` gives the host's process, as its state said last; `told` is called with what the host says beside an answer:
    the kind ("queue", "usage") and its value. `patience` is in seconds.
    """

    def __init__(
        self,
        remote: Remote,
        *,
        boot: Callable[[], str | None] = lambda: None,
        told: Callable[[str, Any], None] = lambda kind, value: None,
        patience: float = PATIENCE,
    ) -> None:
        self._remote = remote
        self._boot = boot
        self._told = told
        self._patience = patience

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.TransportError, and the AccessError that the host or the way to it has."""
        body = await request.aread()
        if len(body) > MAX_BODY:
            raise ContextTooLong
        timeouts = request.extensions.get("timeout", {})
        asking = _Asking(self._remote, request, body, self._boot(), timeouts.get("read"))
        await self._reach(timeouts.get("connect"))
        try:
            reply = await asking.ask(0)
        except RouteClosed:
            raise HostUnreachable from None
        except StreamEnded as ended:
            if asking.idem is None or ended.is_final:
                raise httpx.ReadError("the host gave the request up", request=request) from None
            reply = await asking.again(0, self._patience)
        if reply.answer.status >= 400:
            raise await _refusal(reply, request)
        stream = _Body(asking, reply, self._told, self._patience)
        return httpx.Response(reply.answer.status, headers=list(reply.answer.headers), stream=stream)

    async def _reach(self, seconds: float | None) -> None:
        """Wait a little where the way is only interrupted. Raises HostUnreachable."""
        remote = self._remote
        if remote.connected:
            return
        if remote.code in _HOPELESS:
            raise HostUnreachable
        try:
            async with asyncio.timeout(seconds):
                await remote.ready()
        except TimeoutError:
            raise HostUnreachable from None


class _Asking:
    """One request, which can be sent again."""

    def __init__(
        self, remote: Remote, request: httpx.Request, body: bytes, boot: str | None, idle: float | None
    ) -> None:
        self.remote = remote
        self.request = request
        self.idle = idle
        self._body = body
        self._boot = boot
        self.idem: str | None = None
        if request.method not in {"GET", "HEAD"}:
            named = request.headers.get(IDEM, "")
            self.idem = named if _IDEM.fullmatch(named) else secrets.token_hex(16)

    async def ask(self, at: int) -> Reply:
        """Send it, and wait for the answer to begin. Raises RouteClosed, StreamEnded, httpx.TransportError."""
        headers = [(name.lower(), value) for name, value in self.request.headers.items() if name.lower() in _SENT]
        if self.idem is not None:
            headers += [("content-length", str(len(self._body))), (FROM, str(at))]
            if self._boot is not None:
                headers.append((BOOT, self._boot))
        path = self.request.url.raw_path.decode("ascii")
        try:
            async with asyncio.timeout(self.idle):
                return await self.remote.ask(Request(self.request.method, path, tuple(headers), self.idem), self._body)
        except TimeoutError:
            raise httpx.ReadTimeout("the host did not answer", request=self.request) from None
        except ProtocolError as error:
            raise httpx.LocalProtocolError(str(error), request=self.request) from None

    async def again(self, at: int, patience: float) -> Reply:
        """Wait for the host and attach to the turn from a byte on. Raises HostLeft, HostSilent, ReadError."""
        if self._boot is None:
            # Nobody could tell whether this process of the host is the one that was asked.
            raise httpx.ReadError("the session with the host was lost", request=self.request)
        try:
            async with asyncio.timeout(patience):
                while True:
                    await self._back()
                    with suppress(RouteClosed, StreamEnded):
                        return await self.ask(at)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise HostSilent from None

    async def _back(self) -> None:
        remote = self.remote
        while not remote.connected:
            if remote.code in GONE:
                raise HostLeft
            # Looked at now and then: `ready` says nothing of a host that will not come back.
            with suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await remote.ready()


class _Body(httpx.AsyncByteStream):
    """The body of an answer, without the host's comments, in whole events where it is an event stream."""

    def __init__(self, asking: _Asking, reply: Reply, told: Callable[[str, Any], None], patience: float) -> None:
        self._asking = asking
        self._reply: Reply | None = reply
        self._told = told
        self._patience = patience
        # Bytes of the stream that were passed on or understood, as the host counts them.
        self._at = 0
        self._over = False
        # All that counts of the answer is here, only its end may be missing.
        self._is_whole = False

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        reply = self._reply
        while reply is not None:
            self._reply = reply
            kind = dict(reply.answer.headers).get("content-type", "")
            try:
                async with aclosing(self._pieces(reply, events=kind.startswith("text/event-stream"))) as pieces:
                    async for piece in pieces:
                        yield piece
                self._over = True
                return
            except StreamEnded as ended:
                asking = self._asking
                if ended.code is not None or asking.idem is None:
                    raise httpx.ReadError("the host gave the answer up", request=asking.request) from None
                if ended.is_final:
                    raise HostLeft from None
            self._reply = None
            reply = await self._asking.again(self._at, self._patience)
            if reply.answer.status >= 400:
                raise await _refusal(reply, self._asking.request)

    async def aclose(self) -> None:
        """Tell the host that nobody reads on, where the answer was not read to its end."""
        if self._reply is None or self._over:
            return
        if self._is_whole:
            await self._reply.finish()
        else:
            await self._reply.aclose()

    async def _pieces(self, reply: Reply, *, events: bool) -> AsyncGenerator[bytes, None]:
        """Raises StreamEnded, httpx.ReadTimeout, and the error that the host wrote."""
        held = bytearray()
        async with aclosing(self._raw(reply)) as raw:
            async for data in raw:
                if not events:
                    yield data
                    continue
                held += data
                end = held.rfind(END)
                if end < 0:
                    if len(held) > MAX_HELD:
                        raise httpx.RemoteProtocolError("an event without an end", request=self._asking.request)
                    continue
                whole = bytes(held[: end + len(END)])
                del held[: len(whole)]
                kept, error = self._understand(whole)
                self._is_whole = self._is_whole or error is not None or whole.startswith(LAST) or END + LAST in whole
                if kept:
                    yield kept
                if error is not None:
                    raise error

    async def _raw(self, reply: Reply) -> AsyncGenerator[bytes, None]:
        """The body as it comes. Where the way is interrupted the host is not silent, it is waited for."""
        source, waited = aiter(reply), 0.0
        idle = self._asking.idle
        while True:
            try:
                async with asyncio.timeout(idle):
                    data = await anext(source)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if self._asking.remote.connected:
                    raise httpx.ReadTimeout("nothing came from the host", request=self._asking.request) from None
                waited += idle or 0.0
                if waited >= self._patience:
                    raise HostSilent from None
                source = aiter(reply)  # the interrupted reading took nothing
                continue
            waited = 0.0
            yield data

    def _understand(self, whole: bytes) -> tuple[bytes, AccessError | None]:
        """Take the host's comments out of whole events: what is left, and the error that one of them is."""
        if b": lerix-" not in whole:
            self._at += len(whole)
            return whole, None
        kept = bytearray()
        for block in whole.split(END)[:-1]:
            said = read_comment(block)
            if said is None:
                kept += block + END
            elif said[0] == ERROR:
                return bytes(kept), read_error(said[1])
            else:
                self._told(*said)
            if said is None or said[0] != QUEUE:
                self._at += len(block) + len(END)
        return bytes(kept), None


async def _refusal(reply: Reply, request: httpx.Request) -> Exception:
    """What an answer over 399 says."""
    body = bytearray()
    with suppress(StreamEnded):
        async for piece in reply:
            body += piece
            if len(body) > MAX_ERROR:
                break
    await reply.aclose()
    try:
        document = json.loads(body)["lerix_error"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return httpx.RemoteProtocolError("the host answered with something unknown", request=request)
    return read_error(document)
