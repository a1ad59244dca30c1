"""Times that others say: one that is let through can be shown anywhere on earth."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from relay.protocol.moments import showable

#: The farthest that `datetime` knows; farther than any clock on earth is set.
zones = st.timedeltas(timedelta(hours=-23, minutes=-59), timedelta(hours=23, minutes=59)).map(timezone)


@given(st.datetimes(timezones=zones), zones)
def test_whatever_is_let_through_has_a_local_time_everywhere(moment: datetime, here: timezone) -> None:
    shown = showable(moment)
    if 2 < moment.year < 9998:
        assert shown == moment
    if shown is not None:
        assert shown.tzinfo is UTC
        assert shown.astimezone(here) == moment


def test_the_ends_of_the_calendar_are_no_time() -> None:
    east, west = timezone(timedelta(hours=12)), timezone(timedelta(hours=-12))
    for moment in (datetime.max.replace(tzinfo=west), datetime.min.replace(tzinfo=east)):
        assert showable(moment) is None
    assert showable(datetime(9998, 12, 31, 23, 59, 59, tzinfo=west)) is None
    assert showable(datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC)) is not None
    assert showable(datetime(2, 1, 1, tzinfo=UTC)) is not None
    assert showable(None) is None
