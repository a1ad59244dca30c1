"""A session's own rules, over a perfect link without encryption."""

from collections.abc import Callable

import pytest

from relay.protocol import events
from relay.protocol.errors import (
    FrameMalformed,
    GapInFrames,
    NeverAcknowledged,
    PeerForgot,
    ProtocolError,
    ResetTooOften,
    StreamMisused,
    TooManyStreams,
    WindowExceeded,
)
from relay.protocol.frames import UNNUMBERED, Frame, Kind
from relay.protocol.headers import Answer, Request
from relay.protocol.limits import Bucket, Limits
from relay.protocol.session import CANCELLED, Session

GET = Request("GET", "/")
LIMITS = Limits(stream_window=40_000, session_window=100_000, kept=100_000, kept_frames=64)


def pair(limits: Limits = LIMITS) -> tuple[Session, Session]:
    remote, host = Session(host=False, limits=limits), Session(host=True, limits=limits)
    remote.attach(0)
    host.attach(0)
    return remote, host


def carry(sender: Session, receiver: Session, now: float = 0.0) -> list[events.Event]:
    """Bring over all that the sender has."""
    heard: list[events.Event] = []
    while (frame := sender.pull()) is not None:
        heard += receiver.receive(frame, now)
    return heard


def asked(limits: Limits = LIMITS) -> tuple[Session, Session, int]:
    remote, host = pair(limits)
    stream = remote.open(GET)
    carry(remote, host)
    return remote, host, stream


def test_a_request_is_answered() -> None:
    remote, host, stream = asked()
    remote.end(stream)
    assert carry(remote, host) == [events.Ended(stream)]
    host.answer(stream, Answer(204))
    host.send(stream, b"body")
    host.end(stream)
    assert carry(host, remote) == [
        events.Answered(stream, Answer(204)),
        events.Data(stream, b"body"),
        events.Ended(stream),
    ]
    assert remote.streams == host.streams == ()


def test_a_frame_that_comes_twice_is_taken_once() -> None:
    remote, host = pair()
    remote.open(GET)
    frame = remote.pull()
    assert frame is not None
    assert len(host.receive(frame, 0)) == 1
    assert host.receive(frame, 0) == []


def test_a_gap_ends_the_link() -> None:
    remote, host = pair()
    remote.open(GET)
    remote.open(GET)
    remote.pull()
    second = remote.pull()
    assert second is not None
    with pytest.raises(GapInFrames):
        host.receive(second, 0)


def test_after_eight_frames_an_acknowledgement_goes_out_by_itself() -> None:
    remote, host, stream = asked()
    for _ in range(7):
        remote.send(stream, b"x")
    carry(remote, host)
    carry(host, remote)
    assert remote.oldest == remote.tx


def test_fewer_frames_are_acknowledged_when_the_caller_asks() -> None:
    remote, host, _ = asked()
    assert host.ack_due
    assert host.pull() is None
    host.acknowledge()
    carry(host, remote)
    assert remote.oldest == remote.tx
    assert not host.ack_due


def test_data_beyond_the_stream_window_is_not_sent() -> None:
    remote, _, stream = asked()
    assert remote.writable(stream) == LIMITS.stream_window
    with pytest.raises(WindowExceeded):
        remote.send(stream, bytes(LIMITS.stream_window + 1))


@pytest.mark.parametrize(("streams", "each"), [(1, 40_001), (3, 39_000)])
def test_data_beyond_a_window_ends_the_session(streams: int, each: int) -> None:
    generous = Limits(stream_window=1 << 20, session_window=1 << 20, kept=1 << 20)
    remote, host = Session(host=False, limits=generous), Session(host=True, limits=LIMITS)
    remote.attach(0)
    host.attach(0)
    for stream in [remote.open(GET) for _ in range(streams)]:
        remote.send(stream, bytes(each))
    with pytest.raises(WindowExceeded):
        carry(remote, host)


def test_what_is_taken_is_granted_again() -> None:
    remote, host, stream = asked()
    for _ in range(20):
        remote.send(stream, bytes(20_000))
        heard = carry(remote, host)
        host.consume(stream, sum(len(event.data) for event in heard if isinstance(event, events.Data)))
        host.acknowledge()
        carry(host, remote)
        assert remote.writable(stream) == LIMITS.stream_window


def test_an_application_that_does_not_read_stops_its_stream_only() -> None:
    remote, host, stream = asked()
    remote.send(stream, bytes(LIMITS.stream_window))
    other = remote.open(GET)
    carry(remote, host)
    host.acknowledge()
    carry(host, remote)
    assert remote.writable(stream) == 0
    assert remote.writable(other) == LIMITS.stream_window


@pytest.mark.parametrize("end", ["reset here", "reset there", "ended"])
def test_bytes_of_a_stream_that_is_gone_are_granted_again_exactly_once(end: str) -> None:
    remote, host = pair()
    for _ in range(30):
        stream = remote.open(GET)
        remote.send(stream, bytes(30_000))
        carry(remote, host)
        if end == "reset here":
            host.reset(stream)
        elif end == "reset there":
            remote.reset(stream)
        else:
            remote.end(stream)
            host.answer(stream, Answer(200))
            host.end(stream)
        carry(remote, host, now=1e9)
        host.consume(stream, 30_000)
        host.consume(stream, 30_000)
        host.acknowledge()
        carry(host, remote)
    assert 50_000 < remote._may_send <= LIMITS.session_window


def test_data_under_way_to_a_stream_that_was_reset_is_dropped_and_granted_again() -> None:
    remote, host, stream = asked()
    host.reset(stream)
    for _ in range(2):
        remote.send(stream, bytes(20_000))
    assert carry(remote, host) == []
    carry(host, remote)
    assert remote.streams == ()
    assert host._may_come + host._taken == LIMITS.session_window


