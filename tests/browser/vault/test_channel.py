"""The browser's channel to a host: real sockets, the real switch and host, and links that fail in every way."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext

from relay.account.keys.device import DevicePublic
from relay.account.keys.primitives import agreement_public
from relay.protocol.errors import HandshakeFailed
from relay.protocol.link import FIRST_CREDIT, Code
from relay.protocol.presence import from_event
from relay.protocol.route import Log
from tests.browser.vault.conftest import Vault, opened
from tests.browser.vault.meeting import LOG, WORKSPACE, Meeting, psk
from tests.browser.vault.site import Site
from tests.relay.link.wire import ACCOUNT, MAC, MAC_KEY

WINDOW = 256  # KiB of a stream


class Phone:
    """A browser with a channel to the host of a meeting."""

    def __init__(self, vault: Vault, meeting: Meeting) -> None:
        self.vault, self.meeting = vault, meeting
        made = {name: bytes.fromhex(value) for name, value in vault.call("device").items()}
        meeting.phone_key = DevicePublic(made["id"], made["agreement"], made["signing"])
        meeting.notes.keys = {made["id"]: made["agreement"]}

    def open(self, **other: Any) -> None:
        member = {
            "origin": self.meeting.url,
            "account": ACCOUNT.hex(),
            "email": "ada@example.com",
            "workspace": [key.hex() for key in WORKSPACE],
            "known": {"n": LOG.n, "head": LOG.head.hex()},
            "host": {"id": MAC.hex(), "agreement": agreement_public(MAC_KEY).hex()},
        }
        self.vault.call("open", **{**member, **other})

    def until(self, phase: str, code: int | None = None) -> dict[str, Any]:
        given = {"phase": phase} if code is None else {"phase": phase, "code": code}
        state: dict[str, Any] = self.vault.call("until", **given)
        return state

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.vault.call("state")
        return state


@pytest.fixture(scope="module")
def page(profile: BrowserContext, site: Site) -> Iterator[Vault]:
    before, site.channel = site.channel, "ws://127.0.0.1:*"
    vault = opened(profile, "/vault/", "channels")
    site.channel = before
    yield vault
    vault.page.close()


@pytest.fixture
def phone(page: Vault) -> Iterator[Phone]:
    with Meeting() as meeting:
        made = Phone(page, meeting)
        yield made
        page.call("close")
        assert meeting.problems == []
    # A socket that fails or is cut is told by the browser itself.
    assert [each for each in page.problems if "WebSocket" not in each] == []


@pytest.fixture
def ready(phone: Phone) -> Phone:
    phone.open()
    phone.until("ready")
    return phone


def test_requests_are_answered_over_the_encrypted_route(ready: Phone) -> None:
    assert ready.vault.call("echoes", seed=1, lengths=[5, 0, 16384, 16385, 70_000]) == [True] * 5
    empty = ready.vault.call("ask", name="empty", path="/empty")
    assert empty == {"status": 204, "headers": [["x-who", "mac"], ["x-who", "again"]]}
    assert ready.vault.call("read", name="empty") == {"read": 0, "done": True}
    state = ready.state
    assert (state["phase"], state["code"], state["since"], state["why"]) == ("ready", None, None, None)
    assert state["presence"] == [[MAC.hex(), {"online": True, "since": None, "why": None}]]
    assert state["phases"] == ["connecting", "ready"]


def test_a_request_waits_for_a_channel_that_is_still_connecting(phone: Phone) -> None:
    phone.open()
    assert phone.vault.call("ask", name="early", path="/empty")["status"] == 204


def test_bodies_larger_than_every_window_pass_whole(ready: Phone) -> None:
    assert ready.vault.call("echoes", seed=2, lengths=[1_300_000]) == [True]


@pytest.mark.parametrize("every", [23, 61])
def test_cuts_and_changed_bytes_lose_nothing_and_do_nothing_twice(every: int, ready: Phone) -> None:
    ready.meeting.cut_every, ready.meeting.change_every = every, 2 * every + 1
    lengths = [number * 9001 for number in range(12)]
    assert ready.vault.call("echoes", seed=every, lengths=lengths) == [True] * 12
    assert ready.meeting.dialled > 3
    assert list(ready.meeting.executed.values()) == [1] * 12


def test_a_route_is_renewed_in_the_middle_of_an_answer_and_nothing_shows(phone: Phone) -> None:
    phone.open(renewed=40)
    phone.until("ready")
    for seed in range(20, 40):
        assert phone.vault.call("echoes", seed=seed, lengths=[120_000, 5]) == [True, True]
        if phone.meeting.opened > 3:
            break
    assert phone.meeting.opened > 3
    assert phone.meeting.dialled == 1
    assert phone.meeting.given_up == []
    assert "away" not in phone.state["phases"]


def test_the_host_sends_no_more_than_is_read_and_a_window(ready: Phone) -> None:
    ready.vault.call("ask", name="slow", path="/long?2048")
    ready.meeting.soon(lambda: ready.meeting.produced >= WINDOW)
    time.sleep(0.1)
    assert ready.meeting.produced <= WINDOW + 1
    # Another request is not held up by it.
    assert ready.vault.call("echoes", seed=3, lengths=[20_000]) == [True]
    ready.vault.call("read", name="slow", bytes=200 * 1024)
    ready.meeting.soon(lambda: ready.meeting.produced > WINDOW + 100)
    time.sleep(0.1)
    assert ready.meeting.produced <= 2 * WINDOW + 1
    assert ready.vault.call("read", name="slow")["done"] is True
    assert ready.meeting.produced == 2048


def test_answers_that_were_read_late_give_their_window_back(ready: Phone) -> None:
    """More than the session's window in all, each of which has ended before the first byte was taken."""
    assert ready.vault.call("lateReads", times=45, path="/long?32", length=32 * 1024) is True


