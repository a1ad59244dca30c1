"""A household of real processes: a broker, and two Lerix signed in to one account over lines of their own."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from tests.relay.broker.desk import PASSWORD, Desk, Person
from tests.relay.proof.lines import Line
from tests.serving import BrokerProcess, LerixProcess
from tests.upstream import RESPONSES, Account, Upstream

MODEL = "gpt-5.5"
#: Names of devices, which the broker never learns.
MAC, LAPTOP = "Ada’s studio computer", "Ada’s travelling laptop"


def until(test: Callable[[], Any], seconds: float = 60.0, what: str = "it never came to that") -> Any:
    """Wait until something is so, and return it. Raises AssertionError; only what fails waits so long."""
    end = time.monotonic() + seconds
    while not (found := test()):
        assert time.monotonic() < end, what
        time.sleep(0.03)
    return found


@dataclass(frozen=True)
class Said:
    """A message as it stands in a computer's database."""

    id: int
    role: str
    state: str
    text: str
    error: Mapping[str, Any] | None


class Computer(LerixProcess):
    """A Lerix that is spoken to as its pages do, with the line to its broker."""

    def __init__(self, home: Path, env: Mapping[str, str], line: Line, name: str) -> None:
        super().__init__(home, {**env, "LERIX_BROKER_URL": line.url, "TZ": "UTC"})
        self.line = line
        self.name = name
        #: Everything that any of its runs wrote to stderr.
        self.logs: list[str] = []
        self._client: httpx.Client | None = None

    def kill(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        self.logs.append(self.stderr)
        super().kill()

    @property
    def pages(self) -> httpx.Client:
        """What a page of it would ask with."""
        if self._client is None:
            own = {"sec-fetch-site": "same-origin", "origin": self.url}
            self._client = httpx.Client(base_url=self.url, timeout=60, trust_env=False, verify=False)
            typed = {"sec-fetch-site": "none", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
            assert self._client.get(self.launch_link, headers=typed).status_code == 303
            self._client.headers.update(own)
        return self._client

    def post(self, path: str, **fields: str) -> httpx.Response:
        """Send a form, which must be taken."""
        answer = self.pages.post(path, data=fields)
        if not answer.is_redirect:
            assert answer.is_success, (answer.status_code, answer.text, self.stderr[-2000:])
        return answer

    def sign_in(self, email: str, password: str = PASSWORD) -> None:
        """Sign in to the account."""
        answer = self.post("/settings/account/sign-in/", email=email, password=password, name=self.name)
        assert answer.status_code == 303, re.findall(r'role="alert".{0,400}', answer.text, re.DOTALL)

    # Of the database

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Look into the database."""
        opened = sqlite3.connect(f"file:{self.home / 'lerix.sqlite3'}?mode=ro", uri=True, timeout=30)
        with contextlib.closing(opened) as database:
            return database.execute(statement, values).fetchall()

    def messages(self) -> list[Said]:
        """All messages, oldest first; of a live answer what has come so far."""
        # In one look: as an answer ends, its pieces become its text.
        rows = self.rows(
            "SELECT m.id, m.role, m.state, m.text, m.error, p.text FROM chat_message m"
            " LEFT JOIN chat_piece p ON p.message_id = m.id ORDER BY m.id, p.id"
        )
        found: dict[int, Said] = {}
        for key, role, state, text, error, piece in rows:
            said = found.get(key) or Said(key, role, state, text, json.loads(error or "null"))
            found[key] = replace(said, text=said.text + (piece or ""))
        return list(found.values())

    def answer(self) -> Said:
        """The newest answer."""
        return [said for said in self.messages() if said.role == "assistant"][-1]


@dataclass
class Household:
    """Everything together. The Mac has a Codex session and its relay on; the laptop has neither."""

    broker: BrokerProcess
    up: Upstream
    ada: Account
    person: Person
    mac: Computer
    laptop: Computer
    host: str = ""
    laptop_id: str = ""

    @property
    def access(self) -> str:
        """The laptop's access path to the Mac."""
        return f"relay-{self.host}"

    def asked(self) -> int:
        """How often the stand-in was asked for an answer."""
        return len(self.up.to(RESPONSES))

    def card(self) -> str:
        """The relay's card on the Mac."""
        found: str = self.mac.pages.get("/settings/connections/").text
        return found[found.index('id="card-relay-switch') :]

    def is_ready(self) -> bool:
        """Whether the laptop shows the Mac as ready."""
        page = self.laptop.pages.get("/settings/connections/").text
        found = re.search(rf'id="card-{self.access}-name"(.*?)</section>', page, re.DOTALL)
        return found is not None and "pill-good" in found[1]

    def why(self) -> str:
        """What the laptop says of the Mac."""
        page = self.laptop.pages.get("/settings/connections/").text
        found = re.search(rf'id="card-{self.access}-name"(.*?)</section>', page, re.DOTALL)
        return " ".join(re.sub(r"<[^>]+>", " ", found[1]).split()) if found is not None else ""

    def ready(self, seconds: float = 60.0) -> float:
        """Wait until the laptop reaches the Mac; return how long that took."""
        begun = time.monotonic()
        until(self.is_ready, seconds, "the laptop does not reach the Mac")
        return time.monotonic() - begun

    def _join(self, computer: Computer) -> str:
        """Sign in; returns the new device's id."""
        form = "/settings/account/sign-in/"
        until(lambda: computer.pages.get(form).status_code == 200, what="somebody is still signed in there")
        known = set(self.broker.sql("SELECT device FROM broker_device"))
        computer.sign_in(self.person.email)
        ((device,),) = set(self.broker.sql("SELECT device FROM broker_device")) - known
        return str(device)

    def join_mac(self, *, on: bool = True) -> None:
        """Sign the Mac in, and switch its relay on."""
        self.host = self._join(self.mac)
        if not on:
            return
        until(lambda: re.search(r'id="relay-on"(?![^>]* disabled)', self.card()), what="the switch is locked")
        self.switch()
        self.refresh()  # the laptop looks by itself as well, each half minute

    def join_laptop(self, *, on: bool = True) -> None:
        """Sign the laptop in, and wait until it has the Mac's models."""
        self.laptop_id = self._join(self.laptop)
        if not on:
            return
        self.ready()
        until(self.offered)

    def refresh(self) -> None:
        """Have both ask the broker now how the account is."""
        for computer in (self.mac, self.laptop):
            computer.post("/settings/account/refresh/")

    def heal(self) -> None:
        """Make everything as it was at first, and wait until it is."""
        self.up.clear()
        self.broker.forget_limits()
        for computer in (self.mac, self.laptop):
            computer.line.dead.clear()
            computer.line.silent.clear()
            computer.line.delay = 0.0
        self.ready()

    def offered(self) -> bool:
        """Whether the laptop has the Mac's model in its composer."""
        found = "SELECT 1 FROM connections_catalogueentry WHERE path = ? AND slug = ? AND enabled"
        return bool(self.laptop.rows(found, self.access, MODEL))

    def switch(self, *, on: bool = True) -> None:
        """The relay's switch on the Mac."""
        fields = {"enabled": "on"} if on else {}
        answer = self.mac.post("/settings/relay/switch/", **fields)
        assert ("checked" in answer.text) == on, answer.text

    def ask(self, text: str = "What is new?", model: str = MODEL) -> Said:
        """Send a message from the laptop, in a chat of its own, and return its answer, which has only begun."""
        before = {said.id for said in self.laptop.messages()}
        self.laptop.post("/chats/", text=text, key=str(uuid.uuid4()), access=self.access, model=model, effort="")
        found: Said = until(
            lambda: next((s for s in self.laptop.messages() if s.id not in before and s.role != "user"), None)
        )
        return found

    def said(self, answer: Said) -> Said:
        """An answer as it is now."""
        return next(each for each in self.laptop.messages() if each.id == answer.id)

    def whole(self, answer: Said, seconds: float = 60.0) -> str:
        """Wait for the end of an answer, which must be a good one, and return its text."""
        ended = until(lambda: (now := self.said(answer)).state not in {"streaming", "waiting"} and now, seconds)
        assert ended.state == "complete", ended
        return str(ended.text)


@contextmanager
def household(folder: Path, *, models: Sequence[str] = (MODEL,), on: bool = True) -> Iterator[Household]:
    """Start and sign in; with the relay on, the laptop has reached the Mac."""
    with ExitStack() as stack:
        broker = stack.enter_context(BrokerProcess(folder / "broker" / "home"))
        up = stack.enter_context(Upstream())
        person = Desk(broker).create()
        broker.sql("UPDATE broker_account SET plan_id = 'pro'")
        homes = {name: folder / name for name in ("mac", "laptop")}
        ada = up.sign_in(homes["mac"] / "codex", expires_in=10 * 86_400)
        (homes["laptop"] / "codex").mkdir(parents=True)
        made = []
        for name, home in ((MAC, homes["mac"]), (LAPTOP, homes["laptop"])):
            line = stack.enter_context(Line(broker.port))
            made.append(stack.enter_context(Computer(home / "home", up.environment(home / "codex"), line, name)))
        house = Household(broker, up, ada, person, made[0], made[1])
        assert house.mac.pages.get("/settings/connections/codex/models/").status_code == 200
        for model in models:
            house.mac.post("/settings/connections/codex/models/switch/", model=model, enabled="on")
        house.join_mac(on=on)
        house.join_laptop(on=on)
        yield house
