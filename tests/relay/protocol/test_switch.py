"""The broker's switch: who may speak to whom, how much, and what it costs when somebody does not keep to it."""

import random
from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.protocol import link
from relay.protocol.link import FIRST_CREDIT, Code, Credit, Message, Type
from relay.protocol.switch import HOST, REMOTE, End, Link, Out, Send, Switch, SwitchLimits

ACCOUNT, OTHER = bytes([1]) * 16, bytes([2]) * 16
MAC, PHONE, TABLET = (bytes([number]) * 16 for number in (10, 11, 12))
EPOCH = (3).to_bytes(4, "big")
QUICK = SwitchLimits(bytes=1e12, byte_burst=1e12, opens=1e9, open_burst=1e9)


def join(switch: Switch, device: bytes, role: int, account: bytes = ACCOUNT) -> Link:
    joined, _ = switch.join(account, device, role)
    assert joined is not None
    return joined


def open_route(switch: Switch, remote: Link, number: int = 1, host: bytes = MAC, now: float = 0.0) -> list[Out]:
    return switch.receive(remote, Message(Type.OPEN, number, host + EPOCH), now)


def data(number: int, count: int) -> Message:
    return Message(Type.DATA, number, bytes(count))


def grant(number: int, count: int) -> Message:
    return Message(Type.CREDIT, number, count.to_bytes(4, "big"))


def routed(limits: SwitchLimits = QUICK) -> tuple[Switch, Link, Link]:
    switch = Switch(limits)
    host, remote = join(switch, MAC, HOST), join(switch, PHONE, REMOTE)
    open_route(switch, remote)
    return switch, host, remote


def codes(outs: list[Out]) -> list[tuple[Link, int]]:
    """Who is told that a route is closed, and why."""
    return [
        (out.link, link.read_close(out.message.payload)[0])
        for out in outs
        if isinstance(out, Send) and out.message.type is Type.CLOSE
    ]


def test_a_route_is_opened_and_each_side_has_a_number_of_its_own_for_it() -> None:
    switch = Switch()
    host, remote = join(switch, MAC, HOST), join(switch, PHONE, REMOTE)
    incoming, opened = open_route(switch, remote, number=77)
    assert incoming == Send(host, Message(Type.INCOMING, 1, PHONE + EPOCH))
    assert opened == Send(remote, Message(Type.OPENED, 77, FIRST_CREDIT.to_bytes(4, "big")))
    assert switch.receive(remote, Message(Type.DATA, 77, b"ask"), 0) == [Send(host, Message(Type.DATA, 1, b"ask"))]
    assert switch.receive(host, Message(Type.DATA, 1, b"say"), 0) == [Send(remote, Message(Type.DATA, 77, b"say"))]


def test_a_host_of_another_account_is_not_on_line_for_anybody_else() -> None:
    switch = Switch()
    join(switch, MAC, HOST, account=OTHER)
    remote = join(switch, PHONE, REMOTE)
    assert codes(open_route(switch, remote)) == [(remote, Code.NO_HOST)]


def test_a_host_opens_no_routes() -> None:
    switch, host, remote = routed()
    outs = open_route(switch, host)
    assert End(host, Code.MALFORMED) in outs
    assert codes(outs) == [(remote, Code.MALFORMED)]


def test_a_device_that_dials_again_supersedes_its_older_link() -> None:
    switch, host, remote = routed()
    newer, outs = switch.join(ACCOUNT, MAC, HOST)
    assert newer is not None
    assert newer.epoch > host.epoch
    assert End(host, Code.SUPERSEDED) in outs
    assert codes(outs) == [(remote, Code.DONE)]
    assert switch.find(ACCOUNT, MAC) is newer
    # What still comes over the older one, and its end, change nothing.
    assert switch.receive(host, data(1, 5), 0) == []
    assert switch.leave(host) == []
    assert switch.find(ACCOUNT, MAC) is newer


def test_the_same_device_may_be_host_and_remote_at_once() -> None:
    switch = Switch()
    host, remote = join(switch, MAC, HOST), join(switch, MAC, REMOTE)
    assert len(switch) == 2
    assert set(switch.of_account(ACCOUNT)) == {host, remote}