def test_a_stream_too_many_is_refused_on_both_sides() -> None:
    remote, host = pair()
    for _ in range(LIMITS.streams):
        remote.open(GET)
    with pytest.raises(TooManyStreams):
        remote.open(GET)
    carry(remote, host)
    frame = Frame(Kind.HEADERS, 2 * LIMITS.streams + 1, remote.tx, 0, GET.encode()).encode()
    with pytest.raises(TooManyStreams):
        host.receive(frame, 0)


def test_streams_opened_too_fast_end_the_session() -> None:
    remote, host = pair()

    def storm() -> None:
        for _ in range(100):
            stream = remote.open(GET)
            remote.reset(stream)
            carry(remote, host, now=0.0)

    with pytest.raises(TooManyStreams):
        storm()


def test_rapid_reset_ends_the_session() -> None:
    limits = Limits(open_burst=1000)
    remote, host = pair(limits)

    def storm() -> None:
        for _ in range(200):
            remote.reset(remote.open(GET))
            carry(remote, host, now=0.0)
            host.acknowledge()
            carry(host, remote)

    with pytest.raises(ResetTooOften):
        storm()


@pytest.mark.parametrize(
    "frame",
    [
        Frame(Kind.HEADERS, 2, 0, 0, GET.encode()),
        Frame(Kind.HEADERS, 5, 0, 0, GET.encode()),
        Frame(Kind.DATA, 1, 0, 0, b"x"),
        Frame(Kind.END, 1, 0, 0),
        Frame(Kind.RESET, 1, 0, 0, b"\0\1"),
        Frame(Kind.WINDOW, 1, 0, 0, b"\0\0\0\1"),
    ],
)
def test_a_stream_that_was_never_opened_has_nothing_to_say(frame: Frame) -> None:
    _, host = pair()
    with pytest.raises(StreamMisused):
        host.receive(frame.encode(), 0)


@pytest.mark.parametrize(
    "again",
    [
        lambda remote, stream: remote._keep(Kind.END, stream, b""),
        lambda remote, stream: remote._keep(Kind.DATA, stream, b"x"),
        lambda remote, stream: remote._keep(Kind.HEADERS, stream, GET.encode()),
    ],
)
def test_after_its_end_a_body_does_not_go_on(again: Callable[[Session, int], None]) -> None:
    remote, host, stream = asked()
    remote.end(stream)
    again(remote, stream)
    with pytest.raises(StreamMisused):
        carry(remote, host)


def test_the_host_opens_no_streams() -> None:
    _, host = pair()
    with pytest.raises(StreamMisused):
        host.open(GET)


def test_an_acknowledgement_of_what_was_never_sent_is_refused() -> None:
    _, host = pair()
    with pytest.raises(FrameMalformed):
        host.receive(Frame(Kind.ACK, 0, UNNUMBERED, 1).encode(), 0)


@pytest.mark.parametrize("rx", [0, 3])
def test_a_peer_that_forgot_or_invents_cannot_resume(rx: int) -> None:
    remote, host = pair()
    remote.open(GET)
    carry(remote, host)
    host.acknowledge()
    carry(host, remote)
    remote.open(GET)
    remote.detach()
    assert not remote.can_resume(rx)
    with pytest.raises(PeerForgot):
        remote.attach(rx)


def test_a_peer_that_never_acknowledges_costs_a_bounded_number_of_frames() -> None:
    _, host, _ = asked()

    def ask_and_never_acknowledge() -> None:
        for number in range(10_000):
            frame = Frame(Kind.HEADERS, host.last_stream + 2, host.rx, 0, GET.encode())
            host.receive(frame.encode(), number)
            host.reset(host.last_stream)

    with pytest.raises(NeverAcknowledged):
        ask_and_never_acknowledge()
    assert len(host._kept) <= 2 * LIMITS.kept_frames


def test_small_pieces_are_bounded_by_their_number_as_well() -> None:
    remote, host, stream = asked()
    sent = 0
    while remote.writable(stream):
        remote.send(stream, b"x")
        sent += 1
    assert sent < LIMITS.kept_frames
    carry(remote, host)
    host.acknowledge()
    assert events.Writable(0) in carry(host, remote)
    assert remote.writable(stream)


def test_goodbye_is_said_once_and_ends_new_requests() -> None:
    remote, host, stream = asked()
    host.go_away(7)
    host.go_away(7)
    assert carry(host, remote) == [events.GoneAway(stream, 7)]
    with pytest.raises(StreamMisused):
        remote.open(GET)


def test_a_ping_is_answered_and_lost_with_its_link() -> None:
    remote, host = pair()
    remote.ping(b"12345678")
    carry(remote, host)
    assert carry(host, remote) == [events.Ponged(b"12345678")]
    remote.ping(b"12345678")
    remote.detach()
    remote.attach(0)
    assert remote.pull() is None


def test_a_reset_says_why() -> None:
    remote, host, stream = asked()
    remote.reset(stream)
    assert carry(remote, host) == [events.WasReset(stream, CANCELLED)]
    host.answer(stream, Answer(200))
    host.send(stream, b"too late")
    host.end(stream)
    assert host.pull() is None


def test_errors_carry_no_content() -> None:
    assert str(WindowExceeded()) == "WindowExceeded"
    assert issubclass(WindowExceeded, ProtocolError)


def test_a_bucket_fills_with_time_and_not_beyond_its_brim() -> None:
    bucket = Bucket(2, 3)
    assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]
    assert bucket.take(0.5)
    assert not bucket.take(0.4)
    assert [bucket.take(100) for _ in range(4)] == [True, True, True, False]
