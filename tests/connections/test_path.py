"""The Codex path: what is sent, what is told, and what each outcome makes of its state."""

import json
import logging
import traceback
from pathlib import Path
from typing import Any

import httpx
import pytest

from connections import errors
from connections.codex import states
from connections.codex.auth import CodexAuth, backend_url
from connections.codex.path import CodexPath
from connections.paths import AccessPath, AccessPaths
from connections.responses import Completed, TextDelta, TokenUsage
from connections.status import NextStep
from tests.connections.far import (
    ALICE,
    BASE,
    BOB,
    COMPLETED,
    OLD,
    Far,
    access_token,
    ask,
    codex,
    collect,
    delta,
    jwt,
    refusal,
    sign_in,
    stream,
    text_of,
    write,
)

UNAUTHORIZED = {"detail": "Unauthorized"}
FRESH = access_token(generation=2)


async def test_an_answer_streams_and_ends_with_its_usage(tmp_path: Path) -> None:
    write(tmp_path, sign_in())
    far = Far(stream(delta("Hel"), delta("lo"), COMPLETED))
    path = codex(tmp_path, far)
    assert await collect(path) == [
        TextDelta("Hel"),
        TextDelta("lo"),
        Completed("resp_1", TokenUsage(total=7)),
    ]
    (request,) = far.requests
    assert str(request.url) == f"{BASE}/codex/responses"
    assert request.headers["authorization"] == f"Bearer {access_token()}"
    assert request.headers["chatgpt-account-id"] == ALICE
    assert request.headers["user-agent"] == "Lerix/0.1 (test)"
    assert request.headers["originator"] == "lerix"
    assert "x-openai-fedramp" not in request.headers
    assert json.loads(request.content)["model"] == "gpt-6.1-sol"
    assert path.status().ready


async def test_the_model_s_flag_decides_the_form_of_the_request(tmp_path: Path) -> None:
    write(tmp_path, sign_in())
    far = Far(lambda request: stream(COMPLETED))
    path = codex(tmp_path, far)
    await collect(path, ask())
    await collect(path, ask(model=OLD))
    assert ["x-openai-internal-codex-responses-lite" in request.headers for request in far.requests] == [
        True,
        False,
    ]


async def test_models_are_asked_for_with_a_recent_client_version(tmp_path: Path) -> None:
    write(tmp_path, sign_in())
    entry = {"slug": "gpt-6.1-sol", "display_name": "Sol", "visibility": "list"}
    far = Far(httpx.Response(200, json={"models": [entry]}, headers={"etag": '"1"'}))
    catalogue = await codex(tmp_path, far).models()
    assert [model.name for model in catalogue.models] == ["Sol"]
    assert catalogue.etag == '"1"'
    assert str(far.requests[0].url) == f"{BASE}/codex/models?client_version=0.169.0"
    assert far.tokens == [access_token()]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"models": 3}', b"[" * 100_000, b"x" * (5 << 20)])
async def test_a_list_of_models_that_cannot_be_read_means_that_the_service_changed(tmp_path: Path, body: bytes) -> None:
    write(tmp_path, sign_in())
    path = codex(tmp_path, Far(httpx.Response(200, content=body)))
    with pytest.raises(errors.CatalogueUnreadable):
        await path.models()
    assert path.status().code == "service-changed"


async def test_a_government_account_is_named_in_a_header(tmp_path: Path) -> None:
    claim = jwt(**{"https://api.openai.com/auth": {"chatgpt_account_is_fedramp": True}})
    write(tmp_path, sign_in(id_token=claim))
    far = Far(stream(COMPLETED))
    await collect(codex(tmp_path, far))
    assert far.requests[0].headers["x-openai-fedramp"] == "true"


async def test_each_request_uses_the_session_which_the_file_holds_then(tmp_path: Path) -> None:
    write(tmp_path, sign_in())
    far = Far(lambda request: stream(COMPLETED))
    path = codex(tmp_path, far)
    await collect(path)
    write(tmp_path, sign_in(access_token=FRESH))
    await collect(path)
    assert far.tokens == [access_token(), FRESH]


# 401


