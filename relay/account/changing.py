"""Changes of an account by a member: password, recovery key, devices, and everything at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from connections.secrets import Secret
from relay.account import strength
from relay.account.creating import check_retyped
from relay.account.desk import Desk, Member
from relay.account.errors import KeysRefused, NotKept, NotSignedIn, StoredAway, ThisDevice, Unsettled
from relay.account.following import with_session
from relay.account.keys import flows
from relay.account.keys.errors import DeviceNotListed
from relay.account.keys.flows import Recoverable, Rekeyed
from relay.account.keys.log import Known
from relay.account.keys.names import seal_name
from relay.account.keys.recovery import groups_to_retype
from relay.account.opening import Access, change, commit, open_account
from relay.account.pending import Kind, Pending, Step
from relay.account.refusals import Conflict, RecoveryKeyUnused, WrongLogin, WrongPassword
from relay.account.signing_in import leaving, without


@dataclass(frozen=True)
class Renewing:
    """A change that waits until its recovery key is copied. `pk` is the membership that it was made for.

    `lost` says that it was sent already, and nobody knows whether the broker took it.
    """

    access: Access = field(repr=False)
    changed: Recoverable = field(repr=False)
    pk: int
    lost: bool = False


async def open_member(desk: Desk, password: Secret) -> tuple[Member, Access]:
    """Open the account of this device by its password. Raises NotSignedIn, WrongPassword and others."""
    member = await desk.member()
    client = await desk.client()

    async def known(account: bytes) -> Known:
        return member.keys.known

    try:
        access = await open_account(
            desk, client, member.row.email, password, account=member.account, known=known
        )
    except WrongLogin:
        raise WrongPassword from None
    return member, access


async def change_password(desk: Desk, old: Secret, new: Secret) -> None:
    """Seal the account by another password."""

    async def work() -> None:
        email = (await desk.member()).row.email
        await desk.work(partial(strength.check, new, email))
        member, access = await open_member(desk, old)
        make = partial(flows.change_password, email=email, password=new)
        access, _ = await change(desk, await desk.client(), access, make)
        await keep(desk, member, access)

    await desk.act(work)


async def revoke(desk: Desk, password: Secret, devices: Collection[bytes]) -> None:
    """Remove devices from the account."""

    async def work() -> None:
        member, access = await open_member(desk, password)
        if member.keys.device.id in devices:
            raise ThisDevice
        if not any(device.id in devices for device in access.unlocked.log.active):
            raise KeysRefused(DeviceNotListed())
        await keep(desk, member, await remove(desk, member, access, devices))

    await desk.act(work)


async def remove(desk: Desk, member: Member, access: Access, devices: Collection[bytes]) -> Access:
    """Remove devices, and those that signed out, but never this one."""
    ids = leaving(access, devices, member.keys.device.id)
    access, _ = await change(desk, await desk.client(), access, partial(without, devices=ids))
    return access


async def start_recovery_key(desk: Desk, password: Secret) -> Pending:
    """Make a new recovery key, which counts for nothing yet."""

    async def work() -> Pending:
        member, access = await open_member(desk, password)
        changed = await desk.work(partial(flows.renew_recovery_key, access.unlocked))
        return _show(desk, Kind.RECOVERY_KEY, Renewing(access, changed, member.row.pk), digits=None)

    return await desk.act(work)


async def finish_recovery_key(desk: Desk, pending_id: str, retyped: Mapping[int, str]) -> None:
    """Let it count."""
    pending, held = desk.pendings.at(pending_id, (Kind.RECOVERY_KEY, Step.SHOW_KEY))
    check_retyped(held.changed, pending, retyped)

    async def work() -> None:
        member = await _member_of(desk, held)
        await keep(desk, member, await _commit(desk, pending_id, held))
        await desk.vault.set_recovery_key_used(member.row, False)
        desk.pendings.drop(pending_id)

    await desk.act(work)


async def rekey(desk: Desk, password: Secret, new_password: Secret, keep_devices: Collection[bytes]) -> Pending:
    """Make everything new, which counts for nothing yet."""

    async def work() -> Pending:
        email = (await desk.member()).row.email
        await desk.work(partial(strength.check, new_password, email))
        member, access = await open_member(desk, password)
        active = {device.id for device in access.unlocked.log.active}
        staying = (frozenset(keep_devices) & active) | {member.keys.device.id}
        make = partial(flows.rekey, access.unlocked, email, new_password, staying)
        rekeyed = await desk.work(make)
        return _show(desk, Kind.REKEY, Renewing(access, rekeyed, member.row.pk), digits=rekeyed.digits)

    return await desk.act(work)


async def finish_rekey(desk: Desk, pending_id: str, retyped: Mapping[int, str]) -> None:
    """Replace everything."""
    pending, held = desk.pendings.at(pending_id, (Kind.REKEY, Step.SHOW_KEY))
    check_retyped(held.changed, pending, retyped)

    async def work() -> None:
        member = await _member_of(desk, held)
        changed: Rekeyed = held.changed
        # Stored first: after a crash this device knows the new signing key as its own work.
        planned = replace(member.keys, planned=changed.after.log.signing_key)
        await desk.vault.keep(member.row, planned)
        member = replace(member, keys=planned)
        await keep(desk, member, await _commit(desk, pending_id, held))
        await desk.vault.set_recovery_key_used(member.row, False)
        # The digits stay in sight until they were compared; nothing secret does.
        desk.pendings.go_on(pending_id, held=(), step=Step.DONE, recovery_key=None, retype=())

    await desk.act(work)


def _show(desk: Desk, kind: Kind, held: Renewing, digits: str | None) -> Pending:
    key = held.changed.recovery_key.text()
    return desk.pendings.begin(
        kind, Step.SHOW_KEY, held.access.email, held, recovery_key=key, retype=groups_to_retype(), digits=digits
    )


async def _member_of(desk: Desk, held: Renewing) -> Member:
    member = await desk.member()
    if member.row.pk != held.pk:
        raise NotSignedIn
    return member


async def _commit(desk: Desk, pending_id: str, held: Renewing) -> Access:
    """Commit a change whose recovery key was shown: it cannot be made again with the same key."""
    try:
        state = await commit(desk, await desk.client(), held.access, held.changed, lost=held.lost)
    except Unsettled:
        # It may count already, so it must not be called void the next time.
        desk.pendings.go_on(pending_id, held=replace(held, lost=True))
        raise
    except (Conflict, WrongLogin):  # another change came first; WrongLogin, where that was a new password
        desk.pendings.drop(pending_id)
        raise RecoveryKeyUnused from None
    return held.access.after(held.changed, state)


async def keep(desk: Desk, member: Member, access: Access) -> None:
    """Store what holds now. Where that fails, the change still holds, and `follow` learns of it from the log."""
    unlocked = access.unlocked
    keys = replace(
        member.keys, workspace=unlocked.workspace, known=unlocked.known, planned=None, distrusted=None
    )
    try:
        await desk.vault.keep(member.row, keys)
    except (NotKept, StoredAway) as error:
        desk.failed(error)
    else:
        desk.heard(access.state, unlocked.log)
    desk.wake.set()


async def rename(desk: Desk, device: bytes, name: str) -> None:
    """Give a device another name."""

    async def work() -> None:
        member = await desk.member()
        seal = partial(seal_name, name, member.keys.workspace, account=member.account, device=device)
        sealed = await desk.work(seal)
        client = await desk.client()
        await with_session(desk, client, member, lambda token: client.rename(token, device, sealed))
        state = desk.said.state
        if state is not None:
            devices = tuple(replace(each, name=sealed) if each.id == device else each for each in state.devices)
            desk.heard(replace(state, devices=devices))
        desk.wake.set()

    await desk.act(work)

