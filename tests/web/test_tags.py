"""What the templates' own tags and filters write."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from chat.models import Message
from connections.visitor import Visitor, visiting
from lerix_web.templatetags.lerix import access_name, dated, is_visit, moment

PHONE = Visitor(b"p" * 16, "codex", "Codex Relay · Ada’s Mac")


def test_a_time_of_today_is_a_time_and_another_one_has_its_day() -> None:
    now = timezone.now().replace(hour=12, minute=5)
    assert moment(now) == "at 12:05"
    assert moment(datetime(2026, 3, 3, 14, 5, tzinfo=UTC)) == "on Tue 3 Mar, 14:05"


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_time_at_the_end_of_the_calendar_breaks_no_page(zone: str) -> None:
    with timezone.override(zone):
        assert moment(datetime(9999, 12, 31, 23, 59, tzinfo=UTC)).startswith(("at ", "on "))
        assert moment(datetime(1, 1, 1, 0, 0, tzinfo=UTC))


def test_what_is_the_matter_is_said_with_the_time_before_it() -> None:
    noon = timezone.now().replace(hour=12, minute=0)
    assert dated("St. Gallen is asleep. Lerix goes on.", noon) == "Since 12:00: St. Gallen is asleep. Lerix goes on."
    assert dated("It is asleep.", noon - timedelta(days=400)).startswith("Since ")
    assert dated("It is asleep.", None) == "It is asleep."


def test_another_device_reads_only_of_access_that_it_has() -> None:
    mine = Message(access="codex", access_label="Codex auth")
    other = Message(access="key", access_label="API key · Work")
    assert (access_name(mine), access_name(other)) == ("Codex auth", "API key · Work")
    assert not is_visit()
    with visiting(PHONE):
        assert is_visit()
        assert (access_name(mine), access_name(other)) == (PHONE.label, "Other access")
    assert not is_visit()