def test_what_is_cancelled_or_aborted_stops_on_the_host(ready: Phone) -> None:
    ready.vault.call("ask", name="cancelled", path="/long?4096")
    ready.vault.call("cancel", name="cancelled")
    ready.meeting.soon(lambda: (1, True) in ready.meeting.given_up)
    ready.vault.call("begin", name="aborted", path="/never")
    ready.vault.call("stop", name="aborted")
    assert ready.vault.call("read", name="aborted") == {"failed": "aborted"}
    ready.meeting.soon(lambda: (3, True) in ready.meeting.given_up)
    ready.vault.call("ask", name="midway", path="/long?4096")
    ready.vault.call("read", name="midway", bytes=1024)
    ready.vault.call("stop", name="midway")
    assert ready.vault.call("read", name="midway") == {"failed": "aborted"}
    ready.meeting.soon(lambda: (5, True) in ready.meeting.given_up)
    assert ready.vault.call("echoes", seed=4, lengths=[1000]) == [True]


def test_what_the_host_gives_up_and_what_cannot_be_asked_is_told(ready: Phone) -> None:
    assert ready.vault.call("ask", name="reset", path="/reset") == {"failed": "failed", "reset": 2}
    asks = [
        {"method": "get", "path": "/"},
        {"method": "POST", "path": "/"},
        {"method": "GET", "path": "https://elsewhere/"},
        {"method": "GET", "path": "/", "headers": [["a", "b"]] * 65},
    ]
    refused = [each["failed"] for each in ready.vault.call("unaskable", asks=asks)]
    assert refused == ["malformed", "malformed", "malformed", "too-large"]
    assert ready.vault.call("crowd", count=32) == {"failed": "too-many", "reset": None}


def test_a_host_that_goes_away_is_told_at_once_and_found_again_at_once(phone: Phone) -> None:
    phone.open(patient=True)
    phone.until("ready")
    phone.meeting.do(phone.meeting.mac_down(why="asleep", since=1_790_000_000))
    phone.until("away")
    state = phone.state
    assert (state["why"], state["since"], state["code"]) == ("asleep", 1_790_000_000, Code.NO_HOST)
    assert phone.vault.call("ask", name="away", path="/empty") == {"failed": "away", "reset": None}
    phone.meeting.do(phone.meeting.mac_up())
    phone.until("ready")  # within seconds, where a try by itself comes after a minute
    assert phone.vault.call("echoes", seed=5, lengths=[1000]) == [True]


def test_an_answer_goes_on_where_it_stopped_when_the_host_comes_back(ready: Phone) -> None:
    ready.vault.call("ask", name="long", path="/long?1500")
    ready.vault.call("read", name="long", bytes=300 * 1024)
    ready.meeting.do(ready.meeting.mac_down(why="lost"))
    ready.until("away")
    ready.meeting.do(ready.meeting.mac_up())
    rest = ready.vault.call("read", name="long")
    assert rest["done"] is True
    assert ready.meeting.produced == 1500
    assert ready.meeting.given_up == []


