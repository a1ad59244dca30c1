"""The real Codex CLI and Lerix with one session: it renews for us, and neither strands the other.

Skipped where the CLI is not installed (`.ci/run` does it). Nothing here leaves this machine, see tests/real_cli.py.
"""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from connections import errors
from connections.codex.cli_session import CliSession
from connections.codex.session import SignedOut
from connections.codex.states import ExpiredForGood
from tests.real_cli import VERSION, RealCli, find_program, side_by_side
from tests.upstream import TOKEN, Upstream, faults
from tests.upstream.faults import Late

ROUNDS = 20


@pytest.fixture(scope="module")
def codex_program() -> Path:
    """The program; the tests are skipped where there is none that runs."""
    found = find_program()
    if found is None:
        npm = "run .ci/run" if shutil.which("npm") else "installing it needs npm, which is missing"
        pytest.skip(f"the real Codex CLI is not installed: {npm}")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=60)
    if said.returncode != 0 or VERSION not in said.stdout:
        pytest.skip(f"the Codex CLI found is not {VERSION}, or does not run here: {said.stdout.strip()!r}")
    return found


@pytest.fixture
def up() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def cli(codex_program: Path, up: Upstream, tmp_path: Path) -> RealCli:
    """A CLI with a session that has run out, written for it by the stand-in."""
    made = RealCli(codex_program, up, tmp_path / "codex")
    age(made)
    return made


@pytest.fixture
def logged_in(cli: RealCli) -> RealCli:
    """A CLI that is signed in by its own `codex login`."""
    (cli.home / "auth.json").unlink()
    cli.log_in()
    return cli


def posts(up: Upstream) -> list[int | None]:
    """The answers to renewals; logins are forms."""
    return [request.status for request in up.to(TOKEN) if isinstance(request.json, dict)]


def age(cli: RealCli) -> None:
    """Have the stored session run out."""
    cli.up.sign_in(cli.home, expires_in=-60)


async def at_once(seconds: float) -> None:
    await asyncio.sleep(0)


async def test_a_login_of_the_real_cli_is_read_and_used(logged_in: RealCli) -> None:
    cli = logged_in
    async with aclosing(cli.path()) as path:
        assert len((await path.models()).models) == 9
        assert path.status().sentence == "Codex is signed in with ChatGPT as a•••@example.com."
        assert path.renewed_by == "the Codex CLI"
        assert not posts(cli.up)
    done = cli.run("login", "status")
    assert (done.returncode, "Logged in using ChatGPT" in done.stderr) == (0, True)


async def test_the_cli_renews_for_us_and_fifty_requests_cost_one_renewal(cli: RealCli) -> None:
    async with aclosing(cli.path()) as path:
        await asyncio.gather(*(path.models() for _ in range(50)))
        first = len(posts(cli.up))
        # A child that starts with a token that has run out renews it by itself, and then because we ask.
        assert 1 <= first <= 2
        age(cli)
        await asyncio.gather(*(path.models() for _ in range(50)))
        assert len(posts(cli.up)) == first + 1
        cli.up.expire(cli.up.accounts.get("ada@example.com"))
        await asyncio.gather(*(path.models() for _ in range(50)))
        assert len(posts(cli.up)) == first + 2
    assert set(posts(cli.up)) == {200}
    assert cli.stored()["refresh_token"] == cli.up.accounts.get("ada@example.com").refresh_token


@pytest.mark.parametrize("lerix_uses_cli", [True, False], ids=["through the CLI", "by ourselves"])
async def test_the_cli_and_lerix_renew_side_by_side_and_neither_is_stranded(
    logged_in: RealCli, lerix_uses_cli: bool
) -> None:
    told = await side_by_side(logged_in, ROUNDS, lerix_uses_cli=lerix_uses_cli)
    assert told["renewals"] >= ROUNDS
    assert logged_in.run("login", "status").returncode == 0


async def test_what_we_write_is_what_the_cli_reads_and_renews_next(logged_in: RealCli) -> None:
    cli = logged_in
    before = json.loads((cli.home / "auth.json").read_text())
    async with aclosing(cli.path(find_cli=lambda: None)) as path, aclosing(cli.server()) as server:
        cli.up.expire(cli.up.accounts.get("ada@example.com"))
        await path.models()
        ours = json.loads((cli.home / "auth.json").read_text())
        result = await server.call("getAuthStatus", {"includeToken": True, "refreshToken": False})
        assert result["authToken"] == ours["tokens"]["access_token"]
        await server.call("getAuthStatus", {"includeToken": False, "refreshToken": True})
    theirs = json.loads((cli.home / "auth.json").read_text())
    assert list(ours) == list(before) == list(theirs)
    assert list(ours["tokens"]) == list(before["tokens"]) == list(theirs["tokens"])
    for name in ("oauth_provenance", "login_owner_id", "account_id"):
        assert before["tokens"][name] == ours["tokens"][name] == theirs["tokens"][name]
    assert len(before["last_refresh"]) == len(ours["last_refresh"]) == len(theirs["last_refresh"])
    assert posts(cli.up) == [200, 200]


