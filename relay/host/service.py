"""Codex Relay on the Mac: the link, who is let in over it, and why it is on or off."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from connections.changes import Signal, heard
from relay.account.keys.device import Role
from relay.account.keys.errors import DeviceRevoked, KeysError
from relay.host.adapter import Adapter, Application
from relay.host.book import MemberBook
from relay.host.offer import Offer
from relay.host.pages import Pages
from relay.link.host import Host
from relay.link.link import Connect, Identity, Link, Phase, Timing
from relay.link.remote import GONE
from relay.member import Member
from relay.protocol.link import Code, Message, Type

logger = logging.getLogger(__name__)

#: Seconds between two looks at what is too old.
SWEEP_SECONDS: Final = 10.0
#: Seconds in which the remotes that are connected are told of an end, before the broker is.
LAST_WORDS_SECONDS: Final = 0.3
#: After these nobody may be served any longer, until the link is ready again.
_ENDING: Final = frozenset({Code.REVOKED, Code.NO_PLAN, Code.REFUSED})


class Reason(StrEnum):
    """Why it is as it is; stable, for programs."""

    OFF = "off"
    NO_MODEL = "no-model"
    ACCOUNT = "account"
    SIGNED_OUT = "signed-out"
    NO_PLAN = "no-plan"
    NO_KEYS = "no-keys"
    CONNECTING = "connecting"
    UNREACHABLE = "unreachable"
    RESTARTING = "restarting"
    REVOKED = "revoked"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
    READY = "ready"


_SENTENCES: Final = {
    Reason.OFF: "Codex Relay is off.",
    Reason.NO_MODEL: "Codex Relay needs a Codex model to offer. Switch one on first.",
    Reason.ACCOUNT: (
        "Codex Relay waits, because something about your account needs your attention. Open Account and look there."
    ),
    Reason.SIGNED_OUT: "Codex Relay needs a Lerix account. Sign in first.",
    Reason.NO_PLAN: "The account's plan has no Codex Relay, so your other devices cannot use this computer.",
    Reason.NO_KEYS: "This computer does not have the account's newest key yet. It is fetched from the broker.",
    Reason.CONNECTING: "Connecting to the broker.",
    Reason.UNREACHABLE: "The broker cannot be reached. Lerix tries again by itself.",
    Reason.RESTARTING: "The broker is restarting. Lerix comes back by itself.",
    Reason.REVOKED: "This computer was removed from the account. Sign in again to use Codex Relay.",
    Reason.REFUSED: "The broker does not let this computer in. Sign out of the account, then sign in again.",
    Reason.SUPERSEDED: "Another Lerix on this computer has taken over. Quit it to use Codex Relay here.",
    Reason.READY: "Your other devices can use this computer's Codex models.",
}
_BY_CODE: Final = {
    Code.NO_PLAN: Reason.NO_PLAN,
    Code.REVOKED: Reason.REVOKED,
    Code.REFUSED: Reason.REFUSED,
    Code.SUPERSEDED: Reason.SUPERSEDED,
    Code.RESTARTING: Reason.RESTARTING,
}
# What the remotes are told where it ends for this reason; where another one, that Codex Relay is off here.
_LAST_WORDS: Final = {
    Reason.SIGNED_OUT: Code.SIGNED_OUT,
    Reason.REVOKED: Code.REVOKED,
    Reason.NO_KEYS: Code.OTHER_EPOCH,
    # They read that it is not on line. What is the matter, the card here says.
    Reason.ACCOUNT: Code.DONE,
    Reason.NO_MODEL: Code.DONE,
    Reason.NO_PLAN: Code.NO_PLAN,
    # Another account, or another device of it, is signed in here now.
    Reason.CONNECTING: Code.SIGNED_OUT,
}


@dataclass(frozen=True)
class HostState:
    """The relay at this moment. `on` says whether it may be reached, `remotes` are those that have a route now."""

    on: bool
    reason: Reason
    since: datetime
    remotes: frozenset[bytes] = frozenset()
    running: int = 0
    waiting: int = 0

    @property
    def sentence(self) -> str:
        """What the card shows."""
        return _SENTENCES[self.reason]


class RelayHost:
    """This computer as a host. Run `run` as background work; everything is on one event loop.

    `member` gives who is signed in, with the newest log it verified, or None. `why_not` gives what else speaks against
    serving (no model switched on, no plan), or None. Both are asked at each change of the link, of a turn and of a
    remote, and each ten seconds: without I/O. `look_again` is called where another device has seen more of the account.
    Call `refresh` whenever one of these may have changed, and after a wake of the computer `wake`.

    Whoever leaves says why, so that the remotes can show it: switched off, signed out, asleep, or that Lerix was quit
    where `run` is cancelled.
    """

    def __init__(
        self,
        offer: Offer,
        application: Application,
        member: Callable[[], Member | None],
        *,
        pages: Pages | None = None,
        why_not: Callable[[], Reason | None] = lambda: None,
        look_again: Callable[[], None] = lambda: None,
        user_agent: str = "Lerix",
        timing: Timing | None = None,
        dial: Connect | None = None,
    ) -> None:
        #: Rings when `state` is another one.
        self.changed = Signal()
        self._offer = offer
        self._adapter = Adapter(application, offer, pages=pages)
        self._pages = pages
        self._member = member
        self._why_not = why_not
        self._look_again = look_again
        self._user_agent = user_agent
        self._timing = timing
        self._dial = dial
        self._on = False
        self._bell = asyncio.Event()
        self._served: _Served | None = None
        self._swept = 0.0
        self._state = HostState(False, Reason.OFF, datetime.now(UTC))
        offer.turns.changed.ring(self._bell)

    @property
    def state(self) -> HostState:
        """The relay at this moment."""
        return self._state

    def switch(self, *, on: bool) -> None:
        """Turn the relay on or off."""
        self._on = on
        self.refresh()

    def refresh(self) -> None:
        """Look now at who is signed in and what speaks against serving."""
        self._bell.set()

    def wake(self) -> None:
        """Be sure of the link now: the network is another one, the computer woke up, a person asks."""
        if self._served is not None:
            self._served.link.wake()

    async def going_to_sleep(self) -> None:
        """Say so and leave, for half a second at most; sessions and turns stay. `wake` brings it back."""
        if self._served is not None:
            await self._served.link.leave(Code.ASLEEP)

    async def run(self) -> None:
        """Serve while it may be, until cancelled; then everything ends."""
        try:
            while True:
                self._bell.clear()
                await self._look()
                await heard(self._bell, seconds=SWEEP_SECONDS)
        finally:
            await self._end(Code.CLOSED)
            await self._offer.turns.aclose()
            await self._adapter.aclose()

    async def _look(self) -> None:
        reason, member = self._wanted()
        if self._served is not None and (member is None or not self._served.belongs_to(member)):
            await self._end(_LAST_WORDS.get(reason, Code.RELAY_OFF))
        if member is not None:
            try:
                if self._served is None:
                    self._begin(member)
                else:
                    self._served.book.take(member)
            except DeviceRevoked:
                reason = Reason.REVOKED
                await self._end(_LAST_WORDS[reason])
            except KeysError:
                reason = Reason.NO_KEYS
                await self._end(_LAST_WORDS[reason])
                self._look_again()
        served = self._served
        if served is not None:
            reason = self._keep(served)
        self._show(reason)

    def _wanted(self) -> tuple[Reason, Member | None]:
        if not self._on:
            return Reason.OFF, None
        member, against = self._member(), self._why_not()
        if against is not None:
            return against, None
        return (Reason.CONNECTING, member) if member is not None else (Reason.SIGNED_OUT, None)

    def _begin(self, member: Member) -> None:
        self._served = _Served(member, self._adapter, self._look_again, self._bell.set, self)

    async def _end(self, code: Code) -> None:
        served, self._served = self._served, None
        if served is None:
            return
        # At once, before anything is waited for: nobody is answered, and nothing is asked any more.
        self._stop()
        await served.end(code)
        self._stop()  # what a request that was under way has begun since

    def _keep(self, served: "_Served") -> Reason:
        """What is to be done now and then while it serves."""
        served.restart_if_failed()
        for device in served.book.unwelcome:
            served.host.expel(device)
            self._stop(device)
        self._sweep(served)
        state = served.link.state
        if state.phase is Phase.READY:
            return Reason.READY
        if state.code in _ENDING:
            served.host.expel(code=Code(state.code))
            self._stop()
        if state.code in _BY_CODE:
            return _BY_CODE[Code(state.code)]
        return Reason.UNREACHABLE if state.failures else Reason.CONNECTING

    def _stop(self, device: bytes | None = None) -> None:
        """End what a device has asked for, or all devices."""
        self._offer.turns.stop(device)
        if self._pages is not None:
            self._pages.stop(device)

    def _sweep(self, served: "_Served") -> None:
        now = asyncio.get_running_loop().time()
        if now - self._swept >= SWEEP_SECONDS:
            self._swept = now
            served.host.sweep()
            self._offer.turns.sweep()

    def _show(self, reason: Reason) -> None:
        served, turns, old = self._served, self._offer.turns, self._state
        since = old.since if reason is old.reason else datetime.now(UTC)
        remotes = served.host.remotes if served is not None else frozenset()
        on = reason is Reason.READY
        self._state = HostState(on, reason, since, remotes, turns.running, turns.waiting)
        if self._state != old:
            self.changed.set()

    def make_link(
        self, identity: Identity, handle: Callable[[Message], Awaitable[None]], changed: Callable[[], None]
    ) -> Link:
        """For `_Served`."""
        return Link(
            identity, handle, user_agent=self._user_agent, changed=changed, timing=self._timing, dial=self._dial
        )


class _Served:
    """One membership that is served: its book, its link and its routes."""

    def __init__(
        self,
        member: Member,
        adapter: Adapter,
        look_again: Callable[[], None],
        changed: Callable[[], None],
        maker: RelayHost,
    ) -> None:
        self.book = MemberBook(member, look_again)
        self._changed = changed
        self._member = member
        identity = Identity(member.broker, member.account, member.keys.device, Role.HOST, parent=member.parent)
        self.link = maker.make_link(identity, self._handle, self._link_changed)
        self.host = Host(self.link, self.book, adapter.serve, gave_up=adapter.gave_up)
        self._task = self._start(self.link.run())

    def belongs_to(self, member: Member) -> bool:
        """Whether it is the same device of the same account at the same broker."""
        return self._member.is_same_device(member)

    def restart_if_failed(self) -> None:
        """A link ends by itself only where there is an error of ours."""
        if self._task.done():
            if not self._task.cancelled() and (error := self._task.exception()) is not None:
                logger.error("The relay's link failed and is begun again.", exc_info=error)
            self._task = self._start(self.link.run())

    async def end(self, code: Code) -> None:
        """Say why it is over, and leave."""
        # What the remotes read is stopped, so none may wait for the rest of it, whatever they are told of this host.
        self.host.expel(code=code if code in GONE else Code.REFUSED)
        await self.host.said_goodbye(LAST_WORDS_SECONDS)
        await self.link.leave(code)
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=1)
        await self.host.aclose()

    async def _handle(self, message: Message) -> None:
        await self.host.handle(message)
        # Those who have a route are shown; when one is there or gone, no message says.
        loop = asyncio.get_running_loop()
        if message.type is Type.INCOMING:
            for seconds in (0.5, 2.0):
                loop.call_later(seconds, self._changed)
        elif message.type is Type.CLOSE:
            loop.call_later(0.1, self._changed)

    def _link_changed(self) -> None:
        if self.link.state.phase is not Phase.READY:
            self.host.link_down()
        self._changed()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)
