"""The account against real brokers: `lerix broker` in a process of its own, and the one that Lerix runs as a child."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from connections.sealing_keys import SealingKeys
from connections.secrets import Secret
from lerix_web import wiring
from relay.account.account import Account
from relay.account.errors import AccountError, Unreachable
from relay.account.models import Membership
from relay.account.pending import Step
from relay.account.refusals import AddressTaken, AddressUnknown, WrongCode, WrongLogin, WrongRecoveryKey
from tests import disk
from tests.relay.account.macs import NEW, PASSWORD, Mac, closed_after, typed, until
from tests.relay.account.test_vault import secrets_of
from tests.serving import BrokerProcess, is_running

OLD, FRESH = Secret(PASSWORD), Secret(NEW)


@pytest.fixture(autouse=True)
def _quick() -> None:
    """Instead of the cheap suite of the other tests: here passwords are stretched as they are for people."""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with BrokerProcess(tmp_path_factory.mktemp("broker") / "home") as process:
        yield process


@pytest.fixture
def macs(db: None, broker: BrokerProcess, tmp_path: Path) -> tuple[Mac, Mac]:
    """Two Macs that use it."""
    broker.forget_limits()
    return tuple(Mac(tmp_path / name, None, name=name, fixed=broker.url) for name in ("Planted One", "Planted Two"))  # type: ignore[return-value]


async def create(mac: Mac, broker: BrokerProcess, email: str) -> Secret:
    pending = await mac.account.start_creation(email, OLD, mac.name)
    code = await asyncio.to_thread(broker.code_to, email)
    pending = await mac.account.enter_code(pending.id, code)
    assert pending.recovery_key is not None
    await mac.account.finish_creation(pending.id, typed(pending))
    return pending.recovery_key


async def test_the_story_of_an_account(broker: BrokerProcess, macs: tuple[Mac, Mac]) -> None:
    async with closed_after(*macs):
        await story(broker, *macs)


async def story(broker: BrokerProcess, one: Mac, two: Mac) -> None:
    email = "story@example.com"
    key = await create(one, broker, email)
    planted = secrets_of(one) | {"recovery key": key.reveal().encode(), "its middle": key.reveal()[10:24].encode()}
    await one.account.refresh()
    view = one.account.view
    assert (view.problem, view.email, [device.name for device in view.devices]) == (None, email, [one.name])
    assert [plan.code for plan in view.plans] == ["free", "pro"]
    await one.leave()

    with pytest.raises(WrongLogin):
        await two.account.sign_in(email, FRESH, two.name)
    await two.account.sign_in(email, OLD, two.name)
    await two.account.change_password(OLD, FRESH)
    await two.account.rename(two.account.view.devices[1].id, "Planted Name")
    await two.account.refresh()
    assert [device.name for device in two.account.view.devices] == [one.name, "Planted Name"]
    planted |= secrets_of(two)
    renewal = await two.account.start_recovery_key(FRESH)
    await two.account.finish_recovery_key(renewal.id, typed(renewal))
    rekeyed = await two.account.rekey(FRESH, OLD, [device.id for device in two.account.view.devices])
    await two.account.finish_rekey(rekeyed.id, typed(rekeyed))
    planted |= secrets_of(two)
    await two.leave()

    await one.come()
    await one.account.refresh()
    assert one.account.view.digits == rekeyed.digits
    await one.account.trust(True, rekeyed.digits or "")
    assert one.account.view.problem is None
    assert len(one.account.view.notices) == 1
    await one.account.revoke(OLD, [one.account.view.devices[1].id])
    await one.account.refresh()
    assert (one.account.view.problem, len(one.account.view.devices)) == (None, 1)
    planted |= secrets_of(one)
    await one.leave()

    await two.come()
    await two.account.refresh()
    assert two.account.view.revoked
    pending = await two.account.start_recovery(email)
    code = await asyncio.to_thread(broker.code_to, email, 2)
    await two.account.enter_code(pending.id, code)
    with pytest.raises(WrongRecoveryKey):
        await two.account.open_recovery(pending.id, key)
    assert rekeyed.recovery_key is not None
    pending = await two.account.open_recovery(pending.id, rekeyed.recovery_key)
    assert pending.step is Step.NEW_PASSWORD
    await two.account.finish_recovery(pending.id, FRESH, two.name)
    await two.account.refresh()
    assert (two.account.view.problem, len(two.account.view.devices)) == (None, 2)
    planted |= secrets_of(two)
    await two.account.sign_out_everywhere(FRESH)
    assert not await Membership.objects.aexists()

    # The broker's files and its own words, during all of it.
    kept = b"".join(disk.contents(broker.home).values()) + broker.stderr.encode()
    assert email.encode() in kept
    plain = {text: text.encode() for text in (PASSWORD, NEW, one.name, two.name, "Planted Name", "Planted")}
    for name, text in (planted | plain).items():
        assert text not in kept, name


async def test_an_account_can_be_deleted_or_erased(broker: BrokerProcess, macs: tuple[Mac, Mac]) -> None:
    async with closed_after(*macs):
        await ends(broker, macs[0])


async def ends(broker: BrokerProcess, one: Mac) -> None:
    email = "gone@example.com"
    await create(one, broker, email)
    await one.account.delete(OLD)
    with pytest.raises(WrongLogin):
        await one.account.sign_in(email, OLD, one.name)
    pending = await one.account.start_creation(email, OLD, one.name)
    with pytest.raises(WrongCode):
        await one.account.enter_code(pending.id, "00000000")
    code = await asyncio.to_thread(broker.code_to, email, 2)
    pending = await one.account.enter_code(pending.id, code)
    await one.account.finish_creation(pending.id, typed(pending))
    await one.account.sign_out()
    pending = await one.account.start_erasure(email)
    code = await asyncio.to_thread(broker.code_to, email, 3)
    pending = await one.account.enter_code(pending.id, code)
    await one.account.finish_erasure(pending.id)
    with pytest.raises(WrongLogin):
        await one.account.sign_in(email, OLD, one.name)


async def test_a_broker_that_stops_and_comes_back_strands_nobody(
    db: None, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with BrokerProcess(tmp_path_factory.mktemp("stopping") / "home", arguments=("--port", "0")) as broker:
        mac = Mac(tmp_path / "mac", None, fixed=broker.url)
        async with closed_after(mac):
            await create(mac, broker, "stop@example.com")
            await asyncio.to_thread(broker.kill)
            for _ in range(2):
                await mac.account.refresh()
            assert isinstance(mac.account.view.problem, Unreachable)
            with pytest.raises(AccountError):
                await mac.account.change_password(OLD, FRESH)
            broker.command[-1] = str(broker.port)
            await asyncio.to_thread(broker.start)
            await mac.account.refresh()
            view = mac.account.view
            assert (view.problem, view.signed_in) == (None, True)


async def test_the_broker_that_lerix_runs_itself(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.account.embedded.MAIL_SECONDS", 60.0)
    embedded = wiring.embedded_broker(tmp_path)
    embedded._ready_seconds = 60.0
    account = Account(embedded, "Lerix/test", sealing_keys=SealingKeys(tmp_path))
    try:
        assert not embedded.wanted
        pending = await account.start_creation("own@example.com", OLD, "Mac")
        assert pending.code is not None
        pending = await account.enter_code(pending.id, pending.code)
        await account.finish_creation(pending.id, typed(pending))
        await account.refresh()
        view = account.view
        assert (view.broker.embedded, view.broker.running, view.broker.problem) == (True, True, None)
        assert view.plan is not None
        assert view.plan.code == "pro"

        first = embedded.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: embedded.pid != first and (embedded.pid is not None or not embedded.running))
        await account.refresh()
        await account.refresh()
        assert account.view.problem is None
        assert embedded.pid != first

        await account.sign_out()
        with pytest.raises(AddressTaken):
            await account.start_creation("own@example.com", OLD, "Mac")
        for begin in (account.start_recovery, account.start_erasure):
            with pytest.raises(AddressUnknown):
                await begin("nobody@example.com")
        pending = await account.start_recovery("own@example.com")
        assert pending.code is not None
    finally:
        pid = embedded.pid
        began = time.monotonic()
        await account.aclose()
    assert time.monotonic() - began < 10
    assert pid is not None
    await until(lambda: not is_running(pid))
