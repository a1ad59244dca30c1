"""The real Codex CLI, kept to the stand-in: it is told its addresses, and every other host is out of its reach.

`.ci/run` installs it below `.ci/tools`. It is not put on PATH: then every Lerix that a test starts would find it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connections.codex.app_server import AppServer
from connections.codex.path import CodexPath
from connections.errors import AccessError
from tests.upstream import TOKEN, Upstream

TOOLS = Path(__file__).resolve().parent.parent / ".ci" / "tools" / "node_modules" / ".bin"
VERSION = "0.169.0"
#: A proxy that is not there: what is not loopback fails at once.
NOWHERE = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")


def find_program() -> Path | None:
    """The `codex` of `.ci/tools`, else the one on PATH."""
    found = shutil.which("codex", path=os.pathsep.join([str(TOOLS), os.environ.get("PATH", "")]))
    return None if found is None else Path(found)


@dataclass
class RealCli:
    """The CLI of one CODEX_HOME, as its user has it."""

    program: Path
    up: Upstream
    home: Path
    variables: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        config = f"chatgpt_base_url = {json.dumps(self.up.url + '/backend-api')}\ncheck_for_update_on_startup = false\n"
        (self.home / "config.toml").write_text(config)
        self.variables = {
            **NOWHERE,
            "NO_PROXY": "127.0.0.1,localhost",
            "HOME": str(self.home),
            "CODEX_HOME": str(self.home),
            "CODEX_REFRESH_TOKEN_URL_OVERRIDE": f"{self.up.url}{TOKEN}",
            "CODEX_REVOKE_TOKEN_URL_OVERRIDE": f"{self.up.url}/oauth/revoke",
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        env = {"PATH": os.environ["PATH"], **self.variables}
        return subprocess.run(
            [self.program, *arguments], env=env, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
        )

    def log_in(self) -> None:
        """Sign in with a device code, which the stand-in approves."""
        done = self.run("login", "--device-auth", "--experimental_issuer", self.up.url)
        assert done.returncode == 0, done.stderr

    def server(self) -> AppServer:
        """An app-server of the CLI's own: renewing through it is what the CLI's other programs do as well."""
        return AppServer(lambda: self.program, self.home, variables=self.variables)

    def path(self, **options: Any) -> CodexPath:
        """Lerix's access path to the same session; it finds the CLI unless told otherwise."""
        settings: dict[str, Any] = {"find_cli": lambda: self.program, "app_server": self.server(), **options}
        return CodexPath(
            self.home,
            f"{self.up.url}/backend-api",
            None,
            "Lerix/0 (test)",
            token_url=f"{self.up.url}{TOKEN}",
            **settings,
        )

    def stored(self) -> dict[str, Any]:
        """The tokens that auth.json holds."""
        content = json.loads((self.home / "auth.json").read_text())
        tokens: dict[str, Any] = content["tokens"]
        return tokens


class Stranded(AssertionError):
    """After renewing side by side somebody was left with a session that is dead."""


async def side_by_side(
    cli: RealCli, rounds: int, *, lerix_uses_cli: bool, after: Callable[[int], None] = lambda number: None
) -> dict[str, int]:
    """Have the real CLI and Lerix renew one session at the same moment, again and again.

    After each round both must be able to go on: Lerix fetches the models, the CLI gives a token that the backend
    takes, and the file holds the newest refresh token. Gives how many renewals were asked for and refused.
    Raises Stranded.
    """
    up = cli.up
    account = up.accounts.get(up.person[0])
    lerix = cli.path() if lerix_uses_cli else cli.path(find_cli=lambda: None)
    own = cli.server()
    params = {"includeToken": True, "refreshToken": True}
    async with aclosing(own), aclosing(lerix):
        await own.call("getAuthStatus", {"includeToken": False, "refreshToken": False})
        await lerix.models()
        for number in range(1, rounds + 1):
            up.expire(account)  # both get a 401 for what they hold
            outcomes = await asyncio.gather(
                lerix.models(), own.call("getAuthStatus", params), return_exceptions=True
            )
            if isinstance(outcomes[0], AccessError):
                raise Stranded(f"round {number}: Lerix says: {outcomes[0]}") from outcomes[0]
            if isinstance(outcomes[0], BaseException):
                raise outcomes[0]
            # Who takes over what the other has renewed is done sooner than the other.
            for _ in range(200):
                if cli.stored()["refresh_token"] == account.refresh_token:
                    break
                await asyncio.sleep(0.05)
            else:
                raise Stranded(f"round {number}: the file does not hold the newest refresh token; {up.log[-8:]}")
            # The CLI's next use of its session; whoever lost the race takes over what the file holds.
            told = await own.call("getAuthStatus", params)
            try:
                up.accounts.bearer({"authorization": f"Bearer {told.get('authToken')}"})
            except Exception as refusal:
                raise Stranded(f"round {number}: the CLI's session is dead") from refusal
            await lerix.models()
            after(number)
    answers = [request.status for request in up.to(TOKEN) if isinstance(request.json, dict)]
    return {"rounds": rounds, "renewals": answers.count(200), "refused": len(answers) - answers.count(200)}
