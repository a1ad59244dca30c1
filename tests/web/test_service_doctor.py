"""What `lerix doctor` finds of the service, and how macOS's log of it is kept short."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from lerix_web.doctor.finding import Finding, Level
from lerix_web.doctor.service import service
from lerix_web.errors import ServiceError
from lerix_web.service import log
from lerix_web.service.actions import Here
from lerix_web.service.manager import NoSession, State
from lerix_web.service.record import CODEX
from lerix_web.service.systemd import Systemd

RUNNING = State(4711, at_log_in=True)


class Told(Systemd):
    """A systemd of which a test says how it is."""

    def __init__(self, folder: Path, told: State | ServiceError) -> None:
        super().__init__(folder)
        self.told = told

    def state(self) -> State:
        if isinstance(self.told, ServiceError):
            raise self.told
        return self.told


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    """A Lerix with a codex and a node on the PATH."""
    for name in ("bin", "codex", "data"):
        (tmp_path / name).mkdir()
    for name in ("codex", "node"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    for name in [name for name in os.environ if name.startswith("LERIX_")]:
        monkeypatch.delenv(name)
    return Here(tmp_path / "data", tmp_path / "codex", 7717, dict(os.environ.items()))


def look(here: Here, told: State | ServiceError = RUNNING) -> Finding:
    return service(here.folder, here.codex_home, here.port, Told(here.folder.parent, told))


@pytest.fixture
def file(here: Here) -> Path:
    """The unit of an installed service."""
    manager = Systemd(here.folder.parent)
    manager.file.write_bytes(manager.render(here.record()))
    return manager.file


def test_a_service_that_is_not_installed_is_fine(here: Here) -> None:
    said = look(here, ServiceError("It was asked."))
    assert (said.level, said.next_step) == (Level.OK, "")
    assert said.finding.startswith("Not installed;")


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize(
    ("told", "level", "words"),
    [
        (State(4711, at_log_in=True), Level.OK, "running (process 4711)"),
        (State(None, at_log_in=True), Level.WARN, "not running."),
        (State(None, at_log_in=True, failed=True), Level.WARN, "it has failed."),
        (State(4711, at_log_in=False), Level.WARN, "does not start at log-in"),
        (NoSession("No systemd."), Level.OK, "in the session that it runs in"),
        (ServiceError("It refused."), Level.WARN, "cannot be said"),
    ],
)
def test_whether_it_runs_is_said(here: Here, told: State | ServiceError, level: Level, words: str) -> None:
    said = look(here, told)
    assert (said.level, words in said.finding) == (level, True), said
    assert bool(said.next_step) is (level is not Level.OK)


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("name", ["codex", "node"])
def test_a_program_that_is_gone_is_named(here: Here, name: str) -> None:
    path = here.folder.parent / "bin" / name
    path.unlink()
    said = look(here)
    assert said.level is Level.WARN
    assert f"{name} at {path}" in said.finding
    assert said.next_step == "Run lerix service install."


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("name", ["python", "lerix"])
def test_without_its_python_or_its_checkout_the_service_is_a_problem(
    here: Here, name: str, file: Path, tmp_path: Path
) -> None:
    was = sys.executable if name == "python" else here.record().environment["PYTHONPATH"]
    file.write_text(file.read_text().replace(f'"{was}"', '"/moved"').replace(f"={was}", "=/moved"))
    said = look(here)
    assert said.level is Level.PROBLEM
    assert f"{name} at /moved, which is not there any more" in said.finding


@pytest.mark.usefixtures("file")
def test_what_is_no_longer_the_same_is_named(here: Here, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "codex").write_text("#!/bin/sh\n")
    (tmp_path / "newer" / "codex").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'newer'}:{os.environ['PATH']}")
    monkeypatch.setenv("LERIX_PORT", "7000")
    said = service(here.folder, tmp_path / "other", here.port, Told(tmp_path, State(1, at_log_in=True)))
    assert said.level is Level.WARN
    assert "another codex, CODEX_HOME, LERIX_PORT than" in said.finding
    assert said.next_step


@pytest.mark.usefixtures("file")
def test_a_codex_home_that_is_not_made_yet_is_fine(here: Here) -> None:
    here.codex_home.rmdir()
    assert look(here).level is Level.OK


def test_a_file_that_was_changed_by_hand_is_a_problem(here: Here, file: Path) -> None:
    assert CODEX in file.read_text()
    file.write_text("[Service]\nExecStart=lerix\n")
    assert look(here).level is Level.PROBLEM


# The log.


def opened(path: Path, size: int) -> int:
    path.write_bytes(b"x" * (size - 5) + b"last\n")
    return os.open(path, os.O_WRONLY | os.O_APPEND)


async def look_at(path: Path, descriptor: int) -> bool:
    """Return whether it goes on looking."""
    pauses = asyncio.Event()

    async def pause(seconds: float) -> None:
        pauses.set()
        await asyncio.Event().wait()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "sleep", pause)
        watching = asyncio.create_task(log.keep_short(path, descriptor))
        pausing = asyncio.create_task(pauses.wait())
        done, left = await asyncio.wait({watching, pausing}, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
    assert done
    return pausing in done


async def test_a_long_log_is_cut_and_its_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "lerix.log"
    descriptor = opened(path, log.LIMIT + 1)
    try:
        assert await look_at(path, descriptor)
        os.write(descriptor, b"next\n")
    finally:
        os.close(descriptor)
    assert path.read_bytes() == b"next\n"
    kept = (tmp_path / "lerix.log.1").read_bytes()
    assert (len(kept), kept[-5:]) == (log.KEPT, b"last\n")
    assert (tmp_path / "lerix.log.1").stat().st_mode & 0o777 == 0o600


async def test_a_short_log_and_what_is_no_log_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "lerix.log"
    descriptor = opened(path, log.LIMIT)
    try:
        assert await look_at(path, descriptor)
        assert not await look_at(tmp_path / "another", descriptor)
    finally:
        os.close(descriptor)
    assert path.stat().st_size == log.LIMIT
    assert not path.with_name("lerix.log.1").exists()
