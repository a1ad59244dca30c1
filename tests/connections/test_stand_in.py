"""The stand-in refuses what OpenAI's servers refuse, and signs people in as they do."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.upstream import (
    ACCOUNTS_CHECK,
    MODELS,
    PUBLIC_MODELS,
    PUBLIC_RESPONSES,
    RESPONSES,
    REVOKE,
    TOKEN,
    USAGE,
    Account,
    Upstream,
)
from tests.upstream.asking import bearer, full, headers, lite

CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"


def refresh(client: httpx.Client, token: str, **changes: Any) -> httpx.Response:
    body = {"client_id": CLIENT_ID, "grant_type": "refresh_token", "refresh_token": token, **changes}
    return client.post(TOKEN, json=body)


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return decoded


# The session file


def test_the_session_file_has_the_shape_that_the_cli_writes(up: Upstream, tmp_path: Path) -> None:
    account = up.sign_in(tmp_path, email="grace@example.com", plan="pro")
    path = tmp_path / "auth.json"
    text = path.read_text()
    content = json.loads(text)
    assert text == json.dumps(content, indent=2)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(content) == ["auth_mode", "OPENAI_API_KEY", "tokens", "last_refresh"]
    assert list(content["tokens"]) == [
        *("id_token", "access_token", "refresh_token", "oauth_provenance", "login_owner_id", "account_id")
    ]
    assert len(content["tokens"]["login_owner_id"]) == 43
    assert claims(content["tokens"]["id_token"])["email"] == "grace@example.com"
    access = claims(content["tokens"]["access_token"])
    assert access["https://api.openai.com/auth"]["chatgpt_account_id"] == account.account_id
    assert access["https://api.openai.com/auth"]["chatgpt_plan_type"] == "pro"
    assert 3590 < access["exp"] - time.time() <= 3600
    assert account.access_token not in repr(account)


def test_an_older_session_file_an_api_key_and_a_sign_out_can_be_written(up: Upstream, tmp_path: Path) -> None:
    up.sign_in(tmp_path, provenance=False)
    assert "oauth_provenance" not in json.loads((tmp_path / "auth.json").read_text())["tokens"]
    key = up.sign_in_with_api_key(tmp_path)
    assert json.loads((tmp_path / "auth.json").read_text()) == {"auth_mode": "apikey", "OPENAI_API_KEY": key}
    up.sign_out(tmp_path)
    assert not list(tmp_path.iterdir())


# Tokens


def test_a_refresh_token_is_good_once_and_the_new_one_after_it(client: httpx.Client, ada: Account) -> None:
    first = ada.refresh_token
    renewed = refresh(client, first, refresh_reason="proactive_expiry").json()
    again = refresh(client, first)
    assert again.status_code == 401
    assert again.json()["error"]["code"] == "refresh_token_reused"
    good = {"Authorization": f"Bearer {renewed['access_token']}"}
    assert client.get(USAGE, headers=good).status_code == 200
    assert refresh(client, renewed["refresh_token"]).status_code == 200


def test_a_renewal_without_rotation_leaves_the_old_token_good(up: Upstream, client: httpx.Client, ada: Account) -> None:
    up.rules.refresh_returns = frozenset({"access_token"})
    first = ada.refresh_token
    assert "refresh_token" not in refresh(client, first).json()
    assert refresh(client, first).status_code == 200


def test_expired_revoked_and_unknown_refresh_tokens_say_so(up: Upstream, client: httpx.Client, tmp_path: Path) -> None:
    expired = up.sign_in(tmp_path, email="expired@example.com")
    up.expire(expired, refresh_token=True)
    assert refresh(client, expired.refresh_token).json()["error"]["code"] == "refresh_token_expired"
    revoked = up.sign_in(tmp_path, email="revoked@example.com")
    up.revoke(revoked)
    assert refresh(client, revoked.refresh_token).json()["error"]["code"] == "refresh_token_invalidated"
    unknown = refresh(client, "rt_unknown")
    assert (unknown.status_code, unknown.json()["error"]) == (400, "invalid_grant")


def test_the_token_endpoint_refuses_foreign_clients_grants_and_forms(client: httpx.Client, ada: Account) -> None:
    assert refresh(client, ada.refresh_token, client_id="app_other").json()["error"]["code"] == "invalid_client"
    assert refresh(client, ada.refresh_token, grant_type="password").status_code == 400
    form = {"client_id": CLIENT_ID, "grant_type": "refresh_token", "refresh_token": ada.refresh_token}
    assert client.post(TOKEN, data=form).json()["error"] == "unsupported_grant_type"
    assert client.post(TOKEN, content=json.dumps(form)).status_code == 415
    assert refresh(client, ada.refresh_token).status_code == 200, "none of these used the token up"


def test_a_logout_ends_the_session(client: httpx.Client, ada: Account) -> None:
    body = {"token": ada.refresh_token, "token_type_hint": "refresh_token", "client_id": CLIENT_ID}
    assert client.post(REVOKE, json=body).status_code == 200
    assert client.get(USAGE, headers=bearer(ada)).json()["error"]["code"] == "token_revoked"


@pytest.mark.parametrize("path", [MODELS, USAGE, ACCOUNTS_CHECK, "/backend-api/wham/rate-limit-reset-credits"])
def test_the_backend_wants_a_good_token(
    up: Upstream, client: httpx.Client, ada: Account, tmp_path: Path, path: str
) -> None:
    assert client.get(path).json() == {"detail": "Unauthorized"}
    unknown = client.get(path, headers={"Authorization": "Bearer a.b.c"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (401, "token_invalidated")
    other = {**bearer(ada), "ChatGPT-Account-ID": "another"}
    assert client.get(path, headers=other).status_code == 401
    old = up.sign_in(tmp_path, email="old@example.com", expires_in=-1)
    assert client.get(path, headers=bearer(old)).json() == {
        "error": {
            "message": "Provided authentication token is expired. Please try signing in again.",
            "type": "invalid_request_error",
            "param": None,
            "code": "token_expired",
        },
        "status": 401,
    }
    up.expire(ada)
    assert client.get(path, headers=bearer(ada)).json()["error"]["code"] == "token_expired"


# Signing in


def exchange(client: httpx.Client, **changes: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "client_id": CLIENT_ID, **changes}
    return client.post(TOKEN, data=form)


def test_a_device_code_is_approved_after_its_first_poll_and_good_once(up: Upstream, client: httpx.Client) -> None:
    started = client.post("/api/accounts/deviceauth/usercode", json={"client_id": CLIENT_ID}).json()
    assert isinstance(started["interval"], str), "the CLI reads a string"
    poll = {"device_auth_id": started["device_auth_id"], "user_code": started["user_code"]}
    assert client.post("/api/accounts/deviceauth/token", json=poll).status_code == 403
    given = client.post("/api/accounts/deviceauth/token", json=poll).json()
    fields = {"code": given["authorization_code"], "code_verifier": given["code_verifier"]}
    callback = f"{up.url}/deviceauth/callback"
    tokens = exchange(client, redirect_uri=callback, **fields).json()
    good = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert client.get(USAGE, headers=good).status_code == 200
    assert exchange(client, redirect_uri=callback, **fields).json()["error"] == "invalid_grant"
    assert client.post("/api/accounts/deviceauth/token", json=poll).status_code == 404


def test_a_device_code_can_wait_for_a_person(up: Upstream, client: httpx.Client) -> None:
    up.approve_devices = False
    started = client.post("/api/accounts/deviceauth/usercode", json={"client_id": CLIENT_ID}).json()
    poll = {"device_auth_id": started["device_auth_id"], "user_code": started["user_code"]}
    for _ in range(3):
        assert client.post("/api/accounts/deviceauth/token", json=poll).status_code == 403
    assert client.post("/codex/device", data={"user_code": "NO-SUCH"}).status_code == 404
    assert client.post("/codex/device", data={"user_code": started["user_code"].lower()}).status_code == 200
    assert client.post("/api/accounts/deviceauth/token", json=poll).status_code == 200


def test_the_browser_login_checks_state_challenge_and_address(up: Upstream, client: httpx.Client) -> None:
    verifier = "v" * 64
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": "http://127.0.0.1:1455/auth/callback",
        "scope": "openid profile email offline_access",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "state": "st<ate",
    }
    page = client.get("/oauth/authorize", params=asked)
    assert "<button>" in page.text
    assert "st&lt;ate" in page.text
    for name in asked:
        assert client.get("/oauth/authorize", params={**asked, name: ""}).status_code == 400
    assert client.get("/oauth/authorize", params={**asked, "redirect_uri": "http://evil/"}).status_code == 400
    back = urlsplit(client.post("/oauth/authorize", data=asked).headers["location"])
    assert back.netloc == "127.0.0.1:1455"
    assert parse_qs(back.query)["state"] == ["st<ate"]
    code = parse_qs(back.query)["code"][0]
    good = {"code": code, "redirect_uri": asked["redirect_uri"], "code_verifier": verifier}
    assert exchange(client, **{**good, "code_verifier": "w" * 64}).status_code == 400
    up.approve_sign_ins = True
    again = urlsplit(client.get("/oauth/authorize", params=asked).headers["location"])
    good["code"] = parse_qs(again.query)["code"][0]
    tokens = exchange(client, **good).json()
    swap = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "client_id": CLIENT_ID,
        "requested_token": "openai-api-key",
        "subject_token": tokens["id_token"],
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
    }
    assert client.post(TOKEN, data=swap).status_code == 401
    up.rules.token_exchange = True
    key = client.post(TOKEN, data=swap).json()["access_token"]
    assert client.get(PUBLIC_MODELS, headers={"Authorization": f"Bearer {key}"}).status_code == 200


# Models and usage


def test_the_models_are_unsorted_partly_hidden_and_gated_by_version(
    up: Upstream, client: httpx.Client, ada: Account
) -> None:
    assert client.get(MODELS, headers=bearer(ada)).status_code == 400
    answer = client.get(MODELS, headers=bearer(ada), params={"client_version": "0.169.0"})
    entries = answer.json()["models"]
    shown = sorted((e["priority"], e["slug"]) for e in entries if e["visibility"] == "list")
    assert [slug for _, slug in shown] == [
        *("gpt-6.1-sol", "gpt-6-astra", "gpt-6-sol", "gpt-6-luna", "gpt-5.6-sol"),
        *("gpt-6.1-terra", "gpt-5.6-terra", "gpt-5.6-luna", "gpt-5.5"),
    ]
    assert len(entries) == 12
    assert [entry["priority"] for entry in entries] != sorted(entry["priority"] for entry in entries)
    assert [entry["slug"] for entry in entries if not entry["use_responses_lite"]] == ["gpt-5.5"]
    older = client.get(MODELS, headers=bearer(ada), params={"client_version": "0.120.0"}).json()["models"]
    assert "gpt-6-astra" not in [entry["slug"] for entry in older]
    up.models.remove("gpt-6-sol")
    changed = client.get(MODELS, headers=bearer(ada), params={"client_version": "0.169.0"})
    assert changed.headers["etag"] != answer.headers["etag"]
    assert client.post(RESPONSES, headers=headers(ada, lite=True), json=lite()).status_code == 400


def test_the_usage_page_and_the_workspaces_are_served(up: Upstream, client: httpx.Client, ada: Account) -> None:
    up.set_usage(primary_percent=71, primary_resets_in=600)
    page = client.get(USAGE, headers=bearer(ada)).json()
    assert page["rate_limit"]["primary_window"]["used_percent"] == 71
    assert page["rate_limit"]["primary_window"]["limit_window_seconds"] == 18_000
    check = client.get(ACCOUNTS_CHECK, headers=bearer(ada)).json()
    assert check["default_account_id"] == check["accounts"][0]["id"] == ada.account_id
    assert client.get("/backend-api/wham/rate-limit-reset-credits", headers=bearer(ada)).status_code == 404


def test_a_plan_that_is_used_up_answers_429_with_its_reset(up: Upstream, client: httpx.Client, ada: Account) -> None:
    up.set_usage(secondary_percent=100, secondary_resets_in=900)
    answer = client.post(RESPONSES, headers=headers(ada), json=full())
    problem = answer.json()["error"]
    assert (answer.status_code, problem["type"], problem["plan_type"]) == (429, "usage_limit_reached", "plus")
    assert 890 < problem["resets_at"] - time.time() <= 900
    assert answer.headers["x-codex-secondary-used-percent"] == "100.0"
    assert up.turns == 0


# Everything else


def test_unknown_addresses_and_methods_are_refused(client: httpx.Client) -> None:
    assert client.get("/nowhere").json() == {"detail": "Not Found"}
    assert client.delete(RESPONSES).status_code == 405
    assert client.get(TOKEN).status_code == 405
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    assert client.get(RESPONSES, headers=upgrade).status_code == 426


def test_the_platform_wants_a_known_api_key_and_takes_what_the_backend_does_not(
    up: Upstream, client: httpx.Client
) -> None:
    assert client.get(PUBLIC_MODELS).status_code == 401
    wrong = client.get(PUBLIC_MODELS, headers={"Authorization": "Bearer sk-proj-0123456789abcdef"})
    assert wrong.json()["error"]["code"] == "invalid_api_key"
    assert "0123456789" not in wrong.text
    key = up.add_api_key()
    known = {"Authorization": f"Bearer {key}"}
    names = [entry["id"] for entry in client.get(PUBLIC_MODELS, headers=known).json()["data"]]
    assert {"gpt-5.5", "text-embedding-3-small"} <= set(names)
    up.reply("All well.")
    body = {"model": "gpt-5.5", "input": "Hi", "temperature": 1, "max_output_tokens": 99, "store": True}
    answer = client.post(PUBLIC_RESPONSES, headers=known, json=body).json()
    assert answer["output"][-1]["content"][0]["text"] == "All well."
    follow = {**body, "previous_response_id": answer["id"]}
    assert client.post(PUBLIC_RESPONSES, headers=known, json=follow).status_code == 200
    refusals: list[tuple[dict[str, Any], str]] = [
        ({"model": "gpt-0"}, "model_not_found"),
        ({"client_metadata": {}}, "unknown_parameter"),
        ({"reasoning": {"context": "all_turns"}}, "unknown_parameter"),
        ({"reasoning": {"effort": "ultra"}}, "invalid_value"),
        ({"previous_response_id": "resp_0"}, "previous_response_not_found"),
        ({"input": None}, "missing_required_parameter"),
    ]
    for change, code in refusals:
        refused = client.post(PUBLIC_RESPONSES, headers=known, json={**body, **change})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, code)
    up.drop_api_key(key)
    assert client.get(PUBLIC_MODELS, headers=known).status_code == 401
