"""An account broker in memory, behind an httpx transport: it speaks `relay.api`, fails on demand, and can be made evil.

It keeps one account per address, checks compare-and-swap, tickets, tokens and proofs as the real one does, and knows
no limits and no clock. What it was sent is kept in `wire`.
"""

import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx

from relay.account.keys.device import DevicePublic, check_proof
from relay.account.keys.entries import Add, Revoke, decode
from relay.account.keys.errors import KeysError
from relay.account.keys.flows import AccountUpdate
from relay.account.keys.recovery import RecoveryRecord
from relay.account.keys.suites import NEWEST
from relay.api import PREFIX, Problem, Purpose
from relay.api.fields import Fields, encode
from relay.api.messages import (
    Confirmation,
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
    update_from_json,
)
from relay.api.states import AccountState, DeviceState, Info, Opened, PlanFacts, entries_to_json

CODE = "12345678"
HOST = "broker.example.com"
ADDRESS = f"https://{HOST}"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FREE = PlanFacts("free", "Free", True, False, False, False, False, 10**7, 2)
PRO = PlanFacts("pro", "Pro", True, True, True, True, True, 10**9, 20)


class Crash(Exception):
    """The process ended here, as far as the flow can tell: nothing of ours catches it."""


class No(Exception):
    """An answer that is not 2xx."""

    def __init__(self, status: int, problem: Problem, **more: int) -> None:
        self.status, self.problem, self.more = status, problem, more


@dataclass
class Kept:
    """One account."""

    email: str
    id: bytes
    revision: int
    by_password: bytes
    by_recovery: bytes
    salt: bytes
    suite: int
    auth: bytes
    recovery: RecoveryRecord
    log: list[bytes]
    devices: dict[bytes, DeviceState] = field(default_factory=dict)
    keys: dict[bytes, DevicePublic] = field(default_factory=dict)
    revoked: set[bytes] = field(default_factory=set)
    plan: PlanFacts = PRO


@dataclass
class Asked:
    """One request, as `fail` and `twist` see it."""

    number: int
    method: str
    path: str

    @property
    def name(self) -> str:
        return f"{self.method} {self.path.split('/')[0]}"


Fail = Callable[[Asked], str | None]
Twist = Callable[[Asked, dict[str, Any]], dict[str, Any]]


