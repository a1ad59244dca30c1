"""The real ``lerix serve`` in a process of its own, for tests of the server and of the pages."""

import contextlib
import os
import queue
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import urlsplit

import httpx

ROOT = Path(__file__).resolve().parent.parent
#: The name that a proxy has in front of a broker.
PUBLIC = "lerix.example.com"
READY_SECONDS = 60.0
STOP_SECONDS = 20.0
#: Seconds that a busy machine may add to what is promised of an idle one.
SLACK = 4.0


def is_running(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


class LerixProcess:
    """A running Lerix as a context manager.

    ``ready`` matches the line it prints when it is, with the address as its first group.

    ``home`` is its data folder (a temporary one if None), ``env`` is added to a small clean environment,
    ``arguments`` follow ``serve --no-browser``, and ``command`` replaces the program itself.
    """

    ready = re.compile(r"^Lerix is ready at (http://localhost:\d+/\?token=[\w-]+)$")

    def __init__(
        self,
        home: Path | None = None,
        env: Mapping[str, str] | None = None,
        arguments: Sequence[str] = ("--port", "0"),
        command: Sequence[str] | None = None,
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="lerix-serving-") if home is None else None
        self.home = Path(self._temporary.name) / "home" if self._temporary is not None else home or Path()
        self.env = dict(env or {})
        self.command = (
            [sys.executable, "-m", "lerix_web.cli", "serve", "--no-browser", *arguments]
            if command is None
            else list(command)
        )
        self.launch_link = ""
        self.process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._stderr: list[str] = []
        self._readers: list[threading.Thread] = []

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.kill()
        finally:
            if self._temporary is not None:
                self._temporary.cleanup()

    @property
    def url(self) -> str:
        """The origin, for example "http://localhost:40123"."""
        return f"http://{urlsplit(self.launch_link).netloc}"

    @property
    def port(self) -> int:
        return urlsplit(self.launch_link).port or 80

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def stderr(self) -> str:
        """What it has written to stderr so far."""
        return "".join(self._stderr)

    @property
    def environment(self) -> dict[str, str]:
        """The environment it runs in: nothing of ours but where programs and packages are found."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return {
            **kept,
            "PYTHONPATH": str(ROOT),
            "LERIX_HOME": str(self.home),
            # Never the keyring or the session of whoever runs the tests.
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            "CODEX_HOME": str(self.home.parent / "codex"),
            # One question for each message: a title would be asked for by another.
            "LERIX_TITLES": "words",
            **self.env,
        }

    def start(self) -> None:
        """Start it and wait for the ready line; on failure the error shows what it wrote to stderr."""
        self._lines = queue.SimpleQueue()
        self._stderr.clear()
        self.process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._readers = [
            threading.Thread(target=_read_lines, args=(self.process.stdout, self._lines), daemon=True),
            threading.Thread(target=_read_text, args=(self.process.stderr, self._stderr), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        line = self.next_line(READY_SECONDS)
        match = self.ready.match(line or "")
        if match is None:
            self.kill()
            raise AssertionError(f"Lerix did not become ready; stdout: {line!r}; stderr:\n{self.stderr}")
        self.launch_link = match[1]

    def next_line(self, seconds: float = 20.0) -> str | None:
        """Return the next line of stdout, or None at its end or after so many seconds."""
        try:
            return self._lines.get(timeout=seconds)
        except queue.Empty:
            return None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Wait for its end; return the exit code."""
        assert self.process is not None
        code = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(seconds)
        return code

    def terminate(self) -> int:
        """Stop it as a service manager does; return the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it at once, as a crash does. Harmless if it has ended."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def restart(self) -> None:
        """Stop it cleanly if it runs, and start it again with the same data folder."""
        if self.process is not None and self.process.poll() is None:
            self.terminate()
        self.kill()
        self.start()

    def run(
        self, *arguments: str, seconds: float = 60.0, typed: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run another ``lerix`` command in the same environment, to its end; ``typed`` is its stdin."""
        return subprocess.run(
            [sys.executable, "-m", "lerix_web.cli", *arguments],
            cwd=ROOT,
            env=self.environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    @contextlib.contextmanager
    def client(self, link: str | None = None) -> Iterator[httpx.Client]:
        """Give a client that has used the launch link (the first one if None) as a browser would."""
        with httpx.Client(base_url=self.url, timeout=30, trust_env=False, headers=TYPED) as client:
            answer = client.get(link or self.launch_link)
            assert answer.status_code == 303, answer.text
            yield client


class BrokerProcess(LerixProcess):
    """A running account broker, whose mails are files in `mails`. Other things are as with Lerix.

    It answers at localhost, and as PUBLIC to a proxy.
    """

    ready = re.compile(r"^Lerix broker is ready at (http://localhost:\d+/)$")

    def __init__(
        self,
        home: Path | None = None,
        env: Mapping[str, str] | None = None,
        arguments: Sequence[str] = ("--port", "0"),
    ) -> None:
        command = [sys.executable, "-W", "error", "-m", "lerix_web.cli", "broker", *arguments]
        super().__init__(home, command=command)
        self.mails = self.home.parent / "mails"
        self.env = {"LERIX_MAIL_FOLDER": str(self.mails), "LERIX_ALLOWED_HOSTS": PUBLIC, **(env or {})}

    def mails_to(self, address: str) -> list[str]:
        """Return the mails to an address so far, oldest first."""
        texts = [path.read_text("utf-8") for path in sorted(self.mails.glob("*.eml"))]
        return [text for text in texts if f"\nTo: {address}\n" in text]

    def mail_to(self, address: str, nth: int = 1, seconds: float = 30.0) -> str:
        """Wait for the nth mail to an address, and return it."""
        end = time.monotonic() + seconds
        while len(found := self.mails_to(address)) < nth:
            assert time.monotonic() < end, f"no mail {nth} to {address}; stderr:\n{self.stderr}"
            time.sleep(0.01)
        return found[nth - 1]

    def code_to(self, address: str, nth: int = 1) -> str:
        """Wait for the nth mail to an address, and return the code in it."""
        match = re.search(r"^(\d{8}) is your code", self.mail_to(address, nth), re.MULTILINE)
        assert match is not None, "a mail without a code"
        return match[1]

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement on its database, to look or to shift times, and return the rows."""
        opened = sqlite3.connect(self.home / "broker.sqlite3", timeout=30)
        with contextlib.closing(opened) as database, database:
            return database.execute(statement, values).fetchall()

    def forget_limits(self) -> None:
        """Let everybody try everything again."""
        self.sql("DELETE FROM broker_counter")


#: What a browser sends for an address that was typed.
TYPED = {
    "sec-fetch-site": "none",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
    "accept": "text/html",
}


def _read_lines(pipe: IO[str], lines: "queue.SimpleQueue[str | None]") -> None:
    for line in pipe:
        lines.put(line.rstrip("\n"))
    lines.put(None)


def _read_text(pipe: IO[str], parts: list[str]) -> None:
    for line in pipe:
        parts.append(line)  # noqa: PERF402  (others read the list meanwhile)
