"""Writes ``auth.json`` the way codex-cli 0.169.0 does: key order, indent and mode as observed."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.upstream.accounts import CLIENT_ID, ISSUER, Account


def timestamp() -> str:
    """Now in UTC with nanoseconds and ``Z``, as in ``last_refresh``."""
    now = time.time_ns()
    whole = datetime.fromtimestamp(now // 1_000_000_000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{now % 1_000_000_000:09d}Z"


def write_session(codex_home: Path, account: Account, *, provenance: bool = True) -> Path:
    """Write a ChatGPT session with the account's newest tokens; without ``provenance`` as older CLIs did."""
    tokens: dict[str, object] = {
        "id_token": account.id_token,
        "access_token": account.access_token,
        "refresh_token": account.refresh_token,
    }
    if provenance:
        tokens["oauth_provenance"] = {"issuer": ISSUER, "client_id": CLIENT_ID}
        tokens["login_owner_id"] = secrets.token_urlsafe(32)
    tokens["account_id"] = account.account_id
    content = {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": timestamp()}
    return _write(codex_home, content)


def write_api_key(codex_home: Path, key: str) -> Path:
    """Write what ``codex login --with-api-key`` leaves."""
    return _write(codex_home, {"auth_mode": "apikey", "OPENAI_API_KEY": key})


def remove(codex_home: Path) -> None:
    """Sign out: the file goes, the lock files (if any) stay behind."""
    (codex_home / "auth.json").unlink(missing_ok=True)


def _write(codex_home: Path, content: object) -> Path:
    codex_home.mkdir(parents=True, exist_ok=True)
    path = codex_home / "auth.json"
    descriptor, temporary = tempfile.mkstemp(prefix=".auth-", dir=codex_home)  # mkstemp makes it 0600
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=2))
    Path(temporary).replace(path)
    return path
