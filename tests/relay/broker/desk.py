"""What a device and a person do at a real broker, by the wire contract and the flows of the keys."""

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from connections.secrets import Secret
from relay.account.keys import flows, password
from relay.account.keys.device import EVERY_ROLE, DeviceKeys, Role
from relay.account.keys.flows import AccountUpdate, Created, Joined, Unlocked
from relay.account.keys.recovery import RecoveryKey
from relay.api import PREFIX, Problem, Purpose
from relay.api.fields import encode
from relay.api.messages import (
    Creation,
    DeviceName,
    Login,
    Nonce,
    Prelogin,
    Proof,
    Recovery,
    Session,
    Ticket,
    TicketRequest,
    update_to_json,
)
from relay.api.states import AccountState, Opened
from tests.serving import PUBLIC, BrokerProcess

PASSWORD = "Grüße aus Åland 7"
NEW_PASSWORD = "Seekühe schwimmen"

_numbers = itertools.count(1)


def new_address() -> str:
    """An address that no other test has."""
    return f"ada{next(_numbers)}@example.com"


def new_network() -> str:
    """An address of a network that no other test asks from."""
    number = next(_numbers)
    return f"10.{number // 250}.{number % 250}.7"


def until(test: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until something is so: what a broker prints comes a moment after what it answers."""
    end = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def refused(answer: httpx.Response) -> tuple[int, str]:
    """The status and the problem of an answer."""
    return answer.status_code, answer.json()["error"]


def is_refused(answer: httpx.Response, problem: Problem, status: int) -> bool:
    """Whether an answer is exactly this refusal."""
    return refused(answer) == (status, problem.value)


@dataclass
class Desk:
    """A broker, asked from one network, by way of a proxy that ends TLS."""

    broker: BrokerProcess
    network: str = field(default_factory=new_network)

    @property
    def address(self) -> str:
        """Where it is asked by the proxy, or by somebody on the same computer."""
        return self.broker.url

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send one request; past the proxy if the headers name a host."""
        through = {"host": PUBLIC, "x-forwarded-proto": "https", "x-forwarded-for": self.network}
        sent = {**({} if headers and "host" in headers else through), **(headers or {})}
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        # Plain http; without `verify` no certificates are read, which would take longer than all else.
        with httpx.Client(base_url=self.address + PREFIX, timeout=30, trust_env=False, verify=False) as client:
            return client.request(method, path, json=body, headers=sent)

    def post(self, path: str, body: Mapping[str, Any] | None = None, token: str | None = None) -> httpx.Response:
        return self.ask("POST", path, body, token)

    def ticket(self, email: str, purpose: Purpose) -> str:
        """Ask for a code, and return the ticket that it belongs to."""
        answer = self.post("tickets", TicketRequest(email, purpose).to_json())
        assert answer.status_code == 202, answer.text
        return Ticket.from_json(answer.json()).ticket

    def confirmed(self, email: str, purpose: Purpose) -> str:
        """A ticket whose code was entered."""
        before = len(self.broker.mails_to(email))
        ticket = self.ticket(email, purpose)
        code = self.broker.code_to(email, before + 1)
        answer = self.post("confirm", {"ticket": ticket, "code": code})
        assert answer.status_code == 204, answer.text
        return ticket

    def send_creation(self, ticket: str, update: AccountUpdate) -> httpx.Response:
        return self.post("accounts", Creation(ticket, update).to_json())

    def create(self, email: str | None = None) -> "Person":
        """Somebody with a new account and one device."""
        email = email or new_address()
        ticket = self.confirmed(email, Purpose.CREATE)
        created = flows.create(email, Secret(PASSWORD), "Ada’s Mac", EVERY_ROLE)
        answer = self.send_creation(ticket, created.update)
        assert answer.status_code == 201, answer.text
        return Person(self, email, created)

    def log_in(self, email: str, text: str = PASSWORD) -> httpx.Response:
        """Prelogin and log-in."""
        prelogin = Prelogin.from_json(self.post("prelogin", {"email": email}).json())
        keys = password.stretch(Secret(text), email, suite=prelogin.suite, salt=prelogin.salt)
        return self.post("login", Login(email, keys.auth).to_json())

    def log_in_wrongly(self, email: str) -> httpx.Response:
        """A log-in by a key that nobody has, without stretching anything."""
        return self.post("login", {"email": email, "auth": encode(bytes(32))})

    def nonce(self, account: bytes, device: DeviceKeys) -> bytes:
        answer = self.post("nonces", DeviceName(account, device.id).to_json())
        assert answer.status_code == 200, answer.text
        return Nonce.from_json(answer.json()).nonce

    def prove(
        self,
        account: bytes,
        device: DeviceKeys,
        *,
        nonce: bytes | None = None,
        role: Role = Role.HOST,
        host: str = PUBLIC,
    ) -> httpx.Response:
        """Ask for a session."""
        nonce = nonce or self.nonce(account, device)
        proof = device.prove(nonce=nonce, account=account, role=role, host=host)
        return self.post("sessions", Proof(account, device.id, nonce, role, proof).to_json())

    def session(self, account: bytes, device: DeviceKeys) -> str:
        answer = self.prove(account, device)
        assert answer.status_code == 201, answer.text
        return Session.from_json(answer.json()).token

    def update(self, update: AccountUpdate, token: str) -> httpx.Response:
        return self.post("update", update_to_json(update), token)

    def account(self, token: str) -> AccountState:
        answer = self.ask("GET", "account", token=token)
        assert answer.status_code == 200, answer.text
        return AccountState.from_json(answer.json())


@dataclass
class Person:
    """Somebody with an account."""

    desk: Desk
    email: str
    created: Created

    @property
    def account(self) -> bytes:
        return self.created.update.account

    @property
    def device(self) -> DeviceKeys:
        return self.created.device

    def unlock(self, text: str = PASSWORD) -> tuple[str, Unlocked]:
        """Log in and open the bundle, as a device does: the token, and what may be changed now."""
        prelogin = Prelogin.from_json(self.desk.post("prelogin", {"email": self.email}).json())
        keys = password.stretch(Secret(text), self.email, suite=prelogin.suite, salt=prelogin.salt)
        answer = self.desk.post("login", Login(self.email, keys.auth).to_json())
        assert answer.status_code == 200, answer.text
        opened = Opened.from_json(answer.json())
        return opened.unlock, flows.unlock(opened.copy, opened.entries, keys, account=self.account)

    def join(self, name: str = "Phone") -> Joined:
        """Another device joins."""
        token, before = self.unlock()
        joined = flows.add_device(before, name, EVERY_ROLE)
        answer = self.desk.update(joined.update, token)
        assert answer.status_code == 200, answer.text
        return joined

    def recover(self, ticket: str, key: RecoveryKey) -> httpx.Response:
        return self.desk.post("recover", Recovery(ticket, key.auth()).to_json())

    def session(self) -> str:
        return self.desk.session(self.account, self.device)
