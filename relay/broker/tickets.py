"""Codes by e-mail. What is answered, asked and written is the same whether the address is known."""

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from relay.api import CODE_SECONDS, CONFIRMED_SECONDS, Problem, Purpose
from relay.api.messages import Confirmation, TicketRequest
from relay.api.messages import Ticket as TicketGiven
from relay.broker import digests, house, limits
from relay.broker.calls import Call, email_from
from relay.broker.limits import HOUR, counted
from relay.broker.models import Account, Ticket, now
from relay.broker.post import Letter
from relay.broker.refusals import Refused

#: Wrong codes that end a ticket. An erasure rests on the code alone.
TRIES: Final[Mapping[str, int]] = {Purpose.CREATE: 5, Purpose.RECOVER: 5, Purpose.ERASE: 3}


def ask(call: Call, message: TicketRequest) -> TicketGiven:
    """Send a code. Raises Refused(SIGN_UP_CLOSED, UNAVAILABLE, SLOW_DOWN)."""
    told = house.installed()
    if message.purpose is Purpose.CREATE and not told.sign_up:
        raise Refused(Problem.SIGN_UP_CLOSED)
    if not told.post.open:
        raise Refused(Problem.UNAVAILABLE)
    return _ask(call, message)


@counted
def _ask(call: Call, message: TicketRequest) -> TicketGiven:
    email = email_from(message.email)
    limits.spend("codes-network", call.network, limits.CODES_OF_NETWORK, HOUR)
    wanted = f"{email} {message.purpose.value}"
    asked = limits.spend("codes", f"{wanted} {call.network}", limits.CODES_OF_PAIR, HOUR)
    always = asked <= limits.CODES_ALWAYS
    limits.spend("codes-address", wanted, limits.CODES_OF_EMAIL, HOUR, always=always)
    known = Account.objects.filter(email=email).exists()
    works = known is not (message.purpose is Purpose.CREATE)
    token, digest = digests.new_token()
    code, nothing = digests.new_code(), secrets.token_hex()
    Ticket.objects.create(
        digest=digest,
        email=email,
        purpose=message.purpose.value,
        code_digest=digests.of_code(digest, code if works else nothing),
        expires=now() + timedelta(seconds=CODE_SECONDS),
    )
    call.letters.append(Letter(email, message.purpose, code if works else None, ticket=digest))
    return TicketGiven(token)


@counted
def confirm(call: Call, message: Confirmation) -> None:
    """Take a code; taking it twice is no error. Raises Refused(WRONG_CODE, SLOW_DOWN)."""
    digest = digests.of_token(message.ticket)
    ticket = Ticket.objects.select_for_update().filter(digest=digest, expires__gt=now()).first()
    given = digests.of_code(digest, message.code)
    if ticket is None:
        limits.spend("codes-blind", call.network, limits.BLIND_CODES, HOUR)
        raise Refused(Problem.WRONG_CODE)
    kind = f"code-{ticket.purpose}"
    limits.knock(kind, ticket.email, call.network, limits.WRONG_CODES)
    if ticket.tries >= TRIES[ticket.purpose] or not digests.same(ticket.code_digest, given):
        ticket.tries = min(ticket.tries + 1, TRIES[ticket.purpose])
        ticket.save(update_fields=("tries",))
        limits.failed(kind, ticket.email, call.network)
        raise Refused(Problem.WRONG_CODE)
    limits.passed(kind, ticket.email, call.network)
    if not ticket.confirmed:
        ticket.confirmed, ticket.expires = True, now() + timedelta(seconds=CONFIRMED_SECONDS)
        ticket.save(update_fields=("confirmed", "expires"))


def confirmed(token: str, purpose: Purpose, *, locked: bool = False) -> Ticket:
    """Return a ticket whose code was entered. Raises Refused(TICKET_ENDED)."""
    rows = Ticket.objects.select_for_update() if locked else Ticket.objects.all()
    ticket = rows.filter(
        digest=digests.of_token(token), purpose=purpose.value, confirmed=True, expires__gt=now()
    ).first()
    if ticket is None:
        raise Refused(Problem.TICKET_ENDED)
    return ticket


def end_others(email: str, but: Ticket | None = None) -> None:
    """End the tickets of an address: what they were asked for has changed. Used ones stay, to be answered again."""
    others = Ticket.objects.filter(email=email, used="")
    (others if but is None else others.exclude(pk=but.pk)).delete()
