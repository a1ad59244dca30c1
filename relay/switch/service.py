"""Whether this computer serves the account's other devices: what the person wants, and what stands against it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from django.db import DatabaseError

from connections.catalogue import Model
from connections.changes import Signal, connections_changed, heard
from connections.paths import AccessPath
from connections.status import NextStep
from relay.account.account import Account
from relay.host.offer import enabled_models
from relay.host.service import HostState, Reason, RelayHost
from relay.member import Member
from relay.switch.models import RelaySetting

#: Seconds after which everything is looked at, whatever rang.
LOOK_SECONDS: Final = 30.0
# Where the Codex session cannot answer before a person has done something.
_BROKEN: Final = frozenset(
    {
        NextStep.INSTALL_CLI,
        NextStep.SIGN_IN,
        NextStep.SIGN_IN_AGAIN,
        NextStep.USE_ACCOUNT,
        NextStep.CHECK_FILE,
        NextStep.UPDATE,
    }
)


# While it is one of these, devices are served, or soon will be.
_WORTH_WAKING: Final = frozenset({Reason.READY, Reason.CONNECTING, Reason.UNREACHABLE, Reason.RESTARTING})


class AwakeState(Protocol):
    """How it stands with keeping this computer awake."""

    @property
    def sentence(self) -> str:
        """Why it is not, where that was wanted; else nothing."""


class Awake(Protocol):
    """What keeps this computer awake."""

    changed: Signal

    @property
    def state(self) -> AwakeState:
        """At this moment."""

    def set(self, wanted: bool) -> None:
        """From now on."""

    async def run(self) -> None:
        """Do it. Never ends."""


class Place(StrEnum):
    """Where a person removes what stands in the way; pages turn it into a link."""

    ACCOUNT = "account"
    CODEX = "codex"
    MODELS = "models"


@dataclass(frozen=True)
class Obstacle:
    """Why the relay cannot be switched on."""

    sentence: str
    place: Place


@dataclass(frozen=True)
class SwitchView:
    """The switch at this moment. `checked` is what the person wants, `state` what is.

    `obstacle` is why it cannot be switched on now, `devices` are the names of those that are connected, `closed` says
    that the account is at the broker inside this Lerix, which no other device can reach.
    """

    checked: bool
    state: HostState
    obstacle: Obstacle | None
    devices: tuple[str, ...]
    keep_awake: bool
    awake: AwakeState
    closed: bool


class CannotBeOn(Exception):
    """It was not switched on: the obstacle."""

    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(obstacle.sentence)
        self.obstacle = obstacle


class NotSaved(Exception):
    """The setting could not be stored; nothing was changed."""


class StillStored(Exception):
    """It is off, but that could not be stored."""


MakeHost = Callable[
    [Callable[[], Member | None], Callable[[], Reason | None], Callable[[], Awaitable[Sequence[Model]]]], RelayHost
]


class RelaySwitch:
    """The switch of this process. Call `load` before serving, run `run` beside it; all on one event loop.

    `host` is made by the maker with who is signed in, what speaks against serving, and the models that are offered;
    `path` is the access path it offers.
    """

    def __init__(
        self,
        account: Account,
        path: AccessPath,
        awake: Awake,
        make_host: MakeHost,
    ) -> None:
        self._account = account
        self._path = path
        self.awake = awake
        self._on_for = ""
        self._keep_awake = False
        #: The models that are switched on for the path; None until they were read.
        self._models: Sequence[Model] | None = None
        self._bell = asyncio.Event()
        self._storing = asyncio.Lock()
        self.host = make_host(lambda: account.member, self._why_not, self.models)

    def load(self) -> None:
        """Read what is stored. Once, before anything is served."""
        setting = RelaySetting.objects.first()
        if setting is not None:
            self._on_for, self._keep_awake = setting.account, setting.keep_awake

    # What there is to show

    @property
    def view(self) -> SwitchView:
        """The switch at this moment; asks nobody."""
        account = self._account.view
        state = self.host.state
        return SwitchView(
            checked=bool(self._on_for),
            state=state,
            obstacle=self._obstacle(),
            devices=tuple(sorted(map(self._account.name_of, state.remotes))),
            keep_awake=self._keep_awake,
            awake=self.awake.state,
            closed=account.signed_in and account.broker.embedded,
        )

    def _obstacle(self) -> Obstacle | None:
        account, status = self._account.view, self._path.status()
        if not account.signed_in:
            return Obstacle("Codex Relay needs a Lerix account with the plan Pro. Sign in first.", Place.ACCOUNT)
        if not self._account.trusted:
            return Obstacle("Something about your account needs your attention first.", Place.ACCOUNT)
        if account.plan is None:
            return Obstacle("The account's broker has not answered yet, so its plan is not known.", Place.ACCOUNT)
        if not account.plan.relay:
            return Obstacle(f"Codex Relay comes with Pro. This account's plan is {account.plan.name}.", Place.ACCOUNT)
        if not status.ready and status.next_step in _BROKEN:
            return Obstacle(f"The Codex session is not ready. {status.sentence}", Place.CODEX)
        if self._models is not None and not self._models:
            return Obstacle("Codex Relay needs a Codex model to offer. Switch one on first.", Place.MODELS)
        return None

    # What a person does

    async def turn(self, *, on: bool) -> None:
        """Switch the relay on or off. Raises CannotBeOn, NotSaved, and StillStored, where it is off all the same."""
        member = self._account.member
        if on:
            await self._read()
            obstacle = self._obstacle()
            if obstacle is None and member is None:
                obstacle = Obstacle("The account's devices are not known yet. Try again in a moment.", Place.ACCOUNT)
            if obstacle is not None:
                raise CannotBeOn(obstacle)
        if on and member is not None:
            await self._store(account=member.account.hex())
        else:
            await self._turn_off()

    async def set_keep_awake(self, *, on: bool) -> None:
        """Keep the computer awake while the relay is on, or not. Raises NotSaved."""
        await self._store(keep_awake=on)

    async def _turn_off(self) -> None:
        """At once, whatever becomes of the setting. Raises StillStored where the next start finds it on."""
        self._on_for = ""
        self._apply()
        try:
            await self._store(account="")
        except NotSaved:
            self._on_for = ""  # a press of On may have come to its end meanwhile
            self._apply()
            connections_changed.set()
            raise StillStored from None

    async def _store(self, **values: Any) -> None:
        """Store what is given, and nothing else: two switches may be pressed at once. Raises NotSaved."""
        async with self._storing:
            try:
                await RelaySetting.objects.aupdate_or_create(pk=1, defaults=values)
            except DatabaseError:
                raise NotSaved from None
            self._on_for = values.get("account", self._on_for)
            self._keep_awake = values.get("keep_awake", self._keep_awake)
        self._apply()
        connections_changed.set()

    # Beside the requests

    async def run(self) -> None:
        """Follow the account, the models and the host. Never ends."""
        for signal in (self._account.changed, self.host.changed, connections_changed):
            signal.ring(self._bell)
        shown: object = None
        news = asyncio.Event()
        for signal in (self.host.changed, self._account.changed, self.awake.changed):
            signal.ring(news)
        telling = asyncio.get_running_loop().create_task(_tell(news))
        try:
            while True:
                # First what waits for nothing: whoever signed out is not served while a database is busy.
                self._apply()
                self.host.refresh()
                await self._leave_others()
                await self._read()
                self._apply()
                now = (self._on_for, self._obstacle())
                if now != shown:
                    shown = now
                    news.set()
                await heard(self._bell, seconds=LOOK_SECONDS)
        finally:
            telling.cancel()

    def _apply(self) -> None:
        member = self._account.member
        on = bool(self._on_for) and (member is None or member.account.hex() == self._on_for)
        self.host.switch(on=on)
        self.awake.set(on and self._keep_awake and self.host.state.reason in _WORTH_WAKING)

    def _why_not(self) -> Reason | None:
        plan = self._account.view.plan
        if self._account.leaving:
            return Reason.SIGNED_OUT
        if not self._account.trusted:
            return Reason.ACCOUNT
        if self._account.view.signed_in and self._account.member is None:
            return Reason.NO_KEYS  # they are locked, or the list of devices was not read yet
        if plan is not None and not plan.relay:
            return Reason.NO_PLAN
        # Not counted yet: it is about to be.
        return Reason.NO_MODEL if self._models is not None and not self._models else None

    async def _leave_others(self) -> None:
        """Whoever signs out takes the switch along."""
        account, member = self._account.view, self._account.member
        gone = not account.signed_in and not account.unsettled
        if self._on_for and (gone or (member is not None and member.account.hex() != self._on_for)):
            with contextlib.suppress(StillStored):  # at the next start it is looked at again
                await self._turn_off()

    async def _read(self) -> None:
        with contextlib.suppress(DatabaseError):  # what was read last holds on
            self._models = await enabled_models(self._path)

    async def models(self) -> Sequence[Model]:
        """The models that are offered, as they were when something changed last: asked for each request."""
        if self._models is None:
            return await enabled_models(self._path)
        return self._models


async def _tell(news: asyncio.Event) -> None:
    """Have the pages look again, at most a few times a second."""
    while True:
        await news.wait()
        news.clear()
        connections_changed.set()
        await asyncio.sleep(0.2)


_installed: RelaySwitch | None = None


def install(switch: RelaySwitch) -> None:
    """Make `switch` the one of this process."""
    global _installed
    _installed = switch


def installed() -> RelaySwitch:
    """The switch of this process. Raises RuntimeError before `install`."""
    if _installed is None:
        raise RuntimeError("no switch of Codex Relay is installed in this process")
    return _installed
