"""The device log: the only thing that says which devices belong to an account.

A log is read from its first entry on, and each entry must follow from those before:

- n counts from 0, prev is the hash of the entry before, and the signing key in force signed it.
- Entry 0 is a rekey signed by the key it names. Later rekeys are signed by the key they replace, and bring a key
  that the log has not had.
- add: an id and two keys that the log has not had, not even on a revoked device.
- revoke: a device that belongs to the account.
- epoch: the next number, and a sealed key for exactly the devices that belong to the account.
- After a revoke or a rekey an epoch must follow before the log ends. The first epoch is 0.
- An entry of an unknown form or op ends the reading: nothing after it can be judged.

What a device has seen it keeps as `Known`; a log that is shorter, or has another entry at that place, is refused.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from relay.account.keys.device import DeviceKeys, DevicePublic, Role
from relay.account.keys.entries import Add, Body, Entry, Epoch, Rekey, Revoke, decode, digest, encode, epoch_info, start
from relay.account.keys.errors import (
    DeviceRevoked,
    KeyNotOpened,
    LogBroken,
    LogForged,
    LogForked,
    LogIncomplete,
    LogRolledBack,
    LogRuleBroken,
    LogTooLarge,
    SigningKeyChanged,
    StoredUnreadable,
)
from relay.account.keys.holders import Stored, WorkspaceKey
from relay.account.keys.primitives import DIGEST, KEY
from relay.account.keys.wire import ID, Reader, exact, uint
from relay.account.keys.workspace import MAX_EPOCHS, WorkspaceKeys, announced

# At once; an epoch's entry carries a sealed key for each.
MAX_DEVICES = 100
# Browsers that forget their keys each week fill it in fifty years; 8,192 signatures are checked in about a second.
MAX_ENTRIES = 8192
MAX_LOG = 8 * 1024 * 1024  # bytes


@dataclass(frozen=True)
class LogDevice:
    """A device as the log has it."""

    public: DevicePublic
    roles: Role
    name: bytes  # sealed, see `names`
    added: int  # number of the entry
    revoked: int | None  # number of the entry

    @property
    def id(self) -> bytes:
        """Its 16 bytes."""
        return self.public.id


@dataclass(frozen=True)
class LogState:
    """What a log that was read to its end says."""

    account: bytes
    heads: tuple[bytes, ...] = field(repr=False)  # of every entry
    signing_keys: tuple[bytes, ...]  # in the order in which they were in force
    devices: Mapping[bytes, LogDevice] = field(repr=False)  # by id, revoked ones too
    epochs: tuple[Epoch, ...] = field(repr=False)
    size: int  # bytes of all entries

    @property
    def n(self) -> int:
        """Number of the last entry."""
        return len(self.heads) - 1

    @property
    def head(self) -> bytes:
        """Hash of the last entry."""
        return self.heads[-1]

    @property
    def signing_key(self) -> bytes:
        """The account signing key in force."""
        return self.signing_keys[-1]

    @property
    def epoch(self) -> int:
        """The newest epoch."""
        return len(self.epochs) - 1

    @property
    def active(self) -> tuple[LogDevice, ...]:
        """The devices that belong to the account, in the order in which they joined."""
        return tuple(device for device in self.devices.values() if device.revoked is None)

    def open_epoch(self, epoch: int, device: DeviceKeys) -> WorkspaceKey:
        """Return the workspace key that an epoch sealed to this device. Raises KeyNotOpened."""
        entry = self.epochs[epoch]
        sealed = dict(entry.sealed).get(device.id)
        opened = sealed and device.open(epoch_info(self.account, epoch, device.id), sealed)
        if not opened or len(opened) != KEY:
            raise KeyNotOpened
        key = WorkspaceKey(opened)
        if not announced(key, self.account, epoch, entry.check):
            raise KeyNotOpened
        return key

    def confirms(self, workspace: WorkspaceKeys) -> bool:
        """Say whether these are the keys of all of the log's epochs."""
        return workspace.epoch == self.epoch and all(
            announced(workspace[entry.epoch], self.account, entry.epoch, entry.check) for entry in self.epochs
        )


@dataclass(frozen=True)
class Known:
    """What a device keeps of what it has seen, so that nothing older is accepted. No secret, but must not be changed.

    `signing_key` is the one it trusts; `revision` is that of the newest root bundle it has seen.
    """

    n: int
    head: bytes
    signing_key: bytes
    revision: int

    @classmethod
    def from_stored(cls, stored: Stored) -> "Known":
        """Read what `stored` gave. Raises StoredUnreadable."""
        reader = Reader(stored.reveal(), StoredUnreadable)
        form = reader.uint(1)
        known = cls(reader.uint(8), reader.take(DIGEST), reader.take(KEY), reader.uint(8))
        reader.end()
        if form != 1:
            raise StoredUnreadable
        return known

    def stored(self) -> Stored:
        """For this device to keep: u8 1 ‖ n u64 ‖ head 32 ‖ signing key 32 ‖ revision u64."""
        return Stored(uint(1, 1) + uint(self.n, 8) + self.head + self.signing_key + uint(self.revision, 8))

    def trust(self, signing_key: bytes) -> "Known":
        """The same with another signing key, after a person has compared the digits of SigningKeyChanged."""
        return replace(self, signing_key=exact(signing_key, KEY))


