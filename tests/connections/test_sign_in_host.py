"""What the sign-in host answers, and what each answer means."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from connections.codex import sign_in_host
from connections.codex.auth_file import NewTokens, Obstacle
from connections.codex.sign_in_host import TOKEN_URL, Failure, Reason, Refusal, SignInHost, Why
from connections.secrets import Secret
from tests.connections.far import refusal
from tests.upstream import TOKEN, Upstream

OLD = Secret("rt-planted")


def asked(answer: httpx.Response | Exception) -> NewTokens | Refusal | Failure:
    def far(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return SignInHost(TOKEN_URL, "Lerix/0", httpx.MockTransport(far)).renew(OLD, Reason.PROACTIVE)


def test_the_request_is_the_cli_s_with_our_own_name() -> None:
    seen: list[httpx.Request] = []

    def far(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"access_token": "a", "refresh_token": "b", "id_token": "c"})

    host = SignInHost(TOKEN_URL, "Lerix/0 (test)", httpx.MockTransport(far))
    assert host.renew(OLD, Reason.UNAUTHORIZED) == NewTokens(Secret("a"), Secret("b"), Secret("c"))
    (request,) = seen
    assert (request.method, str(request.url)) == ("POST", "https://auth.openai.com/oauth/token")
    assert json.loads(request.content) == {
        "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
        "grant_type": "refresh_token",
        "refresh_reason": "unauthorized_recovery",
        "refresh_token": "rt-planted",
    }
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "Lerix/0 (test)"
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (401, {"error": {"code": "refresh_token_expired"}}, Why.EXPIRED),
        (401, {"error": {"code": "REFRESH_TOKEN_REUSED"}}, Why.REUSED),
        (401, {"error": "refresh_token_invalidated"}, Why.REVOKED),
        (400, {"code": "refresh_token_invalidated"}, Why.REVOKED),
        (401, {"error": {"code": "app_session_terminated"}}, Why.REFUSED),
        (401, {"detail": "Unauthorized"}, Why.REFUSED),
        (400, {"error": "invalid_grant", "error_description": "x"}, Why.REFUSED),
    ],
)
def test_a_permanent_refusal_is_told_by_its_code(status: int, body: Any, why: Why) -> None:
    assert asked(refusal(status, body)) == Refusal(why)


@pytest.mark.parametrize(
    ("answer", "obstacle"),
    [
        (refusal(500), Obstacle.SERVICE_FAILED),
        (refusal(503, {"error": {"code": "refresh_token_expired"}}), Obstacle.SERVICE_FAILED),
        (refusal(429), Obstacle.SERVICE_FAILED),
        (httpx.ConnectError("x"), Obstacle.UNREACHABLE),
        (httpx.ReadTimeout("x"), Obstacle.UNREACHABLE),
        (httpx.RemoteProtocolError("x"), Obstacle.UNREACHABLE),
        (refusal(403), Obstacle.UNEXPECTED),
        (refusal(404, {"detail": "Not Found"}), Obstacle.UNEXPECTED),
        (refusal(400, {"error": "invalid_request"}), Obstacle.UNEXPECTED),
        (httpx.Response(401, content=b"<html>sign in to the hotel's network"), Obstacle.UNEXPECTED),
        (httpx.Response(302, headers={"location": "https://evil.example/"}), Obstacle.UNEXPECTED),
        (httpx.Response(200, content=b"<!doctype html>"), Obstacle.UNEXPECTED),
        (httpx.Response(200, content=b"{"), Obstacle.UNEXPECTED),
        (httpx.Response(200, content=b"[" * 100_000), Obstacle.UNEXPECTED),
        (httpx.Response(200, json={}), Obstacle.UNEXPECTED),
        (httpx.Response(200, json={"id_token": "a"}), Obstacle.UNEXPECTED),
        (httpx.Response(200, json={"access_token": 3, "refresh_token": "a b"}), Obstacle.UNEXPECTED),
        (httpx.Response(200, content=b"x" * (2 << 20)), Obstacle.UNEXPECTED),
    ],
)
def test_anything_else_may_work_another_time(answer: httpx.Response | Exception, obstacle: Obstacle) -> None:
    result = asked(answer)
    assert isinstance(result, Failure)
    assert result.obstacle is obstacle


def test_how_long_the_host_wants_to_be_left_alone_is_heard_within_reason() -> None:
    assert asked(refusal(429, retry_after="120")) == Failure(Obstacle.SERVICE_FAILED, timedelta(seconds=120))
    assert asked(refusal(503, retry_after="99999")) == Failure(Obstacle.SERVICE_FAILED, timedelta(hours=1))
    assert asked(refusal(503, retry_after="soon")) == Failure(Obstacle.SERVICE_FAILED)


def test_tokens_that_cannot_be_used_count_as_not_given() -> None:
    answer = httpx.Response(200, json={"access_token": "new", "refresh_token": "", "id_token": "a\nb"})
    assert asked(answer) == NewTokens(Secret("new"), None, None)


def test_an_answer_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in_host, "WHOLE", 0.0)
    assert asked(httpx.Response(200, json={"access_token": "a"})) == Failure(Obstacle.UNEXPECTED)


@pytest.mark.parametrize(
    "url",
    ["http://auth.openai.com/oauth/token", "https://user@auth.openai.com/oauth/token", "ftp://x", "nonsense", ""],
)
def test_a_refresh_token_is_sent_to_a_plain_https_address_only(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        SignInHost(url, "Lerix/0")


def test_the_stand_in_takes_it(tmp_path: Any) -> None:
    with Upstream() as up:
        account = up.sign_in(tmp_path)
        spent = Secret(account.refresh_token)
        host = SignInHost(f"{up.url}{TOKEN}", "Lerix/0")
        answer = host.renew(spent, Reason.PROACTIVE)
        assert answer == NewTokens(*map(Secret, (account.access_token, account.refresh_token, account.id_token)))
        assert host.renew(spent, Reason.PROACTIVE) == Refusal(Why.REUSED)
        up.go_offline()
        assert host.renew(spent, Reason.PROACTIVE) == Failure(Obstacle.UNREACHABLE)
