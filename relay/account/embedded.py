"""The account broker that Lerix runs itself: a child process, started at first use and ended with its parent.

It is `lerix broker --embedded`, whose stdout carries lines of JSON: {"ready": "http://localhost:7718"} once it listens,
and {"mail": {"to", "purpose", "ticket", "code", "minutes"}} for each e-mail that another broker would send; "ticket" is
`ticket_digest` of the one that asked for it. Its stdin is a pipe that gets one line, a secret of this start, and then
stays open: however the parent ends, the pipe closes, and so the child ends too. Whoever asks it anything shows the
secret in the header X-Lerix-Parent, for every user of this computer can reach its port. One that dies is started again,
after 1, 2, 4 ... 60 seconds.
"""

import asyncio
import contextlib
import contextvars
import hashlib
import os
import secrets
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from connections.changes import Signal, heard
from connections.codex.cli_process import Lines, object_in
from relay.account.address import LOOPBACK, host_of, normalise
from relay.account.errors import AccountError, EmbeddedFailed
from relay.api import CODE_DIGITS
from relay.api.fields import decode

#: Seconds.
READY_SECONDS: Final = 30.0
MAIL_SECONDS: Final = 5.0
# How long it may take to end: by itself, after SIGTERM, after SIGKILL. Lerix has two seconds in all.
STOP_SECONDS: Final = (1.0, 0.4, 0.3)
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
#: Bytes of one line; codes that are kept.
_LINE: Final = 8192
_DIGEST: Final = 2 * hashlib.sha256().digest_size
_MOST_MAILS: Final = 32


@dataclass(frozen=True)
class Mail:
    """An e-mail that was not sent. `code` is None where it only says that there is, or is not, such an account."""

    code: str | None = field(repr=False)
    ends: float


def ticket_digest(ticket: str) -> str:
    """How a mail names the ticket that it belongs to: SHA-256 of its bytes, in hexadecimal digits."""
    return hashlib.sha256(decode(ticket)).hexdigest()


