"""What ``lerix service`` does. Each action yields the lines to print, and raises ServiceError."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lerix_web import cli, instance, sockets
from lerix_web.errors import PortError, ServiceError
from lerix_web.paths import FOLDER_MODE, reason, write_private
from lerix_web.service import record as records
from lerix_web.service.launchd import Launchd
from lerix_web.service.manager import Manager, NoSession, State
from lerix_web.service.record import Record
from lerix_web.service.systemd import Systemd

#: A first start brings the database up to date.
READY_SECONDS: Final = 30.0
TRIAL_SECONDS: Final = 60.0
#: A unit is some KB; anything much longer was not written by us.
FILE_LIMIT: Final = 256 * 1024
#: Folders that macOS lets a program read only after the user has agreed, which a service cannot ask for.
GUARDED: Final = ("Desktop", "Documents", "Downloads")


@dataclass(frozen=True)
class Here:
    """This Lerix, as it was started: what the service is made from and compared with."""

    folder: Path
    codex_home: Path
    port: int
    environment: Mapping[str, str] = field(repr=False)

    def record(self) -> Record:
        """Return what a service installed now would start. Raises ServiceError."""
        return records.present(self.folder, self.codex_home, self.environment)


def manager_of(platform: str = sys.platform) -> Manager:
    """Return what starts services on this system. Raises ServiceError where Lerix knows no such thing."""
    if platform == "darwin":
        return Launchd(Path.home(), os.geteuid())
    if platform == "linux":
        named = os.environ.get("XDG_CONFIG_HOME", "")
        # The specification says to ignore a relative path.
        folder = Path(named) if named.startswith("/") else Path.home() / ".config"
        return Systemd(folder / "systemd" / "user")
    raise ServiceError("Lerix can be a service on macOS and on Linux only. Start it with lerix serve.")


def installed(manager: Manager) -> Record | None:
    """Return what the installed service starts, or None where there is none.

    Raises ServiceError for a file that cannot be read or understood.
    """
    try:
        content = _read(manager.file)
        return None if content is None else manager.parse(content)
    except ValueError:
        raise ServiceError(f"{manager.file} was changed by hand. {_command('install')} writes it anew.") from None


def install(manager: Manager, here: Here, *, user: int, patience: float = READY_SECONDS) -> Iterator[str]:
    """Write the file, start the service, and wait until Lerix answers. `user` is who asks, by number."""
    if user == 0:
        raise ServiceError(
            "A service belongs to the user who uses Lerix, not to root. Nothing was installed. Run this again without "
            "sudo."
        )
    try:
        manager.check()
        state = manager.state()
    except ServiceError as error:
        raise ServiceError(f"Nothing was installed. {error}") from None
    _must_be_alone(here, state)
    record = here.record()
    records.lasting(record)
    content = manager.render(record)
    _try(record)
    before = _read(manager.file)
    _put(manager.file, content)
    try:
        manager.load()
    except ServiceError as error:
        _restore(manager, before)
        changed = "Nothing was installed" if before is None else "The service is as it was before"
        raise ServiceError(f"{changed}. {error}") from None
    yield "The service was installed." if before is None else "The service was installed anew, in place of the old one."
    yield f"It starts Lerix when you log in, and again when it fails. Written to {manager.file}."
    yield from _recorded(record, here)
    yield _wait(manager, here, patience)
    yield f"Open it with {cli.program()} open. What goes wrong is told by: {manager.logs}"


def uninstall(manager: Manager, here: Here) -> Iterator[str]:
    """Stop the service and remove its file."""
    present = _read(manager.file) is not None
    if not present and not any(path.is_symlink() for path in manager.leftovers()):
        yield "The service is not installed. Nothing was changed."
        return
    stopped = True
    try:
        stopped = manager.state().pid is not None
        manager.unload()
    except NoSession:
        # Without a session it does not run as a service either; the file alone would start it at the next log-in.
        stopped = False
        _remove(*manager.leftovers())
    _remove(manager.file)
    with contextlib.suppress(ServiceError):
        manager.forget()
    yield f"The service was uninstalled{', and Lerix was stopped' if stopped else ''}."
    yield f"Chats and settings stay in {here.folder}. Start Lerix with {cli.program()} serve."


def status(manager: Manager, here: Here) -> tuple[list[str], bool]:
    """Return the lines, and whether all is well: installed, running, and everything it needs is there."""
    record = installed(manager)
    running = instance.ask(here.folder, "ping")
    if record is None:
        by_hand = f" Lerix is running, started by hand (process {running['pid']})." if running else ""
        return [f"The service is not installed.{by_hand} {_command('install')} installs it."], False
    lines = [f"The service is installed: {manager.file}"]
    well = True
    try:
        state = manager.state()
        well = state.pid is not None
        lines.append(_running(state, running))
        if not state.at_log_in:
            lines.append(f"It does not start at log-in. {_command('install')} changes that.")
            well = False
    except ServiceError as error:
        lines.append(str(error))
        well = False
    paths = record.paths()
    for name, path in paths.items():
        gone = missing(name, path)
        well = well and not gone
        lines.append(f"  {name:<10}  {path}{f'  ({gone})' if gone else ''}")
    if record.settings():
        lines.append(f"  {'also set':<10}  {', '.join(record.settings())}")
    if any(missing(name, path) for name, path in paths.items()):
        lines.append(f"Something it needs is gone. {_command('install')} records where things are now.")
    lines.append(f"What goes wrong is told by: {manager.logs}")
    return lines, well


def missing(name: str, path: Path) -> str:
    """Return what is wrong with a recorded path, or "" if nothing is."""
    if name in {"CODEX_HOME", "LERIX_HOME"}:
        return "" if path.is_dir() else "not there"
    if name == "lerix":
        return "" if (path / "manage.py").is_file() else "not there any more"
    return "" if shutil.which(path) else "not there any more"


def _running(state: State, running: Mapping[str, object] | None) -> str:
    if state.pid is not None:
        answers = running is not None and running.get("pid") == state.pid
        return f"It is running (process {state.pid}){'' if answers else ', and does not answer'}."
    if running is not None:
        return f"It is not running: a Lerix that was started by hand is (process {running.get('pid')})."
    return "It failed, and is not running." if state.failed else "It is not running."


def _must_be_alone(here: Here, state: State) -> None:
    """Raise ServiceError if a Lerix that is not the service's, or another program, is where it would listen."""
    running = instance.ask(here.folder, "ping")
    if running is not None and running.get("pid") != state.pid:
        raise ServiceError(
            f"Lerix is already running, started by hand (process {running.get('pid')}). Nothing was installed. Stop "
            "it, then run this again: the service starts it."
        )
    if running is not None or state.pid is not None:
        return
    try:
        for opened in sockets.listen(here.port):
            opened.close()
    except PortError as error:
        what = str(error).partition(". ")[0].rstrip(".")
        raise ServiceError(
            f"{what}. Nothing was installed. Name another port in LERIX_PORT, then run this again."
        ) from None


