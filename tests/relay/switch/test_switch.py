"""The switch Codex Relay: when it can be on, whose it is, and what its card says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.db import DatabaseError

from connections.changes import Signal, connections_changed
from connections.models import CatalogueEntry
from connections.status import NextStep, Status
from relay.host.service import HostState, Reason, RelayHost
from relay.member import Member
from relay.switch import service
from relay.switch.card import RelayCard
from relay.switch.models import RelaySetting
from relay.switch.service import CannotBeOn, NotSaved, Place, RelaySwitch, StillStored
from tests.chat.fakes import FakePath
from tests.connections.waiting import until
from tests.relay.account_fake import FREE, PRO, SIGNED_IN, SIGNED_OUT, FakeAccount
from tests.relay.link.wire import soon

ACCOUNT = b"a" * 16
OTHER = b"b" * 16
WHEN = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
NOT_SIGNED_IN = Status(False, "not-signed-in", "Not signed in", "Codex is not signed in.", NextStep.SIGN_IN)
LIMITED = Status(False, "limit", "Limit", "The plan's limit is reached.", NextStep.WAIT)


class SignedIn(FakeAccount):
    """An account as the relay sees it."""

    def __init__(self, account: bytes | None = ACCOUNT) -> None:
        super().__init__(replace(SIGNED_IN, plan=PRO) if account else SIGNED_OUT)
        self.trusted = True
        self.leaving = False
        self.account = account

    @property
    def member(self) -> Member | None:
        return cast(Member, SimpleNamespace(account=self.account)) if self.account else None

    def name_of(self, device: bytes) -> str:
        return {b"p" * 16: "Phone", b"l" * 16: "<b>Laptop</b>"}[device]


class FakeHost:
    """Takes what the switch tells it."""

    def __init__(self, member: Callable[[], Member | None], why_not: Callable[[], Reason | None]) -> None:
        self.changed = Signal()
        self.state = HostState(False, Reason.OFF, WHEN)
        self.on = False
        self.why_not = why_not
        self.member = member

    def switch(self, *, on: bool) -> None:
        self.on = on
        if on and self.state.reason is Reason.OFF:
            self.state = replace(self.state, reason=Reason.CONNECTING)

    def refresh(self) -> None:
        pass

    def show(self, **facts: Any) -> None:
        self.state = replace(self.state, **facts)
        self.changed.set()


@dataclass
class FakeAwakeState:
    sentence: str = ""


class FakeAwake:
    """Records what it is told."""

    def __init__(self) -> None:
        self.changed = Signal()
        self.state = FakeAwakeState()
        self.wanted = False

    def set(self, wanted: bool) -> None:
        self.wanted = wanted

    async def run(self) -> None:
        await asyncio.Event().wait()


class Bench:
    """A switch with everything around it made by the test."""

    def __init__(self, account: SignedIn | None = None) -> None:
        self.account = account or SignedIn()
        self.path = FakePath(key="codex")
        self.awake = FakeAwake()

        def make(
            member: Callable[[], Member | None], why_not: Callable[[], Reason | None], models: Callable[[], Any]
        ) -> RelayHost:
            return cast(RelayHost, FakeHost(member, why_not))

        self.switch = RelaySwitch(cast(Any, self.account), self.path, self.awake, make)

    @property
    def host(self) -> FakeHost:
        return cast(FakeHost, self.switch.host)

    async def card(self) -> str:
        return " ".join((await RelayCard(self.switch).html()).split())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.switch.run())
        await asyncio.sleep(0.05)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def model(db: None) -> CatalogueEntry:
    return CatalogueEntry.objects.create(
        path="codex", slug="gpt", position=0, facts={"slug": "gpt", "name": "GPT"}, enabled=True
    )


async def refusal_of(bench: Bench) -> service.Obstacle:
    with pytest.raises(CannotBeOn) as refused:
        await bench.switch.turn(on=True)
    assert not bench.switch.view.checked
    assert not bench.host.on
    return refused.value.obstacle


async def test_it_is_switched_on_and_off_and_that_lasts(model: CatalogueEntry) -> None:
    bench = Bench()
    await bench.switch.turn(on=True)
    assert bench.host.on
    assert (await RelaySetting.objects.aget()).account == ACCOUNT.hex()
    again = Bench()
    again.switch._on_for = (await RelaySetting.objects.aget()).account
    async with again.running():
        await soon(lambda: again.host.on)
        await again.switch.turn(on=False)
        assert not again.host.on
    assert (await RelaySetting.objects.aget()).account == ""


async def test_without_an_account_it_says_so_and_where_to_go(model: CatalogueEntry) -> None:
    bench = Bench(SignedIn(None))
    obstacle = await refusal_of(bench)
    assert obstacle.place is Place.ACCOUNT
    assert "Sign in" in obstacle.sentence
    card = await bench.card()
    assert obstacle.sentence in card
    assert 'aria-label="Codex Relay"' in card
    assert "disabled" in card
    assert 'href="/settings/account/"' in card


async def test_without_pro_it_names_the_plan(model: CatalogueEntry) -> None:
    bench = Bench()
    bench.account.show(plan=FREE)
    assert "This account's plan is Free." in (await refusal_of(bench)).sentence


async def test_before_the_broker_has_told_the_plan_it_waits(model: CatalogueEntry) -> None:
    bench = Bench()
    bench.account.show(plan=None)
    assert "has not answered yet" in (await refusal_of(bench)).sentence


async def test_an_account_that_is_not_believed_is_looked_at_first(model: CatalogueEntry) -> None:
    bench = Bench()
    bench.account.trusted = False
    assert (await refusal_of(bench)).place is Place.ACCOUNT
    assert bench.host.why_not() is Reason.ACCOUNT


async def test_a_session_that_needs_sign_in_is_the_reason(model: CatalogueEntry) -> None:
    bench = Bench()
    bench.path.state = NOT_SIGNED_IN
    obstacle = await refusal_of(bench)
    assert obstacle.place is Place.CODEX
    assert obstacle.sentence.endswith("Codex is not signed in.")


async def test_a_limit_that_passes_by_itself_does_not_keep_it_off(model: CatalogueEntry) -> None:
    bench = Bench()
    bench.path.state = LIMITED
    await bench.switch.turn(on=True)
    assert bench.host.on


@pytest.mark.django_db
async def test_without_a_model_to_offer_it_stays_off() -> None:
    bench = Bench()
    assert (await refusal_of(bench)).place is Place.MODELS
    assert bench.host.why_not() is Reason.NO_MODEL


async def test_the_last_model_switched_off_ends_it_and_switched_on_again_brings_it_back(
    model: CatalogueEntry,
) -> None:
    bench = Bench()
    await bench.switch.turn(on=True)
    async with bench.running():
        await soon(lambda: bench.host.why_not() is None)
        await CatalogueEntry.objects.filter(pk=model.pk).aupdate(enabled=False)
        connections_changed.set()
        await soon(lambda: bench.host.why_not() is Reason.NO_MODEL)
        await CatalogueEntry.objects.filter(pk=model.pk).aupdate(enabled=True)
        connections_changed.set()
        await soon(lambda: bench.host.why_not() is None)
    assert bench.switch.view.checked


async def test_who_signs_out_takes_the_switch_along(model: CatalogueEntry) -> None:
    bench = Bench()
    await bench.switch.turn(on=True)
    async with bench.running():
        bench.account.account = None
        bench.account.show(signed_in=False)
        await soon(lambda: not bench.switch.view.checked)
        await until(lambda: RelaySetting.objects.filter(account="").aexists())


async def test_another_account_does_not_find_it_on(model: CatalogueEntry) -> None:
    await RelaySetting.objects.acreate(pk=1, account=ACCOUNT.hex())
    bench = Bench(SignedIn(OTHER))
    bench.switch._on_for = ACCOUNT.hex()
    async with bench.running():
        await soon(lambda: not bench.host.on and not bench.switch.view.checked)


async def test_it_waits_for_an_account_that_is_not_read_yet(model: CatalogueEntry) -> None:
    bench = Bench()
    bench.switch._on_for = ACCOUNT.hex()
    bench.account.account = None
    async with bench.running():
        assert bench.switch.view.checked
        bench.account.account = ACCOUNT
        bench.account.changed.set()
        await soon(lambda: bench.host.on)


async def test_the_computer_is_kept_awake_only_while_the_relay_is_on(model: CatalogueEntry) -> None:
    bench = Bench()
    await bench.switch.set_keep_awake(on=True)
    assert not bench.awake.wanted
    await bench.switch.turn(on=True)
    assert bench.awake.wanted
    await bench.switch.turn(on=False)
    assert not bench.awake.wanted
    assert (await RelaySetting.objects.aget()).keep_awake


async def test_a_setting_that_cannot_be_stored_changes_nothing(
    model: CatalogueEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench()

    async def full(*args: Any, **named: Any) -> None:
        raise DatabaseError

    with monkeypatch.context() as patch:
        patch.setattr(RelaySetting.objects, "aupdate_or_create", full)
        with pytest.raises(NotSaved):
            await bench.switch.turn(on=True)
        assert not bench.host.on
        assert not bench.switch.view.checked
    await bench.switch.turn(on=True)
    with monkeypatch.context() as patch:
        patch.setattr(RelaySetting.objects, "aupdate_or_create", full)
        with pytest.raises(StillStored):
            await bench.switch.turn(on=False)
        assert not bench.host.on
        assert not bench.switch.view.checked


async def test_off_is_not_undone_by_another_switch_pressed_right_after(model: CatalogueEntry) -> None:
    bench = Bench()
    await bench.switch.turn(on=True)
    await asyncio.gather(bench.switch.turn(on=False), bench.switch.set_keep_awake(on=True))
    assert not bench.host.on
    assert not bench.switch.view.checked
    stored = await RelaySetting.objects.aget()
    assert (stored.account, stored.keep_awake) == ("", True)


async def test_a_sign_out_counts_before_anything_is_stored(
    model: CatalogueEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench()
    await bench.switch.turn(on=True)

    async def stuck(*args: Any, **named: Any) -> None:
        await asyncio.Event().wait()

    async with bench.running():
        monkeypatch.setattr(RelaySetting.objects, "aupdate_or_create", stuck)
        bench.account.account = None
        bench.account.show(signed_in=False)
        await soon(lambda: not bench.host.on)


async def test_a_database_that_fails_for_a_moment_does_not_end_the_switch(
    model: CatalogueEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench()

    failed = asyncio.Event()

    async def fails(*args: Any, **named: Any) -> list[Any]:
        failed.set()
        raise DatabaseError

    async with bench.running():
        with monkeypatch.context() as patch:
            patch.setattr(service, "enabled_models", fails)
            bench.account.changed.set()
            await asyncio.wait_for(failed.wait(), 20)
        await bench.switch.turn(on=True)
        assert bench.host.on


async def test_a_computer_that_nobody_can_reach_may_sleep(model: CatalogueEntry) -> None:
    bench = Bench()
    await bench.switch.set_keep_awake(on=True)
    await bench.switch.turn(on=True)
    async with bench.running():
        for reason, awake in ((Reason.READY, True), (Reason.NO_PLAN, False), (Reason.UNREACHABLE, True)):
            bench.host.show(reason=reason)
            await soon(lambda: bench.awake.wanted is awake)  # noqa: B023


async def test_whoever_is_signed_in_with_keys_that_are_locked_is_not_called_signed_out(model: CatalogueEntry) -> None:
    bench = Bench()
    bench.account.account = None
    assert bench.host.why_not() is Reason.NO_KEYS
