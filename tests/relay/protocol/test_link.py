"""The messages around a route: one form each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol import link
from relay.protocol.errors import FrameMalformed
from relay.protocol.link import Code, Credit, Message, Type, decode

OF_LINK = {Type.HELLO, Type.AUTH, Type.READY, Type.PING, Type.PONG, Type.EVENT}


def messages() -> st.SearchStrategy[Message]:
    def of(kind: Type) -> st.SearchStrategy[Message]:
        length = link._LENGTH.get(kind)
        body = st.binary(max_size=300) if length is None else st.binary(min_size=length, max_size=length)
        route = st.just(0) if kind in OF_LINK else st.integers(1, 2**32 - 1)
        return st.builds(Message, st.just(kind), route, body)

    return st.sampled_from(Type).flatmap(of)


@given(messages())
def test_a_message_is_read_as_it_was_written(message: Message) -> None:
    assert decode(message.encode()) == message


@given(st.binary(max_size=200))
def test_whatever_is_read_would_be_written_just_so(data: bytes) -> None:
    try:
        message = decode(data)
    except FrameMalformed:
        return
    assert message.encode() == data


def test_a_message_of_32_769_bytes_is_refused() -> None:
    assert len(Message(Type.DATA, 1, bytes(link.MAX_DATA)).encode()) == 32_768
    with pytest.raises(FrameMalformed):
        Message(Type.DATA, 1, bytes(link.MAX_DATA + 1)).encode()
    with pytest.raises(FrameMalformed):
        decode(b"\x20\0\0\0\0\1" + bytes(link.MAX_DATA + 1))


def test_a_whole_encrypted_frame_fits_into_one_message() -> None:
    assert link.MAX_DATA >= 16 * 1024 + 32 + 16


@pytest.mark.parametrize("message", [Message(Type.DATA, 0, b"x"), Message(Type.PING, 1, bytes(8))])
def test_a_route_is_named_where_there_is_one_and_only_there(message: Message) -> None:
    with pytest.raises(FrameMalformed):
        decode(message.encode())


@given(st.text(max_size=300), st.sampled_from(Code))
def test_a_reason_is_cut_between_two_characters(reason: str, code: Code) -> None:
    text = reason.encode("utf-8", "replace").decode()
    message = link.close(3, code, text)
    read, shown = link.read_close(message.payload)
    assert read == code
    assert text.startswith(shown)
    assert len(shown.encode()) <= link.MAX_REASON


@pytest.mark.parametrize("payload", [b"", b"\0", bytes(123)])
def test_a_close_of_another_form_is_refused(payload: bytes) -> None:
    with pytest.raises(FrameMalformed):
        link.read_close(payload)


@pytest.mark.parametrize("payload", [b"", b"[]", b"\xff", b"[" * 5000, b"1"])
def test_an_event_is_an_object(payload: bytes) -> None:
    with pytest.raises(FrameMalformed):
        link.read_event(payload)
    assert link.read_event(link.event({"kind": "plan"}).payload) == {"kind": "plan"}


def test_credit_is_spent_whole_or_not_at_all() -> None:
    credit = Credit(10)
    assert credit.spend(10)
    assert not credit.spend(1)
    credit.grant(3)
    assert not credit.spend(4)
    assert credit.left == 3


@pytest.mark.parametrize("count", [0, link.MOST_CREDIT])
def test_credit_that_no_receiver_has_is_refused(count: int) -> None:
    with pytest.raises(FrameMalformed):
        Credit().grant(count)
