"""A broker that changes, replays, swaps and forges what passes: no session comes of it, and nothing is done twice."""

import asyncio
import contextlib
import gc
import random
import sys
from collections import Counter
from dataclasses import replace

import pytest

from relay.account.keys.primitives import agreement_public
from relay.link.host import Incoming
from relay.link.streams import StreamEnded
from relay.protocol.errors import HandshakeFailed, MessageForged
from relay.protocol.headers import Answer, Request
from relay.protocol.link import Code, Message, Type, close
from relay.protocol.noise import Initiator, Responder
from relay.protocol.route import Granted, HostRoute, RemoteRoute, State
from relay.protocol.session import Session
from relay.protocol.switch import HOST, REMOTE
from tests.relay.link.wire import PHONE, World, soon, whole
from tests.relay.proof.tampering import BadBroker, Nth, Tamper, bad_broker, flipped, honest
from tests.relay.protocol.simulation import DEVICE_KEY, HOST_KEY, LOG, PROLOGUE, PSK, public

GET = Request("GET", "/models")
TABLET, TABLET_KEY = bytes([12]) * 16, bytes([23]) * 32


class Served:
    """Answers each request with its body, and counts what was carried out."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.release = asyncio.Event()
        self.release.set()

    async def __call__(self, incoming: Incoming) -> None:
        with contextlib.suppress(StreamEnded):
            parts = []
            while data := await incoming.streams.read(incoming.stream):
                parts.append(data)
            self.done[incoming.request.idem or ""] += 1
            incoming.streams.answer(incoming.stream, Answer(200))
            for part in parts:
                await incoming.streams.write(incoming.stream, part)
            await self.release.wait()
            await incoming.streams.write(incoming.stream, b".")
            incoming.streams.end(incoming.stream)


async def ask(made: World, number: int, body: bytes) -> bytes:
    async with asyncio.timeout(20):
        return await whole(await made.remote.ask(Request("POST", "/responses", (), f"{number:032x}"), body))


def nothing_came_of_it(made: BadBroker) -> bool:
    """Whether neither side has a session or a route that could be one."""
    return not (made.host._kept or made.host.remotes or made.remote.connected or made.remote._streams)


def new_remote() -> RemoteRoute:
    return RemoteRoute(Initiator(static=DEVICE_KEY, host=public(HOST_KEY), psk=PSK, prologue=PROLOGUE), log=LOG)


def test_no_byte_of_the_first_message_can_be_changed_without_the_host_refusing_it() -> None:
    message = new_remote().first()
    for at in range(len(message)):
        host = HostRoute(Responder(static=HOST_KEY, prologue=PROLOGUE), log=LOG)
        with pytest.raises(HandshakeFailed):
            host.asked(flipped(message, at))
        assert (host.state, host.session, host.granted) == (State.OPENING, None, None)


def test_no_byte_of_the_second_message_can_be_changed_without_the_device_refusing_it() -> None:
    for at in range(48 + 1024):
        remote, host = new_remote(), HostRoute(Responder(static=HOST_KEY, prologue=PROLOGUE), log=LOG)
        host.asked(remote.first())
        message = host.grant(Granted(bytes(16), Session(host=True), resumed=False), PSK)
        with pytest.raises(HandshakeFailed):
            remote.receive(flipped(message, at), 0, lambda: Session(host=False))
        assert (remote.session, remote.session_id) == (None, None)


@pytest.mark.parametrize("role", [HOST, REMOTE])
async def test_a_broker_that_changes_the_handshake_gets_no_session_made(role: int) -> None:
    handshake = Nth(role, lambda number: True)

    def change(message: Message, reader: int) -> list[Message]:
        hit = handshake(message, reader)
        return [replace(message, payload=flipped(message.payload, handshake.count % 90))] if hit else [message]

    served = Served()
    async with bad_broker(served, change, connected=False) as made:
        for number in range(5):
            await soon(lambda: handshake.hits > number)  # noqa: B023
            made.remote.wake()
        await soon(lambda: made.remote.code == HandshakeFailed.code)
        assert nothing_came_of_it(made)
        made.tamper = honest
        made.remote.wake()
        await made.remote.ready()
        assert await ask(made, 1, b"hello") == b"hello."


async def test_a_broker_that_leads_to_another_host_is_found_out_before_anything_is_said() -> None:
    served = Served()
    async with bad_broker(served, connected=False) as made:
        # Whoever answers has the account's newest key, but is not who is meant: its static key is another one.
        made.notes.static = bytes([66]) * 32
        made.remote.wake()
        await soon(lambda: made.remote.code == HandshakeFailed.code)
        assert nothing_came_of_it(made)
        assert not served.done


@pytest.mark.parametrize("named", ["another device of the account", "nobody"])
async def test_a_broker_that_names_another_device_as_the_one_that_comes_is_refused(named: str) -> None:
    who = TABLET if named != "nobody" else bytes(16)

    def rename(message: Message, role: int) -> list[Message]:
        if message.type is Type.INCOMING:
            return [replace(message, payload=who + message.payload[16:])]
        return [message]

    async with bad_broker(Served(), rename, connected=False) as made:
        made.notes.keys[TABLET] = agreement_public(TABLET_KEY)
        await soon(lambda: made.remote.code == HandshakeFailed.code)
        assert nothing_came_of_it(made)


async def test_a_device_that_comes_under_the_name_of_another_one_is_refused() -> None:
    """The broker is in league with the tablet, which has the account's newest key and its own, and not the phone's."""
    async with bad_broker(Served(), connected=False) as made:
        made.notes.keys[TABLET] = agreement_public(TABLET_KEY)
        made.remote.link_down()
        made.terms = replace(made.terms, static=TABLET_KEY)
        made.remote.wake()
        await soon(lambda: made.remote.code == HandshakeFailed.code)
        assert nothing_came_of_it(made)


@pytest.mark.parametrize("epoch", [2, 4, 0xFFFFFFFF])
async def test_a_broker_that_names_another_epoch_gets_no_session_made(epoch: int) -> None:
    def change(message: Message, role: int) -> list[Message]:
        if message.type is Type.INCOMING:
            return [replace(message, payload=message.payload[:16] + epoch.to_bytes(4, "big"))]
        return [message]

    async with bad_broker(Served(), change, connected=False) as made:
        await soon(lambda: made.remote.code == Code.OTHER_EPOCH)
        assert nothing_came_of_it(made)


async def test_a_first_message_that_is_replayed_a_thousand_times_attaches_nothing_and_costs_no_memory() -> None:
    served = Served()
    async with bad_broker(served) as made:
        served.release.clear()
        reply = await made.remote.ask(Request("POST", "/responses", (), "1" * 32))
        first = made.data_for(HOST)[0]
        before = {session: kept.carrier for session, kept in made.host._kept.items()}
        incoming = PHONE + made.terms.epoch.to_bytes(4, "big")

        async def replay(number: int) -> None:
            answered = len(made.seen)
            await made.host.handle(Message(Type.INCOMING, number, incoming))
            await asyncio.sleep(0)
            await made.host.handle(Message(Type.DATA, number, first))
            # What follows it can only be made by who has the key.
            await made.host.handle(Message(Type.DATA, number, bytes(272)))
            await made.host.handle(close(number, Code.DONE))
            await soon(lambda: number not in made.host._carriers)
            del made.seen[answered:]

        for number in range(1000, 1100):
            await replay(number)
        gc.collect()
        blocks = sys.getallocatedblocks()
        for number in range(2000, 3000):
            await replay(number)
        gc.collect()
        # Not one thing is kept for each of them.
        assert sys.getallocatedblocks() - blocks < 500
        assert {session: kept.carrier for session, kept in made.host._kept.items()} == before
        assert (made.host._half_open, len(made.host._carriers)) == (0, 1)
        served.release.set()
        assert await whole(reply) == b"."
        assert served.done == {"1" * 32: 1}


async def test_first_messages_that_nobody_follows_up_are_held_in_a_small_number_only() -> None:
    async with bad_broker(Served()) as made:
        first = made.data_for(HOST)[0]
        refused: list[int] = []

        def count(message: Message, role: int) -> list[Message]:
            if message.type is Type.CLOSE and role == REMOTE:
                refused.append(message.route)
            return [message]

        made.tamper = count
        for number in range(1000, 1100):
            await made.host.handle(Message(Type.INCOMING, number, PHONE + made.terms.epoch.to_bytes(4, "big")))
            await asyncio.sleep(0)
            await made.host.handle(Message(Type.DATA, number, first))
        await soon(lambda: len(made.host._carriers) <= 1 + 8)
        assert made.host._half_open == 8
        assert await ask(made, 1, b"still there") == b"still there."


def lose(nth: Nth) -> Tamper:
    return lambda message, role: [] if nth(message, role) else [message]


def double(nth: Nth) -> Tamper:
    return lambda message, role: [message, message] if nth(message, role) else [message]


def delay(nth: Nth) -> Tamper:
    held: list[Message] = []

    def swap(message: Message, role: int) -> list[Message]:
        if nth(message, role):
            held.append(message)
            return []
        if message.type is Type.DATA and held and role == nth._role:
            return [message, held.pop()]
        return [message]

    return swap


def change(nth: Nth) -> Tamper:
    return lambda message, role: [
        replace(message, payload=flipped(message.payload, 7)) if nth(message, role) else message
    ]


@pytest.mark.parametrize("what", [lose, double, delay, change])
@pytest.mark.parametrize("role", [HOST, REMOTE])
async def test_messages_lost_doubled_swapped_or_changed_end_the_route_and_the_session_goes_on(
    what: object, role: int
) -> None:
    assert callable(what)
    chance = random.Random(role)  # not every so many: what is sent again comes in the same rhythm
    nth = Nth(role, lambda number: chance.random() < 0.1, handshakes=False)
    tamper = what(nth)
    served = Served()
    async with bad_broker(served) as made:
        sessions = set(made.host._kept)
        made.tamper = tamper
        bodies = [bytes([number]) * 50_000 for number in range(4)]

        async def nudge() -> None:
            while True:
                # What was lost last is missed when nothing follows it, as it is by the next sign of life.
                await asyncio.sleep(0.05)
                for streams in [made.remote._streams, *(kept.streams for kept in made.host._kept.values())]:
                    if streams is not None:
                        streams.session.ping(bytes(8))
                        streams._bell.set()

        nudging = asyncio.create_task(nudge())
        try:
            answers = await asyncio.gather(*(ask(made, number, body) for number, body in enumerate(bodies, 1)))
        finally:
            nudging.cancel()
            await asyncio.gather(nudging, return_exceptions=True)
        assert answers == [body + b"." for body in bodies]
        assert set(served.done.values()) == {1}
        assert len(served.done) == 4
        assert nth.hits >= 3
        assert len(made.peer_logs) >= 2, "no route was ended by it"
        assert set(made.host._kept) == sessions


async def test_what_the_broker_makes_up_after_the_handshake_ends_the_route_and_says_nothing_to_anybody() -> None:
    served = Served()
    async with bad_broker(served) as made:
        codes: list[int] = []
        made.remote._changed = lambda: codes.append(made.remote.code or 0)
        assert made.remote._carrier is not None
        route = next(iter(made.host_link.routes))
        await made.host.handle(Message(Type.DATA, route, bytes(272)))
        await soon(lambda: MessageForged.code in codes)
        await soon(lambda: made.remote.connected)
        assert not served.done
        assert await ask(made, 1, b"x") == b"x."


async def test_the_first_message_that_comes_at_once_after_its_announcement_is_heard() -> None:
    """A host that was busy for a moment finds both waiting, and takes them without a pause between."""
    async with bad_broker(Served()) as made:
        first = made.data_for(HOST)[0]
        answered = len(made.data_for(REMOTE))
        await made.host.handle(Message(Type.INCOMING, 9, PHONE + made.terms.epoch.to_bytes(4, "big")))
        await made.host.handle(Message(Type.DATA, 9, first))
        carrier = made.host._carriers.get(9)
        sent: list[Message] = []
        assert carrier is not None
        send = made.mac.send

        async def note(message: Message) -> None:
            sent.append(message)
            await send(message)

        made.mac.send = note  # type: ignore[method-assign]
        await soon(lambda: any(message.type is Type.DATA and message.route == 9 for message in sent))
        assert len(made.data_for(REMOTE)) == answered
