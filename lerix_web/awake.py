"""Keeping the computer from going to sleep while others rely on it.

macOS has ``caffeinate``, which ends with the process it is told to watch. Linux has ``systemd-inhibit``, which holds
its lock while a program of ours runs: one that ends when its stdin does, that is when this process is gone, however it
went. Neither keeps a computer awake whose lid is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from connections.changes import Signal

#: Seconds until the program is tried again, doubled each time, and seconds after which it counts as having worked.
FIRST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 300.0
STEADY_SECONDS: Final = 60.0
#: Seconds for the lock to be granted, for caffeinate to fail if it is going to, and for either to end when asked to.
GRANT_SECONDS: Final = 10.0
SETTLE_SECONDS: Final = 0.3
END_SECONDS: Final = 0.5
#: Bytes of its complaint that are read.
COMPLAINT: Final = 2048


class Kind(StrEnum):
    """Whether the computer is kept awake: yes, nobody wants it, or it cannot be done."""

    ON = "on"
    OFF = "off"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class Awake:
    """The state; `sentence` says why where it is unavailable, else it is empty."""

    kind: Kind
    sentence: str = ""


@dataclass(frozen=True)
class Tool:
    """The program, and whether it says a line on stdout as soon as it holds its lock."""

    command: Sequence[str]
    speaks: bool


OFF: Final = Awake(Kind.OFF)
ON: Final = Awake(Kind.ON)
UNSUPPORTED: Final = Awake(Kind.UNAVAILABLE, "Lerix knows no way to keep this computer awake.")


def tool_of(platform: str = sys.platform) -> Tool | None:
    """Return what keeps this system awake, or None where nothing is known to."""
    if platform == "darwin":
        return Tool(("caffeinate", "-i", "-w", str(os.getpid())), speaks=False)
    if platform == "linux":
        inhibit = ("systemd-inhibit", "--what=idle:sleep", "--who=Lerix", "--why=Codex Relay is on", "--mode=block")
        # The shell runs once the lock is held.
        return Tool((*inhibit, "sh", "-c", "echo held; exec cat"), speaks=True)
    return None


class _Program(asyncio.SubprocessProtocol):
    """A started program. asyncio's own Process would not see its end while what it started still holds a pipe."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self._spoke = asyncio.Event()
        self._told = asyncio.Event()
        self._silent = False
        self._said = b""

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Note that it spoke, and how its complaint begins."""
        if fd == 1:
            self._spoke.set()
        else:
            self._said += data[: COMPLAINT - len(self._said)]

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Note that there comes no more."""
        if fd == 1:
            self._silent = not self._spoke.is_set()
            self._spoke.set()
        elif fd == 2:
            self._told.set()

    def process_exited(self) -> None:
        """Note its end."""
        self.ended.set()

    async def granted(self, *, speaks: bool) -> bool:
        """Wait until it holds its lock; False if it does not."""
        if not speaks:
            return not await _happens(self.ended, SETTLE_SECONDS)
        return await _happens(self._spoke, GRANT_SECONDS) and not self._silent

    async def refusal(self, name: str) -> str:
        """Return why there is no lock, as far as the program says."""
        await _happens(self._told, END_SECONDS)
        step = "Choose in the power settings that it stays awake."
        # polkit's and D-Bus's words, as systemd-inhibit passes them on.
        if any(word in self._said for word in (b"denied", b"authentication required", b"not permitted")):
            return f"This system does not let Lerix keep it awake. {step}"
        if b"connect to" in self._said or b"not been booted with systemd" in self._said:
            return f"This system has no systemd-logind, which would keep it awake. {step}"
        return f"This computer cannot be kept awake: {name} did not do it. {step}"


class KeepAwake:
    """Keeps the computer awake while that is wanted and `run` runs; never longer, also if this process is killed.

    `changed` is set at each change of `state`. `tool` is this system's if none is given; `pause` is the first wait in
    seconds after it fails.
    """

    def __init__(self, tool: Tool | None = None, *, pause: float = FIRST_PAUSE) -> None:
        self.changed = Signal()
        self._tool = tool or tool_of()
        self._pause = pause
        self._wanted = False
        self._bell = asyncio.Event()
        self._state = OFF

    @property
    def state(self) -> Awake:
        """How it is now."""
        return self._state

    def set(self, wanted: bool) -> None:
        """Say whether the computer is to be kept awake. From the event loop; `run` follows."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._bell.set()

    async def run(self) -> None:
        """Follow what is wanted. Never ends; when it is cancelled, nothing keeps the computer awake any more."""
        loop = asyncio.get_running_loop()
        pause = self._pause
        try:
            while True:
                self._bell.clear()
                if not self._wanted:
                    self._become(OFF)
                    pause = self._pause
                    await self._bell.wait()
                    continue
                if self._tool is None:
                    self._become(UNSUPPORTED)
                    await self._bell.wait()
                    continue
                began = loop.time()
                sentence = await self._hold(self._tool)
                if not self._wanted:
                    continue
                if loop.time() - began > STEADY_SECONDS:
                    pause = self._pause
                self._become(Awake(Kind.UNAVAILABLE, sentence))
                self._bell.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._bell.wait()
                pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            self._become(OFF)

    async def _hold(self, tool: Tool) -> str:
        """Run the tool until it ends or is not wanted any more; return why it ended, for people."""
        loop = asyncio.get_running_loop()
        try:
            # A group of its own, so that what it starts can be ended with it.
            transport, program = await loop.subprocess_exec(_Program, *tool.command, start_new_session=True)
        except OSError:
            return f"This computer cannot be kept awake: the program {tool.command[0]} is missing or cannot be started."
        watching = asyncio.create_task(self._watch(program, tool))
        unwanted = asyncio.create_task(self._unwanted())
        try:
            await asyncio.wait({watching, unwanted}, return_when=asyncio.FIRST_COMPLETED)
            return watching.result() if watching.done() else ""
        finally:
            watching.cancel()
            unwanted.cancel()
            await asyncio.gather(watching, unwanted, return_exceptions=True)
            await _end(transport, program)

    async def _watch(self, program: _Program, tool: Tool) -> str:
        if not await program.granted(speaks=tool.speaks):
            return await program.refusal(tool.command[0])
        self._become(ON)
        await program.ended.wait()
        return "What kept this computer awake has ended. Lerix starts it again."

    async def _unwanted(self) -> None:
        while self._wanted:
            self._bell.clear()
            await self._bell.wait()

    def _become(self, state: Awake) -> None:
        if state != self._state:
            self._state = state
            self.changed.set()


async def _end(transport: asyncio.SubprocessTransport, program: _Program) -> None:
    """End the program and what it started, by asking first."""
    try:
        stdin = transport.get_pipe_transport(0)
        if stdin is not None:
            stdin.close()
        for number in (signal.SIGTERM, signal.SIGKILL):
            if program.ended.is_set():
                break
            with contextlib.suppress(ProcessLookupError):
                os.killpg(transport.get_pid(), number)
            await _happens(program.ended, END_SECONDS)
    finally:
        transport.close()


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event, at most so many seconds; return whether it came."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
