"""The keys of one device, and how it proves them to the broker.

    proof = Ed25519 signature over
        "lerix/broker-auth/1" ‖ nonce 32 ‖ account 16 ‖ device 16 ‖ u8 role ‖ u16 length ‖ host name in ASCII

The nonce is the broker's and used once; the host name is the one the device dialled, in lower case and without a
port, so that a proof made for one broker is worth nothing at another.
"""

from dataclasses import dataclass
from enum import IntFlag

from relay.account.keys.errors import AnswerMalformed, ProofRefused, StoredUnreadable
from relay.account.keys.holders import DeviceSeed, Stored
from relay.account.keys.primitives import (
    KEY,
    SYSTEM,
    Randomness,
    agreement_public,
    hpke_open,
    sign,
    signed,
    signing_public,
)
from relay.account.keys.wire import ID, Reader, exact, uint

# RFC 1035, section 2.3.4, less the dots that are not written.
MAX_HOST = 253


class Role(IntFlag):
    """What a device may be: a Lerix install is both, a browser is a remote."""

    HOST = 1  # serves its pages and models to others
    REMOTE = 2  # asks a host


EVERY_ROLE = Role.HOST | Role.REMOTE


@dataclass(frozen=True)
class DevicePublic:
    """What the account knows about a device's keys: X25519 for the relay and new epochs, Ed25519 for proofs."""

    id: bytes
    agreement: bytes
    signing: bytes


@dataclass(frozen=True)
class DeviceKeys:
    """The private keys of this device."""

    id: bytes
    agreement: DeviceSeed
    signing: DeviceSeed

    @classmethod
    def new(cls, random: Randomness = SYSTEM) -> "DeviceKeys":
        """Make the keys of a device, with an id that nobody has."""
        return cls(random.take(ID), DeviceSeed(random.take(KEY)), DeviceSeed(random.take(KEY)))

    @classmethod
    def from_stored(cls, stored: Stored) -> "DeviceKeys":
        """Read what `stored` gave. Raises StoredUnreadable."""
        reader = Reader(stored.reveal(), StoredUnreadable)
        if reader.uint(1) != 1:
            raise StoredUnreadable
        keys = cls(reader.take(ID), DeviceSeed(reader.take(KEY)), DeviceSeed(reader.take(KEY)))
        reader.end()
        return keys

    def stored(self) -> Stored:
        """For this device to keep: u8 1 ‖ id 16 ‖ X25519 private 32 ‖ Ed25519 seed 32."""
        return Stored(uint(1, 1) + self.id + self.agreement.reveal() + self.signing.reveal())

    @property
    def public(self) -> DevicePublic:
        """The public half."""
        agreement, signing = agreement_public(self.agreement.reveal()), signing_public(self.signing.reveal())
        return DevicePublic(self.id, agreement, signing)

    def open(self, info: bytes, sealed: bytes) -> bytes | None:
        """Open what was sealed to the X25519 key, or return None; says nothing about who sealed it."""
        return hpke_open(self.agreement.reveal(), info, sealed)

    def prove(self, *, nonce: bytes, account: bytes, role: Role, host: str) -> bytes:
        """Sign the broker's nonce (32 bytes) for one link in one role. Raises AnswerMalformed."""
        return sign(self.signing.reveal(), _claim(nonce, account, self.id, role, host))


def check_proof(device: DevicePublic, proof: bytes, *, nonce: bytes, account: bytes, role: Role, host: str) -> None:
    """Refuse a proof that this device did not make for exactly this. Raises ProofRefused, AnswerMalformed."""
    if not signed(device.signing, proof, _claim(nonce, account, device.id, role, host)):
        raise ProofRefused


def _claim(nonce: bytes, account: bytes, device: bytes, role: Role, host: str) -> bytes:
    # One role per link, though a device may have both.
    if int(role) not in {1, 2} or not host.isascii() or not 0 < len(host) <= MAX_HOST:
        raise AnswerMalformed
    name = host.lower().encode()
    ids = exact(nonce, 32) + exact(account, ID) + exact(device, ID)
    return b"lerix/broker-auth/1" + ids + uint(role, 1) + uint(len(name), 2) + name
