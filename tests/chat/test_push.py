"""Event streams of one browser share its few connections."""

import asyncio
from collections.abc import AsyncGenerator

from django.test import RequestFactory

from connections import push
from connections.push import AGAIN, SEATS, WAITING, message, partial, stream, take_turns


async def endless() -> AsyncGenerator[bytes, None]:
    yield b"first"
    yield b"second"
    yield WAITING
    await asyncio.Event().wait()


async def test_streams_beyond_the_seats_end_once_the_page_is_up_to_date() -> None:
    seated = [take_turns(b"a", endless()) for _ in range(SEATS)]
    for each in seated:
        assert await anext(each) == b"first"
    assert [piece async for piece in take_turns(b"a", endless())] == [AGAIN, b"first", b"second"]
    other = take_turns(b"another browser", endless())
    assert await anext(other) == b"first"
    await seated.pop().aclose()
    late = take_turns(b"a", endless())
    assert await anext(late) == b"first"
    for each in (*seated, other, late):
        await each.aclose()
    assert not push._seated


def test_a_stream_is_an_event_stream_that_no_proxy_holds_back() -> None:
    response = stream(RequestFactory().get("/events/"), endless())
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["X-Accel-Buffering"] == "no"


def test_an_event_keeps_its_lines_and_carries_its_position() -> None:
    assert message("a\nb", "7.1") == b"id: 7.1\ndata: a\ndata: b\n\n"
    assert message("a\r\nb\rc") == b"data: a\ndata: b\ndata: c\n\n"


def test_a_target_cannot_break_out_of_its_attribute() -> None:
    assert partial('#a" onload="x', "") == (
        '<hx-partial hx-target="#a&quot; onload=&quot;x" hx-swap="innerMorph"></hx-partial>'
    )
