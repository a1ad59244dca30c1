"""Two things at once: one comes first, and the other finds what then holds."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from connections.secrets import Secret
from relay.account import desk as desk_module
from relay.account.errors import AccountError, AlreadySignedIn, CutOff, Unsettled
from relay.account.models import Membership
from relay.account.refusals import Conflict, RecoveryKeyUnused
from relay.api import Problem
from tests.relay.account.far_broker import CODE, LONG_AGO, Asked, FarBroker, No
from tests.relay.account.macs import EMAIL, NEW, PASSWORD, Mac, create, typed, until

OLD, FRESH = Secret(PASSWORD), Secret(NEW)


async def test_of_two_sign_ins_one_joins(mac: Mac, other: Mac, far: FarBroker) -> None:
    await create(other)
    await other.leave()
    first, second = await asyncio.gather(
        *(mac.account.sign_in(EMAIL, OLD, mac.name) for _ in range(2)), return_exceptions=True
    )
    assert [type(each) for each in (first, second) if each is not None] == [AlreadySignedIn]
    assert len(far.accounts[EMAIL].devices) == 2


async def test_of_two_clicks_on_create_both_succeed_and_one_creates(mac: Mac, far: FarBroker) -> None:
    pending = await mac.account.start_creation(EMAIL, OLD, mac.name)
    pending = await mac.account.enter_code(pending.id, CODE)
    await asyncio.gather(*(mac.account.finish_creation(pending.id, typed(pending)) for _ in range(2)))
    assert len(far.accounts[EMAIL].devices) == 1


async def test_of_two_revocations_one_says_that_the_device_is_gone(mac: Mac, other: Mac, far: FarBroker) -> None:
    await create(mac)
    await mac.leave()
    await other.account.sign_in(EMAIL, OLD, other.name)
    await other.leave()
    await mac.come()
    await mac.account.refresh()
    lost = mac.account.view.devices[1].id
    done = await asyncio.gather(*(mac.account.revoke(OLD, [lost]) for _ in range(2)), return_exceptions=True)
    assert [each.code for each in done if isinstance(each, AccountError)] == ["device-not-listed"]
    assert len(mac.account.view.devices) == 1
    await mac.account.refresh()
    assert mac.account.view.problem is None


async def test_signing_out_while_the_broker_is_silent_does_not_wait_for_it(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    asked, silent = asyncio.Event(), asyncio.Event()

    class Silent(FarBroker):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            asked.set()
            await silent.wait()
            raise AssertionError

    desk = mac.account._desk
    await desk.close_client()
    desk._transport = Silent()
    look = asyncio.ensure_future(mac.account.refresh())
    await asyncio.wait_for(asked.wait(), 20)
    leaving = asyncio.ensure_future(mac.account.sign_out())
    await until(lambda: not mac.account.view.signed_in)
    for task in (look, leaving):
        task.cancel()
    await asyncio.wait({look, leaving})
    await mac.account.aclose()


class Stuck(httpx.AsyncBaseTransport):
    """Takes what is asked, does it, and never answers to one of the requests."""

    def __init__(self, far: FarBroker, name: str) -> None:
        self.far, self.name = far, name
        self.entered = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self.far.handle_async_request(request)
        if self.far.asked[-1].name == self.name:
            self.entered.set()
            await asyncio.Event().wait()
        return answer


async def stuck_at(mac: Mac, far: FarBroker, name: str) -> Stuck:
    """From now on the broker falls silent at that request."""
    desk = mac.account._desk
    await desk.close_client()
    desk._transport = stuck = Stuck(far, name)
    return stuck


@pytest.mark.parametrize("name", ["POST prelogin", "POST login", "POST update"])
async def test_signing_out_breaks_off_a_change_that_hangs(mac: Mac, far: FarBroker, name: str) -> None:
    await create(mac)
    stuck = await stuck_at(mac, far, name)
    change = asyncio.ensure_future(mac.account.change_password(OLD, FRESH))
    waiting = asyncio.ensure_future(mac.account.rename(mac.account.view.devices[0].id, "Anew"))
    await asyncio.wait_for(stuck.entered.wait(), 20)
    async with asyncio.timeout(20):
        await mac.account.sign_out()
    for broken_off in (change, waiting):
        with pytest.raises(CutOff):
            await broken_off
    assert (mac.account.view.signed_in, mac.account.view.problem) == (False, None)
    assert not await Membership.objects.aexists()
    assert not list(mac.folder.glob("sealing-*"))
    assert [device.signed_out for device in far.accounts[EMAIL].devices.values()] == [LONG_AGO]


async def test_a_second_click_on_sign_out_does_not_break_off_the_first(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    await asyncio.gather(mac.account.sign_out(), mac.account.sign_out())
    assert not mac.account.view.signed_in
    assert [device.signed_out for device in far.accounts[EMAIL].devices.values()] == [LONG_AGO]


async def test_signing_out_breaks_off_a_look_at_a_sign_in_that_hangs(mac: Mac, other: Mac, far: FarBroker) -> None:
    await create(other)
    await other.leave()
    far.fail = lambda asked: "lost after" if asked.name == "POST update" else None
    with pytest.raises(Unsettled):
        await mac.account.sign_in(EMAIL, OLD, mac.name)
    far.fail = lambda asked: None
    stuck = await stuck_at(mac, far, "POST nonces")
    look = asyncio.ensure_future(mac.account.refresh())
    await asyncio.wait_for(stuck.entered.wait(), 20)
    async with asyncio.timeout(20):
        await mac.account.sign_out()
    await look
    assert (mac.account.view.unsettled, mac.account.view.problem) == (False, None)
    assert not await Membership.objects.aexists()


@pytest.mark.parametrize("seconds", [0.0, 0.002, 0.005, 0.01, 0.02, 0.05])
async def test_signing_out_leaves_nothing_whenever_it_comes(mac: Mac, far: FarBroker, seconds: float) -> None:
    await create(mac)
    pending = await mac.account.start_recovery_key(OLD)
    change = asyncio.ensure_future(mac.account.finish_recovery_key(pending.id, typed(pending)))
    await asyncio.sleep(seconds)
    await mac.account.sign_out()
    await asyncio.wait({change})
    assert change.exception() is None or isinstance(change.exception(), AccountError)
    await mac.restart()
    assert not mac.account.view.signed_in
    assert not await Membership.objects.aexists()
    assert not list(mac.folder.glob("sealing-*"))


def _join_meanwhile(far: FarBroker, times: int) -> list[int]:
    """Let somebody else's update come first, so often: the revision moves on under whoever is about to update."""
    left = [times]

    def moved(asked: Asked) -> str | None:
        if asked.name == "POST update" and left[0] > 0:
            left[0] -= 1
            far.refuse = lambda asked: _conflict(far) if asked.name == "POST update" else None
        else:
            far.refuse = lambda asked: None
        return None

    far.fail = moved
    return left


