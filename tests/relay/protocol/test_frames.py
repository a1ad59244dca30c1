"""Frames and headers: one encoding each, and nothing else is taken."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol.errors import FrameMalformed, HeadersTooLarge
from relay.protocol.frames import FLEETING, MAX_PAYLOAD, SIZES, UNNUMBERED, Frame, Kind, decode
from relay.protocol.headers import MOST_HEADERS, Answer, Request, decode_answer, decode_request

IDEM = "0123456789abcdef" * 2
LENGTHS = {Kind.RESET: 2, Kind.WINDOW: 4, Kind.PING: 8, Kind.PONG: 8, Kind.GOAWAY: 6}


def frames() -> st.SearchStrategy[Frame]:
    def of(kind: Kind) -> st.SearchStrategy[Frame]:
        length = LENGTHS.get(kind, 0)
        free = kind in {Kind.HEADERS, Kind.DATA}
        return st.builds(
            Frame,
            st.just(kind),
            st.just(0) if kind in FLEETING or kind is Kind.GOAWAY else st.integers(1, 2**32 - 1),
            st.just(UNNUMBERED) if kind in FLEETING else st.integers(0, UNNUMBERED - 1),
            st.integers(0, UNNUMBERED - 1),
            st.binary(min_size=0 if free else length, max_size=5000 if free else length),
        )

    return st.sampled_from(Kind).flatmap(of)


@given(frames())
def test_a_frame_is_read_as_it_was_written_and_has_one_of_four_lengths(frame: Frame) -> None:
    data = frame.encode()
    assert len(data) in SIZES
    assert decode(data) == frame


@given(frames(), st.data())
def test_whatever_else_is_read_would_be_written_just_so(frame: Frame, data: st.DataObject) -> None:
    changed = bytearray(frame.encode())
    at = data.draw(st.integers(0, len(changed) - 1))
    changed[at] = data.draw(st.integers(0, 255))
    try:
        read = decode(bytes(changed))
    except FrameMalformed:
        return
    assert read.encode() == changed


@pytest.mark.parametrize("length", [0, 1, 255, 257, 16415, 16417, 32768])
def test_other_lengths_are_refused(length: int) -> None:
    with pytest.raises(FrameMalformed):
        decode(bytes(length))


def test_the_longest_payload_fits_and_one_more_byte_does_not() -> None:
    assert len(decode(Frame(Kind.DATA, 1, 0, 0, bytes(MAX_PAYLOAD)).encode()).payload) == MAX_PAYLOAD
    with pytest.raises(FrameMalformed):
        Frame(Kind.DATA, 1, 0, 0, bytes(MAX_PAYLOAD + 1)).encode()


def test_a_frame_does_not_show_its_content() -> None:
    assert "secret" not in repr(Frame(Kind.DATA, 1, 0, 0, b"secret"))


NAMES, VALUES = st.sampled_from(["accept", "hx-request"]), st.text(st.characters(min_codepoint=32, max_codepoint=126))


@given(st.lists(st.tuples(NAMES, VALUES), max_size=MOST_HEADERS))
def test_requests_and_answers_are_read_as_they_were_written(headers: list[tuple[str, str]]) -> None:
    request = Request("POST", "/path?query=1", tuple(headers), IDEM)
    answer = Answer(200, tuple(headers))
    assert decode_request(request.encode()) == request
    assert decode_answer(answer.encode()) == answer


@pytest.mark.parametrize(
    ("method", "path", "idem"),
    [
        ("post", "/", IDEM),
        ("POST", "/", None),
        ("GET", "/", IDEM),
        ("GET", "path", None),
        ("GET", "http://elsewhere/", None),
        ("GET", "//elsewhere/", None),
        ("GET", "/with blank", None),
        ("GET", "/line\nbreak", None),
        ("GET", "", None),
        ("POST", "/", IDEM.upper()),
        ("POST", "/", IDEM + "00"),
    ],
)
def test_requests_of_another_form_are_neither_sent_nor_taken(method: str, path: str, idem: str | None) -> None:
    with pytest.raises(FrameMalformed):
        Request(method, path, (), idem).encode()
    with pytest.raises(FrameMalformed):
        decode_request(json.dumps({"m": method, "p": path, "h": [], "i": idem}).encode())


@pytest.mark.parametrize("name", ["", "Upper", "with blank", "colon:", "new\nline", "a" * 129])
def test_header_names_are_lower_case_tokens(name: str) -> None:
    with pytest.raises(FrameMalformed):
        Answer(200, ((name, "value"),)).encode()


@pytest.mark.parametrize("value", ["new\nline", "carriage\r", "null\0", "€"])
def test_header_values_cannot_begin_another_header(value: str) -> None:
    with pytest.raises(FrameMalformed):
        Answer(200, (("name", value),)).encode()


def test_a_65th_header_is_refused() -> None:
    Answer(200, (("a", "b"),) * MOST_HEADERS).encode()
    with pytest.raises(HeadersTooLarge):
        Answer(200, (("a", "b"),) * (MOST_HEADERS + 1)).encode()


def test_headers_of_more_than_16_kib_are_refused() -> None:
    with pytest.raises(HeadersTooLarge):
        Answer(200, (("a", "b" * MAX_PAYLOAD),)).encode()


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b"\xff", b'{"s":200}', b'{"s":"200","h":[]}', b"[" * 9000])
def test_what_is_no_answer_is_refused(payload: bytes) -> None:
    with pytest.raises(FrameMalformed):
        decode_answer(payload)
