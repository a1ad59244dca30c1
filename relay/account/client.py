"""The broker's API over HTTPS, as `relay.api` describes it: each call checked, limited and timed, each failure ours.

A request whose answer was lost is sent again by itself only where that changes nothing: reading, asking for a nonce,
naming a device. What may have been carried out raises AnswerLost, and the caller finds out.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import httpx

from connections.errors import (
    AccessError,
    ConnectionRefused,
    NameNotFound,
    TlsFailed,
)
from connections.errors import Unreachable as NotConnected
from connections.network import error_from_network
from relay import api
from relay.account import refusals
from relay.account.address import LOOPBACK, host_of
from relay.account.errors import AccountError, AnswerLost, AnswerUnexpected, Unreachable, Unsettled
from relay.account.keys.flows import AccountUpdate
from relay.account.keys.holders import AuthKey, RecoveryAuth
from relay.api import Problem, Purpose
from relay.api.fields import Fields, MessageMalformed, encode
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
    update_to_json,
)
from relay.api.states import AccountState, Info, Opened, entries_from_json
from relay.authorities import trusted

T = TypeVar("T")

# A day: whatever the broker says, nobody is told to wait longer.
_LONGEST_WAIT: Final = 86_400
# Bytes of an answer that is not a success; only its code is read.
_MAX_PROBLEM: Final = 4096

_PROBLEMS: Final[dict[Problem, type[AccountError]]] = {
    Problem.MALFORMED: refusals.RequestRefused,
    Problem.TOO_LARGE: refusals.RequestRefused,
    Problem.WRONG_LOGIN: refusals.WrongLogin,
    Problem.WRONG_CODE: refusals.WrongCode,
    Problem.WRONG_RECOVERY: refusals.WrongRecoveryKey,
    Problem.TICKET_ENDED: refusals.TicketEnded,
    Problem.TOKEN_ENDED: refusals.TokenEnded,
    Problem.DEVICE_REFUSED: refusals.DeviceRefused,
    Problem.PROOF_REFUSED: refusals.ProofRefused,
    Problem.NOT_FOUND: refusals.NotFound,
    Problem.UPDATE_REFUSED: refusals.UpdateRefused,
    Problem.SIGN_UP_CLOSED: refusals.SignUpClosed,
    Problem.UNAVAILABLE: refusals.BrokerBusy,
}

_NOT_CONNECTED: Final[dict[type[AccessError], str]] = {
    NameNotFound: (
        "The account broker's name could not be looked up. Nothing was changed. Check the broker address and the "
        "internet connection."
    ),
    ConnectionRefused: (
        "Nothing answers at the broker address. Nothing was changed. Check the address, or ask whoever runs the broker."
    ),
    TlsFailed: (
        "No secure connection to the account broker could be made, so nothing was sent. Check this computer's clock "
        "and the broker address."
    ),
}


@dataclass(frozen=True)
class Limits:
    """Seconds, and how often more than once something harmless is sent."""

    connect: float = 8.0
    write: float = 15.0
    read: float = 15.0
    whole: float = 45.0
    retries: int = 2
    pause: float = 0.3


class BrokerClient:
    """One account broker. `address` is as `address.normalise` gives it. Every call raises AccountError.

    `parent` is for the broker that Lerix runs itself: what shows it that its own parent asks.
    """

    def __init__(
        self,
        address: str,
        user_agent: str,
        *,
        parent: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        limits: Limits | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        url = httpx.URL(address)
        if url.scheme != "https" and url.host not in LOOPBACK:
            raise ValueError("an account broker beyond this computer is spoken to by https only")
        self.address = address
        self.host = host_of(address)
        self.limits = limits or Limits()
        self.pause = sleep
        self.parent = parent
        self._user_agent = user_agent
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def aclose(self) -> None:
        """Close the connections. A later request opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    # What the broker is asked

    async def info(self) -> Info:
        """What it is. Also for whether this is an account broker at all."""
        found = await self._again("GET", "info", Info.from_json)
        if found.api != api.VERSION:
            raise AnswerUnexpected
        return found

    async def ticket(self, email: str, purpose: Purpose) -> Ticket:
        """Have a code sent by e-mail."""
        return await self._ask("POST", "tickets", Ticket.from_json, TicketRequest(email, purpose).to_json())

    async def confirm(self, confirmation: Confirmation) -> None:
        """Enter the code."""
        await self._ask("POST", "confirm", _nothing, confirmation.to_json())

    async def create(self, creation: Creation) -> AccountState:
        """Create an account; the same creation may be sent again."""
        return await self._ask("POST", "accounts", AccountState.from_json, creation.to_json())

    async def prelogin(self, email: str) -> Prelogin:
        """What a password is stretched with; the caller's `stretch` judges it."""
        return await self._again("POST", "prelogin", Prelogin.from_json, {"email": email})

    async def login(self, email: str, auth: AuthKey) -> Opened:
        """Log in by the key made from the password."""
        return await self._again("POST", "login", Opened.from_json, Login(email, auth).to_json())

    async def recover(self, ticket: str, auth: RecoveryAuth) -> Opened:
        """Log in by the key made from the recovery key."""
        return await self._ask("POST", "recover", Opened.from_json, Recovery(ticket, auth).to_json())

    async def erase(self, ticket: str) -> None:
        """Erase the account of a confirmed address."""
        await self._ask("POST", "erase", _nothing, {"ticket": ticket})

    async def update(self, unlock: str, update: AccountUpdate) -> AccountState:
        """One compare-and-swap."""
        return await self._ask("POST", "update", AccountState.from_json, update_to_json(update), token=unlock)

    async def delete(self, unlock: str) -> None:
        """Delete the account."""
        await self._ask("DELETE", "account", _nothing, token=unlock)

    async def nonce(self, name: DeviceName) -> Nonce:
        """What a device signs."""
        return await self._again("POST", "nonces", Nonce.from_json, name.to_json())

    async def session(self, proof: Proof) -> Session:
        """Prove this device's key."""
        return await self._ask("POST", "sessions", Session.from_json, proof.to_json())

    async def account(self, token: str) -> AccountState:
        """What the broker says of the account."""
        return await self._again("GET", "account", AccountState.from_json, token=token)

    async def log(self, token: str) -> tuple[bytes, ...]:
        """The whole device log, unverified."""
        return await self._again("GET", "log", entries_from_json, token=token)

    async def rename(self, session: str, device: bytes, name: bytes) -> None:
        """Keep another sealed name of a device."""
        body = {"name": encode(name)}
        await self._again("PUT", f"devices/{device.hex()}/name", _nothing, body, token=session, changes=True)

    async def sign_out(self, session: str) -> None:
        """Say that this device holds no keys any more."""
        await self._ask("POST", "sign-out", _nothing, token=session)

    # How

    async def _again(
        self,
        method: str,
        path: str,
        read: Callable[[Any], T],
        body: Any = None,
        *,
        token: str | None = None,
        changes: bool = False,
    ) -> T:
        """As `_ask`, a few times where no answer comes: for what may be done twice.

        Where it `changes` something, a refusal after a lost answer says nothing of what was done before: Unsettled.
        """
        lost = False
        for attempt in range(self.limits.retries + 1):
            try:
                return await self._ask(method, path, read, body, token=token)
            except AnswerLost:
                lost = True
            except AccountError as error:
                if not (changes and lost) or isinstance(error, refusals.TokenEnded):
                    raise
                raise Unsettled from None
            if attempt < self.limits.retries:
                await self.pause(backoff(self.limits.pause, attempt))
        raise Unsettled if changes else AnswerLost

    async def _ask(
        self, method: str, path: str, read: Callable[[Any], T], body: Any = None, *, token: str | None = None
    ) -> T:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            async with asyncio.timeout(self.limits.whole):
                client = await self._http()
                request = client.build_request(method, api.PREFIX.lstrip("/") + path, headers=headers, json=body)
                status, content = await _exchange(client, request)
        except TimeoutError:
            raise AnswerLost from None
        except httpx.RequestError as failure:
            raise _failed(failure) from None
        if not 200 <= status < 300:
            raise _refused(status, content)
        try:
            return read(_decoded(content))
        except (MessageMalformed, ValueError, OverflowError):
            raise AnswerUnexpected from None

    async def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            # In a thread, since the certificates take a while to load.
            made = await asyncio.to_thread(self._new)
            if self._client is None:
                self._client = made
        return self._client

    def _new(self) -> httpx.AsyncClient:
        limits = self.limits
        headers = {"User-Agent": self._user_agent, "Accept": "application/json", "Accept-Encoding": "identity"}
        if self.parent is not None:
            headers[api.PARENT_HEADER] = self.parent
        return httpx.AsyncClient(
            base_url=self.address,
            transport=self._transport,
            # No proxy of the environment: the connection is the one that the address says.
            trust_env=False,
            verify=trusted(),
            follow_redirects=False,
            headers=headers,
            timeout=httpx.Timeout(connect=limits.connect, write=limits.write, read=limits.read, pool=limits.connect),
            limits=httpx.Limits(max_connections=8, max_keepalive_connections=2, keepalive_expiry=60.0),
        )


