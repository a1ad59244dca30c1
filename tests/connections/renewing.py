"""What the tests of our own renewal share: a Lerix on a machine without the CLI, and how its session fares."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from connections.codex.path import CodexPath
from connections.codex.watch import utc_now
from tests.upstream import TOKEN, Account, Upstream


class Clock:
    """The time of day, some seconds on."""

    ahead = timedelta()

    def __call__(self) -> Any:
        return utc_now() + self.ahead


async def at_once(seconds: float) -> None:
    await asyncio.sleep(0)


def lerix(up: Upstream, home: Path, **options: Any) -> CodexPath:
    """Lerix's path to this session, on a machine without the CLI."""
    settings: dict[str, Any] = {
        "token_url": f"{up.url}{TOKEN}",
        "find_cli": lambda: None,
        "sleep": at_once,
        **options,
    }
    return CodexPath(home, f"{up.url}/backend-api", None, "Lerix/0 (test)", **settings)


def refresh_token(home: Path) -> str:
    token: str = json.loads((home / "auth.json").read_text())["tokens"]["refresh_token"]
    return token


def unharmed(up: Upstream, home: Path, account: Account) -> bool:
    """Whether the CLI could go on: the file holds the newest tokens, and nothing of ours beside it."""
    assert not list(home.glob(".auth-*"))
    return refresh_token(home) == account.refresh_token
