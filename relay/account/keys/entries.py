"""One entry of the device log, as bytes.

    +0   u8   form = 1
    +1   u64  n                     0, 1, 2, …
    +9   32   prev                  SHA-256 of the whole entry before; of "lerix/log-start/1" ‖ account 16 for n = 0
    +41  u8   op                    1 add, 2 revoke, 3 epoch, 4 rekey
    +42  u16  length of body
    +44  body
         64   sig                   Ed25519 by the account signing key over "lerix/log/1" ‖ all that stands before

    add      device 16 ‖ u8 roles (1 host, 2 remote, 3 both) ‖ X25519 32 ‖ Ed25519 32 ‖ sealed name 97 (see `names`)
    revoke   device 16
    epoch    u32 epoch ‖ check 32 (see `workspace`) ‖ u16 count ‖ count × (device 16 ‖ sealed key 80), by device id
    rekey    Ed25519 32             the signing key from here on; the entry itself is signed by the one before,
                                    and entry 0, which names the first, by itself
    sealed key = HPKE of WK to the device's X25519 key, info "lerix/epoch/1" ‖ account 16 ‖ u32 epoch ‖ device 16

Public keys of small order are refused: X25519 gives no secret with them, and anybody can sign for them.
HPKE's base mode says nothing about the sender, so a sealed key is worth as much as the signature around it.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from relay.account.keys.device import EVERY_ROLE, DevicePublic, Role
from relay.account.keys.errors import LogFromNewerLerix, LogMalformed
from relay.account.keys.names import SEALED_NAME
from relay.account.keys.primitives import DIGEST, HPKE_OVERHEAD, KEY, SIGNATURE, can_agree, can_sign, sign, signed
from relay.account.keys.wire import ID, Reader, exact, uint

FORM = 1
# An epoch for 100 devices takes 9.7 KB, and is the longest.
MAX_ENTRY = 16 * 1024
SEALED_KEY = KEY + HPKE_OVERHEAD

ADD, REVOKE, EPOCH, REKEY = 1, 2, 3, 4


@dataclass(frozen=True)
class Add:
    """A device joins; its id and keys never belonged to another."""

    device: DevicePublic
    roles: Role
    name: bytes  # sealed

    def encode(self) -> bytes:
        device = self.device
        return device.id + uint(self.roles, 1) + device.agreement + device.signing + self.name


@dataclass(frozen=True)
class Revoke:
    """A device leaves, for good; an epoch follows."""

    device: bytes

    def encode(self) -> bytes:
        return self.device


@dataclass(frozen=True)
class Epoch:
    """A new workspace key, sealed to every device that belongs to the account at this point."""

    epoch: int
    check: bytes
    sealed: tuple[tuple[bytes, bytes], ...]  # device id, sealed key; by device id

    def encode(self) -> bytes:
        pairs = b"".join(device + key for device, key in self.sealed)
        return uint(self.epoch, 4) + self.check + uint(len(self.sealed), 2) + pairs


@dataclass(frozen=True)
class Rekey:
    """The account signing key from here on; an epoch follows."""

    signing_key: bytes

    def encode(self) -> bytes:
        return self.signing_key


Body = Add | Revoke | Epoch | Rekey


@dataclass(frozen=True)
class Entry:
    """An entry taken apart. Nothing of it is true before its signature and its place were checked."""

    n: int
    prev: bytes
    body: Body
    signature: bytes
    message: bytes  # what the signature is over, without the label

    def is_signed_by(self, signing_key: bytes) -> bool:
        """Say whether this signing key made it."""
        return signed(signing_key, self.signature, b"lerix/log/1" + self.message)


def start(account: bytes) -> bytes:
    """What stands in place of an entry before the first: it binds the log to its account."""
    return hashlib.sha256(b"lerix/log-start/1" + exact(account, ID)).digest()


def digest(entry: bytes) -> bytes:
    """The hash of a whole entry, signature and all: `prev` of the next one, or the log's head."""
    return hashlib.sha256(entry).digest()


def encode(n: int, prev: bytes, body: Body, seed: bytes) -> bytes:
    """Write and sign an entry with the seed of the account signing key."""
    content = body.encode()
    header = uint(FORM, 1) + uint(n, 8) + prev + uint(_OPS[type(body)], 1) + uint(len(content), 2)
    message = header + content
    return message + sign(seed, b"lerix/log/1" + message)


def decode(data: bytes) -> Entry:
    """Take an entry apart. Raises LogMalformed, and LogFromNewerLerix for a form or op that is not known."""
    if len(data) > MAX_ENTRY:
        raise LogMalformed
    reader = Reader(data, LogMalformed)
    if reader.uint(1) != FORM:
        raise LogFromNewerLerix
    n, prev, op = reader.uint(8), reader.take(DIGEST), reader.uint(1)
    content, signature = reader.take(reader.uint(2)), reader.take(SIGNATURE)
    reader.end()
    if op not in _READERS:
        raise LogFromNewerLerix
    inner = Reader(content, LogMalformed)
    body = _READERS[op](inner)
    inner.end()
    return Entry(n, prev, body, signature, data[:-SIGNATURE])


def epoch_info(account: bytes, epoch: int, device: bytes) -> bytes:
    """What a sealed key is bound to."""
    return b"lerix/epoch/1" + exact(account, ID) + uint(epoch, 4) + exact(device, ID)


def _add(reader: Reader) -> Add:
    device, roles, agreement, signing = reader.take(ID), reader.uint(1), reader.take(KEY), reader.take(KEY)
    if not 1 <= roles <= EVERY_ROLE or not can_agree(agreement) or not can_sign(signing):
        raise LogMalformed
    return Add(DevicePublic(device, agreement, signing), Role(roles), reader.take(SEALED_NAME))


def _rekey(reader: Reader) -> Rekey:
    signing_key = reader.take(KEY)
    if not can_sign(signing_key):
        raise LogMalformed
    return Rekey(signing_key)


def _epoch(reader: Reader) -> Epoch:
    epoch, check, count = reader.uint(4), reader.take(DIGEST), reader.uint(2)
    sealed = tuple((reader.take(ID), reader.take(SEALED_KEY)) for _ in range(count))
    devices = [device for device, _ in sealed]
    if devices != sorted(set(devices)):
        raise LogMalformed
    return Epoch(epoch, check, sealed)


_OPS: dict[type[Body], int] = {Add: ADD, Revoke: REVOKE, Epoch: EPOCH, Rekey: REKEY}
_READERS: dict[int, Callable[[Reader], Body]] = {
    ADD: _add,
    REVOKE: lambda reader: Revoke(reader.take(ID)),
    EPOCH: _epoch,
    REKEY: _rekey,
}
