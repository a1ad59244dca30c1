"""What reaches the interface at all: host, scheme, size, form."""

import json
import socket
from pathlib import Path

import httpx
import pytest

from relay.api import MAX_REQUEST, PREFIX, Problem
from relay.api.states import Info
from relay.broker.people.views import HOME_POLICY
from relay.protocol.link import PATH
from tests.relay.broker.desk import Desk, is_refused, new_address
from tests.serving import PUBLIC, BrokerProcess
from tests.web.websocket import Client

PATHS = (
    *("tickets", "confirm", "accounts", "prelogin", "login", "recover"),
    *("erase", "update", "nonces", "sessions"),
)


def raw(port: int, request: bytes) -> bytes:
    """Send bytes as they are; return what comes until the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(request)
        received = b""
        while part := client.recv(65536):
            received += part
        return received


def test_the_broker_says_what_it_is(desk: Desk) -> None:
    info = Info.from_json(desk.ask("GET", "info").json())
    assert (info.api, info.embedded, info.sign_up, info.default_plan) == (1, False, True, "free")
    free, pro = info.plans
    assert (free.code, free.sync_keys, free.sync_chats, free.relay) == ("free", True, False, False)
    assert (pro.code, pro.sync_keys, pro.sync_chats, pro.relay) == ("pro", True, True, True)
    assert pro.quota > free.quota
    assert pro.devices > free.devices


def test_the_front_page_says_what_this_is_and_nothing_about_accounts(desk: Desk) -> None:
    person = desk.create()
    answer = httpx.get(desk.broker.url, trust_env=False, timeout=30)
    assert answer.status_code == 200
    assert "Lerix account broker" in answer.text
    assert person.email not in answer.text
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-security-policy"] == HOME_POLICY.format(origin=desk.broker.url)
    sheet = answer.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    style = httpx.get(desk.broker.url + sheet, trust_env=False, timeout=30)
    assert style.headers["content-type"].startswith("text/css")


@pytest.mark.parametrize("path", PATHS)
def test_what_no_interface_message_is_gets_malformed(desk: Desk, path: str) -> None:
    bodies = [b"", b"null", b"[]", b'"a"', b"{", b"\xff", b"[" * 100_000, b'{"a": ' * 50_000, b"{}"]
    with httpx.Client(base_url=desk.broker.url + PREFIX, trust_env=False, timeout=30) as client:
        for body in bodies:
            answer = client.post(path, content=body, headers={"content-type": "application/json"})
            assert (answer.status_code, answer.json()) == (400, {"error": "malformed"}), body[:20]


def test_a_web_form_can_send_nothing(desk: Desk) -> None:
    body = json.dumps({"email": new_address()}).encode()
    with httpx.Client(base_url=desk.broker.url + PREFIX, trust_env=False, timeout=30) as client:
        # Twisted answers by itself what calls itself multipart and is not.
        multipart = client.post("prelogin", content=body, headers={"content-type": "multipart/form-data; boundary=x"})
        assert multipart.status_code == 400
        whole = client.post("prelogin", data={"email": "a@example.com"}, files={"file": b"x"})
        assert is_refused(whole, Problem.MALFORMED, 400)
        for kind in ("text/plain", "application/x-www-form-urlencoded", None):
            headers = {"content-type": kind} if kind else {}
            assert is_refused(client.post("prelogin", content=body, headers=headers), Problem.MALFORMED, 400)
        good = client.post("prelogin", content=body, headers={"content-type": "application/json; charset=utf-8"})
        assert good.status_code == 200
        asked = client.options("prelogin", headers={"origin": "https://evil.example"})
        assert is_refused(asked, Problem.NOT_FOUND, 404)
        assert not [name for name in asked.headers if name.startswith("access-control")]


def test_other_addresses_and_methods_are_not_found(desk: Desk) -> None:
    for method, path in (
        ("GET", "login"),
        ("PUT", "login"),
        ("POST", "info"),
        ("POST", "account"),
        ("DELETE", "log"),
        ("GET", "nothing"),
        ("GET", ""),
        ("GET", "login/"),
        ("POST", "devices/00/name"),
    ):
        assert is_refused(desk.ask(method, path), Problem.NOT_FOUND, 404), (method, path)


@pytest.mark.parametrize("token", [None, "A", "A" * 43, "A" * 44, "é", "A" * 10_000])
def test_a_token_that_is_none_has_ended(desk: Desk, token: str | None) -> None:
    headers = [(b"authorization", f"Bearer {token}".encode("latin-1"))] if token is not None else []
    with httpx.Client(base_url=desk.broker.url + PREFIX, trust_env=False, timeout=30) as client:
        for method, path in (("GET", "account"), ("GET", "log"), ("POST", "sign-out"), ("DELETE", "account")):
            answer = client.request(method, path, headers=headers)
            assert is_refused(answer, Problem.TOKEN_ENDED, 401)


def test_a_message_that_is_too_large_is_refused_unread(desk: Desk) -> None:
    head = "POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\nContent-Type: application/json\r\n"
    start = head.format(path=PREFIX + "update", port=desk.broker.port)
    body = b" " * (MAX_REQUEST + 1)
    complete = raw(desk.broker.port, f"{start}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    assert complete.startswith(b"HTTP/1.1 413 ")
    assert complete.endswith(b'{"error": "too-large"}')
    chunked = raw(
        desk.broker.port,
        f"{start}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n",
    )
    assert chunked.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "", "localhost:x"])
def test_another_host_name_is_not_answered(desk: Desk, host: str) -> None:
    answer = desk.ask("GET", "info", headers={"host": host})
    assert answer.status_code == 400
    page = httpx.get(desk.broker.url, headers={"host": host}, trust_env=False, timeout=30)
    assert page.status_code == 400
    assert "text/html" not in page.headers["content-type"]


def test_a_doubled_header_is_refused(desk: Desk) -> None:
    port = desk.broker.port
    lines = f"GET {PREFIX}info HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n"
    for extra in ("Host: evil.example\r\n", "Authorization: a\r\nAuthorization: b\r\n"):
        assert raw(port, f"{lines}{extra}\r\n".encode()).startswith(b"HTTP/1.1 400 ")


def test_a_socket_is_closed(desk: Desk) -> None:
    with Client(desk.broker.port, "/api/1/link") as client:
        assert client.status != 101


def test_behind_a_proxy_the_broker_answers_by_https_only(desk: Desk) -> None:
    host = {"host": PUBLIC}
    plain = desk.ask("GET", "info", headers=host)
    assert is_refused(plain, Problem.UNAVAILABLE, 503)
    secure = desk.ask("GET", "info", headers={**host, "x-forwarded-proto": "https"})
    assert secure.status_code == 200
    assert secure.headers["strict-transport-security"] == "max-age=31536000"
    local = desk.ask("GET", "info", headers={"host": "localhost"})
    assert local.status_code == 200
    assert "strict-transport-security" not in local.headers


@pytest.mark.parametrize("header", ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:7718", "[::1]:7718"])
def test_a_proxy_that_keeps_the_host_from_us_is_told_so(desk: Desk, host: str, header: str) -> None:
    """Devices sign the name they dialled: each proof would fail, and nobody would know why."""
    headers = {"host": host, header: "https"}
    assert is_refused(desk.ask("GET", "info", headers=headers), Problem.UNAVAILABLE, 503)
    page = httpx.get(desk.broker.url, headers=headers, trust_env=False, timeout=30)
    assert page.status_code == 503
    assert "proxy_set_header Host" in page.text
    named = {name.title(): value for name, value in headers.items()}
    with Client(desk.broker.port, PATH, named) as client:
        assert client.status != 101


def test_a_client_that_sends_far_too_much_is_cut_off(desk: Desk) -> None:
    head = f"POST {PREFIX}update HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", desk.broker.port), timeout=30) as client:
        client.sendall(f"{head}Content-Length: {2**30}\r\n\r\n".encode())
        with pytest.raises(OSError):  # reset, or broken: as the system has it
            client.sendall(bytes(4 * 8 * MAX_REQUEST))
    assert desk.ask("GET", "info").status_code == 200


def test_the_checks_of_a_broker_with_a_name_find_nothing(broker: BrokerProcess) -> None:
    broker.env["DJANGO_SETTINGS_MODULE"] = "lerix_web.settings.broker"
    try:
        checked = broker.run("check")
    finally:
        del broker.env["DJANGO_SETTINGS_MODULE"]
    assert checked.returncode == 0, checked.stderr


def test_a_proof_holds_the_public_name(desk: Desk) -> None:
    person = desk.create()
    assert desk.prove(person.account, person.device, host=PUBLIC).status_code == 201
    session = desk.prove(person.account, person.device, host="localhost")
    assert is_refused(session, Problem.PROOF_REFUSED, 401)


def test_cookies_are_secure_where_the_browser_came_by_https(desk: Desk) -> None:
    headers = {"host": PUBLIC, "x-forwarded-proto": "https"}
    secure = httpx.get(desk.broker.url + "/admin/login/", headers=headers, trust_env=False, timeout=30)
    plain = httpx.get(desk.broker.url + "/admin/login/", trust_env=False, timeout=30)
    for answer, wanted in ((secure, True), (plain, False)):
        cookie = answer.headers["set-cookie"]
        assert ("Secure" in cookie) == wanted
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie


def test_a_wrong_variable_is_a_sentence(tmp_path: Path) -> None:
    for name, value in {
        "LERIX_SECRET_KEY": "short",
        "LERIX_ALLOWED_HOSTS": "https://lerix.example.com",
        "LERIX_SIGN_UP": "maybe",
        "LERIX_SMTP_URL": "smtps://user:hidden@",
        "LERIX_MAIL_FROM": "nobody",
        "LERIX_DEFAULT_PLAN": "gold",
    }.items():
        broker = BrokerProcess(tmp_path / "home", env={name: value})
        answer = broker.run("broker", "--port", "0")
        assert (answer.returncode, answer.stdout) == (1, ""), name
        assert name in answer.stderr
        assert "hidden" not in answer.stderr
        assert answer.stderr.count("\n") == 1
