"""Keeping up with the account: what the broker says of it, and what the device log says of other devices."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar

from connections.changes import heard
from relay.account.client import BrokerClient
from relay.account.desk import Desk, Member, Session
from relay.account.errors import (
    AccountError,
    CodesChanged,
    CodesDiffer,
    CutOff,
    KeysRefused,
    NothingToConfirm,
    StoredLost,
)
from relay.account.keys import flows
from relay.account.keys.errors import (
    BundleRolledBack,
    DeviceRevoked,
    LogIncomplete,
    LogRolledBack,
    SigningKeyChanged,
)
from relay.account.keys.flows import Followed
from relay.account.keys.log import LogDevice
from relay.account.models import Notice
from relay.account.opening import check_state
from relay.account.refusals import DeviceRefused, TokenEnded
from relay.account.signing_in import prove, settle
from relay.account.vault import Keys, News
from relay.account.viewing import name_of
from relay.api.states import AccountState
from relay.protocol.moments import showable

T = TypeVar("T")

#: Seconds between two looks; twice as long after each that fails.
EVERY: Final = 30.0
LONGEST: Final = 300.0
#: Seconds between two looks where nobody is signed in; signing in ends the wait.
IDLE: Final = 3600.0
#: Seconds after which the log is read again, though it has not grown.
LOG_EVERY: Final = 3600.0


async def follow(desk: Desk) -> None:
    """Look again and again. Never ends."""
    pause = EVERY
    await desk.find_place()
    await remember(desk)
    while True:
        await refresh(desk)
        problem = desk.said.problem
        if problem is None:
            pause = EVERY
        else:
            pause = min(max(2 * pause, problem.retry_after or 0), LONGEST)
        idle = desk.vault.member is None and desk.vault.joining is None
        spread = random.uniform(0.8, 1.2)  # noqa: S311 - hides nothing
        await heard(desk.wake, seconds=IDLE if idle else pause * spread)


async def remember(desk: Desk) -> None:
    """Take the log as it was stored, so that the account's devices are known before the broker answers."""
    row = desk.vault.member
    if row is None or not (entries := desk.vault.entries(row)):
        return
    try:
        member = await desk.member()
        followed = await desk.work(_follow(member, member.keys, entries))
    except AccountError:
        return  # the broker's own is read soon, and what is wrong is said then
    if _is_still(desk, member) and desk.said.log is None:
        desk.said = replace(desk.said, log=followed.log, stored=followed.log.n)
        desk.changed.set()


async def refresh(desk: Desk) -> None:
    """Look once. Raises nothing that an AccountError is."""
    try:
        if desk.vault.joining is not None:
            await desk.act(lambda: settle(desk))
        await _look(desk)
    except CutOff:
        return  # signed out meanwhile: there is nothing to tell of an account that is not here any more
    except AccountError as error:
        _failed(desk, error)
        row = desk.vault.member
        if desk.said.doubt is not None and row is not None and desk.said.stored is not None:
            # The next start must not take what is in doubt for the newest.
            await desk.vault.keep_entries(row, ())
            desk.said = replace(desk.said, stored=None)


def _failed(desk: Desk, error: AccountError) -> None:
    cause = error.cause if isinstance(error, KeysRefused) else None
    desk.failed(error, cause.digits if isinstance(cause, SigningKeyChanged) else None)


async def _look(desk: Desk) -> None:
    """Ask beside whatever else goes on, since a silent broker must not hold up who signs out; then take it in alone."""
    if desk.vault.member is None:
        await _look_around(desk)
        return
    member = await desk.member()
    client = await desk.client()
    entries: Sequence[bytes] | None = None
    try:
        state = await with_session(desk, client, member, client.account)
        if _wants_log(desk, state):
            entries = await with_session(desk, client, member, client.log)
        if entries is not None or desk.said.info is None:
            await _ask_info(desk, client)
    except DeviceRefused as error:
        refusal = error
        await desk.act(lambda: _removed(desk, member, refusal))
        return
    await desk.act(lambda: _take(desk, member, state, entries))


def _wants_log(desk: Desk, state: AccountState) -> bool:
    """Where it grew, and now and then: the same length may be another history."""
    said = desk.said
    old = said.read is None or desk.clock() - said.read > LOG_EVERY
    known = said.log is not None and state.n == said.log.n == said.stored
    return old or not known or said.problem is not None


async def _take(desk: Desk, member: Member, state: AccountState, entries: Sequence[bytes] | None) -> None:
    """Take in what the broker said, unless something was changed from here meanwhile."""
    if not _is_still(desk, member):
        desk.wake.set()
        return
    _check(state, member)
    if entries is None:
        desk.heard(state)
        return
    try:
        await _read(desk, member, state, entries)
    except KeysRefused as error:
        if not isinstance(error.cause, DeviceRevoked):
            raise
        await _removed(desk, member, error)


def _is_still(desk: Desk, member: Member) -> bool:
    return desk.vault.member is member.row and desk.vault.opened(member.row) is member.keys


