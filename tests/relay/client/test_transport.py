"""httpx over the relay: the same request twice is one turn, time-outs and ends are httpx's own."""

import asyncio
import contextlib

import httpx
import pytest

from connections.errors import ContextTooLong
from connections.responses import RequestForm, build_request
from relay.answers import MAX_BODY, MODELS, RESPONSES
from relay.client.transport import IDEM, RelayTransport
from relay.errors import HostLeft, HostSilent, HostUnreachable, OtherRequest, RequestUnknown
from relay.link.host import Incoming
from relay.link.streams import StreamEnded
from relay.protocol.headers import Answer
from relay.protocol.link import Code
from tests.relay.host.house import House, Obedient, ask, house
from tests.relay.link.wire import World, soon, world

BASE = "http://mac.relay.invalid"


def client(transport: RelayTransport, read: float = 10) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=transport, base_url=BASE, timeout=httpx.Timeout(5, read=read))


async def post(home: House, idem: str, text: str = "Hello") -> httpx.Response:
    headers, body = build_request(ask(text), RequestForm.PLATFORM)
    async with client(home.transport) as http:
        return await http.post(RESPONSES, json=body, headers={**headers, IDEM: idem})


async def test_the_same_request_twice_is_one_turn_and_another_one_is_refused() -> None:
    path = Obedient()
    async with house(path) as home:
        first, again = await post(home, "a" * 32), await post(home, "a" * 32)
        assert first.status_code == again.status_code == 200
        assert first.content == again.content
        assert b"Well." in first.content
        assert b"lerix-" not in first.content
        assert len(path.asked) == 1
        with pytest.raises(OtherRequest):
            await post(home, "a" * 32, "Something else")
        await post(home, "b" * 32)
        assert len(path.asked) == 2


async def test_the_same_request_at_the_same_time_is_one_turn() -> None:
    path = Obedient()
    path.script = ["a", ..., "b"]
    async with house(path) as home:
        both = [asyncio.ensure_future(post(home, "c" * 32)) for _ in range(2)]
        await soon(lambda: path.asked)
        path.go.set()
        one, two = await asyncio.gather(*both)
        assert one.content == two.content
        assert len(path.asked) == 1


async def test_headers_of_this_computer_stay_here() -> None:
    seen: list[Incoming] = []

    async def look(incoming: Incoming) -> None:
        seen.append(incoming)
        with contextlib.suppress(StreamEnded):
            incoming.streams.answer(incoming.stream, Answer(200))
            incoming.streams.end(incoming.stream)

    async with world(look) as made, client(RelayTransport(made.remote)) as http:
        forbidden = {"cookie": "a=b", "authorization": "Bearer planted", "x-any": "1", "host": "localhost"}
        await http.get("/v1/models?a=b", headers={**forbidden, "accept": "application/json"})
    (incoming,) = seen
    assert incoming.request.path == "/v1/models?a=b"
    assert incoming.request.headers == (("accept", "application/json"),)


async def test_what_the_host_does_not_know_is_its_own_error() -> None:
    async with house(Obedient()) as home, client(home.transport) as http:
        with pytest.raises(RequestUnknown):
            await http.get("/settings/connections/")
        assert (await http.get(MODELS)).json()["models"]


async def test_a_body_larger_than_any_may_be_is_not_sent() -> None:
    async with house(Obedient()) as home, client(home.transport) as http:
        before = home.made.sent
        with pytest.raises(ContextTooLong):
            await http.post(RESPONSES, content=bytes(MAX_BODY + 1))
        assert home.made.sent - before < 5


async def test_without_a_host_nothing_is_sent() -> None:
    async with house(Obedient()) as home, client(home.transport) as http:
        home.made.mac.down()
        home.made.host.link_down()
        await soon(lambda: home.made.remote.code == Code.NO_HOST)
        with pytest.raises(HostUnreachable):
            await http.get(MODELS)


async def silent(incoming: Incoming) -> None:
    with contextlib.suppress(StreamEnded):
        incoming.streams.answer(incoming.stream, Answer(200, (("content-type", "text/event-stream"),)))
        await incoming.streams.write(incoming.stream, b"data: 1\n\n")


async def read(http: httpx.AsyncClient, came: list[bytes]) -> None:
    async with http.stream("POST", RESPONSES, content=b"{}") as response:
        async for piece in response.aiter_bytes():
            came.append(piece)  # noqa: PERF401 - it ends with an error


