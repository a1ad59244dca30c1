"""Times that another device or a broker says, and whether they can be shown."""

from datetime import MAXYEAR, MINYEAR, UTC, datetime


def showable(moment: datetime | None) -> datetime | None:
    """An aware time in UTC; None for one at either end of the calendar, or beyond it.

    There is no local time of those in some part of the world: every page that shows one would fail with OverflowError.
    """
    if moment is None:
        return None
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        return None
    return moment if MINYEAR < moment.year < MAXYEAR else None