def test_a_session_that_the_host_has_lost_is_told_and_the_next_request_works(ready: Phone) -> None:
    ready.vault.call("ask", name="long", path="/long?1500")
    ready.vault.call("begin", name="never", path="/never")
    ready.meeting.do(ready.meeting.forget())
    assert ready.vault.call("read", name="never") == {"failed": "session-lost", "reset": None}
    assert ready.vault.call("read", name="long") == {"failed": "session-lost", "reset": None}
    ready.until("ready")
    assert ready.vault.call("echoes", seed=6, lengths=[1000]) == [True]


@pytest.mark.parametrize("code", [Code.RELAY_OFF, Code.CLOSED, Code.SIGNED_OUT])
def test_a_host_that_leaves_for_good_ends_what_was_under_way(code: Code, ready: Phone) -> None:
    ready.vault.call("begin", name="never", path="/never")
    ready.meeting.do(ready.meeting.leave(code))
    assert ready.vault.call("read", name="never") == {"failed": "session-lost", "reset": None}
    ready.until("away")
    assert ready.state["why"] == "off"


@pytest.mark.parametrize("code", [Code.REVOKED, Code.NO_PLAN, Code.REFUSED])
def test_a_browser_that_may_not_is_told_so(code: Code, ready: Phone) -> None:
    ready.vault.call("begin", name="never", path="/never")
    ready.meeting.refuses = code
    ready.meeting.do(ready.meeting.expel(code))
    assert ready.vault.call("read", name="never") == {"failed": "session-lost", "reset": None}
    ready.until("away", code)
    assert ready.vault.call("ask", name="no", path="/empty") == {"failed": "refused", "reset": None}
    dialled = ready.meeting.dialled
    time.sleep(0.3)
    assert ready.meeting.dialled == dialled
    ready.meeting.refuses = None
    ready.vault.call("wake")
    ready.until("ready")


def test_a_browser_that_is_removed_while_the_host_is_away_waits_for_nothing(ready: Phone) -> None:
    ready.vault.call("begin", name="never", path="/never")
    ready.meeting.do(ready.meeting.mac_down(why="lost"))
    ready.until("away")
    ready.meeting.refuses = Code.REVOKED
    ready.meeting.do(ready.meeting.expel(Code.REVOKED))
    assert ready.vault.call("read", name="never") == {"failed": "session-lost", "reset": None}


def test_a_browser_whose_proof_does_not_hold_is_refused(phone: Phone) -> None:
    assert phone.meeting.phone_key is not None
    other = agreement_public(bytes([9]) * 32)
    phone.meeting.phone_key = DevicePublic(phone.meeting.phone_key.id, other, other)
    phone.open()
    assert phone.until("away")["code"] == Code.REFUSED


def test_a_host_that_was_away_before_is_told_with_its_reason(phone: Phone) -> None:
    phone.meeting.do(phone.meeting.mac_down())
    phone.open()
    phone.until("away", Code.NO_HOST)
    state = phone.state
    assert (state["why"], state["since"]) == ("lost", None)
    assert "ready" not in state["phases"]


def test_a_broker_that_is_not_there_is_told(phone: Phone) -> None:
    phone.open(origin="http://127.0.0.1:9")
    assert phone.until("away") == {"phase": "away", "code": None, "since": None, "why": None}


def test_a_newer_epoch_is_learnt_and_then_used(phone: Phone) -> None:
    phone.meeting.notes.log = Log(8, b"i" * 32)
    later = {"workspace": [key.hex() for key in WORKSPACE], "known": {"n": 8, "head": (b"i" * 32).hex()}}
    phone.open(workspace=[key.hex() for key in WORKSPACE[:3]], later=later)
    phone.until("ready")
    state = phone.state
    assert (state["refreshed"], state["phases"]) == (1, ["connecting", "away", "ready"])


def test_a_host_that_has_seen_more_of_the_log_makes_the_browser_look(phone: Phone) -> None:
    phone.meeting.notes.log = Log(8, b"i" * 32)
    phone.open()
    phone.until("ready")
    phone.meeting.soon(lambda: phone.state["refreshed"] == 1)


