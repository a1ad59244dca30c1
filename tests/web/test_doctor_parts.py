"""What `lerix doctor` finds of one thing: the data folder, the database, the session, the keyring, a host."""

import base64
import contextlib
import json
import os
import socket
import sqlite3
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from connections.models import CatalogueEntry
from lerix_web.doctor import database, machine, services
from lerix_web.doctor.database import Kept
from lerix_web.doctor.finding import Finding, Level
from tests.serving import LerixProcess
from tests.web.test_doctor import snapshot

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_data_folder_open_to_others_is_a_problem(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    said = machine.data_folder(tmp_path)
    assert said.level is Level.PROBLEM
    assert said.next_step == f"Run chmod 700 '{tmp_path}'."
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    tmp_path.chmod(0o700)
    assert machine.data_folder(tmp_path).level in {Level.OK, Level.WARN}  # by the space on this disk


def test_a_file_in_place_of_the_data_folder_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert machine.data_folder(tmp_path / "file").level is Level.PROBLEM
    assert machine.data_folder(tmp_path / "file" / "below").level is Level.PROBLEM


@pytest.mark.parametrize(
    ("free", "level"), [(10**12, Level.OK), (500 * 1024**2, Level.WARN), (10 * 1024**2, Level.PROBLEM)]
)
def test_little_space_is_worth_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: Level
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free))
    assert machine.data_folder(tmp_path).level is level


@pytest.mark.parametrize(
    ("content", "level", "words"),
    [
        (b"", Level.WARN, "It is empty"),
        (b"no database at all" * 100, Level.PROBLEM, "file is not a database"),
        (b"SQLite format 3\0" + b"\xff" * 4000, Level.PROBLEM, "cannot be read"),
    ],
)
def test_a_file_that_is_no_database_is_said(tmp_path: Path, content: bytes, level: Level, words: str) -> None:
    path = tmp_path / "lerix.sqlite3"
    path.write_bytes(content)
    said = database.database(path)
    assert (said.level, words in said.finding) == (level, True), said
    assert database.kept(path, "codex") == Kept()
    assert [each.name for each in tmp_path.iterdir()] == ["lerix.sqlite3"]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A database as this version makes it, in a folder whose name SQLite's addresses would stumble over."""
    lerix = LerixProcess(home=tmp_path / "a ?b#c%20d")
    assert lerix.run("migrate", "--verbosity", "0").returncode == 0
    return lerix.home / "lerix.sqlite3"


