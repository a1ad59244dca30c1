"""The real ``lerix serve`` in a process of its own, met by its user, by attackers and by accidents."""

import contextlib
import os
import signal
import socket
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lerix_web.guard import CSP
from tests.serving import TYPED, LerixProcess
from tests.web.requests import EVENTS, FOLLOWED, OWN_FETCH
from tests.web.websocket import Client

EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def lerix() -> Iterator[LerixProcess]:
    """One Lerix for the tests that leave it as it was."""
    with LerixProcess() as running:
        yield running


@pytest.fixture(scope="module")
def browser(lerix: LerixProcess) -> Iterator[httpx.Client]:
    """The user's browser, let in by the launch link."""
    with lerix.client() as client:
        yield client


@pytest.fixture
def own(tmp_path: Path) -> Iterator[LerixProcess]:
    """A Lerix that the test may end."""
    with LerixProcess(home=tmp_path / "data") as running:
        yield running


def raw(port: int, request: str) -> bytes:
    """Send bytes as they are; return what comes until the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(request.replace("\n", "\r\n").encode())
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while part := client.recv(4096):
                received += part
        return received


def test_the_ready_line_is_the_only_one_and_stderr_is_empty(own: LerixProcess) -> None:
    assert own.terminate() == 0
    assert own.next_line() is None
    assert own.stderr == ""


def test_the_launch_link_lets_a_browser_in_and_it_stays_in(lerix: LerixProcess, browser: httpx.Client) -> None:
    assert browser.get("/", follow_redirects=True).status_code == 200
    again = httpx.get(lerix.launch_link, headers=TYPED, trust_env=False, timeout=30)
    assert again.status_code == 403
    assert "lerix open" in again.text
    assert "set-cookie" not in again.headers


def test_both_loopback_addresses_answer(lerix: LerixProcess, browser: httpx.Client) -> None:
    for host in ("127.0.0.1", "[::1]"):
        answer = httpx.get(f"http://{host}:{lerix.port}/", headers=TYPED, trust_env=False, timeout=30)
        assert answer.status_code == 403
        assert "Lerix is locked" in answer.text


def test_it_listens_on_those_two_addresses_only(lerix: LerixProcess) -> None:
    with socket.socket() as client:
        client.settimeout(2)
        # Every 127.x.x.x is this machine on Linux; macOS knows the first one only.
        assert client.connect_ex(("127.0.0.2", lerix.port)) != 0


def test_another_user_of_the_machine_without_the_token_gets_the_locked_page(lerix: LerixProcess) -> None:
    for path in ("/", "/settings/connections/", "/?token=guess", "/nowhere/"):
        answer = httpx.get(f"{lerix.url}{path}", headers=TYPED, trust_env=False, timeout=30)
        assert answer.status_code == 403
        assert "Lerix is locked" in answer.text
        assert answer.headers["content-security-policy"] == CSP


@pytest.mark.parametrize("path", ["/", "/settings/connections/"])
def test_another_site_cannot_post_a_form_or_fetch(browser: httpx.Client, path: str) -> None:
    forged = {"origin": EVIL, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    for headers in (forged, {**forged, "sec-fetch-mode": "no-cors"}, {**forged, "sec-fetch-mode": "cors"}):
        assert browser.post(path, headers=headers, data={"text": "x"}).status_code == 403
    assert browser.get(path, headers={**forged, "sec-fetch-mode": "cors"}).status_code == 403
    assert browser.options(path, headers=forged).status_code == 403


def test_another_site_cannot_follow_events(browser: httpx.Client) -> None:
    headers = {**FOLLOWED, **EVENTS, "sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "origin": EVIL}
    answer = browser.get("/", headers=headers)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_another_site_cannot_open_a_socket(lerix: LerixProcess, browser: httpx.Client) -> None:
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    for headers in (
        {"Origin": EVIL, "Cookie": cookie},
        {"Origin": "null", "Cookie": cookie},
        {"Cookie": cookie},
        {"Origin": lerix.url},
        {"Origin": lerix.url, "Cookie": cookie, "Sec-Fetch-Site": "cross-site"},
        {"Origin": lerix.url, "Cookie": cookie, "Host": f"evil.example:{lerix.port}"},
    ):
        with Client(lerix.port, "/", headers) as refused:
            assert refused.status in {400, 403}


def test_a_rebound_host_is_refused(lerix: LerixProcess, browser: httpx.Client) -> None:
    for host in ("evil.example", f"evil.example:{lerix.port}", f"localhost.evil.example:{lerix.port}", "localhost"):
        assert browser.get("/", headers={"host": host}).status_code == 400


def test_odd_requests_are_refused(lerix: LerixProcess, browser: httpx.Client) -> None:
    host = f"localhost:{lerix.port}"
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    end = f"Cookie: {cookie}\nConnection: close\n\n"
    assert b" 400 " in raw(lerix.port, f"GET / HTTP/1.1\nHost: {host}\nHost: {host}\n{end}")[:20]
    assert b" 400 " in raw(lerix.port, f"GET / HTTP/1.1\nHost: {host}\nHost: evil.example\n{end}")[:20]
    assert b" 400 " in raw(lerix.port, f"GET http://evil.example/ HTTP/1.1\nHost: {host}\n{end}")[:20]
    assert b" 400 " in raw(lerix.port, f"GET http://{host}/ HTTP/1.1\nHost: evil.example\n{end}")[:20]
    assert b" 400 " in raw(lerix.port, f"GET / HTTP/1.1\n{end}")[:20]
    assert b" 400 " in raw(lerix.port, f"GET / HTTP/1.1\nHost: LOCALHOST:{lerix.port}\n{end}")[:20]
    assert b" 400 " in raw(lerix.port, f"GET / HTTP/1.1\nHost: localhost.:{lerix.port}\n{end}")[:20]


def test_a_body_that_is_too_large_is_refused_with_a_sentence(browser: httpx.Client) -> None:
    answer = browser.post("/", headers={"sec-fetch-site": "same-origin"}, content=b"x" * (34 * 1024 * 1024))
    assert answer.status_code == 413
    assert "the most Lerix takes at once" in answer.text


def test_static_files_are_kept_for_good_and_their_folder_is_not_listed(browser: httpx.Client) -> None:
    locked = httpx.get(str(browser.base_url), headers=TYPED, trust_env=False, timeout=30).text
    address = locked.split('rel="stylesheet" href="')[1].split('"')[0]
    style = browser.get(address, headers={**OWN_FETCH, "sec-fetch-dest": "style"})
    assert style.status_code == 200
    assert style.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert style.headers["content-type"] == "text/css; charset=utf-8"
    assert style.headers["x-content-type-options"] == "nosniff"
    folder = address.rpartition("/")[0]
    for wrong in (folder, f"{folder}/", f"{folder}/%2e%2e/%2e%2e/pyproject.toml", "/static/0/lerix/css/locked.css"):
        assert browser.get(wrong, headers=OWN_FETCH).status_code == 404


def test_the_data_folder_and_its_files_are_closed_to_others(lerix: LerixProcess, browser: httpx.Client) -> None:
    browser.get("/", follow_redirects=True)
    assert stat.S_IMODE(lerix.home.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in lerix.home.iterdir()}
    assert {"browser.key", "django.key", "lerix.sock", "lerix.sqlite3"} <= set(modes)
    assert set(modes.values()) == {0o600}, modes


def test_a_second_start_opens_the_first(lerix: LerixProcess) -> None:
    second = lerix.run("serve", "--no-browser", "--port", "0")
    assert (second.returncode, second.stderr) == (0, "")
    said, link = second.stdout.splitlines()
    assert said == "Lerix is already running."
    address = link.removeprefix("Lerix is ready at ")
    assert address.startswith(f"{lerix.url}/?token=")
    with lerix.client(address):
        pass


def test_open_gives_a_fresh_link(lerix: LerixProcess) -> None:
    first, second = (lerix.run("open", "--no-browser") for _ in range(2))
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith(f"Lerix is ready at {lerix.url}/?token=")
    assert first.stdout != second.stdout
    with lerix.client(second.stdout.strip().removeprefix("Lerix is ready at ")):
        pass


def test_two_starts_at_once_are_one_lerix(tmp_path: Path) -> None:
    home = tmp_path / "data"
    with LerixProcess(home=home) as first:
        # Started while the first one may still be busy: it waits for the answer.
        second = first.run("serve", "--no-browser")
        assert second.stdout.startswith("Lerix is already running.\n")


def test_the_browser_gets_a_file_and_the_token_stays_off_the_command_line(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    opener = tmp_path / "opener"
    opener.write_text(f'#!/bin/sh\necho "$@" > "{seen}.part" && mv "{seen}.part" "{seen}"\n')
    opener.chmod(0o755)
    with LerixProcess(home=tmp_path / "the data", env={"BROWSER": str(opener)}) as lerix:
        assert lerix.run("open").returncode == 0
        _until(seen.exists)
        [page] = lerix.home.glob("launch-*.html")
        assert seen.read_text().strip() == page.as_uri()
        assert stat.S_IMODE(page.stat().st_mode) == 0o600
        link = page.read_text().split('href="')[1].split('"')[0]
        assert link.partition("token=")[2] not in seen.read_text()
        # A file's page is another site to ours, so the browser says cross-site.
        assert httpx.get(link, headers=FOLLOWED, trust_env=False, timeout=30).status_code == 303
        assert not page.exists()


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_port_taken_on_either_address_is_a_sentence(
    tmp_path: Path, family: socket.AddressFamily, address: str
) -> None:
    with socket.socket(family) as taken:
        taken.bind((address, 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = LerixProcess(home=tmp_path / "data").run("serve", "--no-browser", "--port", str(port))
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr.startswith(f"Port {port} is in use by another program.")
    assert refused.stderr.count("\n") == 1
    assert (tmp_path / "data" / "lerix.sqlite3").stat().st_size == 0  # refused before anything is written


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_code_0(own: LerixProcess, number: signal.Signals) -> None:
    with own.client() as browser:
        browser.get("/", follow_redirects=True)
        began = time.monotonic()
        own.signal(number)
        assert own.wait() == 0
        assert time.monotonic() - began < 16  # it is given up after 6, and a test run is slow
    assert not (own.home / "lerix.sock").exists()
    assert own.stderr == ""


def test_after_a_crash_it_starts_again_and_knows_its_browsers(own: LerixProcess) -> None:
    with own.client() as browser:
        own.kill()
        assert (own.home / "lerix.sock").exists()
        own.start()
        browser.base_url = httpx.URL(own.url)
        assert browser.get("/", follow_redirects=True).status_code == 200
    assert own.run("open", "--no-browser").returncode == 0


def test_open_says_when_nothing_runs(tmp_path: Path) -> None:
    answer = LerixProcess(home=tmp_path / "data").run("open")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == "Lerix is not running. Start it with: lerix\n"


def test_a_data_folder_with_a_long_name_and_spaces_works(tmp_path: Path) -> None:
    home = tmp_path / ("a long name with spaces " * 4) / ("und Umlauten äöü " * 4)
    with LerixProcess(home=home) as lerix:
        socket_path = Path((home / "lerix.sock.path").read_text())
        assert len(os.fsencode(socket_path)) < 104
        assert stat.S_IMODE(socket_path.parent.stat().st_mode) == 0o700
        assert lerix.run("open", "--no-browser").returncode == 0
        lerix.kill()
        lerix.start()  # the crashed one's socket is cleared away
        assert not socket_path.exists()
        assert lerix.terminate() == 0
    assert not socket_path.parent.exists()
    assert not (home / "lerix.sock.path").exists()


def test_a_database_from_a_newer_lerix_is_a_sentence_and_stays_as_it_is(own: LerixProcess) -> None:
    assert own.terminate() == 0
    path = own.home / "lerix.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('chat', '9999_later', '2030-01-01')"
        )
    refused = own.run("serve", "--no-browser", "--port", "0")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "was made by a newer Lerix. Nothing was changed." in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_file_that_is_no_database_is_a_sentence(tmp_path: Path) -> None:
    home = tmp_path / "data"
    home.mkdir()
    (home / "lerix.sqlite3").write_bytes(b"not a database at all" * 100)
    refused = LerixProcess(home=home).run("serve", "--no-browser", "--port", "0")
    assert refused.returncode == 1
    assert "is not a database" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_it_is_ready_within_two_seconds_of_its_second_start(own: LerixProcess) -> None:
    own.terminate()
    began = time.monotonic()
    own.restart()
    # Two seconds are the promise on an idle machine; a test run is not one.
    assert time.monotonic() - began < 30


def _until(condition: object, seconds: float = 20.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
