"""The password is lost: the recovery key opens the account, or, where that is lost too, the account is erased."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

from connections.secrets import Secret
from relay.account import codes, strength
from relay.account.client import BrokerClient
from relay.account.codes import Coded
from relay.account.desk import Desk, email_of
from relay.account.errors import KeysRefused, Unsettled
from relay.account.keys import flows
from relay.account.keys.errors import AnswerMalformed, KeysError, SigningKeyChanged
from relay.account.keys.flows import Unlocked
from relay.account.keys.log import Known
from relay.account.keys.names import normalise_name
from relay.account.keys.recovery import RecoveryKey
from relay.account.opening import Access, change, check_state, until_known
from relay.account.pending import Kind, Pending, Step
from relay.account.refusals import Conflict
from relay.account.signing_in import join, seen_before, settle
from relay.api import Purpose
from relay.api.states import Opened


@dataclass(frozen=True)
class Recovering(Coded):
    """What is open once the recovery key was entered."""

    access: Access | None = field(default=None, repr=False)
    #: An erasure was sent, and nobody knows whether the broker carried it out.
    lost: bool = False


async def start(desk: Desk, email: str) -> Pending:
    """Ask for the code that comes before the recovery key."""
    return await _begin(desk, email, Kind.RECOVER)


async def start_erasure(desk: Desk, email: str) -> Pending:
    """Ask for the code that comes before the erasure."""
    return await _begin(desk, email, Kind.ERASE)


async def _begin(desk: Desk, email: str, kind: Kind) -> Pending:
    async def work() -> Pending:
        address = email_of(email)
        await settle(desk)
        desk.require_signed_out()
        client = await desk.client()
        ticket, code = await codes.request(desk, client, address, Purpose(kind.value))
        return desk.pendings.begin(kind, Step.CODE, address, Recovering(ticket), code=code)

    return await desk.act(work)


async def open_account(desk: Desk, pending_id: str, key_text: Secret) -> Pending:
    """Open the account by the recovery key that somebody typed; it is checked for typing errors first."""

    async def work() -> Pending:
        pending, held = desk.pendings.at(pending_id, (Kind.RECOVER, Step.ENTER_KEY))
        try:
            key = RecoveryKey.parse(key_text.reveal())
        except KeysError as error:
            raise KeysRefused(error) from None
        access = await _recover(desk, await desk.client(), pending.email, held.ticket, key)
        return desk.pendings.go_on(pending_id, held=replace(held, access=access), step=Step.NEW_PASSWORD)

    return await desk.act(work)


async def _recover(desk: Desk, client: BrokerClient, email: str, ticket: str, key: RecoveryKey) -> Access:
    opened = await client.recover(ticket, key.auth())
    check_state(opened.state, email, None)
    if opened.anchor is None:
        raise KeysRefused(AnswerMalformed())
    known = await seen_before(desk, opened.state.account)
    unlocked = await desk.work(partial(_open, opened, key, opened.anchor, known))

    async def again() -> str:
        answer = await client.recover(ticket, key.auth())
        check_state(answer.state, email, opened.state.account)
        return answer.unlock

    return Access(email, opened.unlock, opened.state, unlocked, again)


def _open(opened: Opened, key: RecoveryKey, anchor: bytes, known: Known | None) -> Unlocked:
    account = opened.state.account
    try:
        return flows.recover(opened.copy, opened.entries, key, account=account, anchor=anchor, known=known)
    except SigningKeyChanged as changed:
        if known is None:
            raise
        # The recovery key just typed vouches for the signing key that is in force now.
        trusted = known.trust(changed.signing_key)
        return flows.recover(opened.copy, opened.entries, key, account=account, anchor=anchor, known=trusted)


async def finish(desk: Desk, pending_id: str, password: Secret, device_name: str) -> None:
    """Seal the account by a new password, then let this device join."""

    async def work() -> None:
        pending, held = desk.pendings.at(pending_id, (Kind.RECOVER, Step.NEW_PASSWORD))
        access: Access = held.access
        name = await desk.work(partial(normalise_name, device_name))
        await desk.work(partial(strength.check, password, pending.email))
        await settle(desk)
        desk.require_signed_out()
        client = await desk.client()
        if access.unlocked.keys is None:
            change_it = partial(flows.change_password, email=pending.email, password=password)
            try:
                access, _ = await change(desk, client, access, change_it)
            except (Conflict, Unsettled):
                # The account is not, or not surely, the one that was opened: the way leads through the code again.
                desk.pendings.drop(pending_id)
                raise
            # From here on the password holds, whatever becomes of this device.
            desk.pendings.drop(pending_id)
        await join(desk, client, access, name, recovered=True)

    await desk.act(work)


async def finish_erasure(desk: Desk, pending_id: str) -> None:
    """Erase the account of the confirmed address; what this device remembers of it goes too."""

    async def work() -> None:
        pending, held = desk.pendings.at(pending_id, (Kind.ERASE, Step.CONFIRM))
        client = await desk.client()
        try:
            # The broker says again that it is done, where it was.
            await until_known(client, partial(client.erase, held.ticket), lost=held.lost)
        except Unsettled:
            desk.pendings.go_on(pending_id, held=replace(held, lost=True))
            raise
        desk.pendings.drop(pending_id)
        row = desk.vault.revoked
        if row is not None and row.email == pending.email:
            await desk.vault.drop(row)

    await desk.act(work)
