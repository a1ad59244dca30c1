"""The test bed: a bare upstream and a real `lerix serve`, each a process of its own, and tabs that use them."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlencode

import httpx

from benchmarks.wire import Connection, Follower, request
from tests.serving import ROOT, LerixProcess
from tests.upstream.accounts import Accounts
from tests.upstream.home import write_session

MODEL: Final = "gpt-6-sol"
#: What a page's own requests carry.
OWN: Final = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
# Each tab of ours is a browser of its own.
_browsers = itertools.count(1)

_FINAL: Final = b'aria-busy="false"'
_COMPLETED: Final = b"response.completed"


@dataclass(frozen=True)
class Figure:
    """One row of the table. `met` is None where there is no aim."""

    name: str
    value: str
    aim: str = ""
    met: bool | None = None


class Served:
    """A running Lerix as its pages see it. `access` is the path that its questions go by."""

    def __init__(self, lerix: LerixProcess, access: str) -> None:
        self.lerix = lerix
        self.access = access
        self.cookie = ""

    def headers(self, browser: int = 0) -> dict[str, str]:
        """What a page's own requests carry. Lerix tells browsers apart by their cookies: four streams for each."""
        return {
            "host": f"localhost:{self.lerix.port}",
            "cookie": f"{self.cookie}; browser={browser}",
            **OWN,
            "hx-request": "true",
        }

    def enter(self, client: httpx.Client) -> None:
        """Take over the cookie of a client that has used the launch link."""
        self.cookie = "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies.jar)

    def cpu(self) -> float:
        """Seconds of processor time that Lerix has used, all threads, user and system."""
        return cpu_of(self.lerix.pid)

    def memory(self) -> float:
        """Resident memory of Lerix, in MB (of a million bytes)."""
        return memory_of(self.lerix.pid) / 1e6


class Bed(Served):
    """Both processes, with an account signed in and one model switched on; a context manager.

    `env` is added to the environment of Lerix.
    """

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="lerix-benchmark-")))
        self._upstream = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.upstream"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._upstream.stdout is not None  # noqa: S101 - for the type checker
        self.upstream_port = int(self._upstream.stdout.readline())
        accounts = Accounts()
        write_session(folder / "codex", accounts.issue(accounts.account("ada@example.com"), 24 * 3600))
        address = f"http://127.0.0.1:{self.upstream_port}/backend-api"
        environment = {
            "CODEX_HOME": str(folder / "codex"),
            "LERIX_CODEX_BASE_URL": address,
            # As for a person: the second start finds the first one's compiled modules.
            "PYTHONDONTWRITEBYTECODE": "",
            # No Codex CLI: a renewal is not part of what is measured.
            "PATH": os.path.dirname(sys.executable),  # noqa: PTH120 - a resolved path would leave the environment
            **(env or {}),
        }
        super().__init__(LerixProcess(folder / "home", environment), "codex")

    def __enter__(self) -> Self:
        try:
            self.lerix.start()
            self._sign_in()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lerix.kill()
        if self._upstream.stdin is not None:
            self._upstream.stdin.close()
        self._upstream.wait(5)
        if self._upstream.stdout is not None:
            self._upstream.stdout.close()
        self._stack.close()

    def restart(self) -> None:
        """Start Lerix anew, with its data."""
        self.lerix.restart()

    def _sign_in(self) -> None:
        with self.lerix.client() as client:
            self.enter(client)
            models = "/settings/connections/codex/models/"
            client.get(models, headers=OWN).raise_for_status()
            choice = {"model": MODEL, "enabled": "on"}
            client.post(f"{models}switch/", data=choice, headers=OWN).raise_for_status()