def test_an_epoch_that_nobody_can_tell_of_is_not_asked_for_without_a_pause(phone: Phone) -> None:
    phone.open(workspace=[key.hex() for key in WORKSPACE[:3]], patient=True)
    phone.until("away", Code.OTHER_EPOCH)
    time.sleep(0.3)
    # Once more for each word of the host's coming, which may arrive in the middle of a try. Without a pause: dozens.
    assert phone.state["refreshed"] in range(1, 5)


@pytest.mark.parametrize("wrong", ["host key", "psk", "log", "log that the host does not mind"])
def test_a_host_that_is_another_or_has_another_key_or_history_is_never_reached(
    wrong: str, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    other: dict[str, Any] = {}
    if wrong == "host key":
        other["host"] = {"id": MAC.hex(), "agreement": agreement_public(bytes([9]) * 32).hex()}
    elif wrong == "psk":
        phone.meeting.notes.psk = psk(2)
    else:
        other["known"] = {"n": LOG.n, "head": (b"x" * 32).hex()}
    if wrong == "log that the host does not mind":
        monkeypatch.setattr(phone.meeting.notes, "agrees", lambda log: True)
    phone.open(**other)
    assert phone.until("away")["code"] == HandshakeFailed.code
    assert "ready" not in phone.state["phases"]
    assert phone.meeting.host.remotes == frozenset()


def test_a_connection_that_died_in_a_sleep_is_found_out_on_waking(ready: Phone) -> None:
    ready.meeting.is_silent = True
    ready.vault.call("begin", name="asked", path="/empty")
    dialled = ready.meeting.dialled
    ready.vault.call("wake")
    ready.meeting.soon(lambda: ready.meeting.dialled > dialled)
    ready.meeting.is_silent = False
    ready.vault.call("wake")
    ready.until("ready")
    assert ready.vault.call("echoes", seed=7, lengths=[1000]) == [True]


def test_a_channel_that_was_closed_dials_no_more_and_takes_no_request(ready: Phone) -> None:
    ready.vault.call("begin", name="never", path="/never")
    ready.vault.call("close")
    assert ready.vault.call("read", name="never") == {"failed": "session-lost", "reset": None}
    assert ready.vault.call("ask", name="late", path="/empty") == {"failed": "closed", "reset": None}
    dialled = ready.meeting.dialled
    time.sleep(0.3)
    assert ready.meeting.dialled == dialled


def test_a_broker_that_sends_more_than_was_granted_ends_the_route(page: Vault) -> None:
    most = FIRST_CREDIT // 32_000
    fine = page.call("flooded", pieces=most, length=32_000)
    assert (fine["taken"], fine["code"]) == (most, None)
    assert len(fine["granted"]) == 3
    over = page.call("flooded", pieces=most + 2, length=32_000)
    assert over["code"] == Code.CREDIT_EXCEEDED
    assert page.call("flooded", pieces=8, length=32_768)["granted"] == [page.call("credit")]


def test_the_browser_sends_no_more_than_was_granted(page: Vault) -> None:
    most = FIRST_CREDIT // 32_000
    starved = page.call("starved", pieces=most + 5, length=32_000)
    assert starved == {"counts": [most, most + 1], "code": Code.MALFORMED}


def test_presence_is_read_as_python_reads_it(page: Vault) -> None:
    good = {"id": "0a" * 16, "online": False, "since": 5, "why": "off"}
    changed: list[Any] = [
        {},
        {"online": True},
        {"id": "0A" * 16},
        {"id": 7},
        {"online": 1},
        {"since": None},
        {"since": "5"},
        {"since": -1},
        {"since": 253_402_300_800},
        *({"why": why} for why in ("closed", "asleep", "signed-out", "lost", "restarting", "holidays", None, 7)),
    ]
    events: list[dict[str, Any]] = [{"kind": "presence", "hosts": [{**good, **each}]} for each in changed]
    events += [{"kind": "presence", "hosts": [None, 1, "x", [], good]}, {"kind": "presence", "hosts": {}}]
    events += [{"kind": "other", "hosts": [good]}, {"hosts": [good]}, {"kind": "presence", "hosts": [good] * 300}]
    expected = [
        [
            {
                "id": each.host.hex(),
                "online": each.online,
                "since": None if each.since is None else int(each.since.timestamp()),
                "why": each.why,
            }
            for each in from_event(event)
        ]
        for event in json.loads(json.dumps(events))
    ]
    assert page.call("presence", events=events) == expected