class EmbeddedBroker:
    """At most one child running `command`, with `env` in `folder`. To be used on one event loop.

    `pause` is the first pause before it is started again; `clock` counts seconds and never jumps.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        folder: Path,
        *,
        ready_seconds: float = READY_SECONDS,
        pause: float = FIRST_PAUSE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command = list(command)
        self._env = dict(env)
        self._folder = folder
        self._ready_seconds = ready_seconds
        self._first_pause = pause
        self._clock = clock
        # Rings when it comes up, goes down, or has a mail.
        self._changed = Signal()
        #: Called then as well.
        self.on_change: Callable[[], None] = lambda: None
        self._address: str | None = None
        self._token = ""
        self._failed = False
        self._was_ready = False
        self._closed = False
        self._keeping: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._mails: dict[str, Mail] = {}

    @property
    def running(self) -> bool:
        """Whether it listens, as far as is known."""
        return self._address is not None

    @property
    def at(self) -> str | None:
        """Where it listens now, if it does."""
        return self._address

    @property
    def wanted(self) -> bool:
        """Whether it was used in this process, so that it is kept going."""
        return self._keeping is not None

    @property
    def failed(self) -> bool:
        """Whether the last start came to nothing."""
        return self._failed and not self.running

    @property
    def token(self) -> str:
        """What shows the child of this moment that its parent asks; "" before the first start. A secret."""
        return self._token

    @property
    def pid(self) -> int | None:
        """The child, while there is one."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def address(self) -> str:
        """Where it listens; starts it, and waits until it does. Raises EmbeddedFailed."""
        if self._closed:
            raise EmbeddedFailed
        if self._keeping is None:
            # An empty context: it outlives the request that begins it.
            self._keeping = asyncio.get_running_loop().create_task(self._keep(), context=contextvars.Context())
        await self._until(lambda: self._address is not None or self._failed, self._ready_seconds)
        if self._address is None:
            raise EmbeddedFailed
        return self._address

    async def mail(self, ticket: str) -> Mail | None:
        """The mail that a ticket asked for, waited for a little. Others may ask for mails to the same address."""
        digest = ticket_digest(ticket)
        await self._until(lambda: digest in self._mails, MAIL_SECONDS)
        found = self._mails.get(digest)
        return found if found is not None and found.ends > self._clock() else None

    async def stop(self) -> None:
        """End it for good: it sees the end of its stdin, and after a second a signal."""
        self._closed = True
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
            await asyncio.wait({keeping})
        self._mails.clear()

    # The child

    async def _keep(self) -> None:
        """Keep it going until this is cancelled."""
        pause = self._first_pause
        while True:
            began = self._clock()
            self._was_ready = False
            # It could not be started, or said something else than a broker does.
            with contextlib.suppress(OSError, ValueError, AccountError):
                await self._run()
            # Whoever asks for one that died under way waits for the next start; one that did not come up is told of.
            self._failed = not self._was_ready
            self._ring()
            if self._clock() - began > LONGEST_PAUSE:
                pause = self._first_pause
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            self._failed = False

    async def _run(self) -> None:
        """One life of the child."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=self._folder,
            env=self._env,
            # Ctrl+C at our terminal is for us; the child ends when our end of its stdin closes.
            start_new_session=True,
        )
        self._process = process
        stdin, stdout = process.stdin, process.stdout
        if stdin is None or stdout is None:
            raise ValueError("a child is spoken to and heard through pipes")
        # Another one for each start: what takes the port of a child that died must not learn what counts at the next.
        self._token = secrets.token_urlsafe(32)
        try:
            stdin.write(f"{self._token}\n".encode("ascii"))
            lines = Lines(_LINE)
            started = self._clock()
            while True:
                left = None if self.running else self._ready_seconds - (self._clock() - started)
                async with asyncio.timeout(left):
                    data = await stdout.read(65536)
                if not data:
                    return
                for line in lines.feed(data):
                    self._take(line)
        except TimeoutError:
            return
        finally:
            self._address = None
            await _to_the_end(_end(process))

    def _take(self, line: bytes) -> None:
        """One line of the child. Raises ValueError, AddressUnusable for an address that is not on this computer."""
        message = object_in(line)
        if message is None:
            return
        ready, mail = message.get("ready"), message.get("mail")
        if isinstance(ready, str):
            address = normalise(ready)
            if host_of(address) not in LOOPBACK:
                raise ValueError("the embedded broker listens on this computer")
            self._address, self._was_ready = address, True
        elif isinstance(mail, dict):
            self._keep_mail(mail)
        self._ring()

    def _keep_mail(self, mail: Mapping[str, Any]) -> None:
        ticket, code, minutes = (mail.get(name) for name in ("ticket", "code", "minutes"))
        if not isinstance(ticket, str) or len(ticket) != _DIGEST:
            return
        if code is not None and not (isinstance(code, str) and len(code) == CODE_DIGITS and code.isdigit()):
            return
        lasts = 60.0 * minutes if isinstance(minutes, int) and 0 < minutes <= 60 else 900.0
        self._mails.pop(ticket, None)
        self._mails[ticket] = Mail(code, self._clock() + lasts)
        while len(self._mails) > _MOST_MAILS:
            del self._mails[next(iter(self._mails))]

    def _ring(self) -> None:
        self._changed.set()
        self.on_change()

    async def _until(self, true: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is true of it. Returns whether it is."""
        bell = asyncio.Event()
        self._changed.ring(bell)
        deadline = self._clock() + seconds
        while not true():
            left = deadline - self._clock()
            if left <= 0:
                return False
            await heard(bell, seconds=left)
        return True


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Do `work` whatever is cancelled meanwhile: a child that is being ended must be reaped, not left behind."""
    task = asyncio.ensure_future(work)
    cut = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cut = True
    if cut:
        raise asyncio.CancelledError
    task.result()


async def _end(process: asyncio.subprocess.Process) -> None:
    """End its stdin, wait, then signal; reap it in any case."""
    if process.stdin is not None:
        process.stdin.close()
    for seconds, number in zip(STOP_SECONDS, (signal.SIGTERM, signal.SIGKILL, None), strict=True):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await process.wait()
                return
        if number is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
