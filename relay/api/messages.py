"""What a device sends, and how it proves itself; each message is written by `to_json` and read by `from_json`.

`from_json` raises MessageMalformed. `states` has what the broker answers about an account. Nothing is checked beyond
its form: who signed a log and what a bundle holds is for `relay.account.keys`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from relay.account.keys.bundle import MAX_BUNDLE, SealedBundle
from relay.account.keys.device import Role
from relay.account.keys.entries import MAX_ENTRY
from relay.account.keys.flows import AccountUpdate
from relay.account.keys.holders import AuthKey, RecoveryAuth
from relay.account.keys.log import MAX_DEVICES, MAX_ENTRIES
from relay.account.keys.password import MAX_EMAIL
from relay.account.keys.recovery import RecoveryRecord
from relay.api import CODE_DIGITS, ID, KEY, NONCE, SIGNATURE, TOKEN, Purpose
from relay.api.fields import Fields, MessageMalformed, encode, seconds

# Tickets and tokens are 32 random bytes in base64url.
LONGEST_TOKEN = 43


def email_of(fields: Fields) -> str:
    """The address of a message. Raises MessageMalformed."""
    return fields.text("email", longest=MAX_EMAIL)


def token_of(fields: Fields, name: str) -> str:
    """A ticket or token. Raises MessageMalformed."""
    token = fields.text(name, longest=LONGEST_TOKEN)
    fields.raw(name, exactly=TOKEN)
    return token


@dataclass(frozen=True)
class TicketRequest:
    """Ask for a code by e-mail. `email` is as `normalise_email` gives it, here and everywhere."""

    email: str
    purpose: Purpose

    def to_json(self) -> dict[str, Any]:
        return {"email": self.email, "purpose": self.purpose.value}

    @classmethod
    def from_json(cls, value: object) -> Self:
        fields = Fields(value)
        purpose = fields.text("purpose", longest=20)
        if purpose not in {each.value for each in Purpose}:
            raise MessageMalformed("purpose")
        return cls(email_of(fields), Purpose(purpose))


@dataclass(frozen=True)
class Ticket:
    """What a code will be entered for. Given out for every address."""

    ticket: str = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        return {"ticket": self.ticket}

    @classmethod
    def from_json(cls, value: object) -> Self:
        return cls(token_of(Fields(value), "ticket"))


@dataclass(frozen=True)
class Confirmation:
    """The code that came by e-mail: eight digits."""

    ticket: str = field(repr=False)
    code: str = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        return {"ticket": self.ticket, "code": self.code}

    @classmethod
    def from_json(cls, value: object) -> Self:
        fields = Fields(value)
        code = fields.text("code", longest=CODE_DIGITS)
        if len(code) != CODE_DIGITS or not (code.isascii() and code.isdigit()):
            raise MessageMalformed("code")
        return cls(token_of(fields, "ticket"), code)


@dataclass(frozen=True)
class Prelogin:
    """What the password is stretched with. The device knows its suites itself, and takes no other."""

    suite: int
    salt: bytes

    def to_json(self) -> dict[str, Any]:
        return {"suite": self.suite, "salt": encode(self.salt)}

    @classmethod
    def from_json(cls, value: object) -> Self:
        fields = Fields(value)
        return cls(fields.number("suite", high=255), fields.raw("salt", at_most=64))


@dataclass(frozen=True)
class Login:
    """Log in by the key made from the password."""

    email: str
    auth: AuthKey

    def to_json(self) -> dict[str, Any]:
        return {"email": self.email, "auth": encode(self.auth.reveal())}

    @classmethod
    def from_json(cls, value: object) -> Self:
        fields = Fields(value)
        return cls(email_of(fields), AuthKey(fields.raw("auth", exactly=KEY)))


@dataclass(frozen=True)
class Recovery:
    """Log in by the key made from the recovery key, after the code."""

    ticket: str = field(repr=False)
    auth: RecoveryAuth

    def to_json(self) -> dict[str, Any]:
        return {"ticket": self.ticket, "auth": encode(self.auth.reveal())}

    @classmethod
    def from_json(cls, value: object) -> Self:
        fields = Fields(value)
        return cls(token_of(fields, "ticket"), RecoveryAuth(fields.raw("auth", exactly=KEY)))


def update_to_json(update: AccountUpdate) -> dict[str, Any]:
    """Write one compare-and-swap."""
    message: dict[str, Any] = {
        "account": encode(update.account),
        "expected": update.expected,
        "revision": update.revision,
        "by_password": encode(update.bundle.by_password),
        "by_recovery": encode(update.bundle.by_recovery),
        "position": update.position,
        "entries": [encode(entry) for entry in update.entries],
    }
    if update.auth is not None:
        message["auth"] = encode(update.auth.reveal())
    if update.recovery is not None:
        message["recovery"] = {
            "auth": encode(update.recovery.auth.reveal()),
            "public": encode(update.recovery.public),
            "anchor": encode(update.recovery.anchor),
        }
    return message


def update_from_json(value: object) -> AccountUpdate:
    """Read one compare-and-swap. Raises MessageMalformed."""
    fields = Fields(value)
    auth, recovery = fields.raw_or_none("auth", exactly=KEY), fields.part_or_none("recovery")
    return AccountUpdate(
        account=fields.raw("account", exactly=ID),
        expected=fields.number("expected"),
        revision=fields.number("revision", low=1),
        bundle=SealedBundle(
            fields.raw("by_password", at_most=MAX_BUNDLE), fields.raw("by_recovery", at_most=MAX_BUNDLE)
        ),
        position=fields.number("position", high=MAX_ENTRIES),
        entries=fields.raws("entries", longest=MAX_DEVICES + 2, at_most=MAX_ENTRY),
        auth=None if auth is None else AuthKey(auth),
        recovery=None
        if recovery is None
        else RecoveryRecord(
            RecoveryAuth(recovery.raw("auth", exactly=KEY)),
            recovery.raw("public", exactly=KEY),
            recovery.raw("anchor", exactly=KEY),
        ),
    )


@dataclass(frozen=True)
class Creation:
    """A new account, for the address of a confirmed ticket."""

    ticket: str = field(repr=False)
    update: AccountUpdate

    def to_json(self) -> dict[str, Any]:
        return {"ticket": self.ticket, "update": update_to_json(self.update)}

    @classmethod
    def from_json(cls, value: object) -> Self:
        fields = Fields(value)
        creation = cls(token_of(fields, "ticket"), update_from_json(fields.mapping("update")))
        if creation.update.auth is None or creation.update.recovery is None:
            raise MessageMalformed("update")
        return creation


@dataclass(frozen=True)
class DeviceName:
    """Which device wants to prove itself."""

    account: bytes
    device: bytes

    def to_json(self) -> dict[str, Any]:
        return {"account": encode(self.account), "device": encode(self.device)}

    @classmethod
    def from_json(cls, value: object) -> Self:
        fields = Fields(value)
        return cls(fields.raw("account", exactly=ID), fields.raw("device", exactly=ID))


@dataclass(frozen=True)
class Nonce:
    """What is signed: 32 bytes, used once, within a minute."""

    nonce: bytes

    def to_json(self) -> dict[str, Any]:
        return {"nonce": encode(self.nonce)}

    @classmethod
    def from_json(cls, value: object) -> Self:
        return cls(Fields(value).raw("nonce", exactly=NONCE))


@dataclass(frozen=True)
class Proof:
    """A device proves its key, as `DeviceKeys.prove` does; the host name is that of the address it dialled."""

    account: bytes
    device: bytes
    nonce: bytes
    role: Role
    proof: bytes

    def to_json(self) -> dict[str, Any]:
        return {
            "account": encode(self.account),
            "device": encode(self.device),
            "nonce": encode(self.nonce),
            "role": int(self.role),
            "proof": encode(self.proof),
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        fields = Fields(value)
        return cls(
            account=fields.raw("account", exactly=ID),
            device=fields.raw("device", exactly=ID),
            nonce=fields.raw("nonce", exactly=NONCE),
            role=Role(fields.number("role", low=1, high=2)),
            proof=fields.raw("proof", exactly=SIGNATURE),
        )


@dataclass(frozen=True)
class Session:
    """The right of a device that proved itself."""

    token: str = field(repr=False)
    expires: datetime

    def to_json(self) -> dict[str, Any]:
        return {"token": self.token, "expires": seconds(self.expires)}

    @classmethod
    def from_json(cls, value: object) -> Self:
        fields = Fields(value)
        return cls(token_of(fields, "token"), fields.time("expires"))
