"""The Codex CLI's app-server, played by a program that behaves well or badly."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections import errors
from connections.codex import renewal
from connections.codex.app_server import AppServer, NotStarted, Timing
from connections.codex.cli_process import Died, Lines, Refused, Silent
from connections.codex.path import CodexPath
from connections.codex.session import InKeyring, Session, SignedOut
from connections.codex.states import ExpiredForGood
from tests.connections import fake_app_server as fake
from tests.connections.far import ALICE, BOB, Far, access_token, codex, collect, sign_in, stream, write
from tests.connections.far import COMPLETED as DONE

PATIENT = Timing(start=30, answer=30, stop=30, pause=10)
# For a child that gives no answer.
IMPATIENT = replace(PATIENT, answer=0.4)


def server(folder: Path, timing: Timing = PATIENT, **options: Any) -> AppServer:
    return AppServer(lambda: folder / "codex", folder / "home", timing=timing, **options)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens outside of this process."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def starts(folder: Path) -> int:
    return sum(line.startswith("start") for line in fake.log(folder))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# The protocol


async def test_one_child_is_started_at_the_first_question_and_kept(tmp_path: Path) -> None:
    fake.install(tmp_path, method="chatgpt", token="t")
    async with aclosing(server(tmp_path)) as app:
        assert (app.pid, fake.log(tmp_path)) == (None, [])
        answers = await asyncio.gather(*(app.call(f"ask/{number}") for number in range(20)))
        assert [answer["method"] for answer in answers] == [f"ask/{number}" for number in range(20)]
        assert await app.call("empty") == {}
        assert (starts(tmp_path), app.generation) == (1, 1)
        pid = app.pid
        assert pid is not None
    assert not alive(pid)
    assert fake.log(tmp_path)[-1] == "end"


async def test_the_child_gets_no_more_of_the_environment_than_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "CODEX_API_KEY", "CODEX_ACCESS_TOKEN", "LERIX_HOME", "PLANTED", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "x")
    fake.install(tmp_path)
    options: dict[str, Any] = {
        "variables": {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": "u"},
        "options": ("-c", 'chatgpt_base_url="b"'),
    }
    async with aclosing(server(tmp_path, **options)) as app:
        await app.call("x")
    start, env, *_ = fake.log(tmp_path)
    assert start == 'start app-server -c chatgpt_base_url="b"'
    names = set(env.split()[1:])
    assert {"CODEX_HOME", "CODEX_REFRESH_TOKEN_URL_OVERRIDE", "PATH", "HTTPS_PROXY"} <= names
    assert not names & {"OPENAI_API_KEY", "CODEX_API_KEY", "CODEX_ACCESS_TOKEN", "LERIX_HOME", "PLANTED"}


async def test_garbage_huge_lines_wrong_ids_and_notifications_in_between_are_no_answer(tmp_path: Path) -> None:
    fake.install(tmp_path, "noisy", method="chatgpt", token="right")
    heard: list[tuple[str, dict[str, Any]]] = []
    async with aclosing(server(tmp_path)) as app:
        app.listen(lambda method, params: heard[99:][0])  # type: ignore[arg-type]
        leave = app.listen(lambda method, params: heard.append((method, params)))
        result = await app.call("getAuthStatus", {"includeToken": True})
        assert result == {"authMethod": "chatgpt", "authToken": "right"}
        assert heard == [
            ("configWarning", {"summary": "this is a fake"}),
            ("account/updated", {"authMode": "chatgpt"}),
            ("account/updated", {}),
        ]
        leave()
        await app.call("x")
        assert len(heard) == 3
        assert "answer" in fake.log(tmp_path)  # what it asked of us was declined


async def test_a_child_that_dies_fails_the_question_and_is_not_started_again_at_once(tmp_path: Path) -> None:
    fake.install(tmp_path, "dies")
    clock = [0.0]
    async with aclosing(server(tmp_path, clock=lambda: clock[0])) as app:
        for pause in (10, 20, 40, 60, 60):
            with pytest.raises(Died):
                await app.call("x")
            clock[0] += pause - 1
            with pytest.raises(NotStarted):
                await app.call("x")
            clock[0] += 1
        assert starts(tmp_path) == 5
        (tmp_path / "mode").write_text("well")
        await app.call("x")


async def test_a_child_that_was_killed_between_two_questions_is_replaced_after_the_pause(tmp_path: Path) -> None:
    fake.install(tmp_path)
    clock = [0.0]
    async with aclosing(server(tmp_path, clock=lambda: clock[0])) as app:
        await app.call("x")
        assert app.pid is not None
        os.kill(app.pid, signal.SIGKILL)
        await until(lambda: app.pid is None)
        with pytest.raises(NotStarted):
            await app.call("x")
        clock[0] += 10
        await app.call("x")


async def test_a_silent_child_is_given_up_and_replaced_after_the_second_time(tmp_path: Path) -> None:
    fake.install(tmp_path, "silent")
    async with aclosing(server(tmp_path, IMPATIENT)) as app:
        with pytest.raises(Silent):
            await app.call("x")
        pid = app.pid
        assert pid is not None
        with pytest.raises(Silent):
            await app.call("x")
        assert app.pid is None
        await until(lambda: "end" in fake.log(tmp_path))  # it was told to, and does so in its own time


async def test_an_error_is_told_by_its_code_and_never_by_its_text(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    fake.install(tmp_path, "error")
    async with aclosing(server(tmp_path)) as app:
        with pytest.raises(Refused) as caught:
            await app.call("x")
    assert (caught.value.code, caught.value.unknown) == (-32603, False)
    assert "planted" not in str(caught.value) + caplog.text


async def test_a_program_that_starts_and_says_nothing_is_given_up(tmp_path: Path) -> None:
    fake.install(tmp_path, "mute")
    async with aclosing(server(tmp_path, Timing(start=0.5, stop=0.3, pause=60))) as app:
        with pytest.raises(Silent):
            await app.call("x")
        with pytest.raises(NotStarted):
            await app.call("x")


@pytest.mark.parametrize("mode", ["no app-server", None])
async def test_a_program_that_is_no_app_server_is_not_started(tmp_path: Path, mode: str | None) -> None:
    if mode is not None:
        fake.install(tmp_path, mode)
    async with aclosing(server(tmp_path, PATIENT)) as app:
        with pytest.raises(NotStarted):
            await app.call("x")
        assert app.pid is None


async def test_an_idle_child_is_ended_and_started_again_when_needed(tmp_path: Path) -> None:
    fake.install(tmp_path)
    async with aclosing(server(tmp_path)) as app:
        await app.call("x")
        app._timing = replace(PATIENT, idle=0.1)  # not before it has started, which may take longer
        await app.call("x")
        await until(lambda: "end" in fake.log(tmp_path))
        await app.call("x")
    assert starts(tmp_path) == 2


async def test_a_child_that_will_not_end_is_killed_when_nothing_was_asked_of_it(tmp_path: Path) -> None:
    fake.install(tmp_path, "stubborn")
    # Half of what it waits for the end in all is left over for a machine that stands still.
    app = server(tmp_path, replace(PATIENT, stop=2.5))
    await app.call("x")
    pid = app.pid
    assert pid is not None
    await app.aclose()
    assert not alive(pid)


def test_the_child_ends_when_lerix_is_killed(tmp_path: Path) -> None:
    fake.install(tmp_path)
    text = f"""
        import asyncio
        from pathlib import Path
        from connections.codex.app_server import AppServer

        async def main():
            app = AppServer(lambda: Path({str(tmp_path / "codex")!r}), Path("/"))
            await app.call("x")
            print(app.pid, flush=True)
            await asyncio.sleep(60)

        asyncio.run(main())
        """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(text)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert alive(pid)
        process.kill()
    deadline = time.monotonic() + 30
    while "end" not in fake.log(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "end" in fake.log(tmp_path)


@given(st.lists(st.binary(max_size=30)), st.integers(1, 20))
def test_lines_are_the_same_however_they_are_cut(pieces: list[bytes], cut: int) -> None:
    whole = b"".join(pieces)
    expected = [line for line in whole.split(b"\n")[:-1] if len(line) <= 20]
    for parts in ([whole], pieces, [whole[i : i + cut] for i in range(0, len(whole), cut)]):
        lines = Lines(20)
        assert [line for part in parts for line in lines.feed(part)] == expected
        assert len(lines._rest) <= 20


# What the path makes of it


@contextmanager
def keyring(folder: Path, store: str = "keyring", mode: str = "well", **session: Any) -> Iterator[CodexPath]:
    """A path whose CLI keeps the session in the keyring, and an answering service."""
    program = fake.install(folder, mode, **session)
    home = folder / "home"
    home.mkdir()
    (home / "config.toml").write_text(f'cli_auth_credentials_store = "{store}"\n')
    app = AppServer(lambda: program, home, timing=PATIENT)
    yield codex(home, Far(lambda request: stream(DONE)), find_cli=lambda: program, app_server=app)


ACCOUNT = {"type": "chatgpt", "email": "ada@example.com", "planType": "pro"}


@pytest.mark.parametrize("store", ["keyring", "auto"])
async def test_a_session_in_the_keyring_works_through_the_cli(tmp_path: Path, store: str) -> None:
    with keyring(tmp_path, store, method="chatgpt", token=access_token(), account=ACCOUNT) as path:
        async with aclosing(path):
            await path.refresh()
            await collect(path)
            assert path.status().sentence == "Codex is signed in with ChatGPT as a•••@example.com."
            assert path.account is not None
            assert (path.account.id, path.account.plan) == (ALICE, "pro")
            assert path.renewed_by == "the Codex CLI"
            far = path._api._transport
            assert isinstance(far, Far)
            assert far.tokens == [access_token()]
    assert "getAuthStatus renew" not in fake.log(tmp_path)


async def test_without_account_facts_the_token_s_claims_are_shown(tmp_path: Path) -> None:
    token = access_token(chatgpt_plan_type="plus")
    with keyring(tmp_path, method="chatgpt", token=token) as path:
        async with aclosing(path):
            await collect(path)
            assert path.account is not None
            assert (path.account.email, path.account.plan) == (None, "plus")


async def test_a_keyring_session_that_has_run_out_is_renewed_by_the_cli(tmp_path: Path) -> None:
    new = access_token(generation=2)
    with keyring(tmp_path, method="chatgpt", token=access_token(exp=1), renewed=new, account=ACCOUNT) as path:
        async with aclosing(path):
            await asyncio.gather(*(collect(path) for _ in range(10)))
            far = path._api._transport
            assert isinstance(far, Far)
            assert set(far.tokens) == {new}
            assert path.status().code == "connected"
    assert fake.log(tmp_path).count("getAuthStatus renew") == 1


async def test_a_keyring_session_that_the_cli_cannot_renew_asks_for_sign_in(tmp_path: Path) -> None:
    with keyring(tmp_path, method="chatgpt", token=access_token(exp=1), renewed=None) as path:
        async with aclosing(path):
            for _ in range(3):
                with pytest.raises(errors.Unavailable, match="codex login"):
                    await collect(path)
            assert isinstance(path.session_state, ExpiredForGood)


async def test_a_keyring_without_a_sign_in_is_signed_out_until_somebody_signs_in(tmp_path: Path) -> None:
    with keyring(tmp_path) as path:
        async with aclosing(path):
            with pytest.raises(errors.Unavailable, match="not signed in"):
                await collect(path)
            assert path.session_state == SignedOut()
            fake.tell(tmp_path, "chatgpt", access_token(BOB))
            assert (await path.check()).ready
            await collect(path)


@pytest.mark.parametrize(("store", "mode"), [("ephemeral", "well"), ("keyring", "no app-server"), ("keyring", "dies")])
async def test_what_the_cli_cannot_tell_stays_out_of_reach(tmp_path: Path, store: str, mode: str) -> None:
    with keyring(tmp_path, store, mode, method="chatgpt", token=access_token()) as path:
        async with aclosing(path):
            with pytest.raises(errors.Unavailable, match=r"outside auth\.json"):
                await collect(path)
            assert path.session_state == InKeyring(store)
            assert path.renewed_by is None


async def test_a_file_that_appears_takes_over_from_the_keyring(tmp_path: Path) -> None:
    with keyring(tmp_path, "auto") as path:
        async with aclosing(path):
            assert (await path.check()).code == "signed-out"
            write(tmp_path / "home", sign_in())
            assert (await path.refresh()).ready
            (tmp_path / "home" / "auth.json").unlink()
            assert (await path.check()).code == "signed-out"


def expired(folder: Path, mode: str, **options: Any) -> CodexPath:
    program = fake.install(folder, mode, method="chatgpt", token=access_token(exp=1))
    write(folder / "home", sign_in(access_token=access_token(exp=1)))
    timing = IMPATIENT if mode == "silent" else PATIENT
    app = AppServer(lambda: program, folder / "home", timing=timing)
    far = Far(lambda request: stream(DONE))
    return codex(folder / "home", far, find_cli=lambda: program, app_server=app, **options)


@pytest.mark.parametrize("mode", ["dies", "silent", "error", "noisy"])
async def test_a_cli_that_fails_at_the_renewal_is_said_and_nobody_else_spends_the_token(
    tmp_path: Path, mode: str
) -> None:
    async with aclosing(expired(tmp_path, mode)) as path:
        with pytest.raises(errors.Unavailable, match="the Codex CLI did not manage it this time"):
            await collect(path)
        assert path.status().code == "renewal-failed"


@pytest.mark.parametrize("mode", ["no app-server", "unknown"])
async def test_a_cli_without_that_door_leaves_the_renewal_to_us(tmp_path: Path, mode: str) -> None:
    async with aclosing(expired(tmp_path, mode)) as path:
        with pytest.raises(errors.Unavailable, match="sign-in service could not be reached"):
            await collect(path)


@pytest.mark.parametrize("mode", ["dies", "silent"])
async def test_what_another_program_writes_while_the_cli_fails_is_taken_over(tmp_path: Path, mode: str) -> None:
    async def writing(seconds: float) -> None:
        """Between two of the looks that are taken after it has failed."""
        if seconds == renewal.LOOKS[2]:
            write(tmp_path / "home", sign_in(access_token=access_token(generation=3)))
        await asyncio.sleep(0)

    async with aclosing(expired(tmp_path, mode, sleep=writing)) as path:
        await collect(path)
        await until(lambda: "getAuthStatus renew" in fake.log(tmp_path))
        assert isinstance(path._content, Session)
        assert path._content.access_token.reveal() == access_token(generation=3)
