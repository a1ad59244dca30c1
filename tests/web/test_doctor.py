"""`lerix doctor`: what it finds, what it prints, and that it leaves everything as it was."""

import asyncio
import contextlib
import json
import os
import pty
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lerix_web import cli
from lerix_web.doctor import report
from lerix_web.doctor.finding import Finding, Level, split
from lerix_web.doctor.report import COLOURS, line
from tests.serving import LerixProcess
from tests.upstream import Upstream

NAMES = [
    "Python",
    "Data folder",
    "Database",
    "Keyring",
    "Codex CLI",
    "Codex session",
    "Models",
    "Codex backend",
    "OpenAI sign-in",
    "OpenAI platform",
    "Port",
    "Service",
    "Broker",
]


@pytest.fixture
def up() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def lerix(up: Upstream, tmp_path: Path) -> LerixProcess:
    """A Lerix that is not started, with a port that is free, and nobody signed in."""
    env = {**up.environment(tmp_path / "codex"), "LERIX_PORT": str(free_port()), "TZ": "UTC"}
    return LerixProcess(home=tmp_path / "data", env={**env, "PATH": path_with_codex(tmp_path)}, arguments=())


def free_port() -> int:
    """Return a port that nobody gets by chance before it is listened on: systems hand out higher ones."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port


def path_with_codex(folder: Path) -> str:
    """Return a PATH on which there is a codex that gives a version."""
    (folder / "bin").mkdir(exist_ok=True)
    program = folder / "bin" / "codex"
    program.write_text("#!/bin/sh\necho codex-cli 0.169.0\n")
    program.chmod(0o755)
    return f"{folder / 'bin'}:{os.environ['PATH']}"


def found(lerix: LerixProcess) -> dict[str, dict[str, Any]]:
    """Run it with --json and return what it found, by name."""
    answer = lerix.run("doctor", "--json")
    assert answer.stderr == ""
    objects = json.loads(answer.stdout)
    assert [each["name"] for each in objects] == NAMES
    problems = [each for each in objects if each["level"] == "problem"]
    assert answer.returncode == int(bool(problems))
    assert all(each["next_step"] for each in problems)
    return {each["name"]: each for each in objects}


def snapshot(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Return everything about the files below a folder that writing would change."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.lstat().st_ino,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(folder.rglob("*"))
    }


def settled(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """As `snapshot` of a running Lerix, once what follows its start has been done: nothing changes for a second."""
    seen: dict[str, tuple[int, int, int, bytes]] = {}
    end = time.monotonic() + 60
    while True:
        with contextlib.suppress(FileNotFoundError):
            now = snapshot(folder)
            # The -shm file is memory that SQLite shares with the running Lerix: readers note themselves there.
            now.pop("data/lerix.sqlite3-shm", None)
            if now == seen:
                return now
            seen = now
        assert time.monotonic() < end, "it never comes to rest"
        time.sleep(1)


# As a whole.


def test_on_a_fresh_machine_it_says_what_to_do_and_makes_nothing(lerix: LerixProcess) -> None:
    said = found(lerix)
    assert said["Codex session"] == {
        "name": "Codex session",
        "level": "problem",
        "finding": "Codex is not signed in.",
        "next_step": "Run codex login and sign in with ChatGPT.",
    }
    assert said["Data folder"]["level"] == said["Database"]["level"] == "warn"
    assert said["Codex CLI"]["finding"].startswith("0.169.0, ")
    assert not lerix.home.exists()


def test_while_lerix_runs_all_is_well_and_no_file_changes(lerix: LerixProcess, up: Upstream, tmp_path: Path) -> None:
    account = up.sign_in(tmp_path / "codex")
    with lerix:
        up.wait_for("/backend-api/codex/models")
        with lerix.client() as client:
            client.get("/settings/connections/codex/models/")
        before, requests = settled(tmp_path), len(up.requests)
        answer = lerix.run("doctor")
        after = snapshot(tmp_path)
        after.pop("data/lerix.sqlite3-shm", None)
        assert after == before
        assert answer.returncode == 0, answer.stdout
        lines = answer.stdout.splitlines()
        assert [line_.split("  ")[0].strip() for line_ in lines].count("problem") == 0
        assert len(lines) == len(NAMES)
        assert f"Lerix 0.1.0 is running on port {lerix.port}" in answer.stdout
        assert "Codex is signed in with ChatGPT as" in answer.stdout
        assert "\x1b" not in answer.stdout
        # Three hosts were asked, without credentials.
        asked = up.requests[requests:]
        assert sorted(each.path for each in asked if each.method == "HEAD") == ["/backend-api", "/oauth/token", "/v1"]
        assert not [each for each in asked if each.method == "HEAD" and "authorization" in each.headers]
        for secret in secrets_of(tmp_path / "codex"):
            assert secret not in answer.stdout
        assert account.email not in answer.stdout
        assert lerix.stderr == ""


def secrets_of(codex_home: Path) -> list[str]:
    tokens = json.loads((codex_home / "auth.json").read_text())["tokens"]
    return [tokens[name] for name in ("access_token", "refresh_token", "id_token")]


def test_after_a_stop_it_leaves_no_file_of_sqlites_behind(lerix: LerixProcess, tmp_path: Path) -> None:
    with lerix:
        lerix.terminate()
    before = snapshot(lerix.home)
    said = found(lerix)
    assert said["Database"]["level"] == "ok"
    assert "is free; Lerix is not running" in said["Port"]["finding"]
    assert snapshot(lerix.home) == before


def test_hosts_that_cannot_be_reached_are_a_problem(lerix: LerixProcess, up: Upstream) -> None:
    up.go_offline()
    said = found(lerix)
    for name in ("Codex backend", "OpenAI sign-in", "OpenAI platform"):
        assert said[name]["level"] == "problem"
        assert said[name]["finding"] == f"127.0.0.1:{up.port}: The connection to the service was refused."


def test_a_port_that_another_program_has_is_a_problem(lerix: LerixProcess) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(lerix.env["LERIX_PORT"])))
        taken.listen()
        said = found(lerix)["Port"]
    assert said["level"] == "problem"
    assert "is in use by another program." in said["finding"]
    assert "lerix serve --port" in said["next_step"]


def test_a_wrong_option_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--jason"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_server_does_not_import_it(tmp_path: Path) -> None:
    lerix = LerixProcess(home=tmp_path / "data")
    script = (
        "import sys\nfrom lerix_web import asgi, wiring\nfrom lerix_web.management.commands import serve\n"
        "from lerix_web.urls import local\nprint([name for name in sys.modules if 'doctor' in name])"
    )
    assert lerix.run("shell", "--no-imports", "--command", script).stdout == "[]\n"


# The lines.


def test_a_line_is_coloured_only_when_asked() -> None:
    bad = Finding("Port", Level.PROBLEM, "7717 is taken.", "Choose another one.")
    assert line(bad, width=6, colour=False) == "problem  Port    7717 is taken. Choose another one."
    assert line(bad, width=6, colour=True) == "\x1b[31mproblem\x1b[0m  Port    7717 is taken. Choose another one."
    assert set(COLOURS) == set(Level)


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_on_a_terminal_it_is_coloured_unless_no_color_is_set(
    lerix: LerixProcess, no_color: str, coloured: bool
) -> None:
    lerix.env["NO_COLOR"] = no_color
    shown = on_a_terminal(lerix)
    assert ("\x1b[32mok" in shown) is coloured
    assert "Data folder" in shown


def on_a_terminal(lerix: LerixProcess) -> str:
    """Run it with a terminal as its output; return what it wrote there."""
    ours, theirs = pty.openpty()
    command = [*lerix.command[:3], "doctor"]

    async def run() -> None:
        process = await asyncio.create_subprocess_exec(
            *command, env=lerix.environment, stdin=asyncio.subprocess.DEVNULL, stdout=theirs, stderr=theirs
        )
        await process.wait()

    asyncio.run(run())
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # Linux ends a terminal that nobody holds with an error
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    return shown.decode()


def test_a_sentence_is_split_from_its_next_step() -> None:
    assert split("A", Level.WARN, "It is so. And so. Do this.") == Finding(
        "A", Level.WARN, "It is so. And so.", "Do this."
    )
    assert split("A", Level.WARN, "It is so.") == Finding("A", Level.WARN, "It is so.")


async def test_what_cannot_be_looked_at_is_a_line_like_any_other() -> None:
    def fail() -> Finding:
        raise ValueError("a secret in its text")

    said = await report._blocking("Thing", fail)
    assert said.level is Level.PROBLEM
    assert "secret" not in said.finding + said.next_step
