"""`lerix broker`: serving, plans and admins by command, and the broker that Lerix starts itself."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.relay.broker.desk import Desk, new_address
from tests.serving import ROOT, BrokerProcess, LerixProcess


@pytest.fixture
def own(tmp_path: Path) -> Iterator[BrokerProcess]:
    """A broker that the test may end."""
    with BrokerProcess(tmp_path / "home") as running:
        yield running


def test_the_ready_line_is_the_only_one_and_stderr_is_empty(own: BrokerProcess) -> None:
    Desk(own).create()
    assert own.terminate() == 0
    assert own.next_line() is None
    assert own.stderr == ""
    modes = {path.name: path.stat().st_mode & 0o777 for path in own.home.iterdir()}
    assert {"broker.sqlite3", "broker.key", "broker.lock"} <= modes.keys()
    assert set(modes.values()) == {0o600}


def test_accounts_and_sessions_outlive_a_restart(own: BrokerProcess) -> None:
    desk = Desk(own)
    person = desk.create()
    session = person.session()
    own.restart()
    assert desk.account(session).email == person.email
    assert person.unlock()[1].log.n == 2


def test_a_killed_broker_starts_again_with_all_that_it_answered(own: BrokerProcess) -> None:
    desk = Desk(own)
    people = [desk.create() for _ in range(3)]
    own.kill()
    own.start()
    for person in people:
        assert person.unlock()[1].log.n == 2


def test_one_data_folder_has_one_broker(own: BrokerProcess) -> None:
    second = own.run("broker", "--port", "0")
    assert (second.returncode, second.stdout) == (1, "")
    assert "already running" in second.stderr


def test_a_busy_port_is_a_sentence(own: BrokerProcess, tmp_path: Path) -> None:
    answer = BrokerProcess(tmp_path / "other").run("broker", "--port", str(own.port))
    assert (answer.returncode, answer.stdout) == (1, "")
    assert f"lerix broker --port {own.port + 1}" in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_lerix_and_a_broker_share_a_data_folder_in_peace(own: BrokerProcess) -> None:
    with LerixProcess(own.home) as lerix, lerix.client() as client:
        assert client.get("/settings/about/").status_code == 200
        assert Desk(own).create().account


def test_an_account_gets_a_plan_by_command(broker: BrokerProcess, desk: Desk) -> None:
    person = desk.create()
    session = person.session()
    for_good = broker.run("broker", "plan", person.email.upper(), "pro")
    assert for_good.returncode == 0, for_good.stderr
    assert (desk.account(session).plan.code, desk.account(session).plan_until) == ("pro", None)
    until = broker.run("broker", "plan", person.email, "pro", "--until", "2031-01-31")
    assert until.stdout == f"{person.email} has the plan pro until 2031-01-31.\n"
    end = desk.account(session).plan_until
    assert end is not None
    assert end.isoformat().startswith(("2031-01-31", "2031-02-01"))


def test_a_plan_until_a_day_in_the_past_is_over(broker: BrokerProcess, desk: Desk) -> None:
    person = desk.create()
    assert broker.run("broker", "plan", person.email, "pro", "--until", "2020-01-31").returncode == 0
    assert desk.account(person.session()).plan.code == "free"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["plan", "nobody@example.com", "pro"], 1, "No account has the address"),
        (["plan", "nobody", "pro"], 1, "not an e-mail address"),
        (["plan", "EMAIL", "gold"], 1, "Name one of these: free, pro"),
        (["plan", "EMAIL", "pro", "--until", "31.1.2027"], 2, "--until 2027-01-31"),
        (["plan", "EMAIL"], 2, "CODE"),
        (["createadmin", "a b", "--password-stdin"], 2, "letters"),
        (["createadmin", "shorty", "--password-stdin"], 1, "too short"),
        (["createadmin", "typist"], 1, "--password-stdin"),
        (["dance"], 2, "dance"),
        (["--port", "x"], 2, "whole number"),
    ],
)
def test_a_wrong_command_is_a_sentence(
    broker: BrokerProcess, desk: Desk, arguments: list[str], code: int, words: str
) -> None:
    email = desk.create().email if "EMAIL" in arguments else ""
    filled = [email if word == "EMAIL" else word for word in arguments]
    answer = broker.run("broker", *filled, typed="short\n")
    assert (answer.returncode, answer.stdout) == (code, "")
    assert words in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_help_names_the_broker(broker: BrokerProcess) -> None:
    for arguments in (["--help"], ["broker", "--help"]):
        usage = broker.run(*arguments).stdout
        assert "lerix broker" in usage
        assert "createadmin" in usage
        assert max(map(len, usage.splitlines())) <= 100


class Embedded:
    """The broker as a child, as Lerix starts it."""

    def __init__(self, home: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "lerix_web.cli", "broker", "--embedded", *arguments],
            cwd=ROOT,
            # Lerix itself runs under other settings, whose name the child inherits.
            env={**LerixProcess(home).environment, "DJANGO_SETTINGS_MODULE": "lerix_web.settings.local", **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def end(self) -> tuple[int, str, str]:
        """Close its stdin, and return its exit code and what it wrote since."""
        rest, errors = self.process.communicate(timeout=20)
        return self.process.returncode, rest, errors


@contextlib.contextmanager
def embedded(home: Path, *arguments: str, env: dict[str, str] | None = None) -> Iterator[Embedded]:
    child = Embedded(home, *arguments, env=env)
    try:
        yield child
    finally:
        if child.process.poll() is None:
            child.process.kill()
        child.process.communicate()


def ask(url: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
    method = "GET" if body is None else "POST"
    return httpx.request(method, f"{url}/api/1/{path}", json=body, trust_env=False)


def test_the_embedded_broker_tells_its_address_and_its_mails_and_nothing_else(tmp_path: Path) -> None:
    with embedded(tmp_path / "home", "--port", "0") as child:
        url = child.line()["ready"]
        info = ask(url, "info").json()
        assert (info["embedded"], info["default_plan"], info["sign_up"]) == (True, "pro", True)
        email = new_address()
        ticket = ask(url, "tickets", {"email": email, "purpose": "create"}).json()["ticket"]
        mail = child.line()["mail"]
        assert (mail["to"], mail["purpose"], mail["minutes"]) == (email, "create", 15)
        assert ask(url, "confirm", {"ticket": ticket, "code": mail["code"]}).status_code == 204
        ask(url, "tickets", {"email": email, "purpose": "recover"})
        assert child.line() == {"mail": {"to": email, "purpose": "recover", "code": None, "minutes": 15}}
        assert child.end() == (0, "", "")


def test_the_embedded_broker_takes_another_port_if_its_own_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with embedded(tmp_path / "home", "--port", str(port)) as child:
            url = child.line()["ready"]
            assert not url.endswith(f":{port}")
            assert ask(url, "info").status_code == 200


def test_the_embedded_broker_has_the_plan_that_the_environment_says(tmp_path: Path) -> None:
    with embedded(tmp_path / "home", "--port", "0", env={"LERIX_DEFAULT_PLAN": "free"}) as child:
        assert ask(child.line()["ready"], "info").json()["default_plan"] == "free"


def test_the_embedded_broker_ends_with_its_parent_however_that_ends(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'lerix_web.cli', 'broker', '--embedded', '--port', '0'],\n"
        "                         stdin=subprocess.PIPE)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = LerixProcess(tmp_path / "home").environment
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert "ready" in json.loads(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        end = time.monotonic() + 10
        while alive(pid):
            assert time.monotonic() < end, "the child lives on"
            time.sleep(0.05)
    finally:
        parent.kill()
        parent.communicate()


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked for does not."""
    with contextlib.suppress(OSError):
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat")
        return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_an_embedded_broker_waits_for_the_one_before_it_to_end(tmp_path: Path) -> None:
    with embedded(tmp_path / "home", "--port", "0") as first:
        first.line()
        with embedded(tmp_path / "home", "--port", "0") as second:
            time.sleep(0.5)
            assert first.end()[0] == 0
            assert ask(second.line()["ready"], "info").status_code == 200