def change(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_a_database_is_known_by_its_version(made: Path) -> None:
    assert database.database(made).level is Level.OK
    change(made, "INSERT INTO django_migrations (app, name, applied) VALUES ('chat', '9999_later', '2030-01-01')")
    said = database.database(made)
    assert (said.level, said.next_step) == (Level.PROBLEM, "Install the newest version.")
    change(made, "DELETE FROM django_migrations WHERE app IN ('chat', 'connections')")
    said = database.database(made)
    assert said.level is Level.WARN
    assert "of an older version" in said.finding


def test_a_damaged_database_is_a_problem(made: Path) -> None:
    change(made, *(f"INSERT INTO chat_preference (name, value) VALUES ('x{n}', '\"{'y' * 900}\"')" for n in range(200)))
    change(made, "PRAGMA journal_mode=DELETE")
    size = made.stat().st_size
    with made.open("r+b") as file:
        file.seek(size // 2)
        file.write(os.urandom(size // 4))
    assert database.database(made).level is Level.PROBLEM


def test_what_is_known_of_access_paths_is_read(made: Path) -> None:
    assert database.kept(made, "codex") == Kept()
    entry = "INSERT INTO connections_catalogueentry ({}) VALUES ({})"
    columns = [str(field.column) for field in CatalogueEntry._meta.local_concrete_fields if not field.primary_key]
    fields = dict.fromkeys(columns, "0") | {"facts": "'{}'", "first_seen": "'2026-02-28'"}
    for slug, enabled in (("a", 1), ("b", 0), ("c", 1)):
        row = {**fields, "path": "'codex'", "slug": f"'{slug}'", "enabled": str(enabled)}
        change(made, entry.format(", ".join(row), ", ".join(row.values())))
    change(
        made,
        "INSERT INTO connections_pathmemory (path, account, etag, fetched) "
        "VALUES ('codex', 'acct-1', '', '2026-02-28 12:00:00.123456')",
    )
    known = database.kept(made, "codex")
    assert (known.known, known.enabled, known.account, known.keys) == (3, 2, "acct-1", 0)
    assert database.catalogue(known, NOW) == Finding(
        "Models", Level.OK, "3 known, 2 switched on, list fetched 23 hours ago"
    )


@pytest.mark.parametrize(
    ("kept", "level", "words"),
    [
        (Kept(), Level.WARN, "No list"),
        (Kept(known=3, fetched=NOW), Level.WARN, "0 switched on, list fetched just now"),
        (Kept(known=3, enabled=1), Level.WARN, "list of unknown age"),
        (Kept(known=3, enabled=1, fetched=NOW - timedelta(days=8)), Level.WARN, "fetched 8 days ago"),
        (Kept(known=3, enabled=1, fetched=NOW - timedelta(days=1)), Level.OK, "fetched 1 day ago"),
        (Kept(known=3, enabled=1, fetched=NOW - timedelta(seconds=90)), Level.OK, "fetched 1 minute ago"),
    ],
)
def test_the_list_of_models(kept: Kept, level: Level, words: str) -> None:
    said = database.catalogue(kept, NOW)
    assert (said.level, words in said.finding) == (level, True), said


# The session.


def sign_in(home: Path, *, account: str = "acct-1", ends: datetime = NOW + timedelta(hours=1)) -> None:
    home.mkdir(exist_ok=True)
    claims = {"exp": int(ends.timestamp()), "https://api.openai.com/auth": {"chatgpt_account_id": account}}
    claims |= {"email": "someone.long@example.com"}
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    tokens = {name: f"e30.{body}.{name}" for name in ("access_token", "id_token")}
    content = {"auth_mode": "chatgpt", "tokens": {**tokens, "refresh_token": "planted", "account_id": account}}
    (home / "auth.json").write_text(json.dumps(content))


def test_a_session_is_shown_with_its_end_and_without_its_address(tmp_path: Path) -> None:
    sign_in(tmp_path)
    said = services.session(tmp_path, Kept(account="acct-1"), NOW)
    assert said.level is Level.OK
    assert "Its access token runs until 2026-03-01 " in said.finding
    assert "someone.long" not in said.finding
    assert "planted" not in said.finding


def test_a_session_of_another_account_is_a_problem(tmp_path: Path) -> None:
    sign_in(tmp_path, account="acct-2")
    said = services.session(tmp_path, Kept(account="acct-1"), NOW)
    assert (said.level, said.next_step) == (Level.PROBLEM, "Confirm that Lerix may use it.")


def test_a_session_that_only_wants_renewal_is_no_problem_and_is_not_renewed(tmp_path: Path) -> None:
    sign_in(tmp_path, ends=NOW - timedelta(days=1))
    before = snapshot(tmp_path)
    said = services.session(tmp_path, Kept(), NOW)
    assert said.level is Level.OK
    assert snapshot(tmp_path) == before


def test_without_a_session_but_with_a_key_it_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "auth.json").write_text("{")
    assert services.session(tmp_path, Kept(), NOW).level is Level.PROBLEM
    said = services.session(tmp_path, Kept(keys=1), NOW)
    assert (said.level, said.next_step) == (Level.WARN, "Run codex login to write it anew.")


@pytest.mark.parametrize(
    ("store", "installed", "level"),
    [("keyring", True, Level.WARN), ("keyring", False, Level.PROBLEM), ("ephemeral", True, Level.PROBLEM)],
)
def test_a_session_in_the_keyring_is_left_to_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str, installed: bool, level: Level
) -> None:
    monkeypatch.setattr(services, "find_codex", lambda: tmp_path / "codex" if installed else None)
    (tmp_path / "config.toml").write_text(f'cli_auth_credentials_store = "{store}"\n')
    assert services.session(tmp_path, Kept(), NOW).level is level


# Keyring, hosts.


@pytest.mark.parametrize(
    ("priority", "places", "level", "words"),
    [
        (5.0, set(), Level.OK, "keyring is usable"),
        (0.0, set(), Level.OK, "No usable system keyring"),
        (0.0, {"file"}, Level.OK, "No usable system keyring"),
        (0.0, {"keyring"}, Level.PROBLEM, "does not answer now"),
        (5.0, {"keyring"}, Level.OK, "keyring is usable"),
    ],
)
async def test_the_keyring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, priority: float, places: set[str], level: Level, words: str
) -> None:
    backend = type("Backend", (), {"priority": priority})()
    monkeypatch.setattr("keyring.get_keyring", lambda: backend)
    said = await services.keyring(tmp_path, Kept(places=frozenset(places)))
    assert (said.level, words in said.finding) == (level, True), said
    assert snapshot(tmp_path) == {}


class Listener:
    """A port that answers each connection with these bytes, or with nothing for as long as the test runs."""

    def __init__(self, answer: bytes | None) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._answer = answer
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                if self._answer is None:
                    self._open.append(client)
                    continue
                client.recv(4096)
                client.sendall(self._answer)
                client.close()

    def close(self) -> None:
        for each in (self._socket, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", Level.OK, "answers ("),
        (b"HTTP/1.1 302 Away\r\nLocation: http://elsewhere.invalid/\r\nContent-Length: 0\r\n\r\n", Level.OK, "answers"),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", Level.WARN, "answers with a fault (503)"),
        (b"", Level.PROBLEM, "The connection was cut."),
        (b"SSH-2.0-x\r\n", Level.PROBLEM, "The connection was cut."),
        (None, Level.PROBLEM, "It did not answer in time."),
    ],
)
async def test_a_host(answer: bytes | None, level: Level, words: str) -> None:
    far = Listener(answer)
    try:
        said = await services.host("Far", far.url, seconds=0.5 if answer is None else 20.0)
    finally:
        far.close()
    assert (said.level, words in said.finding) == (level, True), said
