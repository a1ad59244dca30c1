"""What the broker tells of hosts: one form, and nothing that a broker writes is too strange to be read."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol import link
from relay.protocol.link import Type
from relay.protocol.presence import MOST_HOSTS, Presence, Why, from_event, to_event

HOST = bytes(range(16))
NAME = HOST.hex()
THEN = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
# The last year of the calendar cannot be shown everywhere.
moments = st.integers(0, 253_370_764_799).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
away = st.builds(Presence, st.binary(min_size=16, max_size=16), st.just(False), moments, st.sampled_from(Why))
here = st.builds(Presence, st.binary(min_size=16, max_size=16), st.just(True))


@given(st.lists(away | here, max_size=MOST_HOSTS))
def test_hosts_are_read_as_they_were_told(hosts: list[Presence]) -> None:
    message = to_event(hosts)
    assert message.type is Type.EVENT
    assert from_event(link.read_event(message.payload)) == tuple(hosts)


def test_all_devices_that_an_account_may_have_fit_into_one_message() -> None:
    told = [Presence(bytes([number]) * 16, False, THEN, Why.SIGNED_OUT) for number in range(MOST_HOSTS)]
    assert len(to_event(told).encode()) <= link.MAX_MESSAGE


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40)
values = st.recursive(scalars, lambda some: st.lists(some) | st.dictionaries(st.text(max_size=8), some), max_leaves=9)
entries = st.fixed_dictionaries(
    {}, optional={"id": st.just(NAME) | values, "online": values, "since": values, "why": values}
)


@given(st.fixed_dictionaries({"kind": st.just("presence") | values, "hosts": st.lists(entries) | values}))
def test_whatever_a_broker_says_is_understood_or_left_out(said: dict[str, Any]) -> None:
    for each in from_event(said):
        assert len(each.host) == 16
        assert each.why is None or not each.online


@pytest.mark.parametrize("since", [-1, 253_370_764_800, 253_402_300_799, 253_402_300_800, 10**30, 1.5, True, "now"])
def test_a_time_that_is_none_is_no_time(since: object) -> None:
    said = {"kind": "presence", "hosts": [{"id": NAME, "online": False, "since": since, "why": "off"}]}
    assert from_event(said) == (Presence(HOST, False, None, Why.OFF),)


def test_a_reason_of_a_later_version_means_that_it_is_away() -> None:
    said = {"kind": "presence", "hosts": [{"id": NAME, "online": False, "since": None, "why": "on holiday"}]}
    assert from_event(said) == (Presence(HOST, False, None, Why.LOST),)
