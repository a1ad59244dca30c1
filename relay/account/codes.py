"""Codes by e-mail: asked for, entered, sent again. The embedded broker hands its codes over instead of sending them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from relay.account.client import BrokerClient
from relay.account.desk import Desk
from relay.account.keys.recovery import groups_to_retype
from relay.account.pending import Kind, Pending, Step
from relay.account.refusals import AddressTaken, AddressUnknown, WrongCode
from relay.api import CODE_DIGITS, Purpose
from relay.api.messages import Confirmation

_PURPOSES: Final = {Kind.CREATE: Purpose.CREATE, Kind.RECOVER: Purpose.RECOVER, Kind.ERASE: Purpose.ERASE}
_BETWEEN: Final = dict.fromkeys(map(ord, " \t\r\n-\u00a0\u2009\u202f"))


@dataclass(frozen=True)
class Coded:
    """What a flow holds that began with a code."""

    ticket: str = field(repr=False)


async def request(desk: Desk, client: BrokerClient, email: str, purpose: Purpose) -> tuple[str, str | None]:
    """Have a code sent. Returns its ticket, and the code itself where the broker is the embedded one.

    Raises AddressTaken and AddressUnknown there: whoever sits at this computer may know who has an account on it.
    """
    ticket = (await client.ticket(email, purpose)).ticket
    if desk.address:
        return ticket, None
    mail = await desk.embedded.mail(ticket)
    if mail is not None and mail.code is None:
        raise AddressTaken if purpose is Purpose.CREATE else AddressUnknown
    return ticket, mail.code if mail is not None else None


async def enter(desk: Desk, pending_id: str, code: str) -> Pending:
    """Confirm the ticket, and go on to the step that this flow has next."""

    async def work() -> Pending:
        pending, held = desk.pendings.at(pending_id, *((kind, Step.CODE) for kind in _PURPOSES))
        digits = code.translate(_BETWEEN)
        if len(digits) != CODE_DIGITS or not (digits.isascii() and digits.isdigit()):
            raise WrongCode
        client = await desk.client()
        await client.confirm(Confirmation(held.ticket, digits))
        match pending.purpose:
            case Kind.CREATE:
                key = held.created.recovery_key.text()
                retype = groups_to_retype()
                return desk.pendings.go_on(
                    pending_id, step=Step.SHOW_KEY, code=None, recovery_key=key, retype=retype
                )
            case Kind.RECOVER:
                return desk.pendings.go_on(pending_id, step=Step.ENTER_KEY, code=None)
            case _:
                return desk.pendings.go_on(pending_id, step=Step.CONFIRM, code=None)

    return await desk.act(work)


async def resend(desk: Desk, pending_id: str) -> Pending:
    """Ask for another code; the ticket of the one before is thrown away."""

    async def work() -> Pending:
        pending, held = desk.pendings.at(pending_id, *((kind, Step.CODE) for kind in _PURPOSES))
        client = await desk.client()
        ticket, code = await request(desk, client, pending.email, _PURPOSES[pending.purpose])
        return desk.pendings.go_on(pending_id, held=replace(held, ticket=ticket), code=code)

    return await desk.act(work)