def verify_log(
    entries: Sequence[bytes], *, account: bytes, signing_key: bytes, known: Known | None = None
) -> LogState:
    """Read a whole log and return what it says, if it is that of the trusted signing key and nothing older than known.

    `signing_key` comes from the root bundle, or is `known.signing_key`. Raises LogError in every of its kinds.
    """
    replay = _Replay(account)
    for entry in entries:
        replay.apply(entry)
    state = replay.finish()
    if signing_key not in state.signing_keys:
        raise LogForged
    if known is not None:
        if known.n > state.n:
            raise LogRolledBack
        if state.heads[known.n] != known.head or known.signing_key not in state.signing_keys:
            raise LogForked
    if {signing_key, known.signing_key if known else signing_key} != {state.signing_key}:
        raise SigningKeyChanged(state.signing_key, rekey_digits(account, state.signing_key))
    return state


def check_member(state: LogState, device: DeviceKeys) -> LogDevice:
    """Return the log's entry about this device. Raises LogRuleBroken for other keys, DeviceRevoked."""
    listed = state.devices.get(device.id)
    if listed is None or listed.public != device.public:
        raise LogRuleBroken
    if listed.revoked is not None:
        raise DeviceRevoked
    return listed


def rekey_digits(account: bytes, signing_key: bytes) -> str:
    """Return six groups of five digits that two people, or two screens, can compare: 99 bits of the new key's hash.

    Each group is five bytes of SHA-256("lerix/rekey-digits/1" ‖ account 16 ‖ signing key 32), from the left, modulo
    100,000. Digits, since they read the same in every language; 99 bits, since whoever holds the old key may search
    for a key of their own with the same digits.
    """
    digested = hashlib.sha256(b"lerix/rekey-digits/1" + exact(account, ID) + exact(signing_key, KEY)).digest()
    groups = [int.from_bytes(digested[at : at + 5], "big") % 100_000 for at in range(0, 30, 5)]
    return " ".join(f"{group:05}" for group in groups)


class LogWriter:
    """Writes entries at the end of a log, by the same rules that read them; `seed` is that of the signing key."""

    def __init__(self, account: bytes, seed: bytes, state: LogState | None = None) -> None:
        self._replay = _Replay(account, state)
        self._seed = seed
        self.entries: list[bytes] = []

    def write(self, body: Body) -> None:
        """Sign and add an entry. Raises LogRuleBroken, LogTooLarge."""
        replay = self._replay
        entry = encode(len(replay.heads), replay.prev, body, self._seed)
        replay.apply(entry)
        self.entries.append(entry)

    def sign_with(self, seed: bytes) -> None:
        """Go on with another signing key, which a rekey just named."""
        self._seed = seed

    def finish(self) -> LogState:
        """What the log says with the new entries. Raises LogIncomplete."""
        return self._replay.finish()


class _Replay:
    """A log while it is read."""

    def __init__(self, account: bytes, state: LogState | None = None) -> None:
        self._account = exact(account, ID)
        self.heads: list[bytes] = list(state.heads) if state else []
        self._signing_keys: list[bytes] = list(state.signing_keys) if state else []
        self._devices: dict[bytes, LogDevice] = dict(state.devices) if state else {}
        self._epochs: list[Epoch] = list(state.epochs) if state else []
        self._size = state.size if state else 0
        self._active = {device.id for device in self._devices.values() if device.revoked is None}
        self._device_keys = {
            key for device in self._devices.values() for key in (device.public.agreement, device.public.signing)
        }
        # A revoke or rekey waits for the epoch that belongs to it.
        self._epoch_due = state is None

    @property
    def prev(self) -> bytes:
        return self.heads[-1] if self.heads else start(self._account)

    def apply(self, data: bytes) -> None:
        """Take the next entry. After an error the replay must not be used again."""
        self._size += len(data)
        if len(self.heads) >= MAX_ENTRIES or self._size > MAX_LOG:
            raise LogTooLarge
        entry = decode(data)
        if entry.n != len(self.heads) or entry.prev != self.prev:
            raise LogBroken
        if not entry.is_signed_by(self._signer(entry)):
            raise LogForged
        match entry.body:
            case Add() as body:
                self._add(entry.n, body)
            case Revoke(device):
                self._revoke(entry.n, device)
            case Epoch() as body:
                self._epoch(body)
            case Rekey(signing_key):
                self._rekey(signing_key)
        self.heads.append(digest(data))

    def finish(self) -> LogState:
        """Refuse a log that is empty or ends where none was ever left."""
        if self._epoch_due:
            raise LogIncomplete
        return LogState(
            account=self._account,
            heads=tuple(self.heads),
            signing_keys=tuple(self._signing_keys),
            devices=MappingProxyType(self._devices),
            epochs=tuple(self._epochs),
            size=self._size,
        )

    def _signer(self, entry: Entry) -> bytes:
        if self._signing_keys:
            return self._signing_keys[-1]
        if not isinstance(entry.body, Rekey):
            raise LogRuleBroken
        return entry.body.signing_key

    def _add(self, n: int, body: Add) -> None:
        keys = {body.device.agreement, body.device.signing}
        if body.device.id in self._devices or keys & self._device_keys or len(self._active) >= MAX_DEVICES:
            raise LogRuleBroken
        self._devices[body.device.id] = LogDevice(body.device, body.roles, body.name, added=n, revoked=None)
        self._active.add(body.device.id)
        self._device_keys |= keys

    def _revoke(self, n: int, device: bytes) -> None:
        if device not in self._active:
            raise LogRuleBroken
        self._devices[device] = replace(self._devices[device], revoked=n)
        self._active.remove(device)
        self._epoch_due = True

    def _epoch(self, body: Epoch) -> None:
        recipients = [device for device, _ in body.sealed]
        if body.epoch != len(self._epochs) or body.epoch >= MAX_EPOCHS or recipients != sorted(self._active):
            raise LogRuleBroken
        self._epochs.append(body)
        self._epoch_due = False

    def _rekey(self, signing_key: bytes) -> None:
        if signing_key in self._signing_keys:
            raise LogRuleBroken
        self._signing_keys.append(signing_key)
        self._epoch_due = True
