"""Every flow, interrupted at each of its requests: the old holds or the new, never neither, and nobody is stranded.

A request may never have left, may be lost on its way, or may be carried out while its answer is lost, for once or from
then on; or Lerix itself ends there. In the end the network is back, Lerix is started again, and what holds must be one
of the two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from connections.secrets import Secret
from relay.account.errors import AccountError
from relay.account.refusals import WrongLogin
from relay.api import Problem
from tests.relay.account.far_broker import CODE, Asked, Crash, FarBroker, No
from tests.relay.account.macs import EMAIL, NEW, PASSWORD, Mac, create, typed, until

OLD, FRESH = Secret(PASSWORD), Secret(NEW)


@dataclass
class Cut:
    """Fails the nth request from now on: once, or it and all that follow; or all that follow are refused."""

    far: FarBroker
    nth: int
    how: str
    for_ever: bool
    then: Problem | None = None
    count: int = field(default=0)
    first: str = ""

    def __call__(self, asked: Asked) -> str | None:
        self.count += 1
        if self.count == self.nth or (self.for_ever and self.count > self.nth):
            self.first = self.first or asked.name
            return self.how
        if self.then is not None and self.count > self.nth:
            problem = self.then
            self.far.refuse = lambda asked: No(REFUSED[problem], problem)
        return None


# What a broker says that is busy, or thinks that it was asked too often.
REFUSED = {Problem.UNAVAILABLE: 503, Problem.SLOW_DOWN: 429}


async def nothing(mac: Mac, other: Mac) -> None:
    """A Mac without an account."""


async def signed_in(mac: Mac, other: Mac) -> None:
    """A Mac with an account."""
    await create(mac)


async def account_elsewhere(mac: Mac, other: Mac) -> None:
    """An account that another Mac made; this one is not signed in."""
    await create(other)
    await other.leave()


async def two(mac: Mac, other: Mac) -> None:
    """Two Macs in the account."""
    await create(other)
    await other.leave()
    await mac.account.sign_in(EMAIL, OLD, mac.name)


async def do_create(mac: Mac) -> None:
    pending = await mac.account.start_creation(EMAIL, OLD, mac.name)
    pending = await mac.account.enter_code(pending.id, CODE)
    await mac.account.finish_creation(pending.id, typed(pending))


async def do_sign_in(mac: Mac) -> None:
    await mac.account.sign_in(EMAIL, OLD, mac.name)


async def do_change(mac: Mac) -> None:
    await mac.account.change_password(OLD, FRESH)


async def do_renew(mac: Mac) -> None:
    pending = await mac.account.start_recovery_key(OLD)
    await mac.account.finish_recovery_key(pending.id, typed(pending))


async def do_rekey(mac: Mac) -> None:
    pending = await mac.account.rekey(OLD, FRESH, [device.id for device in mac.account.view.devices])
    await mac.account.finish_rekey(pending.id, typed(pending))


async def do_revoke(mac: Mac) -> None:
    others = [device.id for device in mac.account.view.devices if not device.this]
    await mac.account.revoke(OLD, others)


async def do_everywhere(mac: Mac) -> None:
    await mac.account.sign_out_everywhere(OLD)


async def do_rename(mac: Mac) -> None:
    await mac.account.rename(mac.account.view.devices[0].id, "Renamed")


async def do_sign_out(mac: Mac) -> None:
    await mac.account.sign_out()


async def do_delete(mac: Mac) -> None:
    await mac.account.delete(OLD)


Prepare = Callable[[Mac, Mac], Awaitable[None]]
Act = Callable[[Mac], Awaitable[None]]
FLOWS: dict[str, tuple[Prepare, Act, int]] = {
    # How many requests each takes; a test below holds the numbers.
    "create": (nothing, do_create, 3),
    "sign in": (account_elsewhere, do_sign_in, 3),
    "change password": (signed_in, do_change, 3),
    "renew the recovery key": (signed_in, do_renew, 3),
    "rekey": (two, do_rekey, 3),
    "revoke": (two, do_revoke, 3),
    "sign out everywhere": (two, do_everywhere, 6),
    "rename": (signed_in, do_rename, 3),
    "sign out": (signed_in, do_sign_out, 3),
    "delete": (signed_in, do_delete, 3),
}
# What is sent again by itself when its answer is lost, and does no harm by it.
REPEATED = {
    "POST prelogin",
    "POST login",
    "POST update",
    "POST accounts",
    "POST nonces",
    "PUT devices",
    "DELETE account",
}
LEAVING = {"sign out", "sign out everywhere", "delete"}
CUTS = [
    pytest.param(name, nth, how, for_ever, id=f"{name}, {how} at {nth}{', and all after' if for_ever else ''}")
    for name, (_, _, requests) in FLOWS.items()
    for nth in range(1, requests + 1)
    for how, for_ever in (
        ("unsent", False),
        ("unsent", True),
        ("lost before", False),
        ("lost before", True),
        ("lost after", False),
        ("lost after", True),
        ("crash before", True),
        ("crash after", True),
    )
]


LOST = [
    pytest.param(name, nth, how, problem, id=f"{name}, {how} at {nth}, then {problem}")
    for name, (_, _, requests) in FLOWS.items()
    for nth in range(1, requests + 1)
    for how in ("lost before", "lost after")
    for problem in REFUSED
]


def state_of(far: FarBroker) -> dict[str, tuple[object, ...]]:
    """What the broker keeps, as far as a person could call it changed."""
    return {
        email: (kept.revision, kept.auth, tuple(kept.log), {each.id: each.name for each in kept.devices.values()})
        for email, kept in far.accounts.items()
    }


@pytest.mark.parametrize("name", FLOWS)
async def test_the_flows_take_as_many_requests_as_are_cut(mac: Mac, other: Mac, far: FarBroker, name: str) -> None:
    prepare, act, requests = FLOWS[name]
    await prepare(mac, other)
    before = len(far.asked)
    await act(mac)
    assert [asked.name for asked in far.asked[before:]][requests:] == []
    assert len(far.asked) - before == requests


@pytest.mark.parametrize(("name", "nth", "how", "for_ever"), CUTS)
async def test_old_or_new_holds_whatever_is_cut(
    mac: Mac, other: Mac, far: FarBroker, name: str, nth: int, how: str, for_ever: bool
) -> None:
    cut = Cut(far, nth, how, for_ever)
    await old_or_new_holds(mac, other, far, name, cut)


@pytest.mark.parametrize(("name", "nth", "how", "problem"), LOST)
async def test_old_or_new_holds_where_an_answer_is_lost_and_then_the_broker_refuses(
    mac: Mac, other: Mac, far: FarBroker, name: str, nth: int, how: str, problem: Problem
) -> None:
    await old_or_new_holds(mac, other, far, name, Cut(far, nth, how, False, problem))


async def old_or_new_holds(mac: Mac, other: Mac, far: FarBroker, name: str, cut: Cut) -> None:
    how, for_ever = cut.how, cut.for_ever
    prepare, act, _ = FLOWS[name]
    await prepare(mac, other)
    was_in = mac.account.view.signed_in
    before = state_of(far)
    far.fail = cut
    failure: Exception | None = None
    try:
        await act(mac)
    except (AccountError, Crash) as error:
        failure = error
    assert "planted" not in str(failure)
    assert cut.first
    if "Nothing was changed" in str(failure):
        assert state_of(far) == before
    if name not in LEAVING and failure is None:
        assert mac.account.view.signed_in

    if how != "unsent" and not for_ever and cut.first in REPEATED and cut.then is None:
        assert failure is None

    # As long as it is so, what was stored is kept, in the next process too.
    await mac.restart()
    if "crash" not in how:
        await mac.account.refresh()
    far.fail, far.refuse = lambda asked: None, lambda asked: None
    await mac.restart()
    for _ in range(2):
        await mac.account.refresh()
    view = mac.account.view
    assert not view.unsettled
    assert view.problem is None or view.revoked
    if failure is None:
        assert view.signed_in is (name not in LEAVING)
    elif was_in and name not in LEAVING:
        assert view.signed_in
    account = far.accounts.get(EMAIL)
    if account is None:
        assert name in {"create", "delete"}
        assert view.signed_in is False
        return
    # No device is listed whose keys were lost, but one that has said so or could not say so any more.
    ours = mac.account._desk.vault.member
    if ours is None and name in {"create", "sign in"}:
        assert len(account.devices) == (0 if name == "create" else 1)
    if view.signed_in:
        assert [device.this for device in view.devices].count(True) == 1
        assert len(view.devices) == len(account.devices)
    await one_password_opens_it(mac, far)


async def one_password_opens_it(mac: Mac, far: FarBroker) -> None:
    """A fresh device gets in by exactly one of the two."""
    await mac.leave()
    opened = []
    for number, password in enumerate((OLD, FRESH)):
        fresh = Mac(mac.folder.parent / f"fresh-{number}", far, name="Fresh")
        try:
            await fresh.account.sign_in(EMAIL, password, fresh.name)
        except WrongLogin:
            continue
        opened.append(password)
        await fresh.account.refresh()
        assert fresh.account.view.problem is None
        await fresh.leave()
    assert len(opened) == 1


@pytest.mark.parametrize("how", ["unsent", "lost before", "lost after"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
async def test_recovery_that_is_cut_leaves_a_way_in(
    mac: Mac, other: Mac, far: FarBroker, nth: int, how: str
) -> None:
    key = await create(other)
    await other.leave()
    cut = far.fail = Cut(far, nth, how, for_ever=True)
    with pytest.raises(AccountError):
        await recover(mac, key)
    assert cut.first
    far.fail = lambda asked: None
    await mac.restart()
    await mac.account.refresh()
    if mac.account.view.signed_in:
        await mac.account.sign_out()
    for password in (FRESH, OLD):
        try:
            await mac.account.sign_in(EMAIL, password, mac.name)
        except WrongLogin:
            continue
        return
    pytest.fail("no password opens the account")


async def recover(mac: Mac, key: Secret) -> None:
    pending = await mac.account.start_recovery(EMAIL)
    await mac.account.enter_code(pending.id, CODE)
    await mac.account.open_recovery(pending.id, key)
    await mac.account.finish_recovery(pending.id, FRESH, mac.name)


async def test_a_creation_whose_answers_are_lost_goes_on_in_the_same_process(mac: Mac, far: FarBroker) -> None:
    pending = await mac.account.start_creation(EMAIL, OLD, mac.name)
    pending = await mac.account.enter_code(pending.id, CODE)
    far.fail = lambda asked: "lost after"
    with pytest.raises(AccountError) as unsettled:
        await mac.account.finish_creation(pending.id, typed(pending))
    assert unsettled.value.code == "unsettled"
    assert mac.account.view.unsettled
    far.fail = lambda asked: None
    await mac.account.finish_creation(pending.id, typed(pending))
    assert mac.account.view.signed_in
    assert len(far.accounts[EMAIL].devices) == 1


async def test_a_sign_in_that_came_through_unheard_is_not_made_twice(mac: Mac, other: Mac, far: FarBroker) -> None:
    await account_elsewhere(mac, other)
    far.fail = lambda asked: "lost after" if asked.name == "POST update" else None
    with pytest.raises(AccountError):
        await mac.account.sign_in(EMAIL, OLD, mac.name)
    far.fail = lambda asked: None
    await mac.account.sign_in(EMAIL, OLD, mac.name)
    assert mac.account.view.signed_in
    assert len(far.accounts[EMAIL].devices) == 2


async def test_a_page_that_is_closed_does_not_stop_what_it_began(mac: Mac, other: Mac, far: FarBroker) -> None:
    await account_elsewhere(mac, other)
    task = asyncio.ensure_future(mac.account.sign_in(EMAIL, OLD, mac.name))

    def close_the_page(asked: Asked) -> None:
        task.cancel()

    far.fail = close_the_page
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: mac.account.view.signed_in)