async def test_after_a_401_the_file_is_read_again_and_the_request_sent_once_more(tmp_path: Path) -> None:
    write(tmp_path, sign_in())

    def renew(request: httpx.Request) -> httpx.Response:
        write(tmp_path, sign_in(access_token=FRESH))
        return refusal(401, UNAUTHORIZED)

    far = Far(renew, stream(delta("ok"), COMPLETED))
    path = codex(tmp_path, far)
    assert await text_of(path) == "ok"
    assert far.tokens == [access_token(), FRESH]
    assert far.requests[0].content == far.requests[1].content
    assert path.status().ready


async def test_two_401_refuse_a_session_that_cannot_be_renewed_until_the_file_changes(tmp_path: Path) -> None:
    write(tmp_path, sign_in(refresh_token=None))
    far = Far(refusal(401, UNAUTHORIZED), refusal(401, UNAUTHORIZED), stream(COMPLETED))
    path = codex(tmp_path, far)
    with pytest.raises(errors.SignInRefused) as caught:
        await collect(path)
    assert caught.value.next_step is NextStep.SIGN_IN_AGAIN
    assert isinstance(path.session_state, states.SignInAgain)
    for _ in range(3):
        with pytest.raises(errors.Unavailable, match="codex login"):
            await collect(path)
    assert len(far.requests) == 2
    write(tmp_path, sign_in(access_token=FRESH))
    await collect(path)
    assert far.tokens[2:] == [FRESH]


async def test_a_login_while_a_refusal_is_on_its_way_is_used_at_once(tmp_path: Path) -> None:
    write(tmp_path, sign_in(refresh_token=None))

    def late(request: httpx.Request) -> httpx.Response:
        write(tmp_path, sign_in(access_token=FRESH))
        return refusal(401, UNAUTHORIZED)

    far = Far(refusal(401, UNAUTHORIZED), late, stream(delta("ok"), COMPLETED))
    path = codex(tmp_path, far)
    assert await text_of(path) == "ok"
    assert far.tokens == [access_token(), access_token(), FRESH]
    assert path.status().ready


async def test_after_a_401_another_account_s_token_is_not_used(tmp_path: Path) -> None:
    write(tmp_path, sign_in())

    def switch(request: httpx.Request) -> httpx.Response:
        write(tmp_path, sign_in(BOB, "bob@example.com", access_token=access_token(BOB)))
        return refusal(401, UNAUTHORIZED)

    far = Far(switch, stream(COMPLETED))
    with pytest.raises(errors.Unavailable) as caught:
        await collect(codex(tmp_path, far))
    assert (caught.value.code, caught.value.next_step) == ("other-account", NextStep.USE_ACCOUNT)
    assert far.tokens == [access_token()]


async def test_the_body_of_a_401_is_not_read_without_end(tmp_path: Path) -> None:
    write(tmp_path, sign_in())
    endless = stream(*[b"x" * 65536] * 1000)
    endless.status_code = 401
    body: Any = endless.stream
    path = codex(tmp_path, Far(endless, stream(COMPLETED)))
    await collect(path)
    assert body.given <= 3 * 65536
    assert body.closed


# Accounts


async def test_the_first_account_is_adopted_and_told(tmp_path: Path) -> None:
    told: list[str] = []

    async def keep(account: str) -> None:
        told.append(account)

    write(tmp_path, sign_in())
    path = codex(tmp_path, Far(stream(COMPLETED)), on_account=keep)
    await path.refresh()
    await path.refresh()
    assert told == [ALICE]
    assert path.account is not None
    assert path.account.email == "a•••@example.com"


async def test_another_account_waits_until_it_is_accepted(tmp_path: Path) -> None:
    told: list[str] = []

    async def keep(account: str) -> None:
        told.append(account)

    write(tmp_path, sign_in(BOB, "bob@example.com"))
    far = Far(stream(COMPLETED))
    path = codex(tmp_path, far, known_account=ALICE, on_account=keep)
    with pytest.raises(errors.Unavailable):
        await collect(path)
    assert (far.requests, path.status().code, told) == ([], "other-account", [])
    assert "b•••@example.com" in path.status().sentence
    await path.accept_account()
    assert told == [BOB]
    await collect(path)
    assert path.status().ready