def backoff(first: float, attempt: int) -> float:
    """Seconds before the next try, counted from 0: twice as long each time, and spread."""
    return float(first * 2**attempt * random.uniform(0.7, 1.3))  # noqa: S311 - spreads retries, hides nothing


async def _exchange(client: httpx.AsyncClient, request: httpx.Request) -> tuple[int, bytes]:
    """Send and read, as far as an answer may go. Raises AnswerUnexpected, httpx.RequestError."""
    response = await client.send(request, stream=True)
    try:
        status = response.status_code
        most = api.MAX_ANSWER if 200 <= status < 300 else _MAX_PROBLEM
        # Compressed, a small answer could become any size.
        if response.headers.get("content-encoding", "identity") != "identity":
            raise AnswerUnexpected
        content = bytearray()
        async for piece in response.aiter_bytes():
            content += piece
            if len(content) > most:
                raise AnswerUnexpected
        return status, bytes(content)
    finally:
        await response.aclose()


def _nothing(content: object) -> None:
    """For an answer without content; whatever is in it is not looked at."""


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8")) if content else None
    except (ValueError, RecursionError):
        raise AnswerUnexpected from None


def _failed(failure: httpx.RequestError) -> AccountError:
    error = error_from_network(failure)
    if isinstance(error, NotConnected):
        return Unreachable(_NOT_CONNECTED.get(type(error), ""))
    return AnswerLost()


def _refused(status: int, content: bytes) -> AccountError:
    """The error for an answer that is not 2xx. Of its content only a known code and two numbers are used."""
    try:
        fields = Fields(_decoded(content))
        problem = Problem(fields.text("error", longest=40))
    except (AnswerUnexpected, MessageMalformed, ValueError):
        # A proxy in front of a broker that is restarted has pages of its own, and so has a broker that fails half-way:
        # what was asked may have been done.
        return AnswerLost() if status >= 500 else AnswerUnexpected()
    wait = _number(fields, "retry_after", _LONGEST_WAIT)
    match problem:
        case Problem.CONFLICT:
            return refusals.Conflict(_number(fields, "revision", 2**53))
        case Problem.SLOW_DOWN:
            return refusals.SlowDown(retry_after=wait or 1)
        case Problem.PLAN_DEVICES:
            return refusals.PlanFull()
        case _:
            return _PROBLEMS[problem](retry_after=wait)


def _number(fields: Fields, name: str, most: int) -> int | None:
    try:
        return min(fields.number(name), most)
    except MessageMalformed:
        return None
