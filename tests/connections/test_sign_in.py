"""Signing in to Codex from the page: an address of the sign-in host only, one login at a time, its end heard."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from connections.codex.app_server import AppServer, app_server_for
from connections.codex.cli_process import AppServerError, Died
from connections.codex.sign_in import SignIn, SignInImpossible
from tests.real_cli import find_program
from tests.upstream import Upstream

ISSUER = "https://auth.openai.com"


class FakeServer(AppServer):
    """Answers a login as it is told to, without a child."""

    def __init__(self, answer: Mapping[str, Any] | AppServerError) -> None:
        super().__init__(lambda: None, Path(tempfile.gettempdir()))
        self.answer = answer
        self.asked: list[tuple[str, Mapping[str, Any] | None]] = []

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        self.asked.append((method, params))
        if isinstance(self.answer, AppServerError):
            raise self.answer
        return dict(self.answer)

    def tell(self, method: str, params: dict[str, Any]) -> None:
        for listener in self._listeners:
            listener(method, params)


GOOD = {"type": "chatgpt", "loginId": "one", "authUrl": f"{ISSUER}/oauth/authorize?state=x"}


async def test_a_login_gives_its_address_and_its_end_is_heard() -> None:
    server = FakeServer(GOOD)
    sign_in = SignIn(server, ISSUER)
    assert await sign_in.begin() == GOOD["authUrl"]
    server.tell("account/login/completed", {"loginId": "another", "success": True})
    assert sign_in.address == GOOD["authUrl"]
    server.tell("account/login/completed", {"loginId": "one", "success": True, "error": None})
    assert sign_in.address is None
    assert not sign_in.failed


async def test_a_login_that_was_not_completed_is_said() -> None:
    server = FakeServer(GOOD)
    sign_in = SignIn(server, ISSUER)
    await sign_in.begin()
    server.tell("account/login/completed", {"loginId": "one", "success": False, "error": "Login was not completed"})
    assert sign_in.address is None
    assert sign_in.failed


async def test_cancelling_tells_the_cli() -> None:
    server = FakeServer(GOOD)
    sign_in = SignIn(server, ISSUER)
    await sign_in.begin()
    await sign_in.cancel()
    assert server.asked[-1] == ("account/login/cancel", {"loginId": "one"})
    assert sign_in.address is None
    await sign_in.cancel()
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/oauth/authorize",
        "https://auth.openai.com.evil.example/",
        "https://auth.openai.com@evil.example/",
        "http://auth.openai.com/",
        "javascript:alert(1)",
        f"{ISSUER}/" + "x" * 5000,
        None,
        7,
    ],
)
async def test_an_address_of_anybody_else_is_never_opened(address: object) -> None:
    sign_in = SignIn(FakeServer({**GOOD, "authUrl": address}), ISSUER)
    with pytest.raises(SignInImpossible):
        await sign_in.begin()
    assert sign_in.address is None


async def test_a_cli_that_cannot_begin_is_a_sentence_with_the_command() -> None:
    with pytest.raises(SignInImpossible, match="Run codex login in a terminal"):
        await SignIn(FakeServer(Died()), ISSUER).begin()


@asynccontextmanager
async def closing(server: AppServer) -> AsyncIterator[AppServer]:
    try:
        yield server
    finally:
        await server.aclose()


async def test_the_real_cli_signs_in_through_the_browser(tmp_path: Path) -> None:
    program = find_program()
    if program is None:
        pytest.skip("the Codex CLI is not installed (.ci/run installs it where npm is)")
    with Upstream() as up:
        up.approve_sign_ins = True
        urls = (f"{up.url}/backend-api", f"{up.url}/oauth/token")
        async with closing(app_server_for(lambda: program, tmp_path, *urls, "Lerix")) as server:
            sign_in = SignIn(server, up.url)
            address = await sign_in.begin()
            async with httpx.AsyncClient(trust_env=False, follow_redirects=True, timeout=30) as browser:
                assert (await browser.get(address)).status_code == 200
            for _ in range(300):
                if sign_in.address is None:
                    break
                await asyncio.sleep(0.1)
            assert sign_in.address is None
    assert (tmp_path / "auth.json").exists()
