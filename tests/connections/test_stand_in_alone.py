"""The stand-in by itself: its control door, its command, and messages that choose their answers."""

from __future__ import annotations

import gc
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.upstream import RESPONSES, Account, Upstream
from tests.upstream.asking import full, headers, read_events, text_of


def ask(client: httpx.Client, account: Account, **changes: Any) -> httpx.Response:
    return client.post(RESPONSES, headers=headers(account), json=full(**changes))


def test_a_message_can_choose_its_answer(tmp_path: Path) -> None:
    with (
        Upstream(keywords=True) as up,
        httpx.Client(base_url=up.url, trust_env=False, verify=False, timeout=30) as client,
    ):
        ada = up.sign_in(tmp_path)

        def say(text: str) -> httpx.Response:
            content = [{"type": "input_text", "text": text}]
            return ask(client, ada, input=[{"type": "message", "role": "user", "content": content}])

        assert say("fault: usage limit").status_code == 429
        assert "| Language |" in text_of(read_events(say(" Table ").text))
        assert read_events(say("fault: cut").text)[-1]["type"] == "response.output_text.delta"
        assert "no such fault" in text_of(read_events(say("fault: gremlins").text))
        assert "small tour" in text_of(read_events(say("Hello").text))


def test_the_control_door_does_what_the_python_verbs_do(
    up: Upstream, client: httpx.Client, ada: Account, tmp_path: Path
) -> None:
    def do(verb: str, **arguments: Any) -> Any:
        answer = client.post(f"/__stand-in__/{verb}", json=arguments)
        assert answer.status_code == 200, answer.text
        return answer.json()

    do("fail", fault="overloaded", times=1)
    assert ask(client, ada).status_code == 503
    do("reply", chunks=["By ", "hand"])
    assert text_of(read_events(ask(client, ada).text)) == "By hand"
    do("usage", primary_percent=55)
    assert up.usage.primary.percent == 55
    do("sign-in", codex_home=str(tmp_path / "other"), email="eve@example.com")
    assert (tmp_path / "other" / "auth.json").exists()
    do("expire", email="ada@example.com")
    assert ask(client, ada).status_code == 401
    state = client.get("/__stand-in__/").json()
    assert (state["turns"], state["requests"]) == (1, 3)
    assert [entry["status"] for entry in client.get("/__stand-in__/requests").json()] == [503, 200, 401]
    assert client.post("/__stand-in__/clear", json={}, headers={"Origin": "http://evil"}).status_code == 403
    assert client.post("/__stand-in__/fail", json={"fault": "gremlins"}).status_code == 400
    assert client.post("/__stand-in__/dance", json={}).status_code == 404


def test_broken_http_is_refused(up: Upstream) -> None:
    with socket.create_connection((up.host, up.port), timeout=30) as raw:
        raw.sendall(b"NONSENSE\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400 ")
    with socket.create_connection((up.host, up.port), timeout=30) as raw:
        raw.sendall(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\nGET /again HTTP/1.1\r\nHost: b\r\n\r\n")
        up.wait_for("/again")
    assert [request.host for request in up.requests] == ["a", "b"]


def test_the_stand_in_runs_by_itself(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.upstream", "--port", "0", "--codex-home", str(tmp_path / "home")]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        said = ""
        for line in program.stdout:
            said += line
            if "Requests:" in line:
                break
        program.terminate()
        assert program.wait(30) == 0
    assert f"CODEX_HOME={tmp_path / 'home'} LERIX_CODEX_BASE_URL=http://127.0.0.1:" in said
    assert "python3 manage.py serve" in said
    assert "fault:" in said
    assert (tmp_path / "home" / "auth.json").exists()


def test_a_second_stand_in_cannot_take_the_same_port(up: Upstream) -> None:
    with pytest.raises(OSError, match="address already in use"), Upstream(port=up.port):
        pass


def test_it_speaks_https_when_given_a_certificate(tmp_path: Path) -> None:
    pair = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run([*command, *pair, *names], check=True, capture_output=True)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    trusting = ssl.create_default_context(cafile=tmp_path / "cert")
    with Upstream(tls=tls) as up, httpx.Client(base_url=up.url, trust_env=False, verify=trusting, timeout=30) as client:
        assert up.url.startswith("https://")
        up.reply("Sealed.")
        assert text_of(read_events(ask(client, up.sign_in(tmp_path)).text)) == "Sealed."


def test_a_stand_in_that_stops_leaves_no_connection_open() -> None:
    """Not one that was just being accepted either; what is left fails this test by its ResourceWarning."""
    for count in range(20):
        with Upstream() as up:
            here = [socket.create_connection(("127.0.0.1", up.port)) for _ in range(1 + count % 3)]
            here[0].send(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for each in here:
            each.close()
    gc.collect()