async def test_an_account_that_cannot_be_remembered_is_used_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def keep(account: str) -> None:
        raise OSError("disk full")

    write(tmp_path, sign_in())
    path = codex(tmp_path, Far(stream(COMPLETED)), on_account=keep)
    await collect(path)
    assert "could not be remembered" in caplog.text


def test_reasoning_is_replayed_to_the_same_account_and_model_only(tmp_path: Path) -> None:
    write(tmp_path, sign_in())
    alice = codex(tmp_path, Far(stream()))
    keys = {alice.replay_key(ask().model), alice.replay_key(OLD)}
    write(tmp_path, sign_in(BOB))
    keys.add(codex(tmp_path, Far(stream())).replay_key(OLD))
    assert len(keys) == 3
    assert alice.replay_key(OLD) in keys
    assert not any(ALICE in key for key in keys)


# Promise 1


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/backend-api/codex/responses",
        "http://backend.example/backend-api/codex/responses",
        "https://backend.example:8443/backend-api/codex/responses",
        "https://backend.example/other",
        "https://backend.example/backend-apix/codex",
        "https://backend.example/backend-api/%2e%2e/other",
        "https://user@backend.example/backend-api/codex/responses",
        "https://backend.example.evil.example/backend-api/codex",
    ],
)
async def test_the_session_is_never_sent_to_another_address(tmp_path: Path, url: str) -> None:
    write(tmp_path, sign_in())
    far = Far(httpx.Response(200))
    path = codex(tmp_path, far)
    async with httpx.AsyncClient(transport=far, auth=CodexAuth(backend_url(BASE), path)) as client:
        with pytest.raises(errors.ForeignAddress):
            await client.get(url)
    assert far.requests == []


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path, sign_in())
    far = Far(httpx.Response(307, headers={"location": "https://evil.example/"}))
    with pytest.raises(errors.UnexpectedAnswer):
        await collect(codex(tmp_path, far))
    assert [request.url.host for request in far.requests] == ["backend.example"]


@pytest.mark.parametrize(
    "base",
    ["http://backend.example", "ftp://x", "https://", "https://a:b@x/", "https://x/?q=1", "nonsense", ""],
)
def test_a_backend_that_no_token_may_be_sent_to_is_refused_at_once(tmp_path: Path, base: str) -> None:
    with pytest.raises(ValueError, match="https"):
        CodexPath(tmp_path, base, None, "Lerix/0.1")
    assert str(backend_url("http://127.0.0.1:9/x/")) == "http://127.0.0.1:9/x/"


async def test_no_token_is_in_any_error_log_or_repr(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    write(tmp_path, sign_in())
    token = access_token()

    def echo(request: httpx.Request) -> httpx.Response:
        return refusal(400, {"detail": f"got {request.headers['authorization']} from you"})

    far = Far(echo, httpx.ConnectError("x"), httpx.ReadError("y"), refusal(500), refusal(401), refusal(401))
    path = codex(tmp_path, far)
    texts = [repr(path), repr(vars(path)), repr(path.session_state), repr(path.account), repr(path.status())]
    for _ in range(4):
        try:
            await collect(path)
        except errors.AccessError as error:
            texts += [
                repr(error),
                str(error),
                error.detail,
                *traceback.format_exception(error),
                repr(vars(error)),
            ]
    texts += [caplog.text, repr(path.session_state), repr(far.requests), repr(far.requests[0].headers)]
    assert len(texts) > 20
    for text in texts:
        for planted in (token, "planted", token.split(".")[1]):
            assert planted not in text


def test_the_codex_path_is_an_access_path_and_is_found_by_its_key(tmp_path: Path) -> None:
    path: AccessPath = codex(tmp_path, Far(stream()))
    paths = AccessPaths()
    paths.add(path)
    assert (paths.get("codex"), paths.get("other"), paths.all()) == (path, None, (path,))
    with pytest.raises(ValueError, match="codex"):
        paths.add(path)
    paths.remove("codex")
    assert paths.all() == ()
