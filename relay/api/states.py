"""What the broker answers about accounts, plans and itself; as `messages`, whose doc string holds for these too."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from relay.account.keys.bundle import MAX_BUNDLE
from relay.account.keys.entries import MAX_ENTRY
from relay.account.keys.log import MAX_DEVICES, MAX_ENTRIES
from relay.account.keys.names import SEALED_NAME
from relay.api import ID, KEY
from relay.api.fields import Fields, MessageMalformed, encode, seconds
from relay.api.messages import email_of, token_of

# A revoked device stays in the account's history.
MOST_DEVICES = 10 * MAX_DEVICES
MOST_PLANS = 20


@dataclass(frozen=True)
class PlanFacts:
    """What a plan has. `quota` in bytes of sealed items; `devices` signed in at once."""

    code: str
    name: str
    sync_keys: bool
    sync_chats: bool
    sync_files: bool
    sync_settings: bool
    relay: bool
    quota: int
    devices: int

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_json(cls, value: object) -> Self:
        fields = Fields(value)
        return cls(
            code=fields.text("code", longest=20),
            name=fields.text("name", longest=40),
            **{name: fields.flag(name) for name in ("sync_keys", "sync_chats", "sync_files", "sync_settings", "relay")},
            quota=fields.number("quota"),
            devices=fields.number("devices", high=MAX_DEVICES),
        )


@dataclass(frozen=True)
class DeviceState:
    """What the broker says about a device; who belongs to the account, only the log says."""

    id: bytes
    created: datetime
    seen: datetime | None
    signed_out: datetime | None
    name: bytes | None  # sealed, where it was renamed since it joined

    def to_json(self) -> dict[str, Any]:
        return {
            "id": encode(self.id),
            "created": seconds(self.created),
            "seen": seconds(self.seen) if self.seen else None,
            "signed_out": seconds(self.signed_out) if self.signed_out else None,
            "name": encode(self.name) if self.name else None,
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        fields = Fields(value)
        return cls(
            id=fields.raw("id", exactly=ID),
            created=fields.time("created"),
            seen=fields.time_or_none("seen"),
            signed_out=fields.time_or_none("signed_out"),
            name=fields.raw_or_none("name", exactly=SEALED_NAME),
        )


@dataclass(frozen=True)
class AccountState:
    """What the broker says about an account. `plan` is what holds now; `plan_until` when a paid one ends."""

    account: bytes
    email: str
    revision: int
    n: int
    created: datetime
    plan: PlanFacts
    plan_until: datetime | None
    used: int  # bytes of the quota
    devices: tuple[DeviceState, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "account": encode(self.account),
            "email": self.email,
            "revision": self.revision,
            "n": self.n,
            "created": seconds(self.created),
            "plan": self.plan.to_json(),
            "plan_until": seconds(self.plan_until) if self.plan_until else None,
            "used": self.used,
            "devices": [device.to_json() for device in self.devices],
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        fields = Fields(value)
        return cls(
            account=fields.raw("account", exactly=ID),
            email=email_of(fields),
            revision=fields.number("revision", low=1),
            n=fields.number("n", high=MAX_ENTRIES),
            created=fields.time("created"),
            plan=PlanFacts.from_json(fields.mapping("plan")),
            plan_until=fields.time_or_none("plan_until"),
            used=fields.number("used"),
            devices=tuple(DeviceState.from_json(item) for item in fields.items("devices", longest=MOST_DEVICES)),
        )


@dataclass(frozen=True)
class Opened:
    """The answer to a log-in or a recovery: `copy` is the bundle's copy for that way in, `anchor` only for recovery."""

    unlock: str = field(repr=False)
    state: AccountState
    copy: bytes = field(repr=False)
    entries: tuple[bytes, ...] = field(repr=False)
    anchor: bytes | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "unlock": self.unlock,
            "state": self.state.to_json(),
            "copy": encode(self.copy),
            "entries": [encode(entry) for entry in self.entries],
            "anchor": encode(self.anchor) if self.anchor else None,
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        fields = Fields(value)
        return cls(
            unlock=token_of(fields, "unlock"),
            state=AccountState.from_json(fields.mapping("state")),
            copy=fields.raw("copy", at_most=MAX_BUNDLE),
            entries=entries_from_json(value),
            anchor=fields.raw_or_none("anchor", exactly=KEY),
        )


def entries_to_json(entries: tuple[bytes, ...]) -> Mapping[str, Any]:
    """Write a log."""
    return {"entries": [encode(entry) for entry in entries]}


def entries_from_json(value: object) -> tuple[bytes, ...]:
    """Read a log. Raises MessageMalformed."""
    return Fields(value).raws("entries", longest=MAX_ENTRIES, at_most=MAX_ENTRY)


@dataclass(frozen=True)
class Info:
    """What a broker says of itself to everybody."""

    version: str
    api: int
    embedded: bool
    sign_up: bool
    default_plan: str
    plans: tuple[PlanFacts, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "broker": "Lerix",
            "version": self.version,
            "api": self.api,
            "embedded": self.embedded,
            "sign_up": self.sign_up,
            "default_plan": self.default_plan,
            "plans": [plan.to_json() for plan in self.plans],
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        fields = Fields(value)
        if fields.text("broker", longest=20) != "Lerix":
            raise MessageMalformed("broker")
        return cls(
            version=fields.text("version", longest=40),
            api=fields.number("api", high=1000),
            embedded=fields.flag("embedded"),
            sign_up=fields.flag("sign_up"),
            default_plan=fields.text("default_plan", longest=20),
            plans=tuple(PlanFacts.from_json(item) for item in fields.items("plans", longest=MOST_PLANS)),
        )
