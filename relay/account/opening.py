"""Opening an account at the broker, and changing it: what every flow does with a password."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeVar

from connections.secrets import Secret
from relay.account.client import BrokerClient, backoff
from relay.account.desk import TRIES, Desk
from relay.account.errors import AccountError, AnswerLost, AnswerUnexpected, KeysRefused, Unreachable, Unsettled
from relay.account.keys import flows
from relay.account.keys.errors import AnswerMalformed, BundleOutdated, SigningKeyChanged
from relay.account.keys.flows import Changed, Unlocked
from relay.account.keys.log import Known
from relay.account.keys.password import PasswordKeys, stretch
from relay.account.refusals import Conflict, DevicesFull, PlanFull, TokenEnded, WrongLogin
from relay.account.viewing import name_of
from relay.api.states import AccountState, Opened
from relay.protocol.moments import showable

C = TypeVar("C", bound=Changed)
T = TypeVar("T")

# Seconds before a change whose answer was lost is sent again.
_PAUSE: Final = 0.4


@dataclass(frozen=True)
class Access:
    """An account that is open: whoever holds this can change it. Keep it for one task, then drop it.

    `again` gets a new token when this one has ended; None where only starting again helps.
    """

    email: str
    token: str = field(repr=False)
    state: AccountState = field(repr=False)
    unlocked: Unlocked = field(repr=False)
    again: Callable[[], Awaitable[str]] | None = field(default=None, repr=False)

    def after(self, changed: Changed, state: AccountState) -> Access:
        """The same account when the broker has taken a change."""
        return replace(self, unlocked=changed.after, state=state)


async def open_account(
    desk: Desk,
    client: BrokerClient,
    email: str,
    password: Secret,
    *,
    account: bytes | None = None,
    known: Callable[[bytes], Awaitable[Known | None]] | None = None,
    joining: bool = False,
) -> Access:
    """Log in by a password and open what the broker keeps.

    `account` is the id that it must have, `known` tells by the id what this device has seen of it. With `joining` a new
    signing key is believed, since the bundle that names it was opened by the password just typed. Raises AccountError.
    """
    answer = await client.prelogin(email)
    # Refuses suites and salts that this version does not have, before any hashing.
    keys = await desk.work(partial(stretch, password, email, suite=answer.suite, salt=answer.salt))
    return await log_in(desk, client, email, keys, account=account, known=known, joining=joining)


async def log_in(
    desk: Desk,
    client: BrokerClient,
    email: str,
    keys: PasswordKeys,
    *,
    account: bytes | None = None,
    known: Callable[[bytes], Awaitable[Known | None]] | None = None,
    joining: bool = False,
) -> Access:
    """The same with keys that were stretched already."""

    async def attempt() -> Access:
        opened = await client.login(email, keys.auth)
        check_state(opened.state, email, account)
        seen = await known(opened.state.account) if known is not None else None
        unlocked = await desk.work(partial(_unlock, opened, keys, seen, joining))

        async def again() -> str:
            answer = await client.login(email, keys.auth)
            check_state(answer.state, email, opened.state.account)
            return answer.unlock

        return Access(email, opened.unlock, opened.state, unlocked, again)

    try:
        return await attempt()
    except KeysRefused as error:
        if not isinstance(error.cause, BundleOutdated):
            raise
        # The broker may just have taken an update between bundle and log: once more.
        return await attempt()


def _unlock(opened: Opened, keys: PasswordKeys, known: Known | None, joining: bool) -> Unlocked:
    account = opened.state.account
    try:
        return flows.unlock(opened.copy, opened.entries, keys, account=account, known=known)
    except SigningKeyChanged as changed:
        if not joining or known is None:
            raise
        trusted = known.trust(changed.signing_key)
        return flows.unlock(opened.copy, opened.entries, keys, account=account, known=trusted)


def check_state(state: AccountState, email: str, account: bytes | None) -> None:
    """Refuse an answer about another account. Raises KeysRefused."""
    if state.email != email or account not in {None, state.account}:
        raise KeysRefused(AnswerMalformed())


async def commit(
    desk: Desk, client: BrokerClient, access: Access, changed: Changed, *, lost: bool = False
) -> AccountState:
    """Send a change until it is known whether the broker took it. Returns what the account then is.

    Sending it again does no harm: the broker takes one update of a revision. `lost` says that an answer to this very
    change was lost before. Raises Conflict where another change came first, Unsettled where nobody tells, and other
    AccountErrors where this change was certainly not taken.
    """
    token = access.token
    for attempt in range(TRIES):
        try:
            state = await client.update(token, changed.update)
            check_state(state, access.email, changed.update.account)
            return state
        except (AnswerLost, AnswerUnexpected):
            lost = True
        except Unreachable:
            if not lost:
                raise
        except TokenEnded:
            # It may have ended by this very change: a new password ends all that the old one gave.
            taken = await _taken(desk, client, access, changed) if lost else None
            if taken is not None:
                return taken
            if access.again is None:
                raise
            token = await access.again()
            continue
        except AccountError:
            taken = await _taken(desk, client, access, changed) if lost else None
            if taken is not None:
                return taken
            raise
        await rest(client, attempt)
    raise Unsettled if lost else TokenEnded


async def until_known(client: BrokerClient, send: Callable[[], Awaitable[T]], *, lost: bool) -> T:
    """Send what does no harm when it is sent again, until it is known what came of it. `lost`: an answer was already.

    Once an answer was lost, no refusal says that the broker has not done it: only Unsettled is raised then.
    """
    for attempt in range(TRIES):
        try:
            return await send()
        except (AnswerLost, AnswerUnexpected):
            lost = True
        except Unreachable:
            if not lost:
                raise
        except AccountError:
            if not lost:
                raise
            raise Unsettled from None
        await rest(client, attempt)
    raise Unsettled


async def rest(client: BrokerClient, attempt: int) -> None:
    """Wait before something whose answer was lost is sent again."""
    await client.pause(backoff(_PAUSE, attempt))


async def _taken(desk: Desk, client: BrokerClient, access: Access, changed: Changed) -> AccountState | None:
    """The account if it holds what `changed` made, None where it certainly does not. Raises Unsettled else."""
    after = changed.after
    if after.keys is None:
        raise Unsettled
    try:
        found = await log_in(desk, client, access.email, after.keys, account=after.account)
    except WrongLogin:
        if changed.update.auth is not None:
            return None  # the new password does not hold
        raise Unsettled from None  # another device changed it meanwhile
    except AccountError:
        raise Unsettled from None
    log, bundle = found.unlocked.log, found.unlocked.bundle
    holds = (
        bundle.revision >= changed.update.revision
        and log.n >= after.log.n
        and log.heads[after.log.n] == after.log.head
        and bundle.recovery_public == after.bundle.recovery_public
    )
    return found.state if holds else None


async def change(
    desk: Desk,
    client: BrokerClient,
    access: Access,
    make: Callable[[Unlocked], C | None],
) -> tuple[Access, C | None]:
    """Make a change and commit it, at most `TRIES` times where other changes come first.

    `make` works in a thread; None says that there is nothing to change any more. Raises as `commit`.
    """
    for _ in range(TRIES - 1):
        changed = await desk.work(partial(make, access.unlocked))
        try:
            return await _committed(desk, client, access, changed)
        except Conflict:
            keys = access.unlocked.keys
            if keys is None:
                raise
            account = access.unlocked.account
            access = await log_in(desk, client, access.email, keys, account=account, known=seen_in(access))
    return await _committed(desk, client, access, await desk.work(partial(make, access.unlocked)))


async def _committed(desk: Desk, client: BrokerClient, access: Access, changed: C | None) -> tuple[Access, C | None]:
    if changed is None:
        return access, None
    state = await commit(desk, client, access, changed)
    return access.after(changed, state), changed


def seen_in(access: Access) -> Callable[[bytes], Awaitable[Known | None]]:
    """What an open account has shown, as what the next opening of it may not fall behind."""

    async def known(account: bytes) -> Known | None:
        return access.unlocked.known

    return known


def devices_full(access: Access, error: AccountError) -> DevicesFull:
    """The error for an account without room, with the devices that could be removed."""
    state, log = access.state, access.unlocked.log
    facts = {each.id: each for each in state.devices}
    devices = []
    for device in log.active:
        known = facts.get(device.id)
        if known is None or known.signed_out is None:
            name = name_of(device, log.account, access.unlocked.workspace, state)
            devices.append((device.id, name, showable(known.seen) if known is not None else None))
    return DevicesFull(tuple(devices), most=state.plan.devices if isinstance(error, PlanFull) else None)