async def test_a_host_that_falls_silent_is_a_read_time_out_and_is_told() -> None:
    came: list[bytes] = []
    async with world(silent) as made, client(RelayTransport(made.remote), read=1) as http:
        with pytest.raises(httpx.ReadTimeout):
            await read(http, came)
        await soon(lambda: made.given_up)
    assert came == [b"data: 1\n\n"]


async def away(made: World) -> None:
    made.mac.down()
    made.host.link_down()
    await soon(lambda: not made.remote.connected)


async def test_a_host_that_is_away_in_mid_answer_is_waited_for_as_long_as_was_said() -> None:
    came: list[bytes] = []
    async with world(silent) as made, client(RelayTransport(made.remote, patience=1.4), read=0.5) as http:
        reading = asyncio.ensure_future(read(http, came))
        await soon(lambda: came)
        begun = asyncio.get_running_loop().time()
        await away(made)
        with pytest.raises(HostSilent):
            await reading
        assert asyncio.get_running_loop().time() - begun > 1


@pytest.mark.parametrize("host_first", [False, True])
@pytest.mark.parametrize("code", [Code.REFUSED, Code.REVOKED, Code.NO_PLAN])
async def test_whoever_was_shut_out_in_mid_answer_does_not_wait_for_the_host(code: Code, host_first: bool) -> None:
    """Though it dials the host again at once, in vain, and may have lost it before."""
    came: list[bytes] = []
    async with (
        world(silent) as made,
        client(RelayTransport(made.remote, boot=lambda: "b" * 32), read=5) as http,
        asyncio.timeout(20),
    ):
        reading = asyncio.ensure_future(read(http, came))
        await soon(lambda: came)
        if host_first:
            await away(made)
        made.phone.down()
        made.remote.link_down(code)
        with pytest.raises(HostLeft):
            await reading
        assert made.remote.code == code


async def test_an_answer_of_no_host_of_ours_is_no_answer() -> None:
    async def strange(incoming: Incoming) -> None:
        with contextlib.suppress(StreamEnded):
            incoming.streams.answer(incoming.stream, Answer(500))
            await incoming.streams.write(incoming.stream, b"<html>")
            incoming.streams.end(incoming.stream)

    async with world(strange) as made, client(RelayTransport(made.remote)) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(MODELS)


async def test_a_get_over_a_lost_session_is_a_read_error() -> None:
    came: list[Incoming] = []

    async def never(incoming: Incoming) -> None:
        came.append(incoming)

    async with world(never) as made, client(RelayTransport(made.remote)) as http:
        asking = asyncio.ensure_future(http.get(MODELS))
        await soon(lambda: came)
        made.host._kept.clear()
        made.remote.link_down()
        with pytest.raises(httpx.ReadError):
            await asking


async def test_after_a_lost_session_it_asks_for_the_bytes_that_are_missing_and_for_no_others() -> None:
    asked: list[dict[str, str]] = []

    async def halves(incoming: Incoming) -> None:
        asked.append({**dict(incoming.request.headers), "idem": incoming.request.idem or ""})
        with contextlib.suppress(StreamEnded):
            incoming.streams.answer(incoming.stream, Answer(200, (("content-type", "text/event-stream"),)))
            if len(asked) == 1:
                said = b": lerix-queue 2\n\ndata: 1\n\n: lerix-usage {}\n\ndata: half of an ev"
                await incoming.streams.write(incoming.stream, said)
            else:
                await incoming.streams.write(incoming.stream, b"data: 2\n\n")
                incoming.streams.end(incoming.stream)

    came: list[bytes] = []
    told: list[tuple[str, object]] = []
    async with world(halves) as made:
        transport = RelayTransport(
            made.remote, boot=lambda: "b" * 32, told=lambda kind, value: told.append((kind, value))
        )
        async with client(transport) as http:
            reading = asyncio.ensure_future(read(http, came))
            await soon(lambda: len(told) == 2)
            made.host._kept.clear()
            made.remote.link_down()
            await reading
    assert b"".join(came) == b"data: 1\n\ndata: 2\n\n"
    assert told == [("queue", 2), ("usage", {})]
    assert [each["lerix-from"] for each in asked] == ["0", str(len(b"data: 1\n\n: lerix-usage {}\n\n"))]
    assert [each["lerix-boot"] for each in asked] == ["b" * 32] * 2
    assert asked[0]["idem"] == asked[1]["idem"]
