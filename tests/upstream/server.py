"""The stand-in as a whole: one server, one port, its own thread and event loop."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.upstream import world as paths
from tests.upstream.backend import Backend, befall
from tests.upstream.control import Control
from tests.upstream.faults import Spoil
from tests.upstream.oauth import SignIn
from tests.upstream.public_api import PublicApi
from tests.upstream.refusal import Refusal
from tests.upstream.wire import Exchange, serve
from tests.upstream.world import CONTROL, World

Endpoint = Callable[[Exchange], Awaitable[None]]
Streaming = Callable[[Exchange, Spoil | None], Awaitable[None]]

START_TIMEOUT = 30.0


class Upstream(World):
    """OpenAI's sign-in host, Codex backend and platform API at ``url``; a context manager for sync code.

    ``delay`` is in seconds before each delta; ``keywords`` lets a chat message select its answer; ``tls``
    serves https, which the real CLI insists on for its backend. Errors of its own are raised at the end.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        delay: float = 0.0,
        keywords: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(delay=delay, keywords=keywords)
        self.host = host
        self.port = port
        #: Errors in the stand-in's own code, answered with 500.
        self.errors: list[Exception] = []
        self._tls = tls
        self._control = Control(self)
        self._started = threading.Event()
        self._failure: OSError | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._listener: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        backend, sign_in, public = Backend(self), SignIn(self), PublicApi(self)
        self._endpoints: dict[tuple[str, str], Endpoint] = {
            ("POST", paths.TOKEN): sign_in.token,
            ("POST", paths.REVOKE): sign_in.revoke,
            ("GET", "/oauth/authorize"): sign_in.authorize,
            ("POST", "/oauth/authorize"): sign_in.authorize,
            ("POST", "/api/accounts/deviceauth/usercode"): sign_in.user_code,
            ("POST", "/api/accounts/deviceauth/token"): sign_in.device_token,
            ("GET", "/codex/device"): sign_in.device_page,
            ("POST", "/codex/device"): sign_in.device_page,
            ("GET", "/deviceauth/callback"): sign_in.device_callback,
            ("GET", paths.MODELS): backend.models,
            ("GET", paths.RESPONSES): backend.socket,
            ("GET", paths.USAGE): backend.usage,
            ("GET", paths.ACCOUNTS_CHECK): backend.accounts_check,
            ("GET", "/backend-api/wham/rate-limit-reset-credits"): backend.no_credits,
            ("GET", paths.PUBLIC_MODELS): public.models,
        }
        self._streaming: dict[tuple[str, str], Streaming] = {
            ("POST", paths.RESPONSES): backend.responses,
            ("POST", paths.PUBLIC_RESPONSES): public.responses,
        }

    @property
    def url(self) -> str:
        """Where everything is, without a slash at the end."""
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}"

    def environment(self, codex_home: Path) -> dict[str, str]:
        """The variables that make Lerix use this stand-in."""
        return {
            "CODEX_HOME": str(codex_home),
            "LERIX_CODEX_BASE_URL": f"{self.url}/backend-api",
            "LERIX_CODEX_TOKEN_URL": f"{self.url}{paths.TOKEN}",
            "LERIX_OPENAI_BASE_URL": f"{self.url}/v1",
        }

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="stand-in", daemon=True)
        self._thread.start()
        if not self._started.wait(START_TIMEOUT):
            raise TimeoutError("the stand-in did not start")
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()
        if self._loop is not None and self._ending is not None:
            self._loop.call_soon_threadsafe(self._ending.set)
        if self._thread is not None:
            self._thread.join()
        if self.errors and problem is None:
            raise self.errors[0]

    def go_offline(self) -> None:
        """Stop listening and drop every connection: new ones are refused by the system."""
        self._call(self._stop_listening)

    def go_online(self) -> None:
        """Listen again, at the same port."""
        self._call(self._listen)

    def _call(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        if self._loop is None:
            raise RuntimeError("the stand-in is not running")
        asyncio.run_coroutine_threadsafe(work(), self._loop).result(START_TIMEOUT)

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        try:
            await self._listen()
        except OSError as problem:
            self._failure = problem
            return
        finally:
            self._started.set()
        await self._ending.wait()
        await self._stop_listening()

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._connected, self.host, self.port, ssl=self._tls)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._listener is not None:
            # First no new ones: asyncio loses a socket whose listener is closed while it is being accepted.
            for listening in self._listener.sockets:
                asyncio.get_running_loop().remove_reader(listening.fileno())
            await _turns()
            self._listener.close()
            self._listener = None
        connections = dict(self._connections)
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        for writer in connections.values():
            # Also one whose task had not begun, and one whose client does not take what is left for it.
            writer.transport.abort()
        await _turns()  # the transports close

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer, self.journal, self._handle))
        self._connections[task] = writer
        task.add_done_callback(self._connections.pop)

    async def _handle(self, exchange: Exchange) -> None:
        request = exchange.request
        try:
            if request.path.startswith(CONTROL):
                await self._control.answer(exchange)
            else:
                await self._serve(exchange)
        except Refusal as refusal:
            await exchange.send_json(refusal.status, refusal.payload, refusal.headers)
        except ConnectionError:
            raise
        except Exception as problem:
            self.errors.append(problem)
            if request.status is None:
                await exchange.send_json(500, {"detail": f"The stand-in failed: {problem!r}"})
            else:
                await exchange.close()

    async def _serve(self, exchange: Exchange) -> None:
        request = exchange.request
        fault = self.next_fault(request.path)
        if fault is not None and not isinstance(fault, Spoil) and await befall(self, exchange, fault):
            return
        place = (request.method, request.path)
        if place in self._streaming:
            await self._streaming[place](exchange, fault if isinstance(fault, Spoil) else None)
        elif place in self._endpoints:
            await self._endpoints[place](exchange)
        elif any(request.path == path for _, path in (*self._streaming, *self._endpoints)):
            raise Refusal(405, {"detail": "Method Not Allowed"})
        else:
            raise Refusal(404, {"detail": "Not Found"})


async def _turns() -> None:
    """Let the loop do what it has begun: accepting a connection and closing one take it a few turns each."""
    for _ in range(10):
        await asyncio.sleep(0)
