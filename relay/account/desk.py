"""What all the flows work with: the vault, the broker in use, what was begun, and what the broker said last."""

from __future__ import annotations

import asyncio
import contextvars
import time
import weakref
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import httpx
from django.db import DatabaseError

from connections.changes import Signal
from connections.sealing_keys import Place, SealingKeys
from connections.secrets import Secret
from relay.account.address import normalise
from relay.account.client import BrokerClient, Limits
from relay.account.embedded import EmbeddedBroker
from relay.account.errors import (
    AccountError,
    AlreadySignedIn,
    BrokerFixed,
    BrokerInUse,
    CodesDiffer,
    CutOff,
    KeysRefused,
    NotKept,
    NotSignedIn,
)
from relay.account.keys.errors import KeysError
from relay.account.keys.log import LogState
from relay.account.keys.password import normalise_email
from relay.account.models import BrokerSetting, Membership
from relay.account.pending import Pendings
from relay.account.state import AccountView
from relay.account.vault import Keys, Vault
from relay.account.viewing import UNREADABLE, Said, name_of, view_of
from relay.api.states import AccountState
from relay.member import Member as RelayMember

#: Seconds between two looks that other devices can bring about.
LOOK_PAUSE: Final = 2.0

T = TypeVar("T")


@dataclass(frozen=True)
class Member:
    """Who is signed in, for the length of one task."""

    row: Membership
    keys: Keys

    @property
    def account(self) -> bytes:
        """The account's 16 bytes."""
        return bytes.fromhex(self.row.account)


@dataclass(frozen=True)
class Session:
    """The right of a device that proved itself, until the broker says that it has ended."""

    device: bytes
    token: str = field(repr=False)