@pytest.mark.parametrize("code", ["refresh_token_expired", "refresh_token_reused", "app_session_terminated"])
async def test_a_renewal_that_is_refused_for_good_asks_for_sign_in_and_a_login_mends_it(
    cli: RealCli, code: str
) -> None:
    cli.up.fail(TOKEN, faults.refresh_refused(code), times=None)
    async with aclosing(cli.path(sleep=at_once)) as path:
        for _ in range(3):
            with pytest.raises(errors.Unavailable, match="codex login"):
                await path.models()
        assert isinstance(path.session_state, ExpiredForGood)
        asked = len(posts(cli.up))
        assert asked <= 2
        await path.look()
        assert len(posts(cli.up)) == asked
        cli.up.clear()
        await asyncio.to_thread(cli.log_in)
        await path.models()
        assert path.status().code == "connected"
        age(cli)
        await path.models()


async def test_a_passing_failure_of_the_sign_in_host_passes(cli: RealCli) -> None:
    cli.up.fail(TOKEN, faults.server_error(), times=None)
    async with aclosing(cli.path()) as path:
        with pytest.raises(errors.Unavailable, match="did not manage it this time"):
            await path.models()
        cli.up.clear()
        await path.check()
        await path.models()


async def test_a_login_to_another_account_is_noticed_by_a_child_that_is_started_anew(cli: RealCli) -> None:
    async with aclosing(cli.path()) as path:
        await path.models()
        cli.up.sign_in(cli.home, email="eve@example.com", expires_in=-60)
        await path.refresh()
        await path.accept_account()
        await path.models()
        assert path.account is not None
        assert path.account.email == "e•••@example.com"
        assert cli.stored()["refresh_token"] == cli.up.accounts.get("eve@example.com").refresh_token


@pytest.mark.parametrize("how", ["aclose", "SIGTERM", "SIGKILL"])
def test_a_renewal_is_completed_whatever_ends_lerix(cli: RealCli, how: str) -> None:
    up = cli.up
    account = up.accounts.get("ada@example.com")
    text = f"""
        import asyncio, os, signal
        from pathlib import Path
        from connections.codex.app_server import AppServer
        from connections.codex.path import CodexPath

        async def main():
            app = AppServer(lambda: Path({str(cli.program)!r}), Path({str(cli.home)!r}), variables={cli.variables!r})
            path = CodexPath(Path({str(cli.home)!r}), {up.url + "/backend-api"!r}, None, "Lerix/0",
                             find_cli=lambda: Path({str(cli.program)!r}), app_server=app)
            asking = asyncio.create_task(path.models())
            print(flush=True)
            await asyncio.to_thread(input)
            if {how!r} == "aclose":
                asking.cancel()
                await path._renewal.aclose(0)
            else:
                os.kill(os.getpid(), signal.{how if how != "aclose" else "SIGTERM"})

        asyncio.run(main())
        """
    up.fail(TOKEN, Late())
    command = [sys.executable, "-c", textwrap.dedent(text)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        up.stalled.wait_held(timeout=60)
        process.communicate("\n", timeout=60)
        assert process.returncode == {"aclose": 0, "SIGTERM": -signal.SIGTERM, "SIGKILL": -signal.SIGKILL}[how]
    time.sleep(1.5)  # the CLI has been told to end, and goes on waiting for the answer
    up.release()
    request = up.to(TOKEN)[-1]
    up.wait_outcome(request, 30)
    for _ in range(600):
        if cli.stored()["refresh_token"] == account.refresh_token:
            break
        time.sleep(0.05)
    assert request.status == 200
    assert cli.stored()["refresh_token"] == account.refresh_token
    assert cli.run("login", "status").returncode == 0


async def test_a_keyring_that_holds_nothing_is_signed_out(cli: RealCli) -> None:
    config = cli.home / "config.toml"
    (cli.home / "auth.json").unlink()
    for store in ("keyring", "auto"):
        config.write_text(f'cli_auth_credentials_store = "{store}"\n{config.read_text()}')
        async with aclosing(CliSession(cli.server())._app_server) as server:
            assert await CliSession(server).state() == SignedOut()
        async with aclosing(cli.path()) as path:
            with pytest.raises(errors.Unavailable, match="not signed in"):
                await path.models()
        config.write_text(config.read_text().partition("\n")[2])


async def test_account_and_limits_can_be_asked_and_nothing_but_the_stand_in_is(cli: RealCli) -> None:
    async with aclosing(cli.server()) as server:
        limits = await server.call("account/rateLimits/read")
        assert limits["rateLimits"]["primary"]["usedPercent"] == 12
        started = await server.call("account/login/start", {"type": "chatgpt"})
        assert started["authUrl"].startswith("https://auth.openai.com/oauth/authorize?")
        await server.call("account/login/cancel", {"loginId": started["loginId"]})
    assert {request.host for request in cli.up.requests} == {f"127.0.0.1:{cli.up.port}"}
