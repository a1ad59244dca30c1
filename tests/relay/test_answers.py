"""What another device says in an answer: nothing of it is too strange to be read, nor to be shown."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.template import Context, Template
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from relay.answers import read_error, read_moment
from relay.protocol.presence import from_event

ENDS = [
    "9999-12-31T23:59:59-12:00",
    "9999-12-31T23:59:59+00:00",
    "9999-01-01T00:00:00-12:00",
    "0001-01-01T00:00:00+12:00",
    "0001-01-01T00:00:00+00:00",
]
PAGE = Template("{% load lerix %}{{ then|moment:'' }} {{ then|date:'c' }}")


def shown(then: datetime | None) -> str:
    """How the pages show it, in the two zones that are farthest from each other."""
    pages = []
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        with timezone.override(zone):
            pages.append(PAGE.render(Context({"then": then})))
    return " ".join(pages)


@pytest.mark.parametrize("text", ENDS)
def test_a_time_at_the_end_of_the_calendar_is_none(text: str) -> None:
    assert read_moment(text) is None
    error = read_error({"kind": "LimitReached", "until": text})
    assert error.until is None


def test_a_time_is_read_as_utc() -> None:
    assert read_moment("2026-11-22T15:00:00+02:00") == datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
    assert read_moment("2026-11-22T15:00:00") is None


@pytest.mark.parametrize("text", [*ENDS, "9998-12-31T23:59:59-12:00", "9998-12-31T23:59:59Z", "0002-01-01T00:00:00Z"])
def test_whatever_another_device_says_can_be_shown(text: str) -> None:
    assert shown(read_moment(text))


@pytest.mark.parametrize("since", [0, 253_370_764_799, 253_370_764_800, 253_402_300_799])
def test_whatever_a_broker_says_of_hosts_can_be_shown(since: int) -> None:
    (told,) = from_event({"kind": "presence", "hosts": [{"id": "0" * 32, "online": False, "since": since}]})
    assert shown(told.since)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40) | st.datetimes().map(lambda then: f"{then}+14:00"),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=8), some, max_size=3),
    max_leaves=5,
)
FIELDS = ("kind", "code", "sentence", "next_step", "until", "detail")


@given(st.dictionaries(st.sampled_from(FIELDS), values) | values)
def test_any_error_that_another_device_tells_is_an_error_here(told: Any) -> None:
    error = read_error(json.loads(json.dumps(told)))
    assert error.sentence
    if error.until is not None:
        shown(error.until)
