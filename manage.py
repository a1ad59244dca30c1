#!/usr/bin/env python3
"""Lerix from a checkout, on a machine that has nothing but Python: ``python3 manage.py serve``.

Every command first makes sure that ``.venv`` beside this file stands and holds what the lock files name,
then runs itself again inside it:

    python3 manage.py serve | doctor | COMMAND ...   ``lerix COMMAND ...``
    python3 manage.py test [PYTEST ARGUMENTS]        the tests, with what they need besides

The first part runs on the standard library alone, and under Python 3.8 for long enough to name the remedy.
What it says goes to standard error, so that a command's own output stays clean. A ``.venv`` made here carries
a stamp: unfinished until the end, then its interpreter and the hashes of the lock files that are installed.
So an interrupted installation shows, and is made again.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator, NoReturn

try:
    import fcntl
except ImportError:  # Windows
    sys.exit("Lerix runs on macOS and Linux. On Windows, run it inside WSL.")

OLDEST = (3, 11)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")  # looked for when python3 itself is too old
FROM_UV = ">=3.11,<3.14"  # what uv may download; packages for the very newest Python are often not there yet

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "lerix-stamp"
LOCK = "requirements.lock"
DEV_LOCK = "requirements-dev.lock"  # holds every pin of LOCK too, so it alone is enough for the tests
UNFINISHED = {"state": "unfinished"}

# Set across the exec into .venv and taken away there: an interpreter in .venv which does not know that it is
# in .venv would otherwise run itself for ever.
HANDED_OVER = "LERIX_MANAGE_HANDED_OVER"

# Settings of the caller's shell that would send packages, or the new interpreter, somewhere else.
FOREIGN = (
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_TARGET",
    "PYTHONHOME",
    "PYTHONPATH",
    "UV_SYSTEM_PYTHON",
    "VIRTUAL_ENV",
    "__PYVENV_LAUNCHER__",
)


class CannotPrepare(Exception):
    """``.venv`` cannot be made ready. The text is for the person at the terminal and names the remedy."""


def main(arguments: list[str]) -> int:
    """Prepare ``.venv``, then run ``arguments`` (without the program's name) inside it.

    Returns the exit code, unless this process was replaced by the one inside ``.venv``.
    """
    tests = arguments[:1] == ["test"]
    handed_over = os.environ.pop(HANDED_OVER, None) is not None
    try:
        installed = prepare([LOCK, DEV_LOCK] if tests else [LOCK])
        if tests:
            os.chdir(ROOT)
            hand_over(["-m", "pytest", *arguments[1:]])
        if installed or not inside():
            if handed_over and not installed:
                raise CannotPrepare(
                    f"{VENV} is damaged. Remove that folder, then run the same command again."
                )
            os.environ[HANDED_OVER] = "1"
            hand_over([str(ROOT / "manage.py"), *arguments])
    except CannotPrepare as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"Lerix could not prepare {VENV}: {error}. Nothing else was changed. Check that you may write to "
            "this folder and that the disk is not full, then run the same command again.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        say("\nStopped. Run the same command again to finish.")
        return 130
    return int(importlib.import_module("lerix_web.cli").main(arguments))


def inside() -> bool:
    """Say whether this process runs in ``.venv``."""
    return Path(sys.prefix).resolve() == VENV.resolve()


def hand_over(arguments: list[str]) -> NoReturn:
    """Replace this process by Python in ``.venv``, so that signals and the exit code need no passing on."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(PYTHON, [str(PYTHON), *arguments])  # noqa: S606 (no shell is wanted)


def say(line: str) -> None:
    """Tell the person at the terminal what is going on."""
    print(line, file=sys.stderr, flush=True)


# The stamp: what .venv holds, as lines of "name value".


def read_stamp() -> dict[str, str]:
    """Return the stamp of ``.venv``; empty when there is none, as in an environment made by somebody else."""
    try:
        lines = STAMP.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return dict(line.split(" ", 1) for line in lines if " " in line)


def write_stamp(stamp: dict[str, str]) -> None:
    """Write the stamp in one step, so that it is either the old one or the new one."""
    new = STAMP.with_name(STAMP.name + ".new")
    new.write_text("".join(f"{name} {value}\n" for name, value in stamp.items()), "utf-8")
    new.replace(STAMP)


def interpreter() -> str:
    """Return the real path behind ``.venv``'s Python: another one after an upgrade of the system's Python."""
    return os.path.realpath(PYTHON)


def hashes(locks: list[str]) -> dict[str, str]:
    """Return the SHA-256 of each lock file, in hex, by its name."""
    return {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in locks}


def is_ready(locks: list[str]) -> bool:
    """Say whether ``.venv`` works and holds what these lock files name. Takes about a millisecond."""
    wanted = {"python": interpreter(), **hashes(locks)}
    return PYTHON.exists() and wanted.items() <= read_stamp().items()


def prepare(locks: list[str]) -> bool:
    """Make ``.venv`` and install the last of ``locks`` where that is needed; say whether it was.

    Raises CannotPrepare, or OSError when the folder cannot be written.
    """
    if is_ready(locks):
        return False
    with only_one() as guard:
        if is_ready(locks):  # whoever held the guard has done it
            return True
        install(locks, guard)
    return True


@contextlib.contextmanager
def only_one() -> Iterator[int]:
    """Hold the checkout against a second installation, and give the file that does so.

    The installers inherit that file: should this process be killed, the next one waits for its orphan.
    """
    with Path(__file__).open("rb") as guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another command is installing Lerix's packages. Waiting for it ...")
            fcntl.flock(guard, fcntl.LOCK_EX)
        yield guard.fileno()


def install(locks: list[str], guard: int) -> None:
    """Install the last of ``locks`` into ``.venv``, which is made first where it is missing or unfit."""
    before = read_stamp()
    if VENV.exists() and not keep(before):
        shutil.rmtree(VENV.resolve())
    lines: list[str] = []
    uv = find_uv()
    for tool in [uv, []] if uv else [[]]:  # [] is Python's own venv and pip
        if not tool and uv:
            if not PYTHON.exists() and find_python() is None:
                break  # only uv could bring a Python
            say("uv could not install the packages. Trying pip ...")
        fresh = not PYTHON.exists()
        if fresh:
            make(tool, guard)
        write_stamp(UNFINISHED)
        lines = install_with(tool, ROOT / locks[-1], guard)
        if not lines:
            write_stamp({"python": interpreter(), **hashes(locks)})
            return
        if fresh:
            shutil.rmtree(VENV)
        elif before:  # a failing installer puts back what it had taken away: .venv is as it was
            write_stamp(before)
        else:
            STAMP.unlink()
    raise CannotPrepare(
        "The packages could not be installed. Check the network connection, then run the same command again. "
        "The last lines of the installer:\n" + quoted(lines)
    )


def keep(stamp: dict[str, str]) -> bool:
    """Say whether the ``.venv`` that is there can be installed into; False means: make it again.

    Raises CannotPrepare for one that was made by somebody else and cannot be used.
    """
    if stamp == UNFINISHED:
        say("The last installation did not finish. Starting again ...")
        return False
    new_enough = f"import sys; sys.exit(sys.version_info < {OLDEST})"
    if PYTHON.exists() and run([str(PYTHON), "-c", new_enough])[0] == 0:
        if not stamp or stamp.get("python") == interpreter():
            return True
    elif not stamp and any(VENV.iterdir()):
        raise CannotPrepare(
            f"{VENV} was not made by Lerix and holds no Python {dotted(OLDEST)} or newer. "
            "Move that folder away, then run the same command again."
        )
    say("Python has changed since .venv was made. Making it again ...")
    return False


def make(uv: list[str], guard: int) -> None:
    """Make ``.venv`` with uv, or where ``uv`` is empty, with Python's own venv.

    Raises CannotPrepare, and leaves no folder then.
    """
    version = dotted(sys.version_info[:2])
    python = find_python()
    if uv:
        wanted = python or FROM_UV
        command = [*uv, "venv", "--no-project", "--allow-existing", "--python", wanted, str(VENV)]
    elif python is None:
        raise CannotPrepare(
            f"Lerix needs Python {dotted(OLDEST)} or newer, and this is Python {version}. "
            "Install a newer one from https://www.python.org/downloads/, or install uv from "
            "https://docs.astral.sh/uv/, then run the same command again."
        )
    elif run([python, "-c", "import ensurepip, venv"])[0] != 0:
        raise CannotPrepare(
            "This Python cannot make the folder for Lerix's packages: its venv module is not installed. "
            "On Debian and Ubuntu run: sudo apt install python3-venv\n"
            "Elsewhere, install uv from https://docs.astral.sh/uv/. Then run the same command again."
        )
    else:
        command = [python, "-m", "venv", str(VENV)]
    if python and sys.version_info < OLDEST:
        say(f"Python {version} is too old for Lerix. Using {Path(python).name} instead.")
    elif not python:
        say(f"Python {version} is too old for Lerix. uv brings a newer one.")
    say("Making .venv ...")
    VENV.mkdir()
    write_stamp(UNFINISHED)  # the folder is recognisably ours from its first moment
    code, lines = run(command, guard)
    if code != 0:
        shutil.rmtree(VENV)
        raise CannotPrepare("The folder .venv could not be made. The last lines:\n" + quoted(lines))


def install_with(uv: list[str], lock: Path, guard: int) -> list[str]:
    """Install a lock file with uv, or where ``uv`` is empty, with pip.

    Returns the last lines of the installer when it failed, else nothing.
    """
    count = pins(lock)
    say(f"Installing {count} packages from {lock.name}. The first time takes a minute ...")
    if uv:
        command = [*uv, "pip", "install", "--python", str(PYTHON), "--require-hashes", "-r", str(lock)]
    else:
        command = [str(PYTHON), "-m", "pip", "install", "--require-hashes", "-r", str(lock)]
        if not any(VENV.glob("lib/python*/site-packages/pip")):  # uv makes environments without pip
            run([str(PYTHON), "-m", "ensurepip"], guard)
    code, lines = run(command, guard, count)
    if code == 0:
        say("Packages installed.")
        return []
    return lines or [f"It ended with exit code {code} and said nothing."]


def pins(lock: Path) -> int:
    """Count the packages which a lock file names for CPython on macOS and Linux."""
    elsewhere = re.compile(r"'nt'|'win32'|== 'PyPy'|!= 'CPython'")
    lines = lock.read_text("utf-8").splitlines()
    return sum("==" in line.split(";")[0] and not elsewhere.search(line) for line in lines)


def find_uv() -> list[str]:
    """Return the command that starts uv: a program on PATH or a module of this Python; empty without uv."""
    program = shutil.which("uv")
    if program:
        return [program]
    return [sys.executable, "-m", "uv"] if importlib.util.find_spec("uv") else []


def find_python() -> str | None:
    """Return a Python that is new enough: the one that runs this, else a newer one on PATH, else None."""
    if sys.version_info >= OLDEST:
        # Inside a virtual environment this is the Python below it, which stays when that environment goes.
        return str(getattr(sys, "_base_executable", None) or sys.executable)
    for name in NEWER:
        path = shutil.which(name)
        if path and run([path, "-c", "pass"])[0] == 0:  # pyenv's names are there for versions that are not
            return path
    return None


def run(command: list[str], guard: int | None = None, count: int = 0) -> tuple[int, list[str]]:
    """Run a program, and return its exit code and the last lines of its output.

    With ``count``, the number of packages, show how many of them the installer has collected.
    """
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    environment.update(PIP_USER="0", PIP_NO_INPUT="1", PIP_DISABLE_PIP_VERSION_CHECK="1")
    environment["PYTHONUNBUFFERED"] = "1"  # else pip's lines arrive in one piece at the end
    tail: collections.deque[str] = collections.deque(maxlen=12)
    collected = 0
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        pass_fds=() if guard is None else (guard,),
    ) as process:
        for line in process.stdout or ():
            tail.append(line.rstrip())
            if count and line.startswith("Collecting "):
                collected += 1
                if sys.stderr.isatty():
                    print(f"\r  {collected} of {count}", end="", file=sys.stderr, flush=True)
                elif collected % 10 == 0:
                    say(f"  {collected} of {count}")
    if collected and sys.stderr.isatty():
        say("")
    return process.returncode, list(tail)


def quoted(lines: list[str]) -> str:
    """Indent the lines of another program."""
    return "\n".join(f"    {line}" for line in lines)


def dotted(version: tuple[int, ...]) -> str:
    """Write a version as people do: (3, 11) is 3.11."""
    return ".".join(map(str, version))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
