"""`lerix broker`: serving, plans and admins by command, and the broker that Lerix starts itself."""

import contextlib
import hashlib
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

from relay.api.fields import decode
from relay.protocol.link import PATH
from tests.relay.broker.desk import Desk, new_address
from tests.serving import ROOT, BrokerProcess, LerixProcess
from tests.web.websocket import Client


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


SECRET = "the-secret-that-only-lerix-and-its-child-know"


class Embedded:
    """The broker as a child, as Lerix starts it; `said` is what Lerix says first."""

    def __init__(
        self, home: Path, *arguments: str, env: dict[str, str] | None = None, said: str = SECRET
    ) -> None:
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
        assert self.process.stdin is not None
        self.process.stdin.write(said + "\n")
        self.process.stdin.flush()

    def line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def end(self) -> tuple[int, str, str]:
        """Close its stdin, and return its exit code and what it wrote since."""
        rest, errors = self.process.communicate(timeout=20)
        return self.process.returncode, rest, errors


@contextlib.contextmanager
def embedded(
    home: Path, *arguments: str, env: dict[str, str] | None = None, said: str = SECRET
) -> Iterator[Embedded]:
    child = Embedded(home, *arguments, env=env, said=said)
    try:
        yield child
    finally:
        if child.process.poll() is None:
            child.process.kill()
        child.process.communicate()


def ask(url: str, path: str, body: dict[str, Any] | None = None, secret: str | None = SECRET) -> httpx.Response:
    method = "GET" if body is None else "POST"
    headers = {} if secret is None else {"x-lerix-parent": secret}
    return httpx.request(method, f"{url}/api/1/{path}", json=body, headers=headers, trust_env=False, timeout=30)


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
        assert mail["ticket"] == digest(ticket)
        second = ask(url, "tickets", {"email": email, "purpose": "recover"}).json()["ticket"]
        assert child.line() == {
            "mail": {"to": email, "purpose": "recover", "code": None, "minutes": 15, "ticket": digest(second)}
        }
        assert child.end() == (0, "", "")


def digest(ticket: str) -> str:
    return hashlib.sha256(decode(ticket)).hexdigest()


@pytest.mark.parametrize("secret", [None, "", SECRET[:-1], SECRET + "x", SECRET.upper()])
def test_the_embedded_broker_answers_only_the_lerix_that_started_it(
    started: tuple[str, Embedded], secret: str | None
) -> None:
    """Every user of the computer can reach its port, and shares the owner's network."""
    url, _ = started
    for path, body in (("info", None), ("tickets", {"email": new_address(), "purpose": "create"})):
        answer = ask(url, path, body, secret)
        assert (answer.status_code, answer.json()) == (403, {"error": "unavailable"})
    headers = {} if secret is None else {"X-Lerix-Parent": secret}
    with Client(int(url.rpartition(":")[2]), PATH, headers) as client:
        assert client.status != 101
    with Client(int(url.rpartition(":")[2]), PATH, {"X-Lerix-Parent": SECRET}) as client:
        assert client.status == 101
    # Staff sign in by a password of their own.
    assert httpx.get(f"{url}/admin/login/", trust_env=False, timeout=30).status_code == 200


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Embedded]]:
    """Where an embedded broker listens, and its process."""
    with embedded(tmp_path_factory.mktemp("embedded") / "home", "--port", "0") as child:
        yield child.line()["ready"], child


@pytest.mark.parametrize("said", ["", "with a blank in the middle"])
def test_the_embedded_broker_does_not_start_without_a_secret(tmp_path: Path, said: str) -> None:
    with embedded(tmp_path / "home", "--port", "0", said=said) as child:
        code, out, errors = child.end()
        assert (code, out) == (1, "")
        assert "Use lerix broker." in errors


def test_the_embedded_broker_does_not_start_with_another_secret_key(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with BrokerProcess(home, env={"LERIX_SECRET_KEY": "k" * 40}):
        pass
    with embedded(home, "--port", "0") as child:
        code, out, errors = child.end()
    assert (code, out) == (1, "")
    assert "The secret key is another one" in errors


def test_a_folder_for_mails_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    broker = BrokerProcess(tmp_path / "home", env={"LERIX_MAIL_FOLDER": str(tmp_path / "file" / "mails")})
    answer = broker.run("broker", "--port", "0")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "LERIX_MAIL_FOLDER" in answer.stderr
    assert answer.stderr.count("\n") == 1


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
        "child.stdin.write(b'a secret of many letters'.replace(b' ', b'-') + b'\\n')\n"
        "child.stdin.flush()\n"
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
        end = time.monotonic() + 30
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
