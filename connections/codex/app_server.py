"""The Codex CLI's own door: one kept `codex app-server` child, asked by JSON lines.

JSON-RPC 2.0 without the `jsonrpc` key, one object a line on stdin and stdout (Codex CLI 0.169.0, observed).
The child is started at the first call, ended after some minutes without one, and started again at the next;
after it died or could not be started, no sooner than after a growing pause.

What the CLI does when it is stopped was measured, because a renewal that is cut off between the sign-in
host's answer and auth.json would lose the session. At the end of its stdin 0.169.0 completes what it was asked
(seen: for 8 s), writes the file and ends; so it does when Lerix dies by SIGKILL. At SIGTERM it drops what it was
doing. So a child that may be renewing is told to end by the end of its stdin and by nothing else.
"""

import asyncio
import contextvars
import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from connections.codex.auth import BASE_URL
from connections.codex.cli_process import AppServerError, Child, Died, Listener, Refused, Silent
from connections.codex.sign_in_host import TOKEN_URL

logger = logging.getLogger(__name__)

# What the child gets of our environment: how to find programs and its user's things, the way to the network,
# and the keyring's address. Nothing of Lerix, and no API key, which the CLI would use instead of its session.
_PASSED = frozenset(
    "PATH HOME USER LOGNAME SHELL LANG LANGUAGE TERM TMPDIR TZ "
    "XDG_RUNTIME_DIR XDG_CONFIG_HOME XDG_DATA_HOME XDG_CACHE_HOME XDG_STATE_HOME DBUS_SESSION_BUS_ADDRESS "
    "HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy "
    "SSL_CERT_FILE SSL_CERT_DIR CODEX_CA_CERTIFICATE NODE_EXTRA_CA_CERTS __CF_USER_TEXT_ENCODING".split()
)


class NotStarted(AppServerError):
    """There is no child and none can be started now. Nothing was asked."""


@dataclass(frozen=True)
class Timing:
    """Times in seconds. The pause after a failed start or a death doubles from `pause` to `longest_pause`."""

    start: float = 15.0
    answer: float = 20.0
    idle: float = 600.0
    stop: float = 1.0
    linger: float = 60.0  # for a child that owes an answer
    pause: float = 1.0
    longest_pause: float = 60.0
    line: int = 4 * 1024 * 1024  # bytes