def _try(record: Record) -> None:
    """Have Lerix say its version as the service would start it; raise ServiceError if it cannot."""
    serve = record.command.index("serve")
    try:
        answer = subprocess.run(
            [*record.command[:serve], "--version"],
            env={"HOME": str(Path.home()), **record.environment},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TRIAL_SECONDS,
            check=False,
        )
        fine = answer.returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        fine = False
    if not fine:
        raise ServiceError(
            f"Lerix does not start as a service would start it, with {record.command[0]}. Nothing was installed. "
            f"See what {cli.program()} doctor says."
        )


def _wait(manager: Manager, here: Here, patience: float) -> str:
    """Wait until the service's own Lerix answers, and say so. Raises ServiceError if it does not in time."""
    end = time.monotonic() + patience
    while True:
        running = instance.ask(here.folder, "ping")
        state = manager.state()
        if running is not None and state.pid is not None and running.get("pid") == state.pid:
            return f"Lerix is running on port {running.get('port')} (process {state.pid})."
        if state.failed or time.monotonic() >= end:
            raise ServiceError(
                f"The service was installed, and Lerix does not answer yet. See what goes wrong with: {manager.logs}"
            )
        time.sleep(0.2)


def _recorded(record: Record, here: Here) -> Iterator[str]:
    paths = record.paths()
    yield f"Recorded: {', '.join([*paths, 'PATH', *record.settings()])}. Run this again when one of them changes."
    secrets = records.left_out(here.environment)
    if secrets:
        yield f"Not recorded, since a password may be in it: {', '.join(secrets)}."
    if "codex" not in paths:
        yield "The codex program was not found. After installing it, run this again."
    elif "node" not in paths and records.needs_node(paths["codex"]):
        yield "The codex program needs node, which was not found. After installing it, run this again."
    if sys.platform == "darwin":
        guarded = [Path.home() / name for name in GUARDED]
        for path in paths.values():
            if any(path.is_relative_to(each) for each in guarded):
                yield f"macOS may keep a service out of {path}. If Lerix does not start, move it elsewhere."


def _command(action: str) -> str:
    return f"{cli.program()} service {action}"


def _read(file: Path) -> bytes | None:
    try:
        with file.open("rb") as opened:
            return opened.read(FILE_LIMIT)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ServiceError(f"{file} cannot be read: {reason(error)}.") from None


def _put(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        write_private(file, content)
    except OSError as error:
        raise ServiceError(f"{file} cannot be written: {reason(error)}. Nothing was installed.") from None


def _remove(*files: Path) -> None:
    for file in files:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise ServiceError(f"{file} cannot be removed: {reason(error)}. Remove it by hand.") from None


def _restore(manager: Manager, before: bytes | None) -> None:
    """Undo a start that failed, as far as the system lets us."""
    with contextlib.suppress(ServiceError):
        if before is None:
            with contextlib.suppress(ServiceError):
                manager.unload()
            _remove(manager.file, *manager.leftovers())
            manager.forget()
        else:
            _put(manager.file, before)
            manager.load()
