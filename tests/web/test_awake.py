"""Keeping the computer awake: with programs that stand for caffeinate and systemd-inhibit."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lerix_web import awake
from lerix_web.awake import KeepAwake, Kind, Tool, tool_of
from tests.connections.waiting import until
from tests.serving import ROOT

#: As the real one: it holds its lock while the program that it starts runs.
INHIBIT = """#!/bin/sh
echo $$ >> "$FAKE_PIDS"
while [ "${1#--}" != "$1" ]; do shift; done
"$@"
"""
#: As the real one: it ends with the process that it watches.
CAFFEINATE = """#!/bin/sh
echo $$ >> "$FAKE_PIDS"
[ "$1 $2" = "-i -w" ] || exit 64
while kill -0 "$3" 2>/dev/null; do sleep 0.02; done
"""


@pytest.fixture
def pids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put both programs on the PATH; each start is a line, its process, in the file."""
    for name, text in (("systemd-inhibit", INHIBIT), ("caffeinate", CAFFEINATE)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_PIDS", str(tmp_path / "pids"))
    monkeypatch.setattr(awake, "SETTLE_SECONDS", 0.1)
    monkeypatch.setattr(awake, "GRANT_SECONDS", 60.0)
    return tmp_path / "pids"


def started(pids: Path) -> list[int]:
    return [int(line) for line in pids.read_text().split()] if pids.exists() else []


async def starts(pids: Path, count: int) -> list[int]:
    """Wait until so many have begun: one that says nothing counts as on before it has written its line."""
    await until(lambda: len(started(pids)) >= count)
    return started(pids)


def alive(group: int) -> bool:
    """Say whether anything of what was started is left: each start has a process group of its own."""
    # A dead one that nobody has asked about yet is no process any more.
    return any(each == str(group) and "Z" not in state for each, state in processes())


def processes() -> Iterator[tuple[str, str]]:
    """Go through all processes: their group and their state."""
    if sys.platform != "linux":  # whose smallest installations lack ps
        listed = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
        yield from ((line.split()[0], line.split()[1]) for line in listed.splitlines())
        return
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # proc(5): the name in brackets may hold anything; then the state, the parent, the group.
            state, _, group = path.read_text("utf-8", "replace").rpartition(")")[2].split()[:3]
            yield group, state


@contextlib.asynccontextmanager
async def running(keep: KeepAwake) -> AsyncIterator[None]:
    task = asyncio.create_task(keep.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def becomes(keep: KeepAwake, kind: Kind, seconds: float = 20.0) -> None:
    bell = asyncio.Event()
    keep.changed.ring(bell)
    async with asyncio.timeout(seconds):
        while keep.state.kind is not kind:
            bell.clear()
            await bell.wait()


async def gone(group: int, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while alive(group):
        assert time.monotonic() < end, "it outlived Lerix"
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("platform", ["darwin", "linux"])
async def test_it_is_on_while_wanted_and_leaves_nothing_behind(pids: Path, platform: str) -> None:
    keep = KeepAwake(tool_of(platform))
    async with running(keep):
        await asyncio.sleep(0)
        assert (keep.state.kind, started(pids)) == (Kind.OFF, [])
        keep.set(True)
        keep.set(True)
        await becomes(keep, Kind.ON)
        assert keep.state.sentence == ""
        (first,) = await starts(pids, 1)
        assert alive(first)
        keep.set(False)
        await becomes(keep, Kind.OFF)
        await gone(first)
        keep.set(True)
        await becomes(keep, Kind.ON)
        _, second = await starts(pids, 2)
    assert keep.state.kind is Kind.OFF
    await gone(second)


def test_idle_sleep_alone_is_asked_for_and_on_linux_with_its_reason() -> None:
    mac, linux = tool_of("darwin"), tool_of("linux")
    assert mac is not None
    assert linux is not None
    assert list(mac.command) == ["caffeinate", "-i", "-w", str(os.getpid())]
    assert list(linux.command[:5]) == [
        "systemd-inhibit",
        "--what=idle:sleep",
        "--who=Lerix",
        "--why=Codex Relay is on",
        "--mode=block",
    ]


@pytest.mark.parametrize("platform", ["darwin", "linux"])
async def test_it_starts_again_when_it_dies(pids: Path, platform: str) -> None:
    keep = KeepAwake(tool_of(platform), pause=0.01)
    async with running(keep):
        keep.set(True)
        await becomes(keep, Kind.ON)
        (first,) = await starts(pids, 1)
        os.kill(first, signal.SIGKILL)
        await becomes(keep, Kind.UNAVAILABLE)
        assert "Lerix starts it again." in keep.state.sentence
        await becomes(keep, Kind.ON)
        first, second = await starts(pids, 2)
        await gone(first)
        assert alive(second)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'Failed to inhibit: Access denied' >&2; exit 1", "does not let Lerix keep it awake"),
        ("echo 'Failed to inhibit: Interactive authentication required.' >&2; exit 1", "does not let Lerix"),
        ("echo 'System has not been booted with systemd as init system' >&2; exit 1", "no systemd-logind"),
        ("echo 'Failed to connect to bus: No such file' >&2; exit 1", "no systemd-logind"),
        ("exit 3", "sh did not do it"),
        ("head -c 300000 /dev/zero >&2; exit 1", "sh did not do it"),
    ],
)
@pytest.mark.parametrize("speaks", [True, False])
async def test_a_refusal_is_a_sentence_and_is_not_repeated_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str, speaks: bool
) -> None:
    # A program that is slow to begin is slow to refuse.
    for name in ("SETTLE_SECONDS", "GRANT_SECONDS", "END_SECONDS"):
        monkeypatch.setattr(awake, name, 60.0)
    keep = KeepAwake(Tool(("sh", "-c", f"echo x >> {tmp_path}/starts; {script}"), speaks=speaks), pause=30)
    async with running(keep):
        keep.set(True)
        await becomes(keep, Kind.UNAVAILABLE)
        assert words in keep.state.sentence
        assert keep.state.sentence.endswith(".")
        await asyncio.sleep(0.05)
        assert (tmp_path / "starts").read_text() == "x\n"
        # Switching it off and on asks anew.
        keep.set(False)
        await becomes(keep, Kind.OFF)
        keep.set(True)
        await becomes(keep, Kind.UNAVAILABLE)
        assert (tmp_path / "starts").read_text() == "x\nx\n"


