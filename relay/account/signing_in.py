"""A device joins: its keys are stored first, as JOINING, then the broker is told, then it is signed in.

Where that breaks off, the stored keys are those of a device that the account lists, or of one it never heard of.
`settle` finds out which, by proving the keys to the broker; as long as it does not answer, they are kept.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from connections.secrets import Secret
from relay.account.client import BrokerClient
from relay.account.desk import TRIES, Desk, Session, email_of
from relay.account.errors import AccountError, KeysRefused, NotKept, StoredLost, Unsettled
from relay.account.keys import flows
from relay.account.keys.device import EVERY_ROLE, DeviceKeys, Role
from relay.account.keys.errors import DeviceRevoked, TooManyDevices
from relay.account.keys.flows import Changed, Unlocked
from relay.account.keys.log import Known, LogState
from relay.account.keys.names import normalise_name
from relay.account.models import Membership
from relay.account.opening import Access, change, check_state, commit, devices_full, log_in, open_account, seen_in
from relay.account.refusals import Conflict, DeviceRefused, PlanFull, ProofRefused
from relay.account.vault import Keys
from relay.api.messages import DeviceName, Proof
from relay.api.states import AccountState


async def sign_in(desk: Desk, email: str, password: Secret, device_name: str, remove: Collection[bytes]) -> None:
    """Open the account by its password, and let this device join."""

    async def work() -> None:
        waiting = desk.vault.joining
        address = email_of(email)
        name = await desk.work(partial(normalise_name, device_name))
        await settle(desk)
        member = desk.vault.member
        if waiting is not None and member is not None and member.email == address:
            return  # the sign-in that broke off had come through
        desk.require_signed_out()
        client = await desk.client()

        async def known(account: bytes) -> Known | None:
            return await seen_before(desk, account)

        access = await open_account(desk, client, address, password, known=known, joining=True)
        if remove:
            access = await drop_devices(desk, client, access, remove)
        await join(desk, client, access, name, recovered=False)

    await desk.act(work)


async def join(desk: Desk, client: BrokerClient, access: Access, name: str, *, recovered: bool) -> None:
    """Add this device to an account that is open. Raises DevicesFull, and what `commit` does."""
    for attempt in range(TRIES):
        try:
            joined = await desk.work(partial(flows.add_device, access.unlocked, name, EVERY_ROLE))
        except KeysRefused as error:
            if isinstance(error.cause, TooManyDevices):
                raise devices_full(access, error) from None
            raise
        after = joined.after
        keys = Keys(joined.device, after.workspace, after.known)
        row = await desk.vault.join(desk.address, access.unlocked.account, access.email, keys, recovered=recovered)
        desk.wake.set()  # for `settle`, should this break off
        try:
            state = await commit(desk, client, access, joined)
        except Unsettled:
            raise
        except AccountError as error:
            await desk.vault.drop(row)
            if isinstance(error, PlanFull):
                raise devices_full(access, error) from None
            password_keys = access.unlocked.keys
            if not isinstance(error, Conflict) or attempt == TRIES - 1 or password_keys is None:
                raise
            account = access.unlocked.account
            access = await log_in(
                desk, client, access.email, password_keys, account=account, known=seen_in(access)
            )
            continue
        await enter(desk, row, state, after.log)
        return


async def enter(desk: Desk, row: Membership, state: AccountState, log: LogState) -> None:
    """The broker has this device: from here on it is signed in."""
    desk.forget_said()
    try:
        await desk.vault.admit(row)
    except NotKept:
        raise Unsettled from None  # the row stays, and `settle` finds that the broker has the device
    desk.heard(state, log)
    desk.wake.set()


async def drop_devices(desk: Desk, client: BrokerClient, access: Access, devices: Collection[bytes]) -> Access:
    """Remove devices, with those that signed out, and begin an epoch; what is not there any more is passed over."""
    access, _ = await change(desk, client, access, partial(without, devices=leaving(access, devices)))
    return access


def leaving(access: Access, devices: Collection[bytes], this: bytes | None = None) -> frozenset[bytes]:
    """The devices to remove, and those that signed out by themselves, but not this one."""
    signed_out = {each.id for each in access.state.devices if each.signed_out is not None}
    return frozenset(signed_out | set(devices)) - {this}


def without(before: Unlocked, devices: Collection[bytes]) -> Changed | None:
    """Remove those of the devices that still belong to the account; None where none does."""
    there = [device.id for device in before.log.active if device.id in devices]
    return flows.revoke_devices(before, there) if there else None


async def settle(desk: Desk) -> None:
    """Find out about a device that was joining when something broke off. Raises AccountError where nobody tells."""
    row = desk.vault.joining
    if row is None:
        return
    try:
        keys = await desk.vault.keys(row)
    except StoredLost:
        await desk.vault.drop(row)
        return
    client = await desk.client()
    account = bytes.fromhex(row.account)
    try:
        token = await prove(client, account, keys.device)
        state, entries = await client.account(token), await client.log(token)
        check_state(state, row.email, account)
        followed = await desk.work(
            partial(
                flows.follow,
                entries,
                account=account,
                device=keys.device,
                workspace=keys.workspace,
                known=keys.known,
            )
        )
    except DeviceRefused:
        await desk.vault.drop(row)  # the broker never took it, or it was removed since
        return
    except KeysRefused as error:
        if isinstance(error.cause, DeviceRevoked):
            await desk.vault.drop(row)
            return
        raise
    await enter(desk, row, state, followed.log)
    await desk.vault.keep(row, Keys(keys.device, followed.workspace, followed.known))
    desk.session = Session(keys.device.id, token)


async def prove(client: BrokerClient, account: bytes, device: DeviceKeys) -> str:
    """Get a session by this device's own key. Raises DeviceRefused, ProofRefused and others."""
    try:
        return await _prove(client, account, device)
    except ProofRefused:
        # The nonce may have grown too old on the way, as where the computer slept: once more with another one.
        return await _prove(client, account, device)


async def _prove(client: BrokerClient, account: bytes, device: DeviceKeys) -> str:
    nonce = (await client.nonce(DeviceName(account, device.id))).nonce
    proof = device.prove(nonce=nonce, account=account, role=Role.HOST, host=client.host)
    return (await client.session(Proof(account, device.id, nonce, Role.HOST, proof))).token


async def seen_before(desk: Desk, account: bytes) -> Known | None:
    """What this device saw of the account before it was removed, if it was."""
    row = desk.vault.revoked
    if row is None or row.account != account.hex():
        return None
    try:
        return await desk.vault.known(row)
    except StoredLost:
        return None
