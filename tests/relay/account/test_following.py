"""Looking at the broker again and again, and which broker that is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from connections.changes import heard
from connections.secrets import Secret
from relay.account import following
from relay.account.errors import AddressUnusable, BrokerFixed, BrokerInUse, Unreachable, Unsettled
from relay.account.refusals import ProofRefused, SlowDown
from relay.api import Problem
from tests.relay.account.far_broker import ADDRESS, HOST, Asked, FarBroker, No
from tests.relay.account.macs import EMAIL, PASSWORD, Mac, create, until

OLD = Secret(PASSWORD)


async def waits(mac: Mac, monkeypatch: pytest.MonkeyPatch, most: int) -> list[float]:
    """How long following would wait, so many times."""
    seen: list[float] = []

    async def heard(bell: asyncio.Event, *, seconds: float) -> bool:
        seen.append(seconds)
        if len(seen) == most:
            raise asyncio.CancelledError
        return False

    with monkeypatch.context() as patch:
        patch.setattr(following, "heard", heard)
        patch.setattr("random.uniform", lambda low, high: 1.0)
        with contextlib.suppress(asyncio.CancelledError):
            await mac.account.follow()
    return seen


async def test_it_looks_every_half_minute_and_less_often_while_that_fails(
    mac: Mac, far: FarBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(mac)
    assert await waits(mac, monkeypatch, 3) == [30, 30, 30]
    far.fail = lambda asked: "unsent"
    assert await waits(mac, monkeypatch, 6) == [60, 120, 240, 300, 300, 300]
    assert isinstance(mac.account.view.problem, Unreachable)
    far.fail = lambda asked: None
    assert await waits(mac, monkeypatch, 2) == [30, 30]
    assert mac.account.view.problem is None


async def test_it_waits_as_long_as_the_broker_asks_for(
    mac: Mac, far: FarBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(mac)
    far.refuse = lambda asked: No(429, Problem.SLOW_DOWN, retry_after=200)
    assert await waits(mac, monkeypatch, 1) == [200]
    assert isinstance(mac.account.view.problem, SlowDown)


async def test_without_an_account_it_waits_until_there_is_one(
    mac: Mac, far: FarBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await waits(mac, monkeypatch, 1) == [3600]
    waiting: list[float] = []

    async def hears(bell: asyncio.Event, *, seconds: float) -> bool:
        waiting.append(seconds)
        return await heard(bell, seconds=seconds)

    monkeypatch.setattr(following, "heard", hears)
    following_it = asyncio.ensure_future(mac.account.follow())
    await until(lambda: waiting == [3600])
    assert "GET account" not in {asked.name for asked in far.asked}
    await create(mac)
    await until(lambda: "GET account" in {asked.name for asked in far.asked})
    await until(lambda: waiting[-1] < 3600)
    following_it.cancel()
    await asyncio.wait({following_it})
    assert mac.account.view.problem is None


async def test_whoever_waits_hears_of_each_change(mac: Mac, other: Mac, far: FarBroker) -> None:
    await create(mac)
    version = mac.account.changed.version
    await mac.account.refresh()
    assert mac.account.changed.version > version
    far.fail = lambda asked: "unsent"
    version = mac.account.changed.version
    await mac.account.refresh()
    assert mac.account.changed.version > version


# Which broker.


async def test_another_broker_is_asked_what_it_is_before_it_is_used(
    db: None, far: FarBroker, tmp_path: Path
) -> None:
    mac = Mac(tmp_path / "mac", far, fixed="")
    assert mac.account.view.broker.embedded
    assert mac.account.view.plans == ()
    await mac.account.set_broker(" Broker.Example.com ")
    view = mac.account.view
    assert (view.broker.address, view.broker.embedded, view.broker.running) == (ADDRESS, False, True)
    assert [plan.code for plan in view.plans] == ["free", "pro"]
    assert [asked.name for asked in far.asked] == ["GET info"]
    await mac.restart()
    assert mac.account.view.broker.address == ADDRESS
    await create(mac)
    with pytest.raises(BrokerInUse):
        await mac.account.set_broker("")
    await mac.account.sign_out()
    await mac.account.set_broker("")
    assert mac.account.view.broker.embedded
    await mac.restart()
    assert mac.account.view.broker.embedded


async def test_a_broker_that_does_not_answer_is_not_used(db: None, far: FarBroker, tmp_path: Path) -> None:
    mac = Mac(tmp_path / "mac", far, fixed="")
    far.fail = lambda asked: "unsent"
    for address, kind in (("https://other.example", Unreachable), ("http://other.example", AddressUnusable)):
        with pytest.raises(kind):
            await mac.account.set_broker(address)
        assert mac.account.view.broker.address == ""


async def test_the_environment_has_the_last_word_while_nobody_is_signed_in(mac: Mac, far: FarBroker) -> None:
    with pytest.raises(BrokerFixed):
        await mac.account.set_broker("https://other.example")
    assert mac.account.view.broker.fixed_by_environment
    await create(mac)
    mac.fixed = "https://other.example"
    await mac.restart()
    # The account lives where it was made: asking elsewhere would look as if the device had been removed.
    view = mac.account.view
    assert (view.broker.address, view.signed_in) == (ADDRESS, True)
    assert view.broker.problem is not None
    await mac.account.refresh()
    assert mac.account.view.problem is None
    await mac.account.sign_out()
    assert mac.account.view.broker.address == "https://other.example"


# Proofs.


async def test_a_proof_for_one_broker_is_nothing_at_another_and_costs_no_keys(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    client = await mac.account._desk.client()
    client.host = "other.example"
    for _ in range(2):
        await mac.account.refresh()
        assert isinstance(mac.account.view.problem, ProofRefused)
        assert "Host" in mac.account.view.problem.sentence
        assert mac.account.view.signed_in
    client.host = HOST
    await mac.account.refresh()
    assert (mac.account.view.problem, mac.account.view.signed_in) == (None, True)


async def test_a_proof_that_was_refused_is_made_once_more_by_a_fresh_nonce(mac: Mac, far: FarBroker) -> None:
    await create(mac)
    far.asked.clear()
    old = far.fail = Once("POST sessions", far.nonces.clear)
    await mac.account.refresh()
    assert old.done
    assert mac.account.view.problem is None
    names = [asked.name for asked in far.asked]
    assert names[:4] == ["POST nonces", "POST sessions"] * 2


async def test_a_sign_in_that_broke_off_is_kept_while_proofs_are_refused(mac: Mac, other: Mac, far: FarBroker) -> None:
    await create(other)
    await other.leave()
    far.fail = lambda asked: "lost after" if asked.name == "POST update" else None
    with pytest.raises(Unsettled):
        await mac.account.sign_in(EMAIL, OLD, mac.name)
    far.fail = lambda asked: None
    for problem in (Problem.PROOF_REFUSED, Problem.NOT_FOUND):
        far.refuse = lambda asked, problem=problem: No(401, problem) if asked.name == "POST sessions" else None  # type: ignore[misc]
        await mac.account.refresh()
        assert mac.account.view.unsettled
    far.refuse = lambda asked: None
    await mac.account.refresh()
    assert (mac.account.view.unsettled, mac.account.view.signed_in) == (False, True)
    assert len(far.accounts[EMAIL].devices) == 2


class Once:
    """Does something before the first request of a name."""

    def __init__(self, name: str, act: Callable[[], None]) -> None:
        self.name, self.act, self.done = name, act, False

    def __call__(self, asked: Asked) -> None:
        if asked.name == self.name and not self.done:
            self.done = True
            self.act()