class Desk:
    """The parts of one `Account`; `limits` and `clock` can be replaced in tests."""

    def __init__(
        self,
        embedded: EmbeddedBroker,
        user_agent: str,
        fixed_address: str,
        sealing_keys: SealingKeys,
        transport: httpx.AsyncBaseTransport | None,
        *,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.embedded = embedded
        self.sealing_keys = sealing_keys
        self.vault = Vault(sealing_keys)
        self.clock = clock
        self.pendings = Pendings(clock)
        self.changed = Signal()
        embedded.on_change = self.changed.set
        #: Set when there is a reason to ask the broker before its time.
        self.wake = asyncio.Event()
        self.said = Said()
        #: This device is being signed out: what it knew goes one thing after another.
        self.leaving = False
        #: The right of this device at the broker; in memory only.
        self.session: Session | None = None
        self.fixed = normalise(fixed_address) if fixed_address else ""
        self._chosen = ""
        self._user_agent = user_agent
        self._transport = transport
        self._limits = limits
        self._client: BrokerClient | None = None
        self._looked = -LOOK_PAUSE
        # Where the embedded broker listened last, and what it knew its parent by.
        self._embedded: tuple[str, Secret] | None = None
        # One change at a time; and one password is stretched at a time, since each takes 64 MiB.
        self._acting = asyncio.Lock()
        self._working = asyncio.Semaphore(1)
        self._tasks: set[asyncio.Task[Any]] = set()
        # Of these, what nothing breaks off, and what was broken off.
        self._first: set[asyncio.Task[Any]] = set()
        self._cut: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()

    def load(self) -> None:
        """Read what is stored."""
        self.vault.load()
        setting = BrokerSetting.objects.first()
        self._chosen = setting.address if setting is not None else ""

    async def aclose(self) -> None:
        """Cut what is on its way, as a crash would, and close everything."""
        self.pendings.clear()
        for task in self._tasks:
            task.cancel()
        await self.embedded.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1)
        await self.close_client()

    # One thing at a time

    async def act(self, work: Callable[[], Coroutine[Any, Any, T]], *, first: bool = False) -> T:
        """Do `work` alone, and to its end: a person who closes the page must not cut it in the middle.

        What goes `first` breaks off, as a crash would, what is under way and what waits; those raise CutOff.
        """
        if first:
            for running in self._tasks - self._first:
                if running not in self._cut:
                    self._cut.add(running)
                    running.cancel()
        # An empty context: it may outlive the request that began it.
        task = asyncio.get_running_loop().create_task(self._alone(work), context=contextvars.Context())
        self._tasks.add(task)
        if first:
            self._first.add(task)
        task.add_done_callback(self._done)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            waiting = asyncio.current_task()
            if task in self._cut and waiting is not None and not waiting.cancelling():
                raise CutOff from None
            raise

    async def _alone(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async with self._acting:
            try:
                return await work()
            except DatabaseError:
                raise NotKept from None
            finally:
                self.changed.set()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._first.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited for it has it; nobody may have waited

    async def work(self, function: Callable[[], T]) -> T:
        """Run what takes processor time in a thread, one at a time. Raises KeysRefused for a KeysError."""
        async with self._working:
            try:
                return await asyncio.to_thread(function)
            except KeysError as error:
                raise KeysRefused(error) from None

    # Who

    async def member(self) -> Member:
        """Who is signed in. Raises NotSignedIn, StoredAway, StoredLost."""
        row = self.vault.member
        if row is None:
            raise NotSignedIn
        return Member(row, await self.vault.keys(row))

    def require_signed_out(self) -> None:
        """Raise AlreadySignedIn where somebody is signed in."""
        if self.vault.member is not None:
            raise AlreadySignedIn

    # Where

    @property
    def address(self) -> str:
        """The broker in use: that of the account on this device, else the one set; "" for the embedded one."""
        row = self.vault.member or self.vault.joining
        return row.broker if row is not None else self.fixed or self._chosen

    async def client(self) -> BrokerClient:
        """Who speaks to the broker in use; starts the embedded one where it is that. Raises EmbeddedFailed."""
        address, parent = self.address, None
        if not address:
            address = await self.embedded.address()
            parent = self.embedded.token
        if self._client is None or (self._client.address, self._client.parent) != (address, parent):
            await self.close_client()
            self._client = self._new_client(address, parent)
        return self._client

    async def close_client(self) -> None:
        """Close its connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def set_broker(self, address: str) -> None:
        """Choose another one, after it said what it is. Raises AccountError."""
        wanted = normalise(address) if address.strip() else ""
        await self.act(lambda: self._set_broker(wanted))

    async def _set_broker(self, wanted: str) -> None:
        if self.fixed:
            raise BrokerFixed
        if self.vault.member is not None or self.vault.joining is not None:
            raise BrokerInUse
        info = None
        if wanted:
            client = self._new_client(wanted)
            try:
                info = await client.info()
            finally:
                await client.aclose()
            await BrokerSetting.objects.aupdate_or_create(pk=1, defaults={"address": wanted})
        else:
            await BrokerSetting.objects.all().adelete()
        self._chosen = wanted
        self.pendings.clear()
        self.forget_said()
        self.said = replace(self.said, info=info)
        await self.close_client()
        self.wake.set()

    def _new_client(self, address: str, parent: str | None = None) -> BrokerClient:
        return BrokerClient(
            address, self._user_agent, parent=parent, transport=self._transport, limits=self._limits
        )

    # What there is to show

    def heard(self, state: AccountState, log: LogState | None = None) -> None:
        """The broker answered. A new signing key goes on waiting until a log comes that was believed."""
        said = self.said
        waits = log is None and said.doubt is not None
        self.said = replace(
            said,
            state=state,
            log=log or said.log,
            read=self.clock() if log is not None else said.read,
            problem=said.problem if waits else None,
            digits=said.digits if waits else None,
            doubt=said.doubt if waits else None,
            asked=datetime.now(UTC),
        )
        self.changed.set()

    def failed(self, problem: AccountError, digits: str | None = None) -> None:
        """The broker could not be followed. What casts doubt on the account is not covered by a lost network."""
        if isinstance(problem, KeysRefused | CodesDiffer):
            self.said = replace(self.said, problem=problem, digits=digits, doubt=problem)
        elif self.said.doubt is None:
            self.said = replace(self.said, problem=problem, digits=digits)
        self.changed.set()

    def forget_said(self) -> None:
        """Somebody else is signed in, or nobody."""
        self.said = Said(info=self.said.info, place=self.said.place)
        self.session = None

    async def find_place(self) -> Place:
        """Where a new key would be sealed."""
        place = await self.sealing_keys.expected()
        self.said = replace(self.said, place=place)
        return place

    def view(self) -> AccountView:
        """The account at this moment."""
        return view_of(self.vault, self.said, self.embedded, self.address, self.fixed)

    # For the relay

    def relay_member(self) -> RelayMember | None:
        """Who is signed in, with the newest log that was believed; None until both are known."""
        row, log = self.vault.member, self.said.log
        keys = self.vault.opened(row) if row is not None else None
        if row is None or keys is None or log is None:
            return None
        if row.broker:
            return RelayMember(row.broker, log.account, keys, log)
        # While it is started again, its devices wait at the place that it had.
        if self.embedded.at is not None:
            self._embedded = (self.embedded.at, Secret(self.embedded.token))
        if self._embedded is None:
            return None
        address, parent = self._embedded
        return RelayMember(address, log.account, keys, log, parent)

    def name_of(self, device: bytes) -> str:
        """What the owner calls a device of the account."""
        member = self.relay_member()
        listed = member.log.devices.get(device) if member is not None else None
        if member is None or listed is None:
            return UNREADABLE
        return name_of(listed, member.account, member.keys.workspace, self.said.state)

    def look_again(self) -> None:
        """Ask the broker soon: another device has seen more of the account. Harmless however often it is called."""
        now = self.clock()
        if now - self._looked >= LOOK_PAUSE:
            self._looked = now
            self.wake.set()

    async def dismiss(self, notice_id: int) -> None:
        """Take a notice away."""
        await self.vault.dismiss(notice_id)
        self.changed.set()


def email_of(text: str) -> str:
    """The one spelling of an address. Raises KeysRefused."""
    try:
        return normalise_email(text)
    except KeysError as error:
        raise KeysRefused(error) from None


#: How often something is tried again after somebody else changed the account at the same time.
TRIES: Final = 3
