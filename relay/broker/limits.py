"""How often something may be tried. Counts are rows, so they hold across processes; the operator sees and resets them.

Logging in, for an address and a network (kinds "login", "recovery", "staff"):

    own count       after 10 failures of this network at this address it waits 1, 2, 4 ... 900 s after each failure
    whole address   after 30 failures from anywhere every network waits as well, at most 30 s, from its own last try
                    on; strangers can make somebody wait half a minute, but never take their turn
    network         100 failures an hour, at whatever addresses

Nothing here says whether an address is known: unknown ones are counted in the same way.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from django.db import transaction

from relay.api import Problem
from relay.broker import audit
from relay.broker.models import Counter, now
from relay.broker.refusals import Refused

HOUR: Final = timedelta(hours=1)
MINUTE: Final = timedelta(minutes=1)
#: (failures before the delay begins, longest delay in seconds)
OWN: Final = (10, 900)
WHOLE: Final = (30, 30)
FAILURES_OF_NETWORK: Final = 100
#: Failures at one address within an hour that the audit log has an entry for.
ALARM: Final = 100
#: Codes by e-mail an hour. One network alone cannot use up what an address gets.
CODES_OF_PAIR, CODES_OF_EMAIL, CODES_OF_NETWORK = 5, 20, 20
#: Nonces, and sessions, a minute for one device; nonces for unknown devices a minute for one network.
PROOFS: Final = 30
#: Updates of one account a minute: each has its whole log read.
UPDATES: Final = 30

P = ParamSpec("P")
R = TypeVar("R")


def counted(work: Callable[P, R]) -> Callable[P, R]:
    """Run the work in one transaction that holds even if the work ends with Refused: what was tried stays counted."""

    @wraps(work)
    def run(*arguments: P.args, **named: P.kwargs) -> R:
        with transaction.atomic():
            try:
                return work(*arguments, **named)
            except Refused as caught:
                refused = caught
        raise refused

    return run


def spend(kind: str, subject: str, most: int, window: timedelta) -> None:
    """Count one more, in a transaction. Raises Refused(SLOW_DOWN) where there were `most` within the window."""
    moment = now()
    row = _locked(kind, subject, window, moment)
    if row.count >= most:
        raise Refused(Problem.SLOW_DOWN, after=row.ends - moment)
    row.count, row.since = row.count + 1, moment
    row.save(update_fields=("count", "since", "ends"))


def knock(kind: str, address: str, network: str) -> None:
    """Before a log-in is looked at, in a `counted` transaction. Raises Refused(SLOW_DOWN)."""
    moment = now()
    own = _locked(kind, _pair(address, network), HOUR, moment)
    of_network = Counter.objects.filter(kind=f"{kind}-network", subject=network, ends__gt=moment).first()
    of_address = Counter.objects.filter(kind=f"{kind}-address", subject=address, ends__gt=moment).first()
    if of_network is not None and of_network.count >= FAILURES_OF_NETWORK:
        raise Refused(Problem.SLOW_DOWN, after=of_network.ends - moment)
    wait = max(_delay(own.count, *OWN), _delay(of_address.count if of_address else 0, *WHOLE))
    # A network that comes for the first time has just got its row, and waits from now on.
    left = own.since + wait - moment
    if left > timedelta():
        raise Refused(Problem.SLOW_DOWN, after=left)


def failed(kind: str, address: str, network: str) -> None:
    """After a log-in that was refused, in the same transaction."""
    moment = now()
    for name, subject, slides in (
        (kind, _pair(address, network), True),
        (f"{kind}-address", address, True),
        (f"{kind}-network", network, False),
    ):
        row = _locked(name, subject, HOUR, moment)
        row.count, row.since = row.count + 1, moment
        if slides:
            row.ends = moment + HOUR
        row.save(update_fields=("count", "since", "ends"))
        if name == f"{kind}-address" and row.count == ALARM:
            audit.note("many-failures", network=network, address=address, failures=row.count)


def passed(kind: str, address: str, network: str) -> None:
    """After a log-in that was right, in the same transaction: this network starts again from nothing."""
    Counter.objects.filter(kind=kind, subject=_pair(address, network)).delete()


def _pair(address: str, network: str) -> str:
    return f"{address} {network}"


def _delay(count: int, free: int, longest: int) -> timedelta:
    return timedelta(seconds=min(longest, 2 ** min(count - free, 30))) if count >= free else timedelta()


def _locked(kind: str, subject: str, window: timedelta, moment: datetime) -> Counter:
    """Return the row, made or begun anew where it has ended, and locked until the transaction ends."""
    fresh = Counter(kind=kind, subject=subject, since=moment, ends=moment + window)
    Counter.objects.bulk_create([fresh], ignore_conflicts=True)
    row = Counter.objects.select_for_update().get(kind=kind, subject=subject)
    if row.ends <= moment:
        row.count, row.since, row.ends = 0, moment, moment + window
    return row
