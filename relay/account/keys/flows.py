"""What a person does with an account, each as one update that the broker takes whole or not at all.

A flow opens nothing and sends nothing: it returns an `AccountUpdate`, and what holds once the broker has taken it. As
long as the broker has not, the old state holds, so an interruption anywhere leaves the old or the new, never neither.

    create            everything new: account, signing key, recovery key, first device, epoch 0
    unlock            open the root bundle by password and read the log: sign-in, or before each change below
    recover           the same by the recovery key; a new password comes next
    add_device        this device joins
    revoke_devices    devices leave, a new epoch begins
    change_password   a new salt and keys, also after `recover` and for another e-mail address; no epoch
    renew_recovery_key
    rekey             "I was compromised": new signing key, password, recovery key and epoch; others compare digits
    follow            any device, without a password: what is new in the log

Every update replaces the root bundle, whose head is that of the log: a bundle and a log that do not end at the same
entry are refused, so a broker cannot withhold the last device from somebody who just signed in.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from connections.secrets import Secret
from relay.account.keys.bundle import RootBundle, SealedBundle, open_by_password, open_by_recovery, seal_bundle
from relay.account.keys.device import DeviceKeys, Role
from relay.account.keys.entries import Add, Epoch, Rekey, Revoke, epoch_info
from relay.account.keys.errors import (
    BundleNotOpened,
    BundleOutdated,
    BundleRolledBack,
    DeviceNotListed,
    KeyNotOpened,
    LogForked,
    LogIncomplete,
    PasswordNeeded,
    TooManyDevices,
    TooManyEpochs,
)
from relay.account.keys.holders import AuthKey, SigningSeed
from relay.account.keys.log import (
    MAX_DEVICES,
    MAX_ENTRIES,
    Known,
    LogDevice,
    LogState,
    LogWriter,
    check_member,
    rekey_digits,
    verify_log,
)
from relay.account.keys.names import seal_name
from relay.account.keys.password import PasswordKeys, check_new, stretch_new
from relay.account.keys.primitives import KEY, SYSTEM, Randomness, signing_public
from relay.account.keys.recovery import RecoveryKey, RecoveryRecord
from relay.account.keys.wire import ID
from relay.account.keys.workspace import MAX_EPOCHS, WorkspaceKeys, announcement, new_key


@dataclass(frozen=True)
class AccountUpdate:
    """One compare-and-swap for the broker: if its revision is `expected`, all of this replaces what it has.

    `entries` go to the end of the log, the first as number `position`. `auth` and `recovery` are there where they
    change; the broker keeps HMACs of the secret ones.
    """

    account: bytes
    expected: int  # 0 for an account that does not exist yet
    revision: int
    bundle: SealedBundle
    position: int
    entries: tuple[bytes, ...]
    auth: AuthKey | None = None
    recovery: RecoveryRecord | None = None


@dataclass(frozen=True)
class Unlocked:
    """An account whose root bundle is open: whoever holds this can do anything. Keep it for one task, then drop it."""

    account: bytes
    bundle: RootBundle
    log: LogState
    keys: PasswordKeys | None = field(repr=False)  # None after recovery

    @property
    def workspace(self) -> WorkspaceKeys:
        """All workspace keys, for the device to keep."""
        return self.bundle.workspace

    @property
    def known(self) -> Known:
        """What the device has seen now, for it to keep."""
        return Known(self.log.n, self.log.head, self.log.signing_key, self.bundle.revision)


@dataclass(frozen=True)
class Changed:
    """What to send, and what holds once the broker has taken it."""

    update: AccountUpdate
    after: Unlocked


@dataclass(frozen=True)
class Joined(Changed):
    """A device that joins, with its keys to keep."""

    device: DeviceKeys


@dataclass(frozen=True)
class Recoverable(Changed):
    """A change that comes with a recovery key, to be shown once."""

    recovery_key: RecoveryKey


@dataclass(frozen=True)
class Created(Joined):
    """A new account."""

    recovery_key: RecoveryKey


@dataclass(frozen=True)
class Rekeyed(Recoverable):
    """A new signing key; `digits` is what the other devices show as well."""

    digits: str


@dataclass(frozen=True)
class Followed:
    """What a device learns from the log; `added` and `revoked` are the other devices that are new to it."""

    log: LogState
    workspace: WorkspaceKeys
    known: Known
    added: tuple[LogDevice, ...]
    revoked: tuple[LogDevice, ...]


def create(email: str, password: Secret, name: str, roles: Role, random: Randomness = SYSTEM) -> Created:
    """Make an account and its first device. As costly as `password.stretch`.

    Raises EmailUnusable, PasswordUnusable, PasswordTooShort, DeviceNameUnusable.
    """
    keys = stretch_new(password, email, random)
    account, device = random.take(ID), DeviceKeys.new(random)
    seed, recovery_key = SigningSeed(random.take(KEY)), RecoveryKey.new(random)
    workspace = WorkspaceKeys((new_key(random),))
    writer = LogWriter(account, seed.reveal())
    signing_key = signing_public(seed.reveal())
    writer.write(Rekey(signing_key))
    sealed_name = seal_name(name, workspace, account=account, device=device.id, random=random)
    writer.write(Add(device.public, roles, sealed_name))
    writer.write(_epoch(account, workspace, [device.public.id], {device.id: device.public.agreement}, random))
    log = writer.finish()
    bundle = RootBundle(1, seed, recovery_key.public(), log.n, log.head, workspace)
    update = AccountUpdate(
        account=account,
        expected=0,
        revision=1,
        bundle=seal_bundle(bundle, keys, account=account, random=random),
        position=0,
        entries=tuple(writer.entries),
        auth=keys.auth,
        recovery=recovery_key.record(account, signing_key),
    )
    return Created(update, Unlocked(account, bundle, log, keys), device, recovery_key)


def unlock(
    copy: bytes, entries: Sequence[bytes], keys: PasswordKeys, *, account: bytes, known: Known | None = None
) -> Unlocked:
    """Open the copy sealed by the password, and read the whole log by what is in it.

    `known` is what this device has seen, if it has seen anything. Raises BundleError and LogError in all kinds;
    BundleOutdated may only mean that the broker took an update between the two answers.
    """
    bundle = open_by_password(copy, keys, account=account)
    return Unlocked(account, bundle, _read(bundle, entries, account, known), keys)


def recover(
    copy: bytes,
    entries: Sequence[bytes],
    key: RecoveryKey,
    *,
    account: bytes,
    anchor: bytes,
    known: Known | None = None,
) -> Unlocked:
    """Open the copy sealed to the recovery key; `change_password` comes next. Raises as `unlock`, BundleNotAnchored."""
    bundle = open_by_recovery(copy, key, account=account, anchor=anchor)
    return Unlocked(account, bundle, _read(bundle, entries, account, known), None)


def add_device(before: Unlocked, name: str, roles: Role, random: Randomness = SYSTEM) -> Joined:
    """Let this device join. Raises TooManyDevices, TooManyEpochs, DeviceNameUnusable, PasswordNeeded."""
    if len(before.log.active) >= MAX_DEVICES:
        raise TooManyDevices
    device = DeviceKeys.new(random)
    writer = _writer(before, entries=1)
    sealed_name = seal_name(name, before.workspace, account=before.account, device=device.id, random=random)
    writer.write(Add(device.public, roles, sealed_name))
    changed = _change(before, before.bundle, writer, random)
    return Joined(changed.update, changed.after, device)


def revoke_devices(before: Unlocked, devices: Collection[bytes], random: Randomness = SYSTEM) -> Changed:
    """Let devices leave and begin an epoch that they know nothing of. Raises DeviceNotListed, TooManyEpochs."""
    writer = _writer(before, entries=len(set(devices)) + 1)
    _revoke(writer, before.log, devices)
    workspace = _next_epoch(before, writer, devices, random)
    return _change(before, replace(before.bundle, workspace=workspace), writer, random)


def change_password(before: Unlocked, email: str, password: Secret, random: Randomness = SYSTEM) -> Changed:
    """Seal the account by another password, or for another e-mail address. As costly as `password.stretch`.

    Raises EmailUnusable, PasswordUnusable, PasswordTooShort.
    """
    keys = stretch_new(password, email, random)
    return _change(replace(before, keys=keys), before.bundle, _writer(before, entries=0), random, auth=keys.auth)


def renew_recovery_key(before: Unlocked, random: Randomness = SYSTEM) -> Recoverable:
    """Replace the recovery key; the old one opens nothing any more. Raises PasswordNeeded."""
    key = RecoveryKey.new(random)
    bundle = replace(before.bundle, recovery_public=key.public())
    record = key.record(before.account, before.log.signing_key)
    changed = _change(before, bundle, _writer(before, entries=0), random, recovery=record)
    return Recoverable(changed.update, changed.after, key)


def rekey(
    before: Unlocked, email: str, password: Secret, keep: Collection[bytes], random: Randomness = SYSTEM
) -> Rekeyed:
    """Replace everything that somebody may have got hold of; only the devices `keep` stay.

    The recovery key is replaced too, since it vouches for the signing key. As costly as `password.stretch`.
    Raises EmailUnusable, PasswordUnusable, PasswordTooShort, DeviceNotListed, TooManyEpochs.
    """
    check_new(password)
    active = {device.id for device in before.log.active}
    if not active.issuperset(keep):
        raise DeviceNotListed
    leaving = [device for device in sorted(active) if device not in keep]
    writer = _writer(before, entries=len(leaving) + 2)
    seed, key = SigningSeed(random.take(KEY)), RecoveryKey.new(random)
    signing_key = signing_public(seed.reveal())
    _revoke(writer, before.log, leaving)
    writer.write(Rekey(signing_key))
    writer.sign_with(seed.reveal())
    workspace = _next_epoch(before, writer, leaving, random)
    keys = stretch_new(password, email, random)
    bundle = replace(before.bundle, signing_seed=seed, recovery_public=key.public(), workspace=workspace)
    record = key.record(before.account, signing_key)
    changed = _change(replace(before, keys=keys), bundle, writer, random, auth=keys.auth, recovery=record)
    return Rekeyed(changed.update, changed.after, key, rekey_digits(before.account, signing_key))


def follow(
    entries: Sequence[bytes], *, account: bytes, device: DeviceKeys, workspace: WorkspaceKeys, known: Known
) -> Followed:
    """Read the whole log on a device that belongs to the account, and open the epochs that are new to it.

    Raises LogError in all kinds (SigningKeyChanged asks a person), DeviceRevoked, KeyNotOpened.
    """
    log = verify_log(entries, account=account, signing_key=known.signing_key, known=known)
    check_member(log, device)
    for epoch in range(workspace.epoch + 1, log.epoch + 1):
        workspace = workspace.plus(log.open_epoch(epoch, device))
    if not log.confirms(workspace):
        raise KeyNotOpened
    others = [listed for listed in log.devices.values() if listed.id != device.id]
    return Followed(
        log=log,
        workspace=workspace,
        known=replace(known, n=log.n, head=log.head),
        added=tuple(other for other in others if other.added > known.n),
        revoked=tuple(other for other in others if other.revoked is not None and other.revoked > known.n),
    )


def _read(bundle: RootBundle, entries: Sequence[bytes], account: bytes, known: Known | None) -> LogState:
    if known is not None and bundle.revision < known.revision:
        raise BundleRolledBack
    log = verify_log(entries, account=account, signing_key=bundle.signing_key, known=known)
    if bundle.n > log.n:
        raise LogIncomplete
    if log.heads[bundle.n] != bundle.head:
        raise LogForked
    if bundle.n < log.n:
        raise BundleOutdated
    if not log.confirms(bundle.workspace):
        raise BundleNotOpened
    return log


def _writer(before: Unlocked, *, entries: int) -> LogWriter:
    if before.log.n + entries >= MAX_ENTRIES:
        raise TooManyEpochs
    return LogWriter(before.account, before.bundle.signing_seed.reveal(), before.log)


def _revoke(writer: LogWriter, log: LogState, devices: Collection[bytes]) -> None:
    if not {device.id for device in log.active}.issuperset(devices):
        raise DeviceNotListed
    for device in sorted(set(devices)):
        writer.write(Revoke(device))


def _next_epoch(
    before: Unlocked, writer: LogWriter, leaving: Collection[bytes], random: Randomness
) -> WorkspaceKeys:
    if len(before.workspace) >= MAX_EPOCHS:
        raise TooManyEpochs
    workspace = before.workspace.plus(new_key(random))
    staying = {device.id: device.public.agreement for device in before.log.active if device.id not in leaving}
    writer.write(_epoch(before.account, workspace, sorted(staying), staying, random))
    return workspace


def _epoch(
    account: bytes,
    workspace: WorkspaceKeys,
    recipients: Sequence[bytes],
    agreement: dict[bytes, bytes],
    random: Randomness,
) -> Epoch:
    epoch, key = workspace.epoch, workspace[workspace.epoch]
    sealed = [
        (device, random.seal(agreement[device], epoch_info(account, epoch, device), key.reveal()))
        for device in recipients
    ]
    return Epoch(epoch, announcement(key, account, epoch), tuple(sealed))


def _change(
    before: Unlocked,
    bundle: RootBundle,
    writer: LogWriter,
    random: Randomness,
    *,
    auth: AuthKey | None = None,
    recovery: RecoveryRecord | None = None,
) -> Changed:
    """Close the account again, one revision later, with what the writer wrote."""
    if before.keys is None:
        raise PasswordNeeded
    log = writer.finish()
    revision = before.bundle.revision + 1
    bundle = replace(bundle, revision=revision, n=log.n, head=log.head)
    update = AccountUpdate(
        account=before.account,
        expected=before.bundle.revision,
        revision=revision,
        bundle=seal_bundle(bundle, before.keys, account=before.account, random=random),
        position=before.log.n + 1,
        entries=tuple(writer.entries),
        auth=auth,
        recovery=recovery,
    )
    return Changed(update, Unlocked(before.account, bundle, log, before.keys))
