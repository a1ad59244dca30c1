"""The card of Codex Relay, and what its switches answer."""

from __future__ import annotations

import asyncio

import pytest
from django.test import AsyncClient

from connections.changes import connections_changed
from connections.models import CatalogueEntry
from relay.host.service import Reason
from relay.switch import service
from tests.relay.account_fake import FREE
from tests.relay.switch.test_switch import Bench
from tests.relay.switch.test_switch import model as _model

model = _model


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
    connections_changed.ring(bell)
    async with bench.running():
        await asyncio.wait_for(bell.wait(), 20)  # what it tells as it begins
        bell.clear()
        bench.host.show(reason=Reason.CONNECTING)
        await asyncio.wait_for(bell.wait(), 20)


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