class AppServer:
    """The kept child of one CODEX_HOME. To be used on one event loop.

    `find_program` gives the `codex` program or None; `variables` are added to the child's environment and
    `options` to its command line; `version` is our own, told to the child.
    """

    def __init__(
        self,
        find_program: Callable[[], Path | None],
        codex_home: Path,
        *,
        variables: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        version: str = "0",
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find_program = find_program
        self._home = codex_home
        self._variables = dict(variables or {})
        self._options = list(options)
        self._version = version
        self._timing = timing or Timing()
        self._clock = clock
        self._lock = asyncio.Lock()
        self._child: Child | None = None
        self._starting: Child | None = None
        self._listeners: list[Listener] = []
        self._failures = 0
        self._not_before = 0.0
        self._missed = 0  # answers in a row that did not come in time
        self._idle: asyncio.TimerHandle | None = None
        self._closing: dict[asyncio.Task[None], Child] = {}
        #: Counts the children, so that a caller can tell whether it speaks to the same one as before.
        self.generation = 0

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return self._child.pid if self._child is not None and self._child.alive else None

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have `listener(method, params)` called for each notification, until the result is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask, starting the child if need be, and give the result. Raises AppServerError."""
        child = await self._ready()
        try:
            result = await child.ask(method, params, self._timing.answer)
        except Silent:
            self._missed += 1
            if self._missed > 1:
                self._missed = 0
                self._note_failure()
                self._drop(child)
            raise
        except Died:
            self._note_failure()
            self._drop(child)
            raise
        except Refused:
            self._missed = 0
            raise
        self._missed = self._failures = 0
        return result

    async def restart(self) -> None:
        """End the child, so that the next call meets one that knows nothing from before."""
        async with self._lock:
            child, self._child = self._child, None
        if child is not None:
            await self._end(child)

    async def aclose(self) -> None:
        """End the child, waiting a moment for it; one that renews ends when that is done. A later call starts
        another."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        # Without the lock: a child that is being started renews before it answers for the first time.
        ours = [child for child in (self._child, self._starting) if child is not None]
        self._child = None
        for child in ours:
            if child.owes:
                await child.let_go()
            else:
                self._drop(child)
        closing = set(self._closing)
        idle = {task for task, child in self._closing.items() if not child.owes}
        if idle:
            await asyncio.wait(idle, timeout=4 * self._timing.stop)
        for task in closing:
            task.cancel()
        if closing:
            await asyncio.wait(closing)

    async def _ready(self) -> Child:
        async with self._lock:
            self._stay()
            if self._child is not None and self._child.alive:
                return self._child
            if self._child is not None:  # it died between two calls
                child, self._child = self._child, None
                self._note_failure()
                self._drop(child)
            if self._clock() < self._not_before:
                raise NotStarted("the Codex CLI failed a moment ago")
            try:
                self._child = await self._start()
            except (NotStarted, Silent):
                self._note_failure()
                raise
            return self._child

    async def _start(self) -> Child:
        program = self._find_program()
        if program is None:
            raise NotStarted("there is no Codex CLI")
        try:
            child = await Child.start(
                [str(program), "app-server", *self._options],
                self._environment(program),
                self._timing.line,
                self._tell,
            )
        except (OSError, ValueError) as error:
            raise NotStarted(f"the Codex CLI could not be started ({type(error).__name__})") from None
        self._starting = child
        try:
            who = {"name": "lerix", "title": "Lerix", "version": self._version}
            await child.ask("initialize", {"clientInfo": who}, self._timing.start)
            child.send({"method": "initialized"})
        except (Died, Refused):
            self._drop(child)
            raise NotStarted("the Codex CLI has no app-server") from None
        except BaseException:
            self._drop(child)
            raise
        finally:
            self._starting = None
        self.generation += 1
        return child

    def _environment(self, program: Path) -> dict[str, str]:
        passed = {name: value for name, value in os.environ.items() if name in _PASSED or name.startswith("LC_")}
        # npm's `codex` is a script for the `node` beside it, which a short PATH may not have.
        folders = [str(program.parent), str(program.resolve().parent), passed.get("PATH", os.defpath)]
        return {**passed, "PATH": os.pathsep.join(folders), "CODEX_HOME": str(self._home), **self._variables}

    def _note_failure(self) -> None:
        pause = min(self._timing.pause * 2**self._failures, self._timing.longest_pause)
        self._failures = min(self._failures + 1, 16)
        self._not_before = self._clock() + pause

    def _drop(self, child: Child) -> None:
        """End `child` beside everything else."""
        if self._child is child:
            self._child = None
        task = asyncio.get_running_loop().create_task(self._end(child), context=contextvars.Context())
        child.hang_up()  # now, whatever becomes of the task
        self._closing[task] = child
        task.add_done_callback(self._closing.pop)

    async def _end(self, child: Child) -> None:
        await child.close(self._timing.linger if child.owes else self._timing.stop, self._timing.stop)

    def _stay(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self._timing.idle, self._rest)

    def _rest(self) -> None:
        child = self._child
        if child is not None and child.pending:
            self._stay()
        elif child is not None:
            self._drop(child)

    def _tell(self, method: str, params: dict[str, Any]) -> None:
        for listener in list(self._listeners):
            try:
                listener(method, params)
            except Exception:
                logger.exception("a listener failed at a notification of the Codex CLI")


def app_server_for(
    find_program: Callable[[], Path | None], codex_home: Path, base_url: str, token_url: str, version: str
) -> AppServer:
    """The app-server of `codex_home`, kept to the same backend and sign-in host as Lerix itself."""
    issuer = urlsplit(token_url)._replace(path="", query="").geturl()
    elsewhere = {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": token_url, "CODEX_APP_SERVER_LOGIN_ISSUER": issuer}
    return AppServer(
        find_program,
        codex_home,
        variables={} if token_url == TOKEN_URL else elsewhere,
        options=() if base_url == BASE_URL else ("-c", f"chatgpt_base_url={json.dumps(base_url)}"),
        version=version,
    )
