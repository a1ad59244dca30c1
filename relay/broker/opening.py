"""Prelogin, log-in and recovery: the ways to an account's sealed bundle.

An unknown address is asked, compared, counted and answered like a known one with another password: the same
statements run on both ways, and what is read of an account is small until its key was right.
"""

from typing import Final

from relay.account.keys import suites
from relay.api import Problem, Purpose
from relay.api.messages import Login, Prelogin, Recovery
from relay.api.states import Opened
from relay.broker import audit, digests, limits, tickets, tokens
from relay.broker.calls import Call, email_from
from relay.broker.limits import HOUR, MINUTE, counted
from relay.broker.models import Account
from relay.broker.refusals import Refused
from relay.broker.states import log_of, state_of

#: Compared with where there is no account; no key has this digest.
NOTHING: Final = bytes(32)


@counted
def prelogin(call: Call, email: str) -> Prelogin:
    """Say what the password of an address is stretched with. Raises Refused(SLOW_DOWN)."""
    limits.spend("prelogins", call.network, limits.PRELOGINS, MINUTE)
    unknown = (suites.NEWEST, digests.salt_for(email_from(email)))
    found = Account.objects.filter(email=email).values_list("suite", "salt").first()
    suite, salt = found or unknown
    return Prelogin(suite, bytes(salt))


@counted
def login(call: Call, message: Login) -> Opened:
    """Open an account by the key made from its password. Raises Refused(WRONG_LOGIN, SLOW_DOWN)."""
    email = email_from(message.email)
    given = digests.of_auth(message.auth)
    return _open(call, email, "login", "auth_digest", given, Problem.WRONG_LOGIN)


@counted
def recover(call: Call, message: Recovery) -> Opened:
    """Open an account by its recovery key, after the code. Raises Refused(TICKET_ENDED, WRONG_RECOVERY, SLOW_DOWN)."""
    email = tickets.confirmed(message.ticket, Purpose.RECOVER).email
    given = digests.of_recovery(message.auth)
    return _open(call, email, "recovery", "recovery_digest", given, Problem.WRONG_RECOVERY)


def _open(call: Call, email: str, kind: str, digest: str, given: bytes, wrong: Problem) -> Opened:
    limits.knock(kind, email, call.network)
    account_id, kept = Account.objects.filter(email=email).values_list("pk", digest).first() or ("", NOTHING)
    if not digests.same(kept, given):
        limits.failed(kind, email, call.network)
        audit.note(f"{kind}-refused", account=account_id, network=call.network)
        raise Refused(wrong)
    limits.passed(kind, email, call.network)
    limits.spend("opened", f"{email} {call.network}", limits.OPENED, HOUR)
    audit.note(kind, account=account_id, network=call.network)
    account = Account.objects.select_related("plan").get(pk=account_id)
    by_password = kind == "login"
    return Opened(
        unlock=tokens.unlock(account),
        state=state_of(account),
        copy=bytes(account.by_password if by_password else account.by_recovery),
        entries=log_of(account),
        anchor=None if by_password else bytes(account.recovery_anchor),
    )
