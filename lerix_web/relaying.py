"""Codex Relay in this process: both of its ends, the switch, and what keeps them up to date."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from asgiref.sync import sync_to_async
from django.conf import settings

import lerix_web
from chat import visits
from connections import catalogues, extras
from connections.catalogue import Model
from connections.codex.path import CodexPath
from connections.paths import paths
from connections.visitor import Visitor
from lerix_web.awake import KeepAwake
from lerix_web.background import Work
from lerix_web.urls.remote import PAGES
from relay.account.account import Account
from relay.client.path import RelayPath, key_of
from relay.client.service import RelayClient
from relay.host.adapter import django_under
from relay.host.offer import Offer
from relay.host.pages import ASSETS, VERSION, Pages
from relay.host.service import Reason, RelayHost
from relay.host.turns import Turns
from relay.link.waking import watch
from relay.member import Member
from relay.switch import service
from relay.switch.card import RelayCard
from relay.switch.service import RelaySwitch

#: What remotes may ask of this process.
REMOTE_URLS = "lerix_web.urls.remote"


def connect(account: Account, codex: CodexPath, user_agent: str) -> None:
    """Make the relay of this process, once: the host that serves the Codex session, its switch and its card."""

    def make_host(
        member: Callable[[], Member | None],
        why_not: Callable[[], Reason | None],
        models: Callable[[], Awaitable[Sequence[Model]]],
    ) -> RelayHost:
        turns = Turns(codex, noted=partial(catalogues.note_answer, codex))
        offer = Offer(codex, turns, models)
        return RelayHost(
            offer,
            django_under(REMOTE_URLS),
            member,
            pages=_pages(account, codex),
            why_not=why_not,
            look_again=account.look_again,
            user_agent=user_agent,
        )

    switch = RelaySwitch(account, codex, KeepAwake(), make_host)
    switch.load()
    service.install(switch)
    extras.add(RelayCard(switch))


def _pages(account: Account, codex: CodexPath) -> Pages:
    """The pages that browsers on other devices get: the chats, and of all access only this computer's session."""

    def visitor(device: bytes) -> Visitor:
        member = account.member
        name = account.name_of(member.keys.device.id) if member is not None else "this computer"
        return Visitor(device, codex.key, f"Codex Relay · {name}")

    assets = settings.STATIC_URL.strip("/").rpartition("/")[2]
    return Pages(PAGES, visitor, ((ASSETS, assets), (VERSION, lerix_web.__version__)), visits.stop)


def works(account: Account, user_agent: str) -> list[Work]:
    """Return what goes on for the relay while the server runs."""
    switch = service.installed()
    client = _client(account, user_agent)

    def woke() -> None:
        switch.host.wake()
        client.wake()

    return [
        ("relay: switch", switch.run),
        ("relay: host", switch.host.run),
        ("relay: other computers", client.run),
        ("relay: account", partial(_pass_on, account, client.refresh, woke)),
        ("relay: sleep", partial(watch, woke)),
        ("relay: awake", switch.awake.run),
    ]


def _client(account: Account, user_agent: str) -> RelayClient:
    forgetting: set[asyncio.Task[None]] = set()

    def add(path: RelayPath) -> None:
        paths.add(path)

    def remove(key: str) -> None:
        paths.remove(key)
        member = account.member
        if member is not None and any(key == key_of(device.id) for device in member.log.active):
            return  # Lerix ends, or looks again later: what is switched on stays so
        # An empty context: it may outlive the work that found it gone.
        task = asyncio.get_running_loop().create_task(_forget(key), context=contextvars.Context())
        forgetting.add(task)
        task.add_done_callback(forgetting.discard)

    return RelayClient(
        # One that meets another history of its account asks nobody for anything.
        lambda: account.member if account.trusted else None,
        account.name_of,
        add,
        remove,
        look_again=account.look_again,
        user_agent=user_agent,
    )


async def _forget(key: str) -> None:
    await sync_to_async(catalogues.forget)(key)


async def _pass_on(account: Account, tell: Callable[[], None], dial: Callable[[], None]) -> None:
    """Call `tell` at each change of the account, and `dial` where its plan has just got the relay. Never ends."""
    bell = asyncio.Event()
    account.changed.ring(bell)
    had = False
    while True:
        tell()
        plan = account.view.plan
        has = plan is not None and plan.relay
        if has and not had:
            dial()  # a broker that said no is else asked again after a minute
        had = has
        await bell.wait()
        bell.clear()
