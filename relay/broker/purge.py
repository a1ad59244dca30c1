"""Takes away what has ended, and keeps every table below a size that fits a small machine."""

import asyncio
import logging
from datetime import timedelta
from typing import Any, Final

from django.contrib.sessions.models import Session
from django.db.models import Model, QuerySet

from relay.broker.desk import desk
from relay.broker.models import AuditEntry, Counter, Ticket, Token, now

logger = logging.getLogger(__name__)

PAUSE_SECONDS: Final = 60.0
AUDIT_DAYS: Final = 180
#: Rows of a table at most; those that matter least go first.
MOST_COUNTERS: Final = 100_000
MOST_TICKETS: Final = 100_000
MOST_AUDIT: Final = 1_000_000
#: Rows in one statement, so that nobody waits long for the lock.
BATCH: Final = 5_000


def purge() -> int:
    """Take away what has ended, a batch of each table; return the number of rows, 0 when nothing is left."""
    moment = now()
    old = moment - timedelta(days=AUDIT_DAYS)
    gone = [
        _delete(Token.objects.filter(expires__lte=moment)),
        _delete(Ticket.objects.filter(expires__lte=moment)),
        _delete(Counter.objects.filter(ends__lte=moment)),
        _delete(AuditEntry.objects.filter(time__lte=old)),
        _delete(Session.objects.filter(expire_date__lte=moment)),
        # Somebody with many networks fills these; what was tried least often is the least loss.
        _cut(Counter.objects.order_by("count", "ends"), MOST_COUNTERS),
        _cut(Ticket.objects.order_by("confirmed", "expires"), MOST_TICKETS),
        _cut(AuditEntry.objects.order_by("time"), MOST_AUDIT),
    ]
    return sum(gone)


async def keep_purging() -> None:
    """Purge every minute, as work beside the requests."""
    while True:
        # Batch after batch, so that no flood outruns it; requests get their turn in between.
        while gone := await desk.do(purge):
            logger.debug("%d rows have ended.", gone)
        await asyncio.sleep(PAUSE_SECONDS)


def _cut(rows: QuerySet[Any], most: int) -> int:
    return _delete(rows, max(0, rows.count() - most))


def _delete(rows: QuerySet[Any], most: int = BATCH) -> int:
    model: type[Model] = rows.model
    chosen = list(rows.values_list("pk", flat=True)[: min(most, BATCH)])
    if not chosen:
        return 0
    # By number again: SQLite takes no limit in a deletion.
    return model._default_manager.filter(pk__in=chosen).delete()[0]
