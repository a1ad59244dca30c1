"""The relay's switch: why it is on or off, without a broker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import pytest

from connections.visitor import Visitor
from relay.account.keys import flows
from relay.account.vault import Keys
from relay.host.adapter import django_under
from relay.host.offer import Offer
from relay.host.pages import Pages
from relay.host.service import _SENTENCES, Reason, RelayHost
from relay.host.turns import Turns
from relay.link.link import Timing
from relay.member import Member
from relay.protocol import link as wire
from relay.protocol.link import Code, Type
from tests.relay.host.house import SOL, URLCONF, Obedient
from tests.relay.host.test_book import ada as _ada
from tests.relay.host.test_book import member
from tests.relay.keys.story import Story
from tests.relay.link.test_link import READY, Broker, Far
from tests.relay.link.wire import soon

ada = _ada
TIMING = Timing(first_pause=0.01, longest_pause=0.02, futile_pause=5)


async def models() -> list[Any]:
    return [SOL]


@asynccontextmanager
async def relay(
    who: Callable[[], Member | None],
    broker: Broker,
    looked: Callable[[], None] = lambda: None,
    pages: Pages | None = None,
) -> AsyncIterator[RelayHost]:
    path = cast(Any, Obedient())
    made = RelayHost(
        Offer(path, Turns(path), models),
        django_under(URLCONF),
        who,
        pages=pages,
        look_again=looked,
        timing=TIMING,
        dial=broker.dial,
    )
    running = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_every_reason_has_a_sentence() -> None:
    assert set(_SENTENCES) == set(Reason)
    assert all(text.endswith(".") and "!" not in text for text in _SENTENCES.values())


async def test_it_is_off_until_somebody_switches_it_on_and_dials_nobody(ada: Story) -> None:
    broker = Broker()
    async with relay(lambda: member(ada.created.device, ada.phone.after), broker) as made:
        await asyncio.sleep(0.05)
        assert made.state.reason is Reason.OFF
        assert broker.urls == []
        made.switch(on=True)
        await broker.next()
        await soon(lambda: made.state.reason is Reason.CONNECTING)
        made.switch(on=False)
        await soon(lambda: made.state.reason is Reason.OFF)


async def test_what_browsers_began_is_ended_where_they_may_not_be_here_any_more(ada: Story) -> None:
    stopped: list[bytes | None] = []
    pages = Pages((), lambda device: Visitor(device, "codex", "Codex Relay"), stop=stopped.append)
    current: list[Member | None] = [member(ada.created.device, ada.phone.after)]
    async with relay(lambda: current[0], Broker(), pages=pages) as made:
        made.switch(on=True)
        await soon(lambda: made.state.reason is Reason.CONNECTING)
        assert None not in stopped
        current[0] = None
        made.refresh()
        await soon(lambda: None in stopped)


async def test_without_an_account_it_says_so(ada: Story) -> None:
    async with relay(lambda: None, Broker()) as made:
        made.switch(on=True)
        await soon(lambda: made.state.reason is Reason.SIGNED_OUT)


async def test_a_broker_that_is_away_is_said_to_be(ada: Story) -> None:
    broker = Broker()
    broker.refuses = 10_000
    async with relay(lambda: member(ada.created.device, ada.phone.after), broker) as made:
        made.switch(on=True)
        await soon(lambda: made.state.reason is Reason.UNREACHABLE)


async def test_what_the_broker_says_is_the_reason(ada: Story) -> None:
    broker = Broker()
    async with relay(lambda: member(ada.created.device, ada.phone.after), broker) as made:
        made.switch(on=True)
        for code, reason in (
            (Code.NO_PLAN, Reason.NO_PLAN),
            (Code.REVOKED, Reason.REVOKED),
            (Code.REFUSED, Reason.REFUSED),
            (Code.SUPERSEDED, Reason.SUPERSEDED),
        ):
            (await broker.next()).end(code)
            await soon(lambda: made.state.reason is reason)  # noqa: B023
            made.wake()


async def test_keys_that_are_behind_the_log_are_fetched_before_anybody_is_let_in(ada: Story) -> None:
    mac, old = ada.created.device, ada.tablet.after
    behind = replace(member(mac, ada.revoked.after), keys=Keys(mac, old.workspace, old.known))
    looked: list[bool] = []
    now = [behind]
    async with relay(lambda: now[0], Broker(), lambda: looked.append(True)) as made:
        made.switch(on=True)
        await soon(lambda: made.state.reason is Reason.NO_KEYS)
        assert looked
        now[0] = member(mac, ada.revoked.after)
        made.refresh()
        await soon(lambda: made.state.reason is Reason.CONNECTING)


async def test_a_computer_that_the_log_says_was_removed_serves_nobody(ada: Story) -> None:
    host = flows.add_device(ada.phone.after, "Mini", ada.created.after.log.active[0].roles)
    gone = flows.revoke_devices(host.after, [host.device.id])
    broker = Broker()
    async with relay(lambda: member(host.device, gone.after), broker) as made:
        made.switch(on=True)
        await soon(lambda: made.state.reason is Reason.REVOKED)
        assert broker.urls == []


async def last_word(far: Far) -> int:
    """The code with which the host closes its link."""
    while (message := await far.hear()).type is not Type.CLOSE or message.route:
        pass
    return wire.read_close(message.payload)[0]


async def greet(broker: Broker) -> Far:
    """Let a device in, whoever it is."""
    far = await broker.next()
    far.say(wire.Message(Type.HELLO, 0, far.nonce))
    await far.hear()
    far.say(READY)
    return far


@pytest.mark.parametrize(
    ("happens", "code"),
    [
        ("off", Code.RELAY_OFF),
        ("no model", Code.DONE),
        ("account", Code.DONE),
        ("signed out", Code.SIGNED_OUT),
        ("another account", Code.SIGNED_OUT),
        ("asleep", Code.ASLEEP),
        ("quit", Code.CLOSED),
    ],
)
async def test_whoever_leaves_says_why(ada: Story, happens: str, code: Code) -> None:
    broker = Broker()
    now: dict[str, Any] = {"member": member(ada.created.device, ada.phone.after), "against": None}
    path = cast(Any, Obedient())
    made = RelayHost(
        Offer(path, Turns(path), models),
        django_under(URLCONF),
        lambda: now["member"],
        why_not=lambda: now["against"],
        timing=TIMING,
        dial=broker.dial,
    )
    running = asyncio.create_task(made.run())
    try:
        made.switch(on=True)
        far = await greet(broker)
        await soon(lambda: made.state.reason is Reason.READY)
        if happens == "off":
            made.switch(on=False)
        elif happens == "no model":
            now["against"] = Reason.NO_MODEL
        elif happens == "account":
            now["against"] = Reason.ACCOUNT
        elif happens == "signed out":
            now["member"] = None
        elif happens == "another account":
            now["member"] = replace(now["member"], broker="https://other.example")
        elif happens == "asleep":
            await made.going_to_sleep()
        else:
            running.cancel()
        made.refresh()
        assert await last_word(far) == code
        if happens == "asleep":
            far.end(code)
            await soon(lambda: made.state.reason is not Reason.READY)
            assert broker.dialled.empty()
            made.wake()
            await greet(broker)
            await soon(lambda: made.state.reason is Reason.READY)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