def test_a_sender_over_its_credit_is_ended_and_the_other_side_is_told() -> None:
    switch, host, remote = routed()
    for _ in range(FIRST_CREDIT // 32_000):
        switch.receive(remote, data(1, 32_000), 0)
    outs = switch.receive(remote, data(1, 32_000), 0)
    assert outs == [Send(host, link.close(1, Code.CREDIT_EXCEEDED)), End(remote, Code.CREDIT_EXCEEDED)]
    assert switch.find(ACCOUNT, PHONE, REMOTE) is None


def test_credit_granted_is_passed_on_and_may_be_spent() -> None:
    switch, host, remote = routed()
    for _ in range(200):
        assert isinstance(switch.receive(remote, data(1, 30_000), 0)[0], Send)
        assert switch.receive(host, grant(1, 30_000), 0) == [Send(remote, grant(1, 30_000))]


@pytest.mark.parametrize("count", [1, FIRST_CREDIT])
def test_a_receiver_cannot_grant_what_it_was_never_sent(count: int) -> None:
    switch, host, remote = routed()
    outs = switch.receive(host, grant(1, count), 0)
    assert End(host, Code.CREDIT_EXCEEDED) in outs
    assert codes(outs) == [(remote, Code.CREDIT_EXCEEDED)]


def test_a_grant_of_nothing_is_no_message() -> None:
    switch, host, _ = routed()
    switch.receive(host, data(1, 10), 0)
    assert End(host, Code.MALFORMED) in switch.receive(host, grant(1, 0), 0)


def test_an_account_over_its_rate_waits_for_its_credit_and_others_do_not() -> None:
    limits = SwitchLimits(bytes=1000, byte_burst=50_000)
    switch, host, remote = routed(limits)
    switch.receive(remote, data(1, 30_000), 0)
    switch.receive(remote, data(1, 30_000), 0)
    assert switch.receive(host, grant(1, 60_000), 0) == []
    assert switch.is_holding
    assert switch.tick(5) == []
    assert switch.tick(11) == [Send(remote, grant(1, 60_000))]
    assert not switch.is_holding
    there, here = join(switch, MAC, HOST, OTHER), join(switch, PHONE, REMOTE, OTHER)
    open_route(switch, here)
    switch.receive(here, data(1, 100), 0)
    assert switch.receive(there, grant(1, 100), 0) == [Send(here, grant(1, 100))]


def test_credit_that_was_held_back_for_a_route_that_is_gone_goes_nowhere() -> None:
    switch, host, remote = routed(SwitchLimits(bytes=1000, byte_burst=10))
    switch.receive(remote, data(1, 1000), 0)
    switch.receive(host, grant(1, 1000), 0)
    switch.receive(remote, link.close(1, Code.DONE), 0)
    assert switch.tick(100) == []


def test_a_ninth_remote_of_a_host_is_refused() -> None:
    switch = Switch(QUICK)
    join(switch, MAC, HOST)
    remotes = [join(switch, bytes([number]) * 16, REMOTE) for number in range(20, 29)]
    answers = [codes(open_route(switch, remote)) for remote in remotes]
    assert answers == [[]] * 8 + [[(remotes[8], Code.TOO_MANY)]]


def test_a_33rd_link_of_an_account_is_refused() -> None:
    switch = Switch()
    for number in range(32):
        join(switch, bytes([number]) * 16, REMOTE)
    assert switch.join(ACCOUNT, bytes([99]) * 16, REMOTE)[0] is None
    assert switch.join(OTHER, bytes([99]) * 16, REMOTE)[0] is not None


def test_openings_are_counted_by_device_even_over_new_links() -> None:
    switch = Switch()
    join(switch, MAC, HOST)
    refused = 0
    for number in range(40):
        remote = join(switch, PHONE, REMOTE)
        refused += bool(codes(open_route(switch, remote, number + 1)))
    assert refused == 10
    assert not codes(open_route(switch, join(switch, TABLET, REMOTE)))


def test_closing_a_route_tells_the_other_side_why() -> None:
    switch, host, remote = routed()
    outs = switch.receive(host, link.close(1, Code.OTHER_EPOCH, "fetch the log"), 0)
    assert outs == [Send(remote, link.close(1, Code.OTHER_EPOCH, "fetch the log"))]
    assert switch.receive(remote, data(1, 5), 0) == []
    assert host.routes == remote.routes == {}


@pytest.mark.parametrize("code", [Code.RELAY_OFF, Code.CLOSED, Code.ASLEEP, Code.SIGNED_OUT])
def test_a_hosts_last_word_is_passed_on_and_ends_its_link(code: Code) -> None:
    switch, host, remote = routed()
    outs = switch.receive(host, link.close(0, code), 0)
    assert codes(outs) == [(remote, code)]
    assert outs[-1] == End(host, code)
    assert switch.find(ACCOUNT, MAC) is None


@pytest.mark.parametrize("code", [Code.RESTARTING, Code.SUPERSEDED, Code.NO_PLAN, 65_535, 0])
def test_a_last_word_that_only_the_broker_says_is_none(code: int) -> None:
    switch, host, _ = routed()
    assert switch.receive(host, link.close(0, code), 0)[-1] == End(host, Code.DONE)


def test_a_last_word_without_a_code_breaks_the_rules() -> None:
    switch, host, _ = routed()
    assert End(host, Code.MALFORMED) in switch.receive(host, Message(Type.CLOSE, 0, b"x"), 0)


def test_a_host_that_leaves_ends_all_its_routes() -> None:
    switch = Switch()
    host = join(switch, MAC, HOST)
    remotes = [join(switch, device, REMOTE) for device in (PHONE, TABLET)]
    for remote in remotes:
        open_route(switch, remote)
    assert codes(switch.expel(host, Code.REVOKED)) == [(remote, Code.REVOKED) for remote in remotes]
    assert all(remote.routes == {} for remote in remotes)


@pytest.mark.parametrize("kind", [Type.HELLO, Type.AUTH, Type.READY, Type.INCOMING, Type.OPENED, Type.EVENT])
def test_what_only_the_broker_or_only_the_beginning_says_ends_the_link(kind: Type) -> None:
    switch, _, remote = routed()
    assert End(remote, Code.MALFORMED) in switch.receive(remote, Message(kind, 1, bytes(20)), 0)


def test_pings_are_answered() -> None:
    switch, host, _ = routed()
    assert switch.receive(host, Message(Type.PING, 0, b"12345678"), 0) == [
        Send(host, Message(Type.PONG, 0, b"12345678"))
    ]


def test_nothing_is_left_of_accounts_that_have_gone() -> None:
    switch, host, remote = routed()
    switch.leave(host)
    switch.leave(remote)
    switch.forget_idle(0)
    assert len(switch) == 0
    assert not any((switch._accounts, switch._rates, switch._opens, switch._held))


@dataclass
class Peer:
    """Somebody at the end of a link: what it was sent and has not taken, and what it may send."""

    inbox: deque[bytes] = field(default_factory=deque)
    credit: Credit = field(default_factory=Credit)
    waiting: int = 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_honest_peers_do_they_are_never_ended_and_little_is_under_way(seed: int) -> None:
    chance = random.Random(seed)
    switch, host, remote = routed(SwitchLimits(bytes=200_000, byte_burst=300_000))
    peers = {host.epoch: Peer(), remote.epoch: Peer()}
    now = 0.0
    for _ in range(300):
        now += chance.random() / 10
        sender = chance.choice([host, remote])
        peer = peers[sender.epoch]
        outs = switch.tick(now)
        if chance.random() < 0.6:
            count = chance.randrange(1, 32_000)
            if peer.credit.spend(count):
                outs += switch.receive(sender, data(1, count), now)
        elif peer.waiting:
            outs += switch.receive(sender, grant(1, peer.waiting), now)
            peer.waiting = 0
        for out in outs:
            assert isinstance(out, Send)
            if out.message.type is Type.DATA:
                peers[out.link.epoch].waiting += len(out.message.payload)
            else:
                peers[out.link.epoch].credit.grant(int.from_bytes(out.message.payload, "big"))
        assert all(peer.waiting <= FIRST_CREDIT for peer in peers.values())