class FarBroker(httpx.AsyncBaseTransport):
    """`fail` says of a request "unsent", "lost before" or "lost after" it was carried out, "crash before" or after;
    `twist` changes an answer, `refuse` answers with a problem instead, and `raw` with whatever it likes."""

    def __init__(self) -> None:
        self.accounts: dict[str, Kept] = {}
        self.tickets: dict[str, tuple[str, Purpose, bool]] = {}
        self.tokens: dict[str, tuple[bytes, bytes | None]] = {}
        self.nonces: set[bytes] = set()
        self.created: dict[str, bytes] = {}
        self.wire = bytearray()
        self.asked: list[Asked] = []
        self.fail: Fail = lambda asked: None
        self.twist: Twist = lambda asked, answer: answer
        self.refuse: Callable[[Asked], No | None] = lambda asked: None
        self.raw: Callable[[Asked], httpx.Response | None] = lambda asked: None
        self.plan = PRO

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        self.wire += b" ".join((request.method.encode(), bytes(request.url.raw_path), body))
        self.wire += b" ".join(name + b": " + value for name, value in request.headers.raw)
        asked = Asked(len(self.asked), request.method, request.url.path.removeprefix(PREFIX))
        self.asked.append(asked)
        how = self.fail(asked)
        if how == "unsent":
            raise httpx.ConnectError("planted words of the network", request=request)
        if how == "lost before":
            raise httpx.ReadError("planted words of the network", request=request)
        if how == "crash before":
            raise Crash
        raw = self.raw(asked)
        if raw is not None:
            return raw
        status, answer = self._answer(asked, request, body)
        if how == "lost after":
            raise httpx.ReadError("planted words of the network", request=request)
        if how == "crash after":
            raise Crash
        content = b"" if answer is None else json.dumps(answer).encode()
        self.wire += content
        return httpx.Response(status, content=content, headers={"content-type": "application/json"})

    def _answer(self, asked: Asked, request: httpx.Request, body: bytes) -> tuple[int, dict[str, Any] | None]:
        message = json.loads(body) if body else None
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            no = self.refuse(asked)
            if no is not None:
                raise no
            answer = self._do(asked, message, token, request.url.host)
            return 200, self.twist(asked, answer) if answer is not None else None
        except No as no:
            return no.status, {"error": no.problem.value, "text": "planted words of the broker", **no.more}

    def _do(self, asked: Asked, message: Any, token: str, host: str) -> dict[str, Any] | None:
        match asked.method, asked.path.split("/"):
            case "GET", ["info"]:
                return Info("0.1.0", 1, False, True, "free", (FREE, PRO)).to_json()
            case "POST", ["tickets"]:
                return self._ticket(TicketRequest.from_json(message)).to_json()
            case "POST", ["confirm"]:
                self._confirm(Confirmation.from_json(message))
                return None
            case "POST", ["accounts"]:
                return self._create(Creation.from_json(message)).to_json()
            case "POST", ["prelogin"]:
                return self._prelogin(Fields(message).text("email")).to_json()
            case "POST", ["login"]:
                return self._login(Login.from_json(message)).to_json()
            case "POST", ["recover"]:
                return self._recover(Recovery.from_json(message)).to_json()
            case "POST", ["erase"]:
                email = self._confirmed(Fields(message).text("ticket"), Purpose.ERASE)
                self._delete(email)
                return None
            case "POST", ["update"]:
                return self._update(self._unlocked(token), update_from_json(message)).to_json()
            case "DELETE", ["account"]:
                self._delete(self._unlocked(token).email)
                return None
            case "POST", ["nonces"]:
                DeviceName.from_json(message)
                nonce = secrets.token_bytes(32)
                self.nonces.add(nonce)
                return Nonce(nonce).to_json()
            case "POST", ["sessions"]:
                return self._session(Proof.from_json(message), host).to_json()
            case "GET", ["account"]:
                return self._state(self._account(token)).to_json()
            case "GET", ["log"]:
                return dict(entries_to_json(tuple(self._account(token).log)))
            case "PUT", ["devices", device, "name"]:
                kept, _ = self._session_of(token)
                identity = bytes.fromhex(device)
                kept.devices[identity] = replace(kept.devices[identity], name=Fields(message).raw("name"))
                return None
            case "POST", ["sign-out"]:
                kept, signed_out = self._session_of(token)
                kept.devices[signed_out] = replace(kept.devices[signed_out], signed_out=LONG_AGO)
                self._end_tokens(kept, signed_out)
                return None
            case _:
                raise No(404, Problem.NOT_FOUND)

    # Tickets

    def _ticket(self, asked: TicketRequest) -> Ticket:
        ticket = encode(secrets.token_bytes(32))
        self.tickets[ticket] = asked.email, asked.purpose, False
        return Ticket(ticket)

    def _confirm(self, message: Confirmation) -> None:
        found = self.tickets.get(message.ticket)
        if found is None or message.code != CODE:
            raise No(401, Problem.WRONG_CODE)
        self.tickets[message.ticket] = found[0], found[1], True

    def _confirmed(self, ticket: str, purpose: Purpose) -> str:
        email, asked, confirmed = self.tickets.get(ticket, ("", purpose, False))
        if not confirmed or asked is not purpose:
            raise No(401, Problem.TICKET_ENDED)
        return email

    # Accounts

    def _create(self, message: Creation) -> AccountState:
        email = self._confirmed(message.ticket, Purpose.CREATE)
        update = message.update
        if self.created.get(message.ticket) == update.account:
            return self._state(self.accounts[email])
        if email in self.accounts:
            raise No(401, Problem.TICKET_ENDED)
        assert update.auth is not None
        assert update.recovery is not None
        kept = Kept(email, update.account, 0, b"", b"", b"", 0, b"", update.recovery, [], plan=self.plan)
        self._take(kept, update)
        self.accounts[email] = kept
        self.created[message.ticket] = update.account
        return self._state(kept)

    def _prelogin(self, email: str) -> Prelogin:
        kept = self.accounts.get(email)
        return Prelogin(kept.suite, kept.salt) if kept is not None else Prelogin(NEWEST, email.encode()[:16].ljust(16))

    def _login(self, message: Login) -> Opened:
        kept = self.accounts.get(message.email)
        if kept is None or not hmac.compare_digest(kept.auth, message.auth.reveal()):
            raise No(401, Problem.WRONG_LOGIN)
        return Opened(self._token(kept, None), self._state(kept), kept.by_password, tuple(kept.log))

    def _recover(self, message: Recovery) -> Opened:
        kept = self.accounts.get(self._confirmed(message.ticket, Purpose.RECOVER))
        if kept is None or kept.recovery.auth != message.auth:
            raise No(401, Problem.WRONG_RECOVERY)
        copy, anchor = kept.by_recovery, kept.recovery.anchor
        return Opened(self._token(kept, None), self._state(kept), copy, tuple(kept.log), anchor)

    def _update(self, kept: Kept, update: AccountUpdate) -> AccountState:
        if update.account != kept.id:
            raise No(422, Problem.UPDATE_REFUSED)
        if update.expected != kept.revision or update.position != len(kept.log):
            raise No(409, Problem.CONFLICT, revision=kept.revision)
        self._take(kept, update)
        return self._state(kept)

    def _take(self, kept: Kept, update: AccountUpdate) -> None:
        added, removed = [], set()
        for entry in update.entries:
            body = decode(entry).body
            if isinstance(body, Add):
                added.append(body)
            elif isinstance(body, Revoke):
                removed.add(body.device)
        there = [each for each in kept.devices.values() if each.signed_out is None and each.id not in removed]
        if added and len(there) >= kept.plan.devices:
            raise No(403, Problem.PLAN_DEVICES)
        kept.revision, header = update.revision, update.bundle.header
        assert header.revision == update.revision == update.expected + 1
        kept.by_password, kept.by_recovery = update.bundle.by_password, update.bundle.by_recovery
        kept.salt, kept.suite = header.salt, header.suite
        kept.log += update.entries
        for body in added:
            kept.devices[body.device.id] = DeviceState(body.device.id, LONG_AGO, None, None, None)
            kept.keys[body.device.id] = body.device
        for device in removed:
            kept.revoked.add(device)
            kept.devices.pop(device)
            self._end_tokens(kept, device)
        if update.auth is not None:
            kept.auth = update.auth.reveal()
            self.tokens.clear()  # more than the real one ends: whoever changed the password has to log in again too
        if update.recovery is not None:
            kept.recovery = update.recovery

    def _delete(self, email: str) -> None:
        kept = self.accounts.pop(email, None)
        if kept is not None:
            self.tokens = {token: owner for token, owner in self.tokens.items() if owner[0] != kept.id}

    def _state(self, kept: Kept) -> AccountState:
        return AccountState(
            account=kept.id,
            email=kept.email,
            revision=kept.revision,
            n=len(kept.log) - 1,
            created=LONG_AGO,
            plan=kept.plan,
            plan_until=None,
            used=0,
            devices=tuple(kept.devices.values()),
        )

    # Tokens

    def _token(self, kept: Kept, device: bytes | None) -> str:
        token = encode(secrets.token_bytes(32))
        self.tokens[token] = kept.id, device
        return token

    def _end_tokens(self, kept: Kept, device: bytes) -> None:
        self.tokens = {token: owner for token, owner in self.tokens.items() if owner != (kept.id, device)}

    def _account(self, token: str) -> Kept:
        owner = self.tokens.get(token)
        for kept in self.accounts.values():
            if owner is not None and kept.id == owner[0]:
                return kept
        raise No(401, Problem.TOKEN_ENDED)

    def _unlocked(self, token: str) -> Kept:
        if self.tokens.get(token, (b"", b""))[1] is not None:
            raise No(401, Problem.TOKEN_ENDED)
        return self._account(token)

    def _session_of(self, token: str) -> tuple[Kept, bytes]:
        device = self.tokens.get(token, (b"", None))[1]
        if device is None:
            raise No(401, Problem.TOKEN_ENDED)
        return self._account(token), device

    def _session(self, message: Proof, host: str) -> Session:
        for kept in self.accounts.values():
            if kept.id != message.account or message.device not in kept.devices:
                continue
            if kept.devices[message.device].signed_out is not None:
                break
            if message.nonce not in self.nonces:
                raise No(401, Problem.PROOF_REFUSED)
            self.nonces.remove(message.nonce)
            try:
                check_proof(
                    kept.keys[message.device],
                    message.proof,
                    nonce=message.nonce,
                    account=kept.id,
                    role=message.role,
                    host=host,
                )
            except KeysError:
                raise No(401, Problem.PROOF_REFUSED) from None
            # A clock that is years away must not matter to a device.
            return Session(self._token(kept, message.device), LONG_AGO)
        raise No(401, Problem.DEVICE_REFUSED)
