"""Several Lerix in one test: each with the account of its own data folder, one after the other in the one database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from asgiref.sync import sync_to_async

from connections.sealing_keys import SealingKeys
from connections.secrets import Secret
from relay.account.account import Account
from relay.account.client import Limits
from relay.account.embedded import EmbeddedBroker
from relay.account.models import BrokerSetting, Membership, Notice
from relay.account.pending import Pending
from tests.relay.account.far_broker import ADDRESS, CODE, FarBroker

EMAIL, PASSWORD, NEW = "ada@example.com", "Grüße aus Åland 7", "Seekühe schwimmen nachts"
FAST = Limits(pause=0.0)


@dataclass
class Mac:
    """One Lerix; without `far` it speaks to whatever is at the address.

    Its rows are put away while another one's are in the database.
    """

    folder: Path
    far: FarBroker | None
    name: str = "Ada’s Mac"
    fixed: str = ADDRESS
    account: Account = field(init=False)
    _rows: list[Membership | Notice | BrokerSetting] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self._new()

    def _new(self) -> None:
        never = EmbeddedBroker(["/nonexistent"], {}, self.folder)
        self.account = Account(
            never, "Lerix/test", fixed_address=self.fixed, sealing_keys=SealingKeys(self.folder), transport=self.far
        )
        self.account._desk._limits = FAST

    async def restart(self) -> Account:
        """The account as the next process finds it."""
        await self.account.aclose()
        self._new()
        await sync_to_async(self.account.load)()
        return self.account

    async def leave(self) -> None:
        """Put this Lerix's rows away."""
        await sync_to_async(self._leave)()

    async def come(self) -> Account:
        """Bring them back."""
        await sync_to_async(self._come)()
        return self.account

    def _leave(self) -> None:
        self._rows = [*Membership.objects.all(), *Notice.objects.all(), *BrokerSetting.objects.all()]
        for model in (Membership, Notice, BrokerSetting):
            model.objects.all().delete()

    def _come(self) -> None:
        for row in self._rows:
            row.save(force_insert=True)


@asynccontextmanager
async def closed_after(*macs: Mac) -> AsyncIterator[None]:
    """End their connections, where these are real ones."""
    try:
        yield
    finally:
        for mac in macs:
            await mac.account.aclose()


async def create(mac: Mac, email: str = EMAIL, password: str = PASSWORD) -> Secret:
    """Create an account on it, and return the recovery key."""
    pending = await mac.account.start_creation(email, Secret(password), mac.name)
    pending = await mac.account.enter_code(pending.id, CODE)
    key = pending.recovery_key
    assert key is not None
    await mac.account.finish_creation(pending.id, typed(pending))
    return key


async def both(mac: Mac, other: Mac) -> Secret:
    """An account with two devices; the first one's rows are in the database. Returns the recovery key."""
    key = await create(mac)
    await mac.leave()
    await other.account.sign_in(EMAIL, Secret(PASSWORD), other.name)
    await other.leave()
    await mac.come()
    await mac.account.refresh()
    return key


def names(mac: Mac) -> list[str]:
    """The devices that its page lists."""
    return [device.name for device in mac.account.view.devices]


async def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until something is so. Fails where it does not become so."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - nothing rings for everything that tests wait for
            await asyncio.sleep(0.01)


def typed(pending: Pending) -> dict[int, str]:
    """The groups that are asked for, as the person reads them."""
    assert pending.recovery_key is not None
    groups = pending.recovery_key.reveal().split("-")[1:]
    return {position: groups[position] for position in pending.retype}