async def test_the_pauses_grow(tmp_path: Path) -> None:
    keep = KeepAwake(Tool(("sh", "-c", f"echo x >> {tmp_path}/starts; exit 1"), speaks=True), pause=0.05)
    begun, lines = time.monotonic(), tmp_path / "starts"
    async with running(keep):
        keep.set(True)
        await until(lambda: lines.exists() and lines.read_text().count("x") >= 4)
    # At 0, 0.05, 0.15 and 0.35 s; with pauses that stay the same it were the half.
    assert time.monotonic() - begun >= 0.35


async def test_a_missing_program_and_an_unknown_system_are_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = KeepAwake(Tool(("lerix-no-such-program",), speaks=True))
    async with running(missing):
        missing.set(True)
        await becomes(missing, Kind.UNAVAILABLE)
        assert "lerix-no-such-program is missing" in missing.state.sentence
    assert tool_of("freebsd14") is None
    monkeypatch.setattr(awake, "tool_of", lambda: None)
    unknown = KeepAwake()
    async with running(unknown):
        unknown.set(True)
        await becomes(unknown, Kind.UNAVAILABLE)
        assert unknown.state.sentence
        unknown.set(False)
        await becomes(unknown, Kind.OFF)


async def test_a_program_that_never_gets_its_lock_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awake, "GRANT_SECONDS", 0.05)
    monkeypatch.setattr(awake, "END_SECONDS", 0.05)
    keep = KeepAwake(Tool(("sh", "-c", "trap '' TERM; sleep 60 & sleep 60"), speaks=True))
    async with running(keep):
        keep.set(True)
        await becomes(keep, Kind.UNAVAILABLE)


async def test_a_change_of_mind_while_it_starts_is_followed(pids: Path) -> None:
    keep = KeepAwake(tool_of("linux"))
    async with running(keep):
        for _ in range(20):
            keep.set(True)
            await asyncio.sleep(0.002)
            keep.set(False)
        await becomes(keep, Kind.OFF)
        keep.set(True)
        await becomes(keep, Kind.ON)
        *earlier, last = started(pids)
        assert alive(last)
        for each in earlier:
            await gone(each)
    await gone(last)


OWNER = """
import asyncio
from lerix_web import awake
from lerix_web.awake import KeepAwake, tool_of

awake.GRANT_SECONDS = 60

async def main():
    keep = KeepAwake(tool_of({platform!r}))
    keep.set(True)
    bell = asyncio.Event()
    keep.changed.ring(bell)
    running = asyncio.create_task(keep.run())
    await bell.wait()
    print(keep.state.kind, flush=True)
    await running

asyncio.run(main())
"""


@pytest.mark.parametrize("platform", ["darwin", "linux"])
async def test_it_never_outlives_a_lerix_that_is_killed(pids: Path, platform: str) -> None:
    owner = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        OWNER.format(platform=platform),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert owner.stdout is not None
    assert await owner.stdout.readline() == b"on\n"
    (group,) = await starts(pids, 1)
    assert alive(group)
    owner.kill()
    await owner.communicate()
    await gone(group)
