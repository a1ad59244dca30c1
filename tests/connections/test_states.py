"""The states of the Codex path: what its files and the service make of it, and who is told."""

import asyncio
import contextlib
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from connections import errors
from connections.status import NextStep, Status
from tests.connections.far import (
    COMPLETED,
    NOW,
    Clock,
    Far,
    access_token,
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

FRESH = access_token(generation=2)


# What the files and the service say


def states_of(home: Path) -> Status:
    return codex(home, Far(stream()), find_cli=lambda: None).status()


def test_each_state_of_the_files_has_its_own_sentence_and_one_next_step(tmp_path: Path) -> None:
    past = int(NOW.timestamp()) - 60
    contents: dict[str, Any] = {
        "cli-missing": ...,
        "signed-out": {},
        "api-key-mode": {"auth_mode": "apikey", "OPENAI_API_KEY": "sk-planted"},
        "other-auth-mode": {"auth_mode": "agentIdentity"},
        "unreadable": b"{",
        "expired": sign_in(access_token=access_token(exp=past), refresh_token=None),
    }
    found = {}
    for code, content in contents.items():
        home = tmp_path / code
        if content is not ...:
            write(home, content)
        found[code] = states_of(home)
        assert found[code].code == code
        assert not found[code].ready
        assert found[code].next_step is not None
    assert len({status.sentence for status in found.values()}) == len(contents)
    assert "not usable for Codex session auth or Codex Relay" in found["api-key-mode"].sentence
    assert found["expired"].since == NOW - timedelta(seconds=60)


def test_a_session_that_has_run_out_and_can_be_renewed_is_ready_and_says_so(tmp_path: Path) -> None:
    write(tmp_path, sign_in(access_token=access_token(exp=int(NOW.timestamp()) - 60)))
    status = states_of(tmp_path)
    assert (status.ready, status.code, status.title, status.next_step) == (True, "needs-renewal", "Connected", None)
    assert status.sentence == (
        "Codex is signed in with ChatGPT as a•••@example.com. The sign-in is renewed with the next request."
    )


async def test_with_an_expired_session_that_cannot_be_renewed_now_nothing_is_sent(tmp_path: Path) -> None:
    write(tmp_path, sign_in())
    clock, far = Clock(), Far(stream(COMPLETED))
    path = codex(tmp_path, far, clock)
    clock.time += timedelta(hours=2)
    with pytest.raises(errors.Unavailable, match=r"could not be renewed: OpenAI's sign-in.*Nothing was sent"):
        await collect(path)
    assert far.requests == []
    assert (path.status().ready, path.status().code) == (False, "renewal-failed")
    assert path.status().next_step is NextStep.RETRY


async def test_a_network_failure_shows_as_unreachable_until_the_next_success(tmp_path: Path) -> None:
    write(tmp_path, sign_in())
    clock = Clock()
    failure = httpx.ConnectError("no route")
    path = codex(tmp_path, Far(failure, failure, failure, failure, failure, failure, stream(COMPLETED)), clock)
    with pytest.raises(errors.Unreachable):
        await collect(path)
    status = path.status()
    assert (status.ready, status.code, status.next_step) == (False, "unreachable", NextStep.RETRY)
    clock.time += timedelta(minutes=5)
    with pytest.raises(errors.Unreachable):
        await collect(path)
    assert path.status().since == status.since
    await collect(path)
    assert path.status().ready


@pytest.mark.parametrize("body", [b"<html>", b"<!doctype html>"])
@pytest.mark.parametrize("status", [200, 403])
async def test_a_web_page_is_not_retried_and_shows_as_a_changed_service(
    tmp_path: Path, status: int, body: bytes
) -> None:
    write(tmp_path, sign_in())
    page = httpx.Response(status, content=body, headers={"content-type": "text/html"})
    far = Far(page, stream(COMPLETED))
    path = codex(tmp_path, far)
    with pytest.raises(errors.WebPageAnswered):
        await collect(path)
    assert len(far.requests) == 1
    assert path.status().code == "service-changed"
    await collect(path)
    assert path.status().ready


async def test_a_refused_workspace_shows_until_another_session_is_there(tmp_path: Path) -> None:
    write(tmp_path, sign_in())
    path = codex(tmp_path, Far(refusal(402, {"detail": {"code": "deactivated_workspace"}})))
    with pytest.raises(errors.WorkspaceRefused):
        await collect(path)
    assert path.status().code == "workspace-unsupported"
    write(tmp_path, sign_in(access_token=FRESH))
    assert (await path.refresh()).ready


async def test_while_a_usage_limit_lasts_nothing_is_sent(tmp_path: Path) -> None:
    write(tmp_path, sign_in())
    until = NOW + timedelta(minutes=30)
    limit = {"type": "usage_limit_reached", "resets_at": int(until.timestamp())}
    clock, far = Clock(), Far(refusal(429, {"error": limit}), stream(delta("back"), COMPLETED))
    path = codex(tmp_path, far, clock)
    with pytest.raises(errors.UsageLimitReached):
        await collect(path)
    clock.time = until - timedelta(seconds=1)
    with pytest.raises(errors.UsageLimitReached) as second:
        await collect(path)
    assert (second.value.until, path.status().until) == (until, until)
    assert (path.status().ready, path.status().code) == (False, "limit")
    assert len(far.requests) == 1
    clock.time = until
    assert await text_of(path) == "back"


async def test_a_new_plan_is_not_bound_by_the_old_plan_s_limit(tmp_path: Path) -> None:
    write(tmp_path, sign_in())
    limit = refusal(429, {"error": {"type": "usage_limit_reached", "resets_in_seconds": 1800}})
    path = codex(tmp_path, Far(limit, stream(COMPLETED)))
    with pytest.raises(errors.UsageLimitReached):
        await collect(path)
    pro = jwt(**{"https://api.openai.com/auth": {"chatgpt_plan_type": "pro"}})
    write(tmp_path, sign_in(id_token=pro))
    await collect(path)


async def test_usage_is_read_from_the_headers_of_good_answers_and_of_refusals(tmp_path: Path) -> None:
    write(tmp_path, sign_in())
    first = {"x-codex-primary-used-percent": "90", "x-codex-primary-window-minutes": "300"}
    second = refusal(400, None, x_codex_primary_used_percent="95")
    far = Far(stream(COMPLETED, headers=first), second, stream(COMPLETED))
    path = codex(tmp_path, far)
    assert path.usage is None
    seen: list[float] = []
    for _ in range(3):
        with contextlib.suppress(errors.RequestRefused):
            await collect(path)
        assert path.usage is not None
        seen.append(path.usage.windows[0].used_percent)
    assert seen == [90, 95, 95]


# Waiting for changes


async def test_changes_are_noticed_without_a_restart_by_every_reader(tmp_path: Path) -> None:
    path = codex(tmp_path, Far(stream()), sleep=lambda seconds: asyncio.sleep(seconds / 100))
    watching = asyncio.create_task(path.watch())

    async def codes() -> list[str]:
        found = []
        async with aclosing(path.changes()) as changes:
            async for status in changes:
                found.append(status.code)
                if status.code == "signed-out":
                    write(tmp_path, sign_in())
                if status.ready:
                    return found
        raise AssertionError("changes ended")

    try:
        async with asyncio.timeout(30):
            assert list(await asyncio.gather(codes(), codes(), codes())) == [["signed-out", "connected"]] * 3
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_a_reader_of_changes_learns_of_expiry_by_the_clock_alone(tmp_path: Path) -> None:
    write(tmp_path, sign_in())
    clock = Clock()
    path = codex(tmp_path, Far(stream()), clock)
    async with aclosing(path.changes()) as changes:
        assert (await anext(changes)).code == "connected"
        clock.time += timedelta(hours=1)
        await path.refresh()
        assert (await anext(changes)).code == "needs-renewal"