async def _look_around(desk: Desk) -> None:
    """Nobody is signed in: what the broker is, where it can be asked without starting anything."""
    if desk.address or desk.embedded.running:
        await _ask_info(desk, await desk.client())
    if not isinstance(desk.said.problem, DeviceRefused | KeysRefused):
        desk.said = replace(desk.said, problem=None)


async def _ask_info(desk: Desk, client: BrokerClient) -> None:
    info = await client.info()
    desk.said = replace(desk.said, info=info)


def _check(state: AccountState, member: Member) -> None:
    """Refuse an answer about another account, or an older one than was seen. Raises KeysRefused."""
    check_state(state, member.row.email, member.account)
    known = member.keys.known
    if state.n < known.n:
        raise KeysRefused(LogRolledBack())
    if state.revision < known.revision:
        raise KeysRefused(BundleRolledBack())


async def _read(desk: Desk, member: Member, state: AccountState, entries: Sequence[bytes]) -> None:
    """Believe the log, or raise KeysRefused or CodesDiffer and leave everything as it was."""
    if len(entries) <= state.n:
        raise KeysRefused(LogIncomplete())
    keys = member.keys
    try:
        followed = await desk.work(_follow(member, keys, entries))
    except KeysRefused as error:
        cause = error.cause
        if not isinstance(cause, SigningKeyChanged):
            raise
        if cause.signing_key == keys.distrusted:
            raise CodesDiffer from None
        if cause.signing_key != keys.planned:
            raise
        # Our own work, from just before something broke off.
        keys = replace(keys, known=keys.known.trust(cause.signing_key))
        followed = await desk.work(_follow(member, keys, entries))
    now_keys = replace(keys, workspace=followed.workspace, known=followed.known, planned=None)
    if now_keys != member.keys:
        await desk.vault.keep(member.row, now_keys, _news(followed, now_keys, state))
    await desk.vault.keep_entries(member.row, entries)
    desk.said = replace(desk.said, stored=followed.log.n)
    desk.heard(state, followed.log)


def _follow(member: Member, keys: Keys, entries: Sequence[bytes]) -> Callable[[], Followed]:
    return partial(
        flows.follow,
        entries,
        account=member.account,
        device=keys.device,
        workspace=keys.workspace,
        known=keys.known,
    )


def _news(followed: Followed, keys: Keys, state: AccountState) -> list[News]:
    """What a person should hear of; a device that came and went between two looks is told of twice."""
    now = datetime.now(UTC)
    times = {each.id: showable(each.created) or now for each in state.devices}

    def news(kind: Notice.Kind, device: LogDevice, when: datetime) -> News:
        name = name_of(device, followed.log.account, keys.workspace, state)
        return News(kind, device.id, name, when)

    added = [news(Notice.Kind.ADDED, device, times.get(device.id, now)) for device in followed.added]
    removed = [news(Notice.Kind.REMOVED, device, now) for device in followed.revoked]
    return added + removed


async def _removed(desk: Desk, member: Member, error: AccountError) -> None:
    """The account does not list this device any more: its keys go, what it has seen stays."""
    if not _is_still(desk, member):
        return
    try:
        await desk.vault.forget_keys(member.row)
    except StoredLost:
        await desk.vault.drop(member.row)
    desk.pendings.clear()
    desk.forget_said()
    desk.failed(error)


async def trust(desk: Desk, equal: bool, digits: str) -> None:
    """Take over the new signing key of these digits, or refuse it for good; never another one that came since."""

    async def work() -> None:
        member = await desk.member()
        error = desk.said.problem
        cause = error.cause if isinstance(error, KeysRefused) else None
        if not isinstance(cause, SigningKeyChanged):
            raise NothingToConfirm
        if "".join(digits.split()) != "".join(cause.digits.split()):
            raise CodesChanged
        if not equal:
            await desk.vault.keep(member.row, replace(member.keys, distrusted=cause.signing_key))
            desk.failed(CodesDiffer())
            return
        known = member.keys.known.trust(cause.signing_key)
        client = await desk.client()
        state = await with_session(desk, client, member, client.account)
        _check(state, member)
        entries = await with_session(desk, client, member, client.log)
        trusting = replace(member, keys=replace(member.keys, known=known, distrusted=None))
        await _read(desk, trusting, state, entries)

    try:
        await desk.act(work)
    except KeysRefused as error:
        _failed(desk, error)
        if isinstance(error.cause, SigningKeyChanged):
            raise CodesChanged from None
        raise


async def with_session(
    desk: Desk, client: BrokerClient, member: Member, ask: Callable[[str], Awaitable[T]]
) -> T:
    """Ask by the session there is; where that has ended, by a new one. Raises DeviceRefused and others."""
    found = desk.session
    if found is not None and found.device == member.keys.device.id:
        try:
            return await ask(found.token)
        except TokenEnded:
            if desk.session is found:
                desk.session = None
    token = await prove(client, member.account, member.keys.device)
    desk.session = Session(member.keys.device.id, token)
    return await ask(token)
