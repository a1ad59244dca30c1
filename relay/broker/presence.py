"""Which hosts are on line, told to the remotes of their accounts; see `relay.protocol.presence`.

    a link comes        at once: on line
    it says why it goes at once: off, closed, asleep, signed out
    it goes without     lost, once it has not come back for a while: a network that changes is no absence
    the broker starts   hosts that were on line when it ended are expected back, and lost when they do not come

What is true lives in memory, with the links; of each host the last change is written to its row, so that it is known
after a restart. Nothing is done here while nothing changes.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from django.db import Error as DatabaseFailure
from django.utils.timezone import now

from relay.broker.refusals import Refused
from relay.broker.rendezvous import Rendezvous
from relay.protocol.link import Code
from relay.protocol.presence import LAST_WORDS, Presence, Why, to_event
from relay.protocol.switch import HOST, REMOTE, Link

logger = logging.getLogger(__name__)

#: Seconds that a host which left without a word has to come back, before anybody is told.
GRACE_SECONDS: Final = 5.0
#: Seconds that hosts have to come back after a start of the broker: as long as the longest pause of a link, and more.
RETURN_SECONDS: Final = 40.0
#: Seconds until what the database did not take is tried again.
AGAIN_SECONDS: Final = 1.0
#: Accounts, or changes, in one statement or transaction.
BATCH: Final = 200
HERE: Final = "here"

#: A host: its account and id, 16 bytes each.
Named = tuple[bytes, bytes]


@dataclass(frozen=True)
class Row:
    """What is written of a device that may be a host. `state` is HERE, one of `Why`, or "" where it never was one."""

    host: bytes
    state: str
    since: datetime | None
    #: When it was last there at all, to within a minute.
    seen: datetime | None


class Kept(Protocol):
    """What outlives the process. Each may raise Refused and DatabaseFailure."""

    async def read(self, accounts: Sequence[bytes]) -> Mapping[bytes, Sequence[Row]]:
        """The hosts of some accounts."""
        ...

    async def write(self, changes: Mapping[Named, Presence]) -> None:
        """Write what has changed."""
        ...

    async def lose(self, here: Collection[Named]) -> Mapping[Named, Presence]:
        """Those that were on line, but for `here`, are lost since they were last seen. Returns what was written."""
        ...


class Hosts:
    """The hosts of all accounts at one meeting place. Run `keep` beside it."""

    def __init__(
        self,
        place: Rendezvous,
        kept: Kept,
        *,
        grace: float = GRACE_SECONDS,
        returning: float = RETURN_SECONDS,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._place = place
        self._kept = kept
        self._grace, self._returning = grace, returning
        self._clock = clock
        #: All that were on line when the broker ended have come back, or are lost.
        self._settled = False
        self._is_due = False
        self._changes: dict[Named, Presence] = {}
        self._missing: dict[Named, asyncio.TimerHandle] = {}
        self._asking: set[Link] = set()
        self._bell = asyncio.Event()
        place.attend(self)

    # The meeting place's side

    def came(self, link: Link) -> None:
        """A link is there."""
        if link.role == HOST:
            self._forget_missing((link.account, link.device))
            self._change(link.account, Presence(link.device, True, self._clock()))
        else:
            self._asking.add(link)
            self._bell.set()

    def went(self, link: Link, code: Code) -> None:
        """A link has ended."""
        self._asking.discard(link)
        # Those of a restart are expected back, and a removed device is no host any more.
        if link.role != HOST or code in {Code.RESTARTING, Code.REVOKED} or self._is_here(link.account, link.device):
            return
        # A device is refused while it is there because it has signed out.
        why = Why.SIGNED_OUT if code is Code.REFUSED else LAST_WORDS.get(code, Why.LOST)
        gone = Presence(link.device, False, self._clock(), why)
        if why is not Why.LOST:
            self._gone(link.account, gone)
            return
        self._forget_missing((link.account, link.device))
        later = asyncio.get_running_loop().call_later(self._grace, self._gone, link.account, gone)
        self._missing[link.account, link.device] = later

    def _gone(self, account: bytes, gone: Presence) -> None:
        self._forget_missing((account, gone.host))
        if not self._is_here(account, gone.host):
            self._change(account, gone)

    def _forget_missing(self, named: Named) -> None:
        timer = self._missing.pop(named, None)
        if timer is not None:
            timer.cancel()

    def _is_here(self, account: bytes, host: bytes) -> bool:
        return self._place.switch.find(account, host) is not None

    def _change(self, account: bytes, presence: Presence) -> None:
        self._changes[account, presence.host] = presence
        self._tell(account, [presence])
        self._bell.set()

    def _tell(self, account: bytes, told: Sequence[Presence], links: Iterable[Link] | None = None) -> None:
        whom = self._place.switch.of_account(account) if links is None else links
        # One that asks still is told all at once, soon, and nothing before.
        remotes = [link for link in whom if link.role == REMOTE and link not in self._asking]
        if remotes:
            # `since` of one that is on line is only for the row.
            shown = [Presence(each.host, True) if each.online else each for each in told]
            self._place.tell(remotes, to_event(shown))

    # The rows

    async def keep(self) -> None:
        """Write changes, and tell new links of all hosts of their account; until cancelled."""
        due = None
        self._bell.set()  # what an earlier run of this left
        if not self._settled:
            due = asyncio.get_running_loop().call_later(self._returning, self._come_due)
        try:
            while True:
                await self._bell.wait()
                self._bell.clear()
                try:
                    await self._write()
                    await self._answer()
                    if self._is_due and not self._settled:
                        await self._settle()
                except (Refused, DatabaseFailure) as error:
                    logger.warning("Who is on line could not be written: %s.", type(error).__name__)
                    await asyncio.sleep(AGAIN_SECONDS)
                    self._bell.set()
        finally:
            if due is not None:
                due.cancel()

    def _come_due(self) -> None:
        self._is_due = True
        self._bell.set()

    async def _write(self) -> None:
        while self._changes:
            some = {named: self._changes[named] for named in list(self._changes)[:BATCH]}
            await self._kept.write(some)
            for named, presence in some.items():
                if self._changes.get(named) is presence:
                    del self._changes[named]

    async def _answer(self) -> None:
        while self._asking:
            asked: dict[bytes, list[Link]] = {}
            for link in list(self._asking)[:BATCH]:
                asked.setdefault(link.account, []).append(link)
            rows = await self._kept.read(list(asked))
            for account, links in asked.items():
                self._asking.difference_update(links)
                self._tell(account, [self._now(account, row) for row in rows.get(account, ())], links)

    async def _settle(self) -> None:
        here = {(link.account, link.device) for link in self._place.switch.links() if link.role == HOST}
        lost = await self._kept.lose(here | set(self._missing) | set(self._changes))
        self._settled = True
        for (account, host), presence in lost.items():
            if not self._is_here(account, host) and (account, host) not in self._changes:
                self._tell(account, [presence])

    def _now(self, account: bytes, row: Row) -> Presence:
        """A host as it is at this moment, which may be newer than its row."""
        named = account, row.host
        # One that is missed for a moment was not said to be away to anybody else either.
        if self._is_here(*named) or named in self._missing:
            return Presence(row.host, True)
        if named in self._changes:
            return self._changes[named]
        if row.state == HERE:
            return Presence(row.host, False, row.seen, Why.LOST if self._settled else Why.RESTARTING)
        return Presence(row.host, False, row.since, Why(row.state) if row.state else None)
