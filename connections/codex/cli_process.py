"""One `codex app-server` process: lines in and out, answers matched by their ids."""

import asyncio
import contextlib
import contextvars
import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

Listener = Callable[[str, dict[str, Any]], None]
# Every process that may still run, since Popen complains when it is thrown away before. A process may outlive
# its Child: it is left to complete what it was asked.
_all: set[subprocess.Popen[bytes]] = set()


class AppServerError(Exception):
    """The CLI could not be asked. The texts are ours: nothing of what the child wrote is in them."""


class Died(AppServerError):
    """The child ended before it answered. What was asked may have been done."""


class Silent(AppServerError):
    """No answer in time. What was asked may still be done."""


class Refused(AppServerError):
    """The child answered with an error; `code` is JSON-RPC's, -32600 and -32601 for an unknown method."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the Codex CLI answered with error {code}")
        self.code = code

    @property
    def unknown(self) -> bool:
        """Whether this version of the CLI does not know the method."""
        return self.code in (-32600, -32601)


class Lines:
    """Bytes to lines without their ends; a line over `limit` bytes is dropped whole."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._dropping = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines which `data` completes."""
        *whole, rest = data.split(b"\n")
        lines = []
        for piece in whole:
            self._rest += piece
            if not self._dropping and len(self._rest) <= self._limit:
                lines.append(bytes(self._rest))
            self._rest.clear()
            self._dropping = False
        self._rest += rest
        if len(self._rest) > self._limit:
            self._rest.clear()
            self._dropping = True
        return lines


def object_in(line: bytes) -> dict[str, Any] | None:
    """The JSON object that a line is, or None for any other line."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


class Child:
    """A process that was started, and the questions it was asked.

    Popen rather than asyncio's own: that one kills its process when it is thrown away.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        stdin: IO[bytes],
        stdout: asyncio.StreamReader,
        close: Callable[[], None],
        line: int,
        tell: Listener,
    ) -> None:
        self._process = process
        self._stdin = stdin
        self._lines = Lines(line)
        self._tell = tell
        self._next = 0
        self.pending: dict[int, asyncio.Future[dict[str, Any]]] = {}
        #: The questions without an answer, also those for which nobody waits any more.
        self.owes: set[int] = set()
        work = self._read(stdout, close)
        self._reading = asyncio.get_running_loop().create_task(work, context=contextvars.Context())

    @classmethod
    async def start(cls, command: Sequence[str], env: Mapping[str, str], line: int, tell: Listener) -> "Child":
        """Start the program; raises OSError and ValueError."""
        process = subprocess.Popen(  # noqa: ASYNC220 - a fork, which takes a millisecond
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # It may hold anything, also what is nobody's business.
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=dict(env),
            bufsize=0,
            # Ctrl+C at our terminal is for us: we end the child when nothing is on its way.
            start_new_session=True,
        )
        if process.stdin is None or process.stdout is None:
            raise ValueError("a child is spoken to through pipes")
        os.set_blocking(process.stdin.fileno(), False)
        for other in [one for one in _all if one.poll() is not None]:
            _all.remove(other)
        _all.add(process)
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), process.stdout
        )
        return cls(process, process.stdin, reader, transport.close, line, tell)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return not self._stdin.closed and self._process.poll() is None and not self._reading.done()

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one line. The pipe takes far more than we ever write before a line is read."""
        with contextlib.suppress(OSError, ValueError):  # then no answer comes, or the reader finds the end
            self._stdin.write(json.dumps(message).encode() + b"\n")

    async def ask(self, method: str, params: Mapping[str, Any] | None, seconds: float) -> dict[str, Any]:
        """The result of one call. Raises Died, Silent or Refused."""
        if not self.alive:
            raise Died("the Codex CLI has ended")
        self._next += 1
        number = self._next
        answer = self.pending[number] = asyncio.get_running_loop().create_future()
        self.owes.add(number)
        self.send({"id": number, "method": method, **({} if params is None else {"params": dict(params)})})
        try:
            async with asyncio.timeout(seconds):
                result: dict[str, Any] = await answer
                return result
        except TimeoutError:
            raise Silent("the Codex CLI did not answer in time") from None
        finally:
            self.pending.pop(number, None)

    def hang_up(self) -> None:
        """End its stdin: it completes what it was asked, and ends."""
        self._stdin.close()

    async def let_go(self) -> None:
        """Hang up and hear no more of it."""
        self.hang_up()
        self._reading.cancel()
        await asyncio.wait({self._reading})

    async def close(self, seconds: float, more: float) -> None:
        """Hang up and wait so many seconds; one that then still runs gets signals, `more` seconds apart.

        Cancelling leaves it to end by itself.
        """
        try:
            self.hang_up()
            if not await self._ended(seconds):
                self._signal(signal.SIGTERM)
                if not await self._ended(more):
                    self._signal(signal.SIGKILL)
                    await self._ended(more)
        finally:
            await self.let_go()

    async def _ended(self, seconds: float) -> bool:
        clock = asyncio.get_running_loop().time
        deadline, pause = clock() + seconds, 0.005
        while self._process.poll() is None and clock() < deadline:
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.1)
        return self._process.poll() is not None

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    async def _read(self, stdout: asyncio.StreamReader, close: Callable[[], None]) -> None:
        try:
            while data := await stdout.read(65536):
                for line in self._lines.feed(data):
                    self._take(line)
        finally:
            close()
            for answer in self.pending.values():
                if not answer.done():
                    answer.set_exception(Died("the Codex CLI ended before it answered"))

    def _take(self, line: bytes) -> None:
        message = object_in(line)
        if message is None:
            return
        number, method = message.get("id"), message.get("method")
        if isinstance(method, str):
            if number is None:
                params = message.get("params")
                self._tell(method, params if isinstance(params, dict) else {})
            else:  # it asks us something, which no call of ours needs
                self.send({"id": number, "error": {"code": -32601, "message": "not supported"}})
            return
        if not isinstance(number, int) or isinstance(number, bool):
            return
        self.owes.discard(number)
        answer = self.pending.get(number)
        if answer is None or answer.done():
            return
        result, error = message.get("result"), message.get("error")
        if error is not None:
            code = error.get("code") if isinstance(error, dict) else None
            answer.set_exception(Refused(code if isinstance(code, int) else 0))
        else:
            answer.set_result(result if isinstance(result, dict) else {})
