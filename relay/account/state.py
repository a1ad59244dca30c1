"""What the pages show of the account, as plain values; nothing here can be used as a key."""

from dataclasses import dataclass
from datetime import datetime

from connections.sealing_keys import Place
from relay.account.errors import AccountError
from relay.account.keys.device import Role
from relay.api.states import Info, PlanFacts


@dataclass(frozen=True)
class BrokerView:
    """Which broker is used. `address` is "" for the one that Lerix runs itself; `problem` is a sentence."""

    address: str
    embedded: bool
    running: bool  # of the embedded one, whether it answers now; of another, whether it answered last
    problem: str | None
    fixed_by_environment: bool
    info: Info | None  # None until it was asked


@dataclass(frozen=True)
class DeviceView:
    """A device that belongs to the account. Times are aware and the broker's; None where it does not say."""

    id: bytes
    hex: str
    name: str
    this: bool
    joined: datetime | None
    seen: datetime | None
    signed_out: bool
    roles: Role


@dataclass(frozen=True)
class NoticeView:
    """Something that happened on another device; `device` is its id in hexadecimal digits, where it has one."""

    id: int
    sentence: str
    device: str | None


@dataclass(frozen=True)
class AccountView:
    """The account at this moment, without asking anybody.

    `problem` is why the last look at the broker failed, `asked` when it last answered. `digits` are to be compared
    with those on another device which replaced the account's signing key. `revoked` says that this device was
    removed from the account; then nobody is signed in, and `email` is whose it was. `unsettled` says that a sign-in
    was interrupted, and the broker does not tell yet whether it took it.
    """

    signed_in: bool
    email: str
    broker: BrokerView
    plan: PlanFacts | None
    plan_until: datetime | None
    used: int
    plans: tuple[PlanFacts, ...]
    devices: tuple[DeviceView, ...]
    notices: tuple[NoticeView, ...]
    problem: AccountError | None
    asked: datetime | None
    digits: str | None
    recovery_key_used: bool
    place: Place
    revoked: bool
    unsettled: bool
