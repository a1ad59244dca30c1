"""What ends the relay ends it within two seconds, in the middle of an answer, and both sides say so."""

import time
from collections.abc import Callable

import pytest

from tests.relay.broker.desk import PASSWORD
from tests.relay.proof.computers import MODEL, Household, until
from tests.serving import SLACK
from tests.upstream import RESPONSES, Outcome, Point

#: Two seconds, and what a loaded machine adds to see it.
BOUND = 2.0 + SLACK


def switched_off(home: Household) -> None:
    home.switch(on=False)


def plan_ended(home: Household) -> None:
    home.broker.sql("UPDATE broker_account SET plan_until = '2020-01-01'")


def last_model_switched_off(home: Household) -> None:
    home.mac.post("/settings/connections/codex/models/switch/", model=MODEL)


def mac_signed_out(home: Household) -> None:
    home.mac.post("/settings/account/sign-out/")


def laptop_signed_out(home: Household) -> None:
    home.laptop.post("/settings/account/sign-out/")


def laptop_removed(home: Household) -> None:
    device = home.laptop_id
    home.mac.post(f"/settings/account/devices/{device}/remove/", password=PASSWORD)


def back_on(home: Household) -> None:
    home.switch()


def model_on_again(home: Household) -> None:
    home.mac.post("/settings/connections/codex/models/switch/", model=MODEL, enabled="on")
    until(home.offered)


def plan_again(home: Household) -> None:
    home.refresh()
    home.broker.sql("UPDATE broker_account SET plan_until = NULL")
    home.refresh()


def mac_back(home: Household) -> None:
    home.join_mac()


def laptop_back(home: Household) -> None:
    home.refresh()  # it notices by itself as well, in half a minute
    home.join_laptop()


@pytest.mark.parametrize(
    ("happens", "undone", "sentence", "stops"),
    [
        (switched_off, back_on, "switched off", True),
        (plan_ended, plan_again, "plan has no Codex Relay", True),
        (last_model_switched_off, model_on_again, "", True),
        (mac_signed_out, mac_back, "signed out", True),
        (laptop_removed, laptop_back, "", True),
        # To the Mac this is a device that went away, which stops no turn.
        (laptop_signed_out, laptop_back, "", False),
    ],
)
def test_it_ends_in_the_middle_of_an_answer_within_two_seconds(
    home: Household,
    happens: Callable[[Household], None],
    undone: Callable[[Household], None],
    sentence: str,
    stops: bool,
) -> None:
    before = home.asked()
    gate = home.up.gate(Point.DELTA)
    answer = home.ask()
    gate.wait_held(timeout=60)
    gate.step(4)
    until(lambda: home.said(answer).text)
    request = home.up.to(RESPONSES)[-1]
    happens(home)
    begun = time.monotonic()
    ended = until(lambda: (now := home.said(answer)).state != "streaming" and now, what="the laptop still waits")
    if stops:
        assert home.up.wait_outcome(request, 60) is Outcome.LEFT
    assert time.monotonic() - begun < BOUND
    assert ended.state in {"failed", "stopped", "interrupted"}
    assert ended.text
    if sentence:
        until(lambda: sentence in home.why(), what=home.why())
    until(lambda: not home.is_ready())
    gate.open()
    undone(home)
    home.ready(120)
    until(home.offered)
    assert home.asked() == before + 1
    assert home.whole(home.ask())
