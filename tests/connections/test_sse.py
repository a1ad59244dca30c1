"""The event stream parser: bytes in, events out, whatever way they are cut."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.sse import (
    EventStreamError,
    EventStreamParser,
    EventTooLarge,
    InvalidEncoding,
    LineTooLong,
    ServerSentEvent,
)


def parse(*pieces: bytes, max_line: int = 1000, max_event: int = 1000) -> list[ServerSentEvent]:
    parser = EventStreamParser(max_line=max_line, max_event=max_event)
    events = [event for piece in pieces for event in parser.feed(piece)]
    parser.close()
    return events


def outcome(pieces: list[bytes]) -> tuple[list[ServerSentEvent], str]:
    """The events before the first error, and which error it was."""
    parser = EventStreamParser(max_line=40, max_event=60)
    events: list[ServerSentEvent] = []
    try:
        for piece in pieces:
            events += parser.feed(piece)
        parser.close()
    except EventStreamError as error:
        return events, type(error).__name__
    return events, ""


LINES = st.sampled_from(
    [
        *(
            b"data: a",
            b"data:  b",
            b"data",
            b"data:",
            b"event: x",
            b"id: 7",
            b"id: \0",
            b"retry: 10",
            b"retry: x",
        ),
        *(
            b": comment",
            b"unknown: y",
            b"",
            b"",
            b"\xef\xbb\xbfdata: bom",
            "data: ü€𝄞".encode(),
            b"data: \xff",
        ),
        *(b"data: " + b"z" * 30, b"data: " + b"z" * 50),
    ]
)
STREAMS = st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r", b"\r\n"])), max_size=20).map(
    lambda lines: b"".join(part for line in lines for part in line)
)


@given(STREAMS | st.binary(max_size=200), st.data())
def test_any_cutting_of_a_stream_gives_the_same_events_and_the_same_error(raw: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert outcome(pieces) == outcome([raw]) == outcome([bytes([byte]) for byte in raw])


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_each_line_end_of_the_standard_is_understood(end: bytes) -> None:
    raw = end.join([b"event: greeting", b"id: 1", b"data: one", b"data: two", b"", b"data: three", b"", b""])
    assert parse(raw) == [
        ServerSentEvent("greeting", "one\ntwo", "1"),
        ServerSentEvent("message", "three", "1"),
    ]


def test_comments_unknown_fields_and_the_byte_order_mark_are_passed_over() -> None:
    raw = b"\xef\xbb\xbf: hello\nnews: x\ndata:no space\n\n"
    assert parse(raw) == [ServerSentEvent("message", "no space")]


def test_a_reconnection_time_is_kept_only_when_it_is_a_number() -> None:
    assert parse(b"retry: 250\ndata: a\n\nretry: soon\ndata: b\n\n") == [
        ServerSentEvent("message", "a", "", 250),
        ServerSentEvent("message", "b"),
    ]


def test_an_event_without_data_or_without_its_blank_line_is_not_given() -> None:
    assert parse(b"event: ping\n\ndata: unfinished\n") == []


def test_a_character_may_be_split_between_pieces() -> None:
    raw = "data: 𝄞\n\n".encode()
    assert parse(*[bytes([byte]) for byte in raw]) == [ServerSentEvent("message", "𝄞")]


def test_bytes_that_are_not_utf8_are_an_error_after_the_events_before_them() -> None:
    parser = EventStreamParser()
    assert parser.feed(b"data: good\n\ndata: \xff\n\n") == [ServerSentEvent("message", "good")]
    with pytest.raises(InvalidEncoding):
        parser.feed(b"data: later\n\n")
    with pytest.raises(InvalidEncoding):
        parser.close()


def test_a_line_that_is_too_long_is_an_error_before_it_ends() -> None:
    with pytest.raises(LineTooLong):
        parse(b"data: " + b"x" * 1000)
    with pytest.raises(LineTooLong):
        parse(*[b"x"] * 1100)


def test_an_event_that_is_too_large_is_an_error() -> None:
    with pytest.raises(EventTooLarge):
        parse(*[b"data: " + b"x" * 90 + b"\n"] * 20)


def test_the_work_is_linear_in_the_bytes_however_small_the_pieces() -> None:
    def seconds(size: int) -> float:
        parser = EventStreamParser()
        began = time.process_time()
        for _ in range(size):
            parser.feed(b"x")
        for _ in range(size // 8):
            parser.feed(b"\ndata: a\r\n\r\n")
        return time.process_time() - began

    seconds(1000)
    # Quadratic work would take 64 times as long for 8 times the bytes.
    assert seconds(400_000) < 30 * max(seconds(50_000), 0.005)
