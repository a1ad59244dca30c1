"""A real broker, and both ends of the relay in this process, with the stand-in as Codex's backend."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from connections.catalogue import Model
from connections.errors import AccessError, Unavailable, UsageLimitReached
from connections.responses import Picture, TextDelta, Turn
from relay.account.keys import flows
from relay.account.vault import Keys
from relay.client.path import RelayPath
from relay.client.service import RelayClient
from relay.errors import HostLeft
from relay.host.adapter import django_under
from relay.host.offer import Offer
from relay.host.service import Reason, RelayHost
from relay.host.turns import Turns
from relay.link.link import Link, Timing
from relay.member import Member
from relay.protocol.session import Session
from tests.chat import files
from tests.relay.broker.desk import Desk, Person
from tests.relay.host.house import URLCONF, ask, codex
from tests.relay.keys.conftest import cheap_suites
from tests.relay.link.wire import soon
from tests.serving import SLACK, BrokerProcess
from tests.upstream import RESPONSES, Account, Gate, Point, Reply, Upstream

TIMING = Timing(first_pause=0.05, longest_pause=0.3)


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    with BrokerProcess() as running:
        yield running


@pytest.fixture(autouse=True)
def cheap() -> Iterator[None]:
    with cheap_suites():
        yield


@pytest.fixture
def up() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def ada(up: Upstream, tmp_path: Path) -> Account:
    return up.sign_in(tmp_path / "codex")


@dataclass
class Ends:
    """The Mac and the other computer."""

    person: Person
    host: RelayHost
    client: RelayClient
    turns: Turns
    paths: dict[str, RelayPath]
    members: dict[str, Member | None]
    models: list[Model]
    #: Of the Mac, then of the other computer.
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def path(self) -> RelayPath:
        return next(iter(self.paths.values()))

    async def ready(self) -> RelayPath:
        await soon(lambda: self.paths and self.path.status().ready)
        return self.path

    def remove_phone(self) -> None:
        """The owner removes the other computer, from the Mac."""
        mac, phone = self.members["mac"], self.members["phone"]
        assert mac is not None
        assert phone is not None
        token, before = self.person.unlock()
        changed = flows.revoke_devices(before, [phone.keys.device.id])
        assert self.person.desk.update(changed.update, token).status_code == 200
        keys = Keys(mac.keys.device, changed.after.workspace, changed.after.known)
        self.members["mac"] = replace(mac, keys=keys, log=changed.after.log)
        self.host.refresh()

    def cut(self) -> None:
        """Both links break, without a word."""
        assert self.host._served is not None
        assert self.client._linked is not None
        for link in (self.host._served.link, self.client._linked.link):
            socket: Any = link._socket
            if socket is not None:
                socket.transport.abort()


async def text(path: RelayPath, came: list[str] | None = None) -> str:
    came = [] if came is None else came
    async with asyncio.timeout(120), aclosing(path.answer(ask())) as events:
        async for event in events:
            came += [event.text] if isinstance(event, TextDelta) else []
    return "".join(came)


@asynccontextmanager
async def ends(broker: BrokerProcess, up: Upstream, home: Path, *, plan: str = "pro") -> AsyncIterator[Ends]:
    broker.forget_limits()
    person = await asyncio.to_thread(Desk(broker).create)
    joined = await asyncio.to_thread(person.join, "Laptop")
    broker.sql("UPDATE broker_account SET plan_id = ?", plan)
    after = joined.after
    address = person.desk.address
    members: dict[str, Member | None] = {
        name: Member(address, person.account, Keys(keys, after.workspace, after.known), after.log)
        for name, keys in (("mac", person.device), ("phone", joined.device))
    }
    local = codex(home, up)
    models = [model for model in (await local.models()).models if model.slug == "gpt-5.5"]

    async def enabled() -> Sequence[Model]:
        return models

    paths: dict[str, RelayPath] = {}
    turns = Turns(local)
    host = RelayHost(
        Offer(local, turns, enabled),
        django_under(URLCONF),
        lambda: members["mac"],
        why_not=lambda: None if models else Reason.NO_MODEL,
        timing=TIMING,
    )
    client = RelayClient(
        lambda: members["phone"],
        lambda device: "Ada’s Mac",
        lambda path: paths.__setitem__(path.key, path),
        paths.__delitem__,
        timing=TIMING,
    )
    made = Ends(person, host, client, turns, paths, members, models)
    host.switch(on=True)
    running = made.tasks = [asyncio.create_task(host.run()), asyncio.create_task(client.run())]
    try:
        yield made
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await local.aclose()


async def test_models_are_listed_an_answer_streams_and_no_token_crosses(
    broker: BrokerProcess, up: Upstream, ada: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crossed: list[bytes] = []
    from_host: list[bytes] = []
    _tap(monkeypatch, crossed, from_host)
    async with ends(broker, up, tmp_path / "codex") as both:
        path = await both.ready()
        assert path.label == "Codex Relay · Ada’s Mac"
        assert [model.slug for model in (await path.models()).models] == ["gpt-5.5"]
        up.reply(Reply(chunks=["Grüße", ", ", "日本", " 🌿"]))
        assert await text(path) == "Grüße, 日本 🌿"
        assert path.usage is not None
        assert path.usage.plan == "plus"
    (asked,) = up.to(RESPONSES)
    assert asked.headers["authorization"] == f"Bearer {ada.access_token}"
    assert len(up.to(RESPONSES)) == 1
    kept = json.loads((tmp_path / "codex/auth.json").read_text())["tokens"].values()
    secrets = [token.encode() for token in kept if isinstance(token, str)]
    assert len(secrets) >= 3
    assert len(from_host) > 5
    for secret in [*secrets, ada.access_token.encode(), b"Bearer", b"chatgpt-account"]:
        assert not any(secret in said for said in from_host)
        assert not any(secret in said for said in crossed)
    assert any("日本".encode() in said or b"\\u65e5" in said for said in from_host)
    assert not any(b"\\u65e5" in said or "日本".encode() in said for said in crossed)


async def test_a_picture_goes_through_as_it_is_and_unseen(
    broker: BrokerProcess, up: Upstream, ada: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crossed: list[bytes] = []
    _tap(monkeypatch, crossed, [])
    data = base64.b64encode(files.photo(900, 600, noise=True)).decode()
    asked = replace(ask(), turns=(Turn("user", "What is it?", (), (Picture("image/jpeg", data),)),))
    async with ends(broker, up, tmp_path / "codex") as both:
        path = await both.ready()
        async with asyncio.timeout(120), aclosing(path.answer(asked)) as events:
            assert [event async for event in events]
    (sent,) = up.to(RESPONSES)
    question: Any = sent.data["input"]
    assert question[-1]["content"][0] == {"type": "input_image", "image_url": f"data:image/jpeg;base64,{data}"}
    assert sum(map(len, crossed)) > len(data)
    assert not any(data[100:140].encode() in said for said in crossed)


def _tap(monkeypatch: pytest.MonkeyPatch, crossed: list[bytes], plain: list[bytes]) -> None:
    """Listen to what links send, and to what sessions of both ends say before it is encrypted."""
    send, keep = Link.send, Session._keep

    async def sending(self: Link, message: Any) -> None:
        crossed.append(message.encode())
        await send(self, message)

    def keeping(self: Session, kind: Any, stream: int, payload: bytes) -> None:
        plain.append(payload)
        keep(self, kind, stream, payload)

    monkeypatch.setattr(Link, "send", sending)
    monkeypatch.setattr(Session, "_keep", keeping)


async def test_stop_ends_the_request_to_openai_within_a_second(
    broker: BrokerProcess, up: Upstream, ada: Account, tmp_path: Path
) -> None:
    gate = up.gate(Point.DELTA)
    async with ends(broker, up, tmp_path / "codex") as both:
        path = await both.ready()
        reading = asyncio.create_task(text(path))
        await soon(lambda: gate.held)
        begun = time.monotonic()
        reading.cancel()
        await soon(lambda: not gate.held)
        assert time.monotonic() - begun < 1 + SLACK
        gate.open()
        assert await text(path)


async def test_a_cut_of_both_links_in_mid_answer_loses_nothing_and_openai_is_asked_once(
    broker: BrokerProcess, up: Upstream, ada: Account, tmp_path: Path
) -> None:
    chunks = [f"word {number} " for number in range(60)]
    gate = Gate(Point.DELTA)
    up.reply(Reply(chunks=chunks, gate=gate))
    async with ends(broker, up, tmp_path / "codex") as both:
        path = await both.ready()
        came: list[str] = []
        reading = asyncio.create_task(text(path, came))
        for _ in range(3):
            before = len(came)
            gate.step(10)
            await soon(lambda: len(came) > before)  # noqa: B023
            both.cut()
            gate.step(5)
            await soon(lambda: both.host.state.reason is not Reason.READY)
            await soon(lambda: both.host.state.reason is Reason.READY)
            both.client.wake()  # as after a change of network: else it tries again by itself, each time a little later
        gate.open()
        assert await reading == "".join(chunks)
    assert len(up.to(RESPONSES)) == 1
    assert up.turns == 1


async def test_a_broker_that_is_killed_in_mid_answer_loses_nothing(up: Upstream, ada: Account, tmp_path: Path) -> None:
    gate = Gate(Point.DELTA)
    up.reply(Reply(chunks=["one ", "two ", "three"], gate=gate))
    with BrokerProcess() as broker:
        async with ends(broker, up, tmp_path / "codex") as both:
            path = await both.ready()
            came: list[str] = []
            reading = asyncio.create_task(text(path, came))
            gate.step()
            await soon(lambda: came)
            port = broker.port
            broker.kill()
            await soon(lambda: not path.status().ready)
            gate.open()  # the turn goes on without anybody
            await soon(lambda: not both.turns.running)
            broker.command[broker.command.index("--port") + 1] = str(port)
            await asyncio.to_thread(broker.start)
            assert await reading == "one two three"
    assert len(up.to(RESPONSES)) == 1


async def test_a_usage_limit_arrives_as_itself(
    broker: BrokerProcess, up: Upstream, ada: Account, tmp_path: Path
) -> None:
    async with ends(broker, up, tmp_path / "codex") as both:
        path = await both.ready()
        up.set_usage(primary_percent=100, primary_resets_in=600)
        with pytest.raises(UsageLimitReached) as raised:
            await text(path)
        assert raised.value.until is not None
        await soon(lambda: not path.status().ready)
        assert path.status().until == raised.value.until
        assert "on line, but cannot answer" in path.status().sentence


async def test_switching_off_ends_everything_within_two_seconds_and_says_so(
    broker: BrokerProcess, up: Upstream, ada: Account, tmp_path: Path
) -> None:
    gate = up.gate(Point.DELTA)
    async with ends(broker, up, tmp_path / "codex") as both:
        path = await both.ready()
        assert both.host.state.reason is Reason.READY
        reading = asyncio.create_task(text(path))
        await soon(lambda: gate.held)
        begun = time.monotonic()
        both.host.switch(on=False)
        with pytest.raises(AccessError):
            await reading
        await soon(lambda: not gate.held and both.host.state.reason is Reason.OFF)
        assert time.monotonic() - begun < 2 + SLACK
        await soon(lambda: not path.status().ready)
        with pytest.raises(Unavailable):
            await text(path)
        both.host.switch(on=True)
        gate.open()
        both.client.wake()
        assert await text(await both.ready())


async def test_a_device_that_was_removed_is_out_within_two_seconds(
    broker: BrokerProcess, up: Upstream, ada: Account, tmp_path: Path
) -> None:
    gate = up.gate(Point.DELTA)
    async with ends(broker, up, tmp_path / "codex") as both:
        path = await both.ready()
        reading = asyncio.create_task(text(path))
        await soon(lambda: gate.held)
        await asyncio.to_thread(both.remove_phone)
        begun = time.monotonic()
        both.host.refresh()
        with pytest.raises((HostLeft, AccessError)):
            await reading
        await soon(lambda: not gate.held)
        assert time.monotonic() - begun < 2 + SLACK
        await soon(lambda: both.host.state.remotes == frozenset())
        await soon(lambda: not path.status().ready)
        with pytest.raises(Unavailable):
            await text(path)
    assert len(up.to(RESPONSES)) == 1


async def test_another_account_at_the_same_broker_gets_nowhere(
    broker: BrokerProcess, up: Upstream, ada: Account, tmp_path: Path
) -> None:
    async with ends(broker, up, tmp_path / "codex") as both:
        await both.ready()
        stranger = await asyncio.to_thread(Desk(broker).create)
        broker.sql("UPDATE broker_account SET plan_id = 'pro'")
        mac = both.members["mac"]
        assert mac is not None
        # It has its own keys and account, and asks for Ada's Mac by its id.
        own = Keys(stranger.device, stranger.created.after.workspace, stranger.created.after.known)
        forged = replace(mac, account=stranger.account, keys=own)
        object.__setattr__(forged, "check", lambda role: None)
        found: list[RelayPath] = []
        client = RelayClient(lambda: forged, lambda device: "Theirs", found.append, lambda key: None, timing=TIMING)
        running = asyncio.create_task(client.run())
        try:
            await soon(lambda: found)
            await soon(lambda: "not on line" in found[0].status().sentence)
            with pytest.raises(Unavailable):
                await text(found[0])
            assert len(both.host.state.remotes) <= 1
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    assert up.to(RESPONSES) == []


async def test_the_end_of_the_plan_ends_the_relay_with_its_reason(
    broker: BrokerProcess, up: Upstream, ada: Account, tmp_path: Path
) -> None:
    async with ends(broker, up, tmp_path / "codex") as both:
        path = await both.ready()
        broker.sql("UPDATE broker_account SET plan_id = 'free'")
        await soon(lambda: both.host.state.reason is Reason.NO_PLAN)
        await soon(lambda: "plan has no Codex Relay" in path.status().sentence)
        assert not both.host.state.on


async def test_without_a_model_or_an_account_it_stays_off_with_its_reason(
    broker: BrokerProcess, up: Upstream, ada: Account, tmp_path: Path
) -> None:
    async with ends(broker, up, tmp_path / "codex") as both:
        await both.ready()
        model = both.models.pop()
        both.host.refresh()
        await soon(lambda: both.host.state.reason is Reason.NO_MODEL)
        both.models.append(model)
        both.members["mac"] = None
        both.host.refresh()
        await soon(lambda: both.host.state.reason is Reason.SIGNED_OUT)
        assert not both.host.state.on
        both.members["phone"] = None
        both.client.refresh()
        await soon(lambda: not both.paths)
