"""Usage windows from response headers."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.codex.usage import UsageWindow, usage_from_headers
from tests.connections.far import NOW

HEADERS = {
    "x-codex-primary-used-percent": "42.5",
    "x-codex-primary-window-minutes": "300",
    "x-codex-primary-reset-at": str(int(NOW.timestamp()) + 3600),
    "x-codex-secondary-used-percent": "7",
    "x-codex-secondary-window-minutes": "10080",
    "x-codex-secondary-reset-after-seconds": "86400",
    "x-other-meter-primary-used-percent": "1",
    "x-codex-plan-type": "plus",
    "x-codex-credits-has-credits": "True",
    "x-codex-credits-unlimited": "false",
    "x-codex-credits-balance": "12.50",
}


def test_the_windows_are_told_by_their_real_length_the_plan_s_own_first() -> None:
    usage = usage_from_headers(HEADERS, NOW)
    assert usage is not None
    assert usage.windows == (
        UsageWindow("codex", 42.5, 300, NOW + timedelta(hours=1)),
        UsageWindow("codex", 7.0, 10080, NOW + timedelta(days=1)),
        UsageWindow("other-meter", 1.0, None, None),
    )
    assert [window.label for window in usage.windows] == ["5 hours", "1 week", ""]
    assert usage.own == usage.windows[:2]
    assert (usage.plan, usage.has_credits, usage.unlimited_credits) == ("plus", True, False)
    assert usage.credit_balance == "12.50"


@pytest.mark.parametrize(("minutes", "label"), [(1, "1 minute"), (90, "90 minutes"), (60, "1 hour"), (4320, "3 days")])
def test_a_length_is_named_in_the_largest_unit_that_fits(minutes: int, label: str) -> None:
    assert UsageWindow("codex", 0, minutes, None).label == label


def test_without_such_headers_there_is_nothing_to_tell() -> None:
    assert usage_from_headers({"content-type": "text/event-stream"}, NOW) is None


VALUES = st.text(max_size=40) | st.sampled_from(["1e999", "nan", "-1"])


@given(st.dictionaries(st.sampled_from(sorted(HEADERS)), VALUES))
def test_no_value_of_a_header_raises(headers: dict[str, str]) -> None:
    usage = usage_from_headers(headers, NOW)
    for window in usage.windows if usage else ():
        assert 0 <= window.used_percent <= 10_000
        assert isinstance(window.label, str)
