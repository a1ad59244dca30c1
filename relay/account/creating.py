"""A new account: all keys are made here, and the broker gets none of them.

The keys wait in memory while the address is confirmed and the recovery key is copied. They are stored before the
broker gets the account, so that an account never exists whose first device has lost its keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from connections.secrets import Secret
from relay.account import codes, strength
from relay.account.client import BrokerClient
from relay.account.codes import Coded
from relay.account.desk import Desk, email_of
from relay.account.errors import AccountError, KeysRefused, Unsettled
from relay.account.keys import flows
from relay.account.keys.device import EVERY_ROLE
from relay.account.keys.errors import KeysError
from relay.account.keys.flows import Created
from relay.account.keys.names import normalise_name
from relay.account.opening import check_state, until_known
from relay.account.pending import Kind, Pending, Step
from relay.account.signing_in import enter, settle
from relay.account.vault import Keys
from relay.api import Purpose
from relay.api.messages import Creation
from relay.api.states import AccountState


@dataclass(frozen=True)
class Creating(Coded):
    """A new account's keys, until it exists."""

    created: Created = field(repr=False)


async def start(desk: Desk, email: str, password: Secret, device_name: str) -> Pending:
    """Make the keys and ask for the code."""

    async def work() -> Pending:
        address = email_of(email)
        name = await desk.work(partial(normalise_name, device_name))
        await desk.work(partial(strength.check, password, address))
        await settle(desk)
        desk.require_signed_out()
        client = await desk.client()
        created = await desk.work(partial(flows.create, address, password, name, EVERY_ROLE))
        ticket, code = await codes.request(desk, client, address, Purpose.CREATE)
        return desk.pendings.begin(Kind.CREATE, Step.CODE, address, Creating(ticket, created), code=code)

    return await desk.act(work)


async def finish(desk: Desk, pending_id: str, retyped: Mapping[int, str]) -> None:
    """Create it at the broker and keep its keys here."""
    pending, held = desk.pendings.at(pending_id, (Kind.CREATE, Step.SHOW_KEY))
    created: Created = held.created
    check_retyped(created, pending, retyped)

    async def work() -> None:
        account = created.update.account
        member = desk.vault.member
        if member is not None and member.account == account.hex():
            return  # a second click; the first one did it
        desk.require_signed_out()
        client = await desk.client()
        keys = Keys(created.device, created.after.workspace, created.after.known)
        row = desk.vault.joining
        # Where it waits here from an earlier try, the broker may have taken it then.
        lost = row is not None and row.account == account.hex()
        if row is None or not lost:
            await settle(desk)
            desk.require_signed_out()
            row = await desk.vault.join(desk.address, account, pending.email, keys, recovered=False)
            desk.wake.set()  # for `settle`, should this break off
        try:
            state = await _create(client, Creation(held.ticket, created.update), pending.email, lost=lost)
        except Unsettled:
            raise
        except AccountError:
            await desk.vault.drop(row)
            raise
        await enter(desk, row, state, created.after.log)
        desk.pendings.drop(pending_id)

    await desk.act(work)


def check_retyped(made: flows.Recoverable | Created, pending: Pending, retyped: Mapping[int, str]) -> None:
    """Compare exactly the groups that were asked for. Raises KeysRefused."""
    typed = {position: retyped.get(position, "") for position in pending.retype}
    try:
        made.recovery_key.check_retyped(typed)
    except KeysError as error:
        raise KeysRefused(error) from None


async def _create(client: BrokerClient, creation: Creation, email: str, *, lost: bool) -> AccountState:
    """Send it until it is known what came of it; where nobody tells, `settle` finds out by the keys themselves."""

    async def send() -> AccountState:
        state = await client.create(creation)
        check_state(state, email, creation.update.account)
        return state

    return await until_known(client, send, lost=lost)
