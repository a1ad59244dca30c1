"""The test bed of the relay: two real Lerix with one account, a real broker between them, and a device of our own."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx

from benchmarks.bed import OWN, Bed, Served
from connections.secrets import Secret
from relay.account.keys import flows, password
from relay.account.keys.device import EVERY_ROLE, Role
from relay.account.keys.flows import Joined
from relay.api.messages import Login, Prelogin
from relay.api.states import Opened
from relay.client.transport import RelayTransport
from relay.link.link import Identity, Link, Phase
from relay.link.remote import Remote, Terms
from relay.protocol.link import Message
from relay.protocol.route import Log
from tests.relay.broker.desk import Desk
from tests.serving import BrokerProcess, LerixProcess

EMAIL: Final = "ada@example.com"
PASSWORD: Final = "quiet harbour lantern moss"  # noqa: S105 - of an account that lives as long as this process
SETTLE_SECONDS: Final = 60.0
_KEY: Final = re.compile(r"LRX1(?:-[0-9A-HJKMNP-TV-Z]{4}){9}")
_GROUP: Final = re.compile(r'name="group-(\d+)"')


class RelayBed:
    """The Mac with a Codex session and the relay on, the laptop that reaches it, and their broker; a context manager.

    `mac` is asked by its own path, `laptop` by Codex Relay.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="lerix-relay-benchmark-")))
        self.broker = BrokerProcess(folder / "broker")
        self._laptop_home = folder / "laptop" / "home"

    def __enter__(self) -> Self:
        try:
            self._stack.enter_context(self.broker)
            environment = {"LERIX_BROKER_URL": self.broker.url}
            self.mac = self._stack.enter_context(Bed(environment))
            self._laptop_home.parent.mkdir()
            # No Codex there, neither a session nor the CLI.
            environment["PATH"] = os.path.dirname(sys.executable)  # noqa: PTH120 - see Bed
            laptop = self._stack.enter_context(LerixProcess(self._laptop_home, environment))
            try:
                self._join(laptop)
            except Exception as error:
                for each in (self.mac.lerix, laptop, self.broker):
                    error.add_note(each.stderr[-4000:])
                raise
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _join(self, laptop: LerixProcess) -> None:
        """Create the account on the Mac, switch its relay on, and sign the laptop in."""
        with _page(self.mac) as client:
            _create(client, self.broker)
        self.broker.run("broker", "plan", EMAIL, "pro").check_returncode()
        # A Lerix that has just started asks for the plan at once.
        self.mac.restart()
        with _page(self.mac) as client:
            _until(
                lambda: "On line" in client.post("/settings/relay/switch/", data={"enabled": "on"}).text,
                "the relay of the Mac did not come on line",
            )
        # The one device that the account has so far.
        ((account, host),) = self.broker.sql("SELECT account_id, device FROM broker_device")
        self.account, self.host = bytes.fromhex(account), bytes.fromhex(host)
        self.laptop = Served(laptop, f"relay-{host}")
        with laptop.client() as client:
            self.laptop.enter(client)
        with _page(self.laptop) as client:
            form = {"email": EMAIL, "password": PASSWORD, "name": "Laptop"}
            _moved(client.post("/settings/account/sign-in/", data=form))
            _until(
                lambda: " is on line." in client.get("/settings/connections/").text, "the laptop did not reach the Mac"
            )

    def join(self) -> Joined:
        """Another device joins the account; it lives in this process."""
        desk = Desk(self.broker)
        prelogin = Prelogin.from_json(desk.post("prelogin", {"email": EMAIL}).json())
        keys = password.stretch(Secret(PASSWORD), EMAIL, suite=prelogin.suite, salt=prelogin.salt)
        opened = Opened.from_json(desk.post("login", Login(EMAIL, keys.auth).to_json()).json())
        before = flows.unlock(opened.copy, opened.entries, keys, account=self.account)
        joined = flows.add_device(before, "Benchmark", EVERY_ROLE)
        desk.update(joined.update, opened.unlock).raise_for_status()
        return joined


def _page(served: Served) -> httpx.Client:
    """A browser that is signed in already."""
    headers = {**OWN, "cookie": served.cookie}
    return httpx.Client(base_url=served.lerix.url, headers=headers, timeout=30, trust_env=False)


def _create(client: httpx.Client, broker: BrokerProcess) -> None:
    """Create an account by the pages, as a person does."""
    form = {"email": EMAIL, "password": PASSWORD, "name": "Mac"}
    step = _moved(client.post("/settings/account/create/", data=form))
    _moved(client.post(step, data={"step": "code", "code": broker.code_to(EMAIL)}))
    found = _KEY.search(client.get(step).text)
    if found is None:
        raise RuntimeError("the recovery key is not on its page")
    groups = found[0].split("-")
    asked = {int(number) for number in _GROUP.findall(client.get(f"{step}check/").text)}
    _moved(client.post(f"{step}check/", data={f"group-{number}": groups[number] for number in asked}))


def _moved(answer: httpx.Response) -> str:
    if answer.status_code != 303:
        raise RuntimeError(f"{answer.request.url.path} was not taken: {answer.status_code}")
    return urlsplit(answer.headers["location"]).path


def _until(test: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + SETTLE_SECONDS
    while not test():
        if time.monotonic() > end:
            raise RuntimeError(otherwise)
        time.sleep(0.3)


@asynccontextmanager
async def reached(bed: RelayBed) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose requests a device in this process sends to the Mac: by its link, its route, its transport."""
    joined = await asyncio.to_thread(bed.join)
    own, log = joined.device, joined.after.log
    host = next(device for device in log.active if device.id == bed.host)
    boot: list[str] = []
    linked = asyncio.Event()

    async def handle(message: Message) -> None:
        remote.takes(message)

    def changed() -> None:
        if link.state.phase is Phase.READY:
            linked.set()
        else:
            remote.link_down(link.state.code)

    link = Link(Identity(bed.broker.url, bed.account, own, Role.REMOTE), handle, changed=changed)
    terms = Terms(
        account=bed.account,
        host=host.id,
        remote=own.id,
        epoch=log.epoch,
        host_key=host.public.agreement,
        static=own.agreement.reveal(),
        psk=joined.after.workspace.relay_psk(log.epoch).reveal(),
        log=Log(log.n, log.head),
    )
    remote = Remote(link, lambda: terms, numbers=itertools.count(1))
    transport = RelayTransport(remote, boot=lambda: boot[0] if boot else None)
    running: list[asyncio.Task[Any]] = [asyncio.create_task(link.run())]
    try:
        async with asyncio.timeout(SETTLE_SECONDS):
            await linked.wait()
            running.append(asyncio.create_task(remote.run()))
            await remote.ready()
        address = f"http://{host.id.hex()}.relay.invalid"
        async with httpx.AsyncClient(transport=transport, base_url=address, timeout=60) as client:
            boot.append((await client.get("/v1/state")).json()["boot"])
            yield client
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
