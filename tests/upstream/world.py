"""The state of the stand-in and the verbs that change it. Every method may be called from any thread."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.upstream import home
from tests.upstream.accounts import Account, Accounts, TokenState
from tests.upstream.catalogue import Models
from tests.upstream.checks import Rules
from tests.upstream.faults import Fault, Spoil
from tests.upstream.gates import Gate, Point
from tests.upstream.records import Journal, Outcome, Recorded
from tests.upstream.replies import PLEASANT, THINKING, Reply, keyword_reply
from tests.upstream.usage import Usage

TOKEN = "/oauth/token"
REVOKE = "/oauth/revoke"
MODELS = "/backend-api/codex/models"
RESPONSES = "/backend-api/codex/responses"
USAGE = "/backend-api/wham/usage"
ACCOUNTS_CHECK = "/backend-api/wham/accounts/check"
PUBLIC_MODELS = "/v1/models"
PUBLIC_RESPONSES = "/v1/responses"
CONTROL = "/__stand-in__/"
STREAMS = frozenset({RESPONSES, PUBLIC_RESPONSES})


@dataclass(slots=True)
class _Planned:
    fault: Fault
    left: int | None


@dataclass(slots=True)
class _Device:
    user_code: str
    polls: int = 0
    approved: bool = False


class World:
    """Accounts, models, usage, what is to be said next and what is to go wrong next."""

    def __init__(self, *, delay: float = 0.0, keywords: bool = False) -> None:
        self._lock = threading.RLock()
        self.journal = Journal(hidden=CONTROL)
        self.accounts = Accounts()
        self.models = Models()
        self.rules = Rules()
        self.usage = Usage()
        #: Seconds before each delta where the reply itself names none.
        self.delay = delay
        #: Whether a message such as ``fault: cut`` selects the answer.
        self.keywords = keywords
        #: Whether ``/oauth/authorize`` sends the browser straight back.
        self.approve_sign_ins = False
        #: Whether a device code is approved after its first poll.
        self.approve_devices = True
        #: Who is at the browser when the stand-in's own login is used: e-mail address and plan.
        self.person = ("ada@example.com", "plus")
        self.stalled = Gate(Point.HEADERS)
        self.devices: dict[str, _Device] = {}
        self._replies: deque[Reply] = deque()
        self._faults: dict[str, list[_Planned]] = {}
        self._gates: list[Gate] = []
        self._turns = 0

    # What the models say

    def reply(self, reply: str | Reply) -> None:
        """Queue the answer to the next request for one; after the queue a pleasant default answers."""
        with self._lock:
            self._replies.append(Reply(reply) if isinstance(reply, str) else reply)

    def next_reply(self, question: str) -> Reply:
        """The answer to this question, taken off the queue."""
        with self._lock:
            if self._replies:
                return self._replies.popleft()
        chosen = keyword_reply(question) if self.keywords else None
        return chosen or Reply(PLEASANT, reasoning=THINKING)

    @property
    def turns(self) -> int:
        """How many answers were worked on to a first delta, and so billed."""
        with self._lock:
            return self._turns

    def bill(self) -> None:
        """Count one answer."""
        with self._lock:
            self._turns += 1
        self.journal.touch()

    # What goes wrong

    def fail(self, path: str, fault: Fault, times: int | None = 1) -> None:
        """Let the next ``times`` requests to ``path`` meet the fault; None is all of them, until `clear`.

        Faults for one path happen in the order given. ValueError for a `Spoil` where nothing is streamed.
        """
        if isinstance(fault, Spoil) and path not in STREAMS:
            raise ValueError(f"{path} does not stream, so its answer cannot be spoiled")
        with self._lock:
            self._faults.setdefault(path, []).append(_Planned(fault, times))

    def next_fault(self, path: str) -> Fault | None:
        """The fault that this request meets, used up by one."""
        with self._lock:
            planned = self._faults.get(path, [])
            if not planned:
                return None
            first = planned[0]
            if first.left is not None:
                first.left -= 1
                if first.left <= 0:
                    planned.pop(0)
            return first.fault

    def clear(self) -> None:
        """Forget faults, queued replies and gates, and let go of everything that is held."""
        with self._lock:
            self._faults.clear()
            self._replies.clear()
            gates, self._gates = self._gates, []
        for gate in gates:
            gate.open()
        self.release()

    def gate(self, at: Point | str = Point.DELTA) -> Gate:
        """Hold every answer at this point from now on; see `Gate`."""
        gate = Gate(at)
        with self._lock:
            self._gates.append(gate)
        return gate

    def gates(self) -> Sequence[Gate]:
        """The gates that are not open."""
        with self._lock:
            self._gates = [gate for gate in self._gates if not gate.is_open]
            return list(self._gates)

    def release(self) -> None:
        """Let go of what has stalled now."""
        self.stalled.release()

    async def wait(self, seconds: float | None) -> None:
        """Wait some seconds, or until `release` where ``seconds`` is None. For the stand-in's own loop."""
        if seconds is None:
            await self.stalled.passing()
        else:
            await asyncio.sleep(seconds)

    # What was asked

    @property
    def requests(self) -> list[Recorded]:
        """Every request so far, in order of arrival, those to the control door left out."""
        return self.journal.all()

    def to(self, path: str) -> list[Recorded]:
        """The requests to one path."""
        return [request for request in self.requests if request.path == path]

    @property
    def log(self) -> list[str]:
        """One line a request: host, method, path, status, outcome."""
        return [request.line() for request in self.requests]

    def wait_for(self, path: str, count: int = 1, timeout: float = 20.0) -> list[Recorded]:
        """Block until ``count`` requests to ``path`` have come; TimeoutError after ``timeout`` seconds."""
        self.journal.wait(lambda: len(self.to(path)) >= count, timeout, f"{count} requests to {path}")
        return self.to(path)

    def wait_outcome(self, request: Recorded, timeout: float = 20.0) -> Outcome:
        """Block until the exchange has ended, and say how."""
        what = f"the end of request {request.number}"
        self.journal.wait(lambda: request.outcome is not Outcome.OPEN, timeout, what)
        return request.outcome

    # Who is signed in

    def sign_in(
        self,
        codex_home: Path,
        *,
        email: str = "ada@example.com",
        plan: str | None = None,
        account_id: str | None = None,
        expires_in: float = 3600,
        provenance: bool = True,
    ) -> Account:
        """Write a session with fresh tokens into ``codex_home``, as ``codex login`` does.

        ``expires_in`` is the access token's time in seconds, negative for one that is over; ``plan`` is plus
        for a new account; ``provenance=False`` writes the older shape of the file.
        """
        account = self.accounts.issue(self.accounts.account(email, plan, account_id), expires_in)
        home.write_session(codex_home, account, provenance=provenance)
        return account

    def sign_in_with_api_key(self, codex_home: Path, key: str | None = None) -> str:
        """Write what ``codex login --with-api-key`` does; gives the key, which the platform accepts."""
        key = self.accounts.add_key(key)
        home.write_api_key(codex_home, key)
        return key

    def sign_out(self, codex_home: Path) -> None:
        """Take the session file away, as ``codex logout`` does."""
        home.remove(codex_home)

    def revoke(self, account: Account) -> None:
        """End every session of the account: 401 token_revoked, and renewals are refresh_token_invalidated."""
        self.accounts.condemn(account, TokenState.REVOKED, refresh=True)

    def expire(self, account: Account, *, refresh_token: bool = False) -> None:
        """End the account's access tokens now (401 token_expired), its refresh tokens too if asked."""
        self.accounts.condemn(account, TokenState.EXPIRED, refresh=refresh_token)

    def add_api_key(self, key: str | None = None) -> str:
        """An API key that the platform accepts from now on."""
        return self.accounts.add_key(key)

    def drop_api_key(self, key: str) -> None:
        """The platform knows this key no longer."""
        self.accounts.drop_key(key)

    def approve_device(self, user_code: str | None = None) -> bool:
        """Approve one device code, or all that wait; False when there was none."""
        with self._lock:
            chosen = [known for known in self.devices.values() if user_code in {None, known.user_code}]
            for known in chosen:
                known.approved = True
        return bool(chosen)

    def set_usage(
        self,
        *,
        primary_percent: float | None = None,
        secondary_percent: float | None = None,
        primary_resets_in: float | None = None,
        secondary_resets_in: float | None = None,
        has_credits: bool | None = None,
        balance: str | None = None,
    ) -> None:
        """Change what is used of the plan; from 100 per cent on, requests answer 429 usage_limit_reached."""
        self.usage = self.usage.changed(
            primary_percent=primary_percent,
            secondary_percent=secondary_percent,
            primary_resets_in=primary_resets_in,
            secondary_resets_in=secondary_resets_in,
            has_credits=has_credits,
            balance=balance,
        )

    def new_device(self, device_auth_id: str, user_code: str) -> None:
        """Remember a device code that waits for approval."""
        with self._lock:
            self.devices[device_auth_id] = _Device(user_code)

    def poll_device(self, device_auth_id: object, user_code: object) -> bool:
        """Whether this device may have its code now, which uses it up; KeyError when it is unknown."""
        with self._lock:
            known = self.devices[str(device_auth_id)]
            if known.user_code != user_code:
                raise KeyError(user_code)
            known.polls += 1
            if known.approved or (self.approve_devices and known.polls > 1):
                del self.devices[str(device_auth_id)]
                return True
            return False
