"""How often something may be tried. Counts are rows, so they hold across processes; the operator sees and resets them.

Logging in, for an address and a network (kinds "login", "recovery", "staff"):

    own count       after 10 failures of this network at this address it waits 1, 2, 4 ... 900 s after each failure
    whole address   after 30 failures from anywhere every network waits as well, at most 30 s, from its own last try
                    on; strangers can make somebody wait half a minute, but never take their turn
    network         100 failures an hour, at whatever addresses

Codes by e-mail are entered under the same rules (kinds "code-create", "code-recover", "code-erase"); besides, an
address takes no more than so many wrong ones an hour, since eight digits are few.

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
#: Codes by e-mail an hour, for each purpose; of a network for all of them.
CODES_OF_PAIR, CODES_OF_EMAIL, CODES_OF_NETWORK = 5, 20, 20
#: A network's first codes for an address never wait for what others asked for.
CODES_ALWAYS: Final = 2
#: Wrong codes an hour for one address and purpose, from anywhere: one in 300,000 of all there are.
WRONG_CODES: Final = 300
#: Codes an hour that a network enters for tickets which are none.
BLIND_CODES: Final = 30
#: Nonces a minute of one network, for one device or for all unknown ones; sessions a minute for one device.
PROOFS: Final = 30
#: Log-ins an hour that were right, of one network at one account: each is written down.
OPENED: Final = 60
#: Salts a minute that a network asks for.
PRELOGINS: Final = 60
#: Updates of one account a minute, since each has its whole log read, and an hour, since each is written down.
UPDATES, UPDATES_OF_HOUR = 30, 200
#: How often a minute an account's log is read; it may have megabytes.
LOGS: Final = 60

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


def spend(kind: str, subject: str, most: int, window: timedelta, *, always: bool = False) -> int:
    """Count one more, in a transaction; return the count. Raises Refused(SLOW_DOWN) where there were `most` already.

    With `always` it is counted only.
    """
    moment = now()
    row = _locked(kind, subject, window, moment)
    if row.count >= most and not always:
        raise Refused(Problem.SLOW_DOWN, after=row.ends - moment)
    row.count, row.since = row.count + 1, moment
    row.save(update_fields=("count", "since", "ends"))
    return row.count


def knock(kind: str, address: str, network: str, most: int | None = None) -> None:
    """Before a log-in is looked at, in a `counted` transaction. Raises Refused(SLOW_DOWN).

    `most` is how many failures an address may have from anywhere; None where strangers shall never take its turn.
    """
    moment = now()
    of_network = Counter.objects.filter(kind=f"{kind}-network", subject=network, ends__gt=moment).first()
    of_address = Counter.objects.filter(kind=f"{kind}-address", subject=address, ends__gt=moment).first()
    if of_network is not None and of_network.count >= FAILURES_OF_NETWORK:
        raise Refused(Problem.SLOW_DOWN, after=of_network.ends - moment)
    if of_address is not None and most is not None and of_address.count >= most:
        raise Refused(Problem.SLOW_DOWN, after=of_address.ends - moment)
    # Only now: a network that is refused anyway leaves no rows behind.
    own = _locked(kind, _pair(address, network), HOUR, moment)
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
