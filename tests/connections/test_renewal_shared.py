"""Our own renewal with others about: many requests at once, requests that go away, other programs, other processes."""

import asyncio
import fcntl
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

from connections import errors
from connections.codex import renewal
from connections.codex.auth_file import AuthFile
from tests.connections.renewing import Clock, lerix, refresh_token, unharmed
from tests.connections.waiting import until
from tests.upstream import TOKEN, Upstream
from tests.upstream.faults import Late


@pytest.fixture
def up() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "codex"


async def test_fifty_requests_at_once_renew_once(up: Upstream, home: Path) -> None:
    account = up.sign_in(home, expires_in=-60)
    async with aclosing(lerix(up, home)) as path:
        await asyncio.gather(*(path.models() for _ in range(50)))
        assert len(up.to(TOKEN)) == 1
        up.expire(account)
        await asyncio.gather(*(path.models() for _ in range(50)))
    assert len(up.to(TOKEN)) == 2
    assert unharmed(up, home, account)


async def test_a_request_that_goes_away_takes_the_renewal_from_nobody(up: Upstream, home: Path) -> None:
    account = up.sign_in(home, expires_in=-60)
    up.fail(TOKEN, Late())
    async with aclosing(lerix(up, home)) as path:
        first, second = (asyncio.create_task(path.models()) for _ in range(2))
        await asyncio.to_thread(up.stalled.wait_held)
        first.cancel()
        await asyncio.wait({first})
        up.release()
        await second
    assert first.cancelled()
    assert len(up.to(TOKEN)) == 1
    assert unharmed(up, home, account)


async def test_a_renewal_whose_every_request_is_gone_is_written_all_the_same(up: Upstream, home: Path) -> None:
    account = up.sign_in(home, expires_in=-60)
    before = account.refresh_token
    up.fail(TOKEN, Late(0.3))
    path = lerix(up, home)
    only = asyncio.create_task(path.models())
    await asyncio.to_thread(up.wait_for, TOKEN)
    only.cancel()
    await path.aclose()
    await until(lambda: refresh_token(home) == account.refresh_token != before and not list(home.glob(".auth-*")))
    assert unharmed(up, home, account)


def test_a_process_that_is_stopping_writes_the_answer_before_it_ends(up: Upstream, home: Path) -> None:
    account = up.sign_in(home, expires_in=-60)
    up.fail(TOKEN, Late())
    command = program(
        f"""
        async def main():
            path = make({up.url!r}, {str(home)!r})
            asking = asyncio.create_task(path.models())
            await asyncio.to_thread(input)
            asking.cancel()
            await path._renewal.aclose(0.1)
        """
    )
    command[-1] += "print('over', flush=True)\n"
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        up.stalled.wait_held(timeout=60)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "over\n"
        with pytest.raises(subprocess.TimeoutExpired):  # it waits for the answer
            process.wait(1)
        up.release()
        assert process.wait(60) == 0
    assert up.to(TOKEN)[0].status == 200
    assert unharmed(up, home, account)


# With other programs


async def test_what_another_program_wrote_is_taken_over_without_spending_anything(up: Upstream, home: Path) -> None:
    account = up.sign_in(home, expires_in=-60)
    path = lerix(up, home)
    async with aclosing(path):
        await path.refresh()
        with (home / "auth.lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            asking = asyncio.create_task(path.models())
            await asyncio.sleep(0.2)
            assert not up.to(TOKEN)
            up.sign_in(home)
        await asking
    assert not up.to(TOKEN)
    assert unharmed(up, home, account)


async def test_after_refresh_token_reused_the_winner_s_tokens_are_taken_over(up: Upstream, home: Path) -> None:
    account = up.sign_in(home, expires_in=-60)
    up.accounts.spend(account.refresh_token)  # by a CLI which has its answer, and has not yet written it

    async def writes(seconds: float) -> None:
        with (home / "auth.lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # we must not hold it while we wait
        if seconds == renewal.LOOKS[2]:
            up.sign_in(home)
        await asyncio.sleep(0)

    async with aclosing(lerix(up, home, sleep=writes)) as path:
        await path.models()
        assert path.status().code == "connected"
    assert [request.status for request in up.to(TOKEN)] == [401]


async def test_a_backup_that_was_put_back_is_renewed_in_turn_and_not_for_ever(up: Upstream, home: Path) -> None:
    up.sign_in(home, expires_in=-60)
    backup = (home / "auth.json").read_bytes()

    def again(request: httpx.Request) -> httpx.Response:
        (home / "auth.json").write_bytes(backup.replace(b'"auth_mode"', b'"again": 1, "auth_mode"'))
        return httpx.Response(401, json={"error": {"code": "refresh_token_reused"}})

    async with aclosing(lerix(up, home, token_transport=httpx.MockTransport(again))) as path:
        with pytest.raises(errors.Unavailable):
            await path.models()


async def test_a_login_while_a_renewal_is_on_its_way_stands(up: Upstream, home: Path) -> None:
    up.sign_in(home, expires_in=-60)
    up.fail(TOKEN, Late())
    async with aclosing(lerix(up, home)) as path:
        asking = asyncio.create_task(path.models())
        await asyncio.to_thread(up.stalled.wait_held)
        eve = up.sign_in(home, email="eve@example.com")
        up.release()
        with pytest.raises(errors.Unavailable, match="e•••@example"):
            await asking
        assert unharmed(up, home, eve)


async def test_an_answer_that_could_not_be_written_is_kept_and_written_later(
    up: Upstream, home: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = up.sign_in(home, expires_in=-60)
    whole = AuthFile.committing

    def full(file: Any) -> Any:
        raise OSError(28, "No space left on device")

    clock = Clock()
    async with aclosing(lerix(up, home, now=clock)) as path:
        monkeypatch.setattr(AuthFile, "committing", full)
        with pytest.raises(errors.Unavailable, match="no room left"):
            await path.models()
        assert "could not be written" in caplog.text
        monkeypatch.setattr(AuthFile, "committing", whole)
        clock.ahead += renewal.FIRST_PAUSE
        await path.models()
    assert len(up.to(TOKEN)) == 1
    assert unharmed(up, home, account)
    assert account.refresh_token not in caplog.text


PRELUDE = """
import asyncio
from pathlib import Path
from connections.codex.path import CodexPath

def make(url, home):
    return CodexPath(Path(home), url + "/backend-api", None, "Lerix/0", token_url=url + "/oauth/token",
                     find_cli=lambda: None)
"""


def program(text: str) -> list[str]:
    return [sys.executable, "-c", f"{PRELUDE}\n{textwrap.dedent(text)}\nasyncio.run(main())\n"]


def test_two_lerixes_renew_one_session_again_and_again_and_neither_is_stranded(up: Upstream, home: Path) -> None:
    rounds = 20
    up.accounts.lifetime = 200  # every use finds a token that is due
    account = up.sign_in(home, expires_in=-60)
    text = f"""
        async def main():
            path = make({up.url!r}, {str(home)!r})
            for _ in range({rounds}):
                session = await path.current()
                assert session.access_token
            await path.aclose()
        """
    both = [subprocess.Popen(program(text), stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors_ = [process.communicate(timeout=180)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors_
    answers = [request.status for request in up.to(TOKEN)]
    assert set(answers) == {200}  # two Lerixes never spend one token
    assert rounds <= len(answers) <= 2 * (rounds + 1)
    assert unharmed(up, home, account)
