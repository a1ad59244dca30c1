"""The handshake of a route: what it says, and that nothing counts before CONFIRM."""

import pytest

from relay.protocol.errors import FrameMalformed, HandshakeFailed, MessageForged, PeerForgot, ProtocolError
from relay.protocol.headers import Request
from relay.protocol.noise import Initiator, Responder
from relay.protocol.route import Granted, HostRoute, Log, RemoteRoute, State, prologue
from relay.protocol.session import Session
from tests.relay.protocol.simulation import DEVICE_KEY, HOST_KEY, LOG, PROLOGUE, PSK, public

NEWER = Log(9, b"\1" * 32)
ID = bytes(range(16))


def remote_route(session: Session | None = None, psk: bytes = PSK, bound: bytes = PROLOGUE) -> RemoteRoute:
    initiator = Initiator(static=DEVICE_KEY, host=public(HOST_KEY), psk=psk, prologue=bound)
    return RemoteRoute(initiator, log=LOG, session=session, session_id=ID if session else None)


def host_route() -> HostRoute:
    return HostRoute(Responder(static=HOST_KEY, prologue=PROLOGUE), log=NEWER)


def new() -> Granted:
    return Granted(ID, Session(host=True), resumed=False)


def opened() -> tuple[RemoteRoute, HostRoute]:
    remote, host = remote_route(), host_route()
    host.asked(remote.first())
    remote.receive(host.grant(new(), PSK), 0, lambda: Session(host=False))
    host.receive(remote.confirm(), 0)
    return remote, host


def test_both_sides_learn_who_the_other_is_and_what_log_it_has_seen() -> None:
    remote, host = remote_route(), host_route()
    asked = host.asked(remote.first())
    assert (asked.static, asked.log, asked.session_id) == (public(DEVICE_KEY), LOG, None)
    remote.receive(host.grant(new(), PSK), 0, lambda: Session(host=False))
    assert (remote.peer_log, remote.session_id, remote.resumed) == (NEWER, ID, False)


def test_a_host_changes_nothing_before_the_confirmation() -> None:
    remote, host = remote_route(), host_route()
    host.asked(remote.first())
    granted = new()
    host.grant(granted, PSK)
    assert host.state is State.SAID
    assert host.session is None
    assert not granted.session.attached
    assert host.pull() is None


def test_the_first_message_replayed_a_thousand_times_attaches_nothing() -> None:
    message = remote_route().first()
    for _ in range(1000):
        host, granted = host_route(), new()
        host.asked(message)
        host.grant(granted, PSK)
        with pytest.raises(MessageForged):
            host.receive(bytes(272), 0)
        assert not granted.session.attached


def test_an_older_link_keeps_its_session_until_the_new_one_is_confirmed() -> None:
    remote, host = opened()
    assert host.session is not None
    assert remote.session is not None
    again, second = remote_route(remote.session), host_route()
    asked = second.asked(again.first())
    second.grant(Granted(ID, host.session, resumed=True), PSK)
    assert asked.session_id == ID
    assert host.session.attached


def test_something_else_than_the_confirmation_first_is_refused() -> None:
    remote, host = remote_route(), host_route()
    host.asked(remote.first())
    remote.receive(host.grant(new(), PSK), 0, lambda: Session(host=False))
    assert remote.session is not None
    remote.session.open(Request("GET", "/"))
    message = remote.pull()
    assert message is not None
    with pytest.raises(FrameMalformed):
        host.receive(message, 0)
    assert host.session is None


@pytest.mark.parametrize("part", ["account", "host", "remote", "epoch"])
def test_another_account_host_device_or_epoch_fails(part: str) -> None:
    said = {"account": bytes(16), "host": bytes([1]) * 16, "remote": bytes([2]) * 16}
    if part != "epoch":
        said[part] = bytes([9]) * 16
    bound = prologue(**said, epoch=int(part == "epoch"))
    with pytest.raises(HandshakeFailed):
        host_route().asked(remote_route(bound=bound).first())


def test_a_revoked_device_with_the_key_of_an_older_epoch_gets_no_session() -> None:
    remote, host = remote_route(psk=bytes(32)), host_route()
    host.asked(remote.first())
    with pytest.raises(HandshakeFailed):
        remote.receive(host.grant(new(), PSK), 0, lambda: Session(host=False))
    assert remote.session is None


def test_a_session_is_not_resumed_from_a_point_that_is_gone() -> None:
    remote, host = opened()
    session = Session(host=False)
    session.rx = 5
    again, second = remote_route(session), host_route()
    second.asked(again.first())
    assert host.session is not None
    with pytest.raises(PeerForgot):
        second.grant(Granted(ID, host.session, resumed=True), PSK)
    assert remote.state is State.CONFIRMED


def test_a_host_that_resumes_what_was_not_asked_for_is_refused() -> None:
    remote, host = remote_route(), host_route()
    host.asked(remote.first())
    message = host.grant(Granted(ID, Session(host=True), resumed=True), PSK)
    with pytest.raises(PeerForgot):
        remote.receive(message, 0, lambda: Session(host=False))


def test_messages_of_the_handshake_have_one_length_each() -> None:
    remote, host = remote_route(), host_route()
    fresh = remote.first()
    assert len(fresh) == len(remote_route(Session(host=False)).first())
    host.asked(fresh)
    assert len(host.grant(new(), PSK)) == 1024 + 48


def test_a_route_does_not_go_on_after_its_end() -> None:
    remote, host = opened()
    message = host.session
    assert message is not None
    remote.close()
    host.close()
    assert not message.attached
    assert remote.pull() is None
    with pytest.raises(ProtocolError):
        host.receive(b"", 0)
    with pytest.raises(HandshakeFailed):
        host.asked(remote_route().first())
