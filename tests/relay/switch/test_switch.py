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
from django.test import AsyncClient

from connections.changes import Signal, connections_changed
from connections.models import CatalogueEntry
from connections.status import NextStep, Status
from relay.host.service import HostState, Reason, RelayHost
from relay.member import Member
from relay.switch import service
from relay.switch.card import RelayCard
from relay.switch.models import RelaySetting
from relay.switch.service import CannotBeOn, NotSaved, Place, RelaySwitch
from tests.chat.fakes import FakePath
from tests.relay.account_fake import FREE, PRO, SIGNED_IN, SIGNED_OUT, FakeAccount

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

        def make(member: Callable[[], Member | None], why_not: Callable[[], Reason | None]) -> RelayHost:
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
        assert again.host.on
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
        assert bench.host.why_not() is None
        await CatalogueEntry.objects.filter(pk=model.pk).aupdate(enabled=False)
        connections_changed.set()
        await asyncio.sleep(0.1)
        assert bench.host.why_not() is Reason.NO_MODEL
        await CatalogueEntry.objects.filter(pk=model.pk).aupdate(enabled=True)
        connections_changed.set()
        await asyncio.sleep(0.1)
        assert bench.host.why_not() is None
    assert bench.switch.view.checked


async def test_who_signs_out_takes_the_switch_along(model: CatalogueEntry) -> None:
    bench = Bench()
    await bench.switch.turn(on=True)
    async with bench.running():
        bench.account.account = None
        bench.account.show(signed_in=False)
        await asyncio.sleep(0.1)
        assert not bench.switch.view.checked
    assert (await RelaySetting.objects.aget()).account == ""


async def test_another_account_does_not_find_it_on(model: CatalogueEntry) -> None:
    await RelaySetting.objects.acreate(pk=1, account=ACCOUNT.hex())
    bench = Bench(SignedIn(OTHER))
    bench.switch._on_for = ACCOUNT.hex()
    async with bench.running():
        assert not bench.host.on
        assert not bench.switch.view.checked


async def test_it_waits_for_an_account_that_is_not_read_yet(model: CatalogueEntry) -> None:
    bench = Bench()
    bench.switch._on_for = ACCOUNT.hex()
    bench.account.account = None
    async with bench.running():
        assert bench.switch.view.checked
        bench.account.account = ACCOUNT
        bench.account.changed.set()
        await asyncio.sleep(0.1)
        assert bench.host.on


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

    monkeypatch.setattr(type(RelaySetting.objects.all()), "aupdate_or_create", full)
    with pytest.raises(NotSaved):
        await bench.switch.turn(on=True)
    assert not bench.host.on


async def test_the_card_tells_who_is_connected_and_escapes_what_they_are_called(model: CatalogueEntry) -> None:
    bench = Bench()
    await bench.switch.turn(on=True)
    bench.host.show(on=True, reason=Reason.READY, remotes=frozenset({b"p" * 16, b"l" * 16}), running=2, waiting=1)
    card = await bench.card()
    assert "Connected now: &lt;b&gt;Laptop&lt;/b&gt; and Phone." in card
    assert "2 answers running, 1 waiting." in card
    assert " checked" in card
    bench.host.show(on=False, reason=Reason.UNREACHABLE, remotes=frozenset())
    card = await bench.card()
    assert "The broker cannot be reached." in card
    assert "Connected now" not in card
    assert "Not connected</span>" in card


async def test_the_broker_inside_lerix_is_said_to_be_out_of_reach(model: CatalogueEntry) -> None:
    bench = Bench()
    assert "no other device can reach" in await bench.card()


async def test_the_pages_hear_of_each_change(model: CatalogueEntry) -> None:
    bench = Bench()
    bell = asyncio.Event()
    async with bench.running():
        await asyncio.sleep(0.3)
        connections_changed.ring(bell)
        bell.clear()
        bench.host.show(reason=Reason.CONNECTING)
        await asyncio.wait_for(bell.wait(), 2)


async def test_the_pages_of_the_switch_answer_with_the_card(
    model: CatalogueEntry, async_client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench()
    monkeypatch.setattr(service, "_installed", bench.switch)
    headers = {"HX-Request": "true"}
    answer = await async_client.post("/settings/relay/switch/", {"enabled": "on"}, headers=headers)
    assert " checked" in answer.content.decode()
    assert bench.host.on
    answer = await async_client.post("/settings/relay/keep-awake/", {"enabled": "on"}, headers=headers)
    assert bench.awake.wanted
    answer = await async_client.post("/settings/relay/switch/", {}, headers=headers)
    assert not bench.host.on
    bench.account.show(plan=FREE)
    answer = await async_client.post("/settings/relay/switch/", {"enabled": "on"}, headers=headers)
    assert 'role="alert"' in answer.content.decode()
    assert "This account&#x27;s plan is Free." in answer.content.decode()
    assert (await async_client.get("/settings/relay/switch/", headers=headers)).status_code == 405