@dataclass
class Tab:
    """A page of Lerix that shows one chat: its event stream, and a connection for what it sends."""

    bed: Served
    chat: str
    stream: Follower
    posts: Connection

    @classmethod
    async def open(cls, bed: Served, chat: str | None = None, at: str = "") -> Tab:
        """Open a chat and follow it; with `chat` None begin one, and wait until its first answer is complete."""
        posts = await Connection.open(bed.lerix.port)
        end = not chat
        if not chat:
            status, page = await posts.ask(_form(bed, "/chats/", question("stamped", 1)))
            found = re.search(rb"\?chat=([0-9a-f-]{36})", page)
            place = re.search(rb'"at": "([^"]+)"', page)
            if status != 200 or found is None or place is None:
                raise RuntimeError(f"no chat was begun (status {status}): {page[:300]!r}")
            chat, at = found[1].decode(), place[1].decode()
        stream = await Follower.open(bed.lerix.port, _FINAL)
        path = f"/events/?{urlencode({'chat': chat, 'at': at})}"
        stream.send(request("GET", path, {**bed.headers(next(_browsers)), "accept": "text/event-stream"}))
        if end:
            await asyncio.wait_for(stream.done.wait(), 60)
        return cls(bed, chat, stream, posts)

    async def ask(self, plan: str, seconds: float = 600.0) -> float:
        """Send a question and wait for the end of its answer; return when it was sent."""
        self.stream.again()
        began = time.monotonic()
        status, body = await self.posts.ask(_form(self.bed, f"/chats/{self.chat}/messages/", plan))
        if status != 200:
            raise RuntimeError(f"the question was refused (status {status}): {body[:300]!r}")
        await asyncio.wait_for(self.stream.done.wait(), seconds)
        if self.stream.lost.is_set() or self.stream.failed:
            raise RuntimeError("the answer failed, or Lerix closed the event stream")
        return began

    def close(self) -> None:
        """Close both connections."""
        self.stream.close()
        self.posts.close()


@dataclass
class Direct:
    """The same question, asked of the upstream itself."""

    stream: Follower
    headers: dict[str, str] = field(
        default_factory=lambda: {
            "host": "127.0.0.1",
            "authorization": "Bearer x",
            "content-type": "application/json",
            "accept": "text/event-stream",
        }
    )

    @classmethod
    async def open(cls, bed: Bed) -> Direct:
        """Connect to the upstream."""
        return cls(await Follower.open(bed.upstream_port, _COMPLETED))

    async def ask(self, plan: str, seconds: float = 600.0) -> float:
        """Send a question and wait for the end of its answer; return when it was sent."""
        body = {"input": [{"role": "user", "content": [{"type": "input_text", "text": plan}]}]}
        self.stream.again()
        began = time.monotonic()
        self.stream.send(request("POST", "/backend-api/codex/responses", self.headers, json.dumps(body).encode()))
        await asyncio.wait_for(self.stream.done.wait(), seconds)
        return began

    def close(self) -> None:
        """Close the connection."""
        self.stream.close()


def question(kind: str, tokens: int, rate: float = 0, think: float = 0) -> str:
    """Return a message that asks for so many tokens at `rate` a second (0: at once) after `think` seconds."""
    return json.dumps({"kind": kind, "tokens": tokens, "rate": rate, "think": think})


def _form(bed: Served, path: str, text: str) -> bytes:
    fields = {"text": text, "key": str(uuid.uuid4()), "access": bed.access, "model": MODEL, "effort": ""}
    headers = {**bed.headers(), "content-type": "application/x-www-form-urlencoded"}
    return request("POST", path, headers, urlencode(fields).encode())


def cpu_of(process: int) -> float:
    """Seconds of processor time that a process has used, all threads, user and system."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(process: int) -> int:
    """Resident memory of a process, in bytes."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text("ascii"))
    return int(found[1]) * 1024 if found else 0


def quantile(values: Sequence[float], part: float) -> float:
    """Return the value below which `part` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def ms(seconds: float) -> str:
    """Return a time as milliseconds."""
    return f"{seconds * 1000:.1f} ms"


def others_at_work(seconds: float = 1.0) -> float:
    """Return how much of the machine's processors is in use, 0 to 1. Before a benchmark, that is by others."""

    def look() -> tuple[int, int]:
        times = [int(field) for field in Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:9]]
        return sum(times), times[3] + times[4]

    before, idle_before = look()
    time.sleep(seconds)
    after, idle_after = look()
    return 1 - (idle_after - idle_before) / max(1, after - before)


median = statistics.median
