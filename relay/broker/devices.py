"""A device proves its key, gives devices names, and signs out."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.core.cache import cache
from django.db import transaction

from relay.account.keys.device import Role, check_proof
from relay.account.keys.errors import KeysError
from relay.account.keys.names import SEALED_NAME
from relay.api import NONCE_SECONDS, Problem
from relay.api.fields import Fields
from relay.api.messages import DeviceName, Nonce, Proof, Session
from relay.api.states import AccountState, entries_to_json
from relay.broker import audit, digests, limits, tokens
from relay.broker.calls import Call
from relay.broker.limits import MINUTE, counted
from relay.broker.models import Device, Token, TokenKind, hexadecimal, now
from relay.broker.refusals import Refused
from relay.broker.rendezvous import Claim
from relay.broker.states import log_of, state_of

EITHER: Final = (TokenKind.UNLOCK, TokenKind.SESSION)


@dataclass(frozen=True)
class Rename:
    """Another sealed name for a device of the account."""

    device: str
    name: bytes

    @classmethod
    def from_json(cls, value: object) -> "Rename":
        fields = Fields(value)
        return cls(fields.text("device", longest=32), fields.raw("name", exactly=SEALED_NAME))


@dataclass(frozen=True)
class Log:
    """The account's log, for `GET log`."""

    entries: tuple[bytes, ...]

    def to_json(self) -> Mapping[str, Any]:
        return entries_to_json(self.entries)


@counted
def nonce(call: Call, message: DeviceName) -> Nonce:
    """Give a device something to sign; also one that is not known, which learns nothing. Raises Refused(SLOW_DOWN)."""
    found = _find(message.account, message.device)
    # Of each network for itself: who knows a device's id cannot use up what the device gets.
    subject = call.network if found is None else f"{_subject(found)} {call.network}"
    limits.spend("nonces", subject, limits.PROOFS, MINUTE)
    return Nonce(digests.nonce(message.account, message.device, int(time.time())))


@counted
def session(call: Call, message: Proof) -> Session:
    """Give a device that proved itself a session. Raises Refused(DEVICE_REFUSED, PROOF_REFUSED, SLOW_DOWN).

    DEVICE_REFUSED makes a device destroy its keys, so it says only that the device has no place here any more; what
    a clock, a proxy or a lost answer brings about is PROOF_REFUSED.
    """
    device = _find(message.account, message.device)
    if device is None:
        raise Refused(Problem.DEVICE_REFUSED)
    proof = Claim(message.account, message.device, int(message.role), message.nonce, call.host, message.proof)
    fresh = digests.nonce_holds(message.nonce, message.account, message.device, int(time.time()))
    if not fresh or not device.roles & int(message.role) or not proves(device, proof):
        raise Refused(Problem.PROOF_REFUSED)
    # From here on it is the device itself: nobody else learns what became of it, or uses up what it gets.
    if device.revoked is not None or device.signed_out is not None:
        raise Refused(Problem.DEVICE_REFUSED)
    limits.spend("sessions", _subject(device), limits.PROOFS, MINUTE)
    kept = NONCE_SECONDS + 2 * digests.CLOCK_SECONDS
    if not cache.add(f"nonce-{hexadecimal(message.nonce)}", True, kept):
        raise Refused(Problem.PROOF_REFUSED)
    Device.objects.filter(pk=device.pk).update(seen=now())
    return tokens.session(device.account, device)


def proves(device: Device, claim: Claim) -> bool:
    """Whether a claim is proved by the keys of the device it names."""
    try:
        check_proof(
            device.public,
            claim.proof,
            nonce=claim.nonce,
            account=claim.account,
            role=Role(claim.role),
            host=claim.host,
        )
    except (KeysError, ValueError):
        return False
    return True


def account(call: Call) -> AccountState:
    """The account as its devices see it. Raises Refused(TOKEN_ENDED)."""
    return state_of(tokens.find(call.authorization, *EITHER).account)


@counted
def log(call: Call) -> Log:
    """The account's log. Raises Refused(TOKEN_ENDED, SLOW_DOWN)."""
    token = tokens.find(call.authorization, *EITHER)
    limits.spend("logs", token.account_id, limits.LOGS, MINUTE)
    return Log(log_of(token.account))


def rename(call: Call, message: Rename) -> None:
    """Give a device of the account another name. Raises Refused(TOKEN_ENDED, NOT_FOUND)."""
    token = tokens.find(call.authorization, TokenKind.SESSION)
    devices = Device.objects.filter(account=token.account, device=message.device, revoked__isnull=True)
    if not devices.update(renamed=message.name):
        raise Refused(Problem.NOT_FOUND)


def sign_out(call: Call) -> None:
    """Take this device's right to prove itself, and its sessions. Raises Refused(TOKEN_ENDED)."""
    token = tokens.find(call.authorization, TokenKind.SESSION)
    with transaction.atomic():
        Device.objects.filter(tokens=token, signed_out__isnull=True).update(signed_out=now())
        audit.note("device-signed-out", account=token.account_id, network=call.network, device=str(token.device))
        Token.objects.filter(device=token.device).delete()


def _find(account_id: bytes, device_id: bytes) -> Device | None:
    wanted = Device.objects.filter(account=hexadecimal(account_id), device=hexadecimal(device_id))
    return wanted.select_related("account").defer("account__by_password", "account__by_recovery").first()


def _subject(device: Device) -> str:
    return f"{device.account_id} {device.device}"