def _conflict(far: FarBroker) -> No:
    return No(409, Problem.CONFLICT, revision=far.accounts[EMAIL].revision)


@pytest.mark.parametrize("times", [1, 2])
async def test_a_change_that_comes_second_is_made_again(mac: Mac, far: FarBroker, times: int) -> None:
    await create(mac)
    _join_meanwhile(far, times)
    await mac.account.change_password(OLD, FRESH)
    await mac.account.refresh()
    assert mac.account.view.problem is None


async def test_it_is_not_made_again_for_ever(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    _join_meanwhile(far, 100)
    before = len(far.asked)
    with pytest.raises(Conflict):
        await mac.account.change_password(OLD, FRESH)
    updates = [asked for asked in far.asked[before:] if asked.name == "POST update"]
    assert len(updates) == desk_module.TRIES


async def test_a_sign_in_that_comes_second_is_made_again(mac: Mac, other: Mac, far: FarBroker) -> None:
    await create(other)
    await other.leave()
    _join_meanwhile(far, 2)
    await mac.account.sign_in(EMAIL, OLD, mac.name)
    assert len(far.accounts[EMAIL].devices) == 2
    assert not mac.account.view.unsettled


async def test_a_recovery_key_that_was_shown_is_thrown_away_where_another_change_came_first(
    mac: Mac, other: Mac, far: FarBroker
) -> None:
    await create(mac)
    pending = await mac.account.start_recovery_key(OLD)
    await mac.leave()
    await other.account.sign_in(EMAIL, OLD, other.name)
    await other.leave()
    await mac.come()
    with pytest.raises(RecoveryKeyUnused):
        await mac.account.finish_recovery_key(pending.id, typed(pending))
    assert mac.account.pending(pending.id) is None
    pending = await mac.account.start_recovery_key(OLD)
    await mac.account.finish_recovery_key(pending.id, typed(pending))


async def test_a_look_that_began_before_a_change_does_not_undo_it(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    gate, entered = asyncio.Event(), asyncio.Event()

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            answer = await far.handle_async_request(request)
            if request.url.path.endswith("/account"):
                entered.set()
                await gate.wait()
            return answer

    desk = mac.account._desk
    await desk.close_client()
    desk._transport = Slow()
    look = asyncio.ensure_future(mac.account.refresh())
    await entered.wait()
    await mac.account.rename(mac.account.view.devices[0].id, "Anew")
    await mac.account.change_password(OLD, FRESH)
    gate.set()
    await look
    view = mac.account.view
    assert (view.problem, view.signed_in, view.devices[0].name) == (None, True, "Anew")


async def test_passwords_are_stretched_one_at_a_time(mac: Mac, monkeypatch: pytest.MonkeyPatch) -> None:
    running, most = 0, 0

    async def slow(function: object) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1

    monkeypatch.setattr(asyncio, "to_thread", slow)
    work = mac.account._desk.work
    await asyncio.gather(*(work(lambda: None) for _ in range(4)))
    assert most == 1
