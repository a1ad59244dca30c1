"""Our own guarded renewal, against the stand-in: when, how often, and what each answer makes of the session."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import pytest

from connections import errors
from connections.codex import renewal, states
from connections.codex.path import CodexPath
from connections.codex.session import Session
from connections.codex.sign_in_host import Why
from connections.status import NextStep
from tests.connections.far import ask, collect
from tests.connections.renewing import Clock, lerix, unharmed
from tests.upstream import MODELS, RESPONSES, TOKEN, Upstream, faults
from tests.upstream.faults import HangUp, Late


@pytest.fixture
def up() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "codex"


# When


@pytest.mark.parametrize(("left", "renewed"), [(240, True), (360, False), (-3600, True)])
async def test_a_session_is_renewed_before_a_request_when_five_minutes_are_left(
    up: Upstream, home: Path, left: float, renewed: bool
) -> None:
    account = up.sign_in(home, expires_in=left)
    async with aclosing(lerix(up, home)) as path:
        assert len((await path.models()).models) == 9
        assert len(up.to(TOKEN)) == (1 if renewed else 0)
        assert path.status().code == "connected"
        await path.models()
    assert len(up.to(TOKEN)) == (1 if renewed else 0)
    assert unharmed(up, home, account)
    if renewed:
        assert up.to(TOKEN)[0].data["refresh_reason"] == "proactive_expiry"


async def test_without_a_need_nothing_is_renewed(up: Upstream, home: Path) -> None:
    up.sign_in(home, expires_in=-60)
    async with aclosing(lerix(up, home)) as path:
        for _ in range(3):
            assert (await path.refresh()).code == "needs-renewal"
        assert path.renewed_by == "Lerix"
    assert not up.requests


async def test_looking_at_the_card_of_a_session_that_has_run_out_has_it_renewed(up: Upstream, home: Path) -> None:
    account = up.sign_in(home, expires_in=-60)
    up.fail(TOKEN, Late())
    async with aclosing(lerix(up, home)) as path:
        seen = []
        async with aclosing(path.changes()) as changes:
            assert (await path.look()).code == "renewing"
            assert path.status().ready
            await path.look()
            await asyncio.to_thread(up.stalled.wait_held)
            up.release()
            async for status in changes:
                seen.append(status.title)
                if status.code == "connected":
                    break
                await path.refresh()
                await asyncio.sleep(0.01)
    assert seen[-1] == "Connected"
    assert len(up.to(TOKEN)) == 1
    assert unharmed(up, home, account)


async def test_after_two_401_the_session_is_renewed_and_the_request_sent_a_last_time(up: Upstream, home: Path) -> None:
    account = up.sign_in(home)
    up.expire(account)
    up.reply("Here.")
    async with aclosing(lerix(up, home)) as path:
        await collect(path)
    assert [(request.path, request.status) for request in up.requests] == [
        (RESPONSES, 401),
        (RESPONSES, 401),
        (TOKEN, 200),
        (RESPONSES, 200),
    ]
    assert up.to(TOKEN)[0].data["refresh_reason"] == "unauthorized_recovery"
    assert unharmed(up, home, account)


async def test_a_backend_that_answers_401_to_everything_is_not_asked_in_a_loop(up: Upstream, home: Path) -> None:
    up.sign_in(home)
    up.fail(MODELS, faults.unauthorized(), times=None)
    async with aclosing(lerix(up, home)) as path:
        with pytest.raises(errors.SignInRefused):
            await path.models()
        for _ in range(3):
            with pytest.raises(errors.Unavailable, match="codex login"):
                await path.models()
        assert path.status().next_step is NextStep.SIGN_IN_AGAIN
    assert (len(up.to(MODELS)), len(up.to(TOKEN))) == (3, 1)


async def test_another_account_s_session_is_not_renewed_before_it_is_accepted(up: Upstream, home: Path) -> None:
    up.sign_in(home, expires_in=-60)
    path = CodexPath(
        home, f"{up.url}/backend-api", "somebody-else", "Lerix/0", token_url=f"{up.url}{TOKEN}", find_cli=lambda: None
    )
    async with aclosing(path):
        assert (await path.look()).code == "other-account"
        with pytest.raises(errors.Unavailable):
            await path.models()
        assert not up.requests
        await path.accept_account()
        await path.models()


# What the sign-in host answers


@pytest.mark.parametrize(
    ("code", "why", "words"),
    [
        ("refresh_token_expired", Why.EXPIRED, "has expired"),
        ("refresh_token_reused", Why.REUSED, "did not save it here"),
        ("refresh_token_invalidated", Why.REVOKED, "was ended"),
        ("app_session_terminated", Why.REFUSED, "no longer renews"),
        ("invalid_grant", Why.REFUSED, "no longer renews"),
    ],
)
async def test_a_permanent_refusal_is_remembered_until_the_file_changes(
    up: Upstream, home: Path, code: str, why: Why, words: str
) -> None:
    up.sign_in(home, expires_in=-60)
    up.fail(TOKEN, faults.refresh_refused(code), times=None)
    async with aclosing(lerix(up, home)) as path:
        for _ in range(4):
            with pytest.raises(errors.Unavailable, match=words):
                await path.models()
            await path.look()
        await path.check()
        state = path.session_state
        assert isinstance(state, states.ExpiredForGood)
        assert state.why is why
        assert path.status().next_step is NextStep.SIGN_IN_AGAIN
        assert len(up.to(TOKEN)) == 1
        up.clear()
        up.sign_in(home, expires_in=-60)
        await path.models()
    assert len(up.to(TOKEN)) == 2


async def test_a_renewal_that_is_refused_after_401_names_the_reason(up: Upstream, home: Path) -> None:
    up.revoke(up.sign_in(home))
    async with aclosing(lerix(up, home)) as path:
        for _ in range(3):
            with pytest.raises(errors.Unavailable, match=r"was ended.*Run codex login again"):
                await path.models()
        assert path.status().code == "sign-in-refused"
    assert (len(up.to(MODELS)), len(up.to(TOKEN))) == (2, 1)


@pytest.mark.parametrize("fault", [faults.server_error(), faults.server_error(503), faults.html(), HangUp()])
async def test_a_passing_failure_is_tried_again_at_the_next_need_after_a_pause(
    up: Upstream, home: Path, fault: faults.Fault
) -> None:
    account = up.sign_in(home, expires_in=-60)
    up.fail(TOKEN, fault, times=2)
    clock = Clock()
    async with aclosing(lerix(up, home, now=clock)) as path:
        for _ in range(3):
            with pytest.raises(errors.Unavailable, match=r"could not be renewed: .*Nothing was sent"):
                await path.models()
        assert len(up.to(TOKEN)) == 1
        assert (path.status().code, path.status().next_step) == ("renewal-failed", NextStep.RETRY)
        clock.ahead += renewal.FIRST_PAUSE
        assert path.status().code == "needs-renewal"
        for _ in range(3):
            with pytest.raises(errors.Unavailable):
                await path.models()
            clock.ahead += timedelta(seconds=1)
        assert len(up.to(TOKEN)) == 2
        await path.check()  # somebody asks for it
        await path.models()
    assert len(up.to(TOKEN)) == 3
    assert unharmed(up, home, account)


async def test_a_token_that_is_still_good_is_used_when_it_cannot_be_renewed_just_now(up: Upstream, home: Path) -> None:
    up.sign_in(home, expires_in=200)
    up.fail(TOKEN, faults.server_error(), times=None)
    async with aclosing(lerix(up, home)) as path:
        for _ in range(3):
            await path.models()
        assert path.status().code == "connected"
    assert len(up.to(TOKEN)) == 1


@pytest.mark.parametrize(
    "returned", [{"access_token"}, {"access_token", "refresh_token"}, {"access_token", "id_token"}]
)
async def test_what_the_answer_leaves_out_stays(up: Upstream, home: Path, returned: set[str]) -> None:
    up.sign_in(home, expires_in=-60)
    up.rules.refresh_returns = frozenset(returned)
    before = json.loads((home / "auth.json").read_text())
    async with aclosing(lerix(up, home)) as path:
        await path.models()
    after = json.loads((home / "auth.json").read_text())
    changed = {name for name in after["tokens"] if after["tokens"][name] != before["tokens"][name]}
    assert changed == returned
    assert after["last_refresh"] > before["last_refresh"]


async def test_a_hard_linked_file_is_said_and_its_token_not_spent(up: Upstream, home: Path) -> None:
    up.sign_in(home, expires_in=-60)
    (home / "second").hardlink_to(home / "auth.json")
    async with aclosing(lerix(up, home)) as path:
        with pytest.raises(errors.Unavailable, match="hard link"):
            await path.models()
        assert path.status().next_step is NextStep.CHECK_FILE
    assert not up.to(TOKEN)


# Promise 1


async def test_refresh_tokens_are_in_no_log_no_error_and_no_repr(
    up: Upstream, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    account = up.sign_in(home, expires_in=-60)
    texts: list[str] = []
    faults_: list[Callable[[], faults.Fault]] = [faults.server_error, faults.html, faults.refresh_refused]
    for fault in faults_:
        up.fail(TOKEN, fault())
        async with aclosing(lerix(up, home)) as path:
            with pytest.raises(errors.Unavailable) as caught:
                await collect(path, ask())
            texts += [repr(caught.value), repr(path.session_state), repr(vars(path._renewal)), path.status().sentence]
            assert isinstance(path._content, Session)
    texts.append(caplog.text)
    for text in texts:
        assert account.refresh_token not in text
        assert account.access_token not in text
