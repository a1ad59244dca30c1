"""Signing out: everything of the account goes from this device; the broker is told when it can be."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from connections.secrets import Secret
from relay.account.changing import open_member, remove
from relay.account.client import BrokerClient
from relay.account.desk import TRIES, Desk, Member, Session
from relay.account.errors import AccountError, AnswerLost, AnswerUnexpected, Unreachable, Unsettled
from relay.account.opening import Access, rest
from relay.account.refusals import DeviceRefused, NotFound, TokenEnded
from relay.account.signing_in import prove

# Seconds that the broker may take to hear of it.
_PATIENCE: Final = 5.0


async def sign_out(desk: Desk) -> None:
    """Erase the account here, also what is left of one that was removed; then tell the broker.

    Whoever signs out may have a reason to hurry, and a broker that does not answer must not hold the keys here.
    """
    await desk.act(lambda: _sign_out(desk), first=True)


async def _sign_out(desk: Desk) -> None:
    member, client = await _last(desk), None
    session = desk.session
    if member is not None:
        # Made before the rows go, since they name the broker; one that does not run is not started for this.
        with contextlib.suppress(AccountError):
            client = await desk.client() if desk.address or desk.embedded.running else None
    await _forget(desk)
    if member is not None and client is not None:
        with contextlib.suppress(AccountError, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await _tell(client, member, session)
    await desk.close_client()


async def delete(desk: Desk, password: Secret) -> None:
    """Delete the account at the broker, then here."""

    async def work() -> None:
        member, access = await open_member(desk, password)
        await _delete(await desk.client(), member, access)
        await _forget(desk)
        await desk.close_client()

    await desk.act(work)


async def _delete(client: BrokerClient, member: Member, access: Access) -> None:
    """Send it until it is known that it was done. Raises Unsettled where nobody tells."""
    token, lost = access.token, False
    for attempt in range(TRIES):
        try:
            await client.delete(token)
        except (AnswerLost, AnswerUnexpected):
            lost = True
        except Unreachable:
            if not lost:
                raise
        except (TokenEnded, NotFound):
            # A token ends with the account, and by itself.
            if not lost:
                raise
            if await _is_gone(client, member):
                return
            token = await _anew(access)
            continue
        except AccountError:
            if not lost:
                raise
            raise Unsettled from None
        else:
            return
        await rest(client, attempt)
    raise Unsettled


async def _is_gone(client: BrokerClient, member: Member) -> bool:
    """Whether the broker knows this device no more, which is so where its account is gone. Raises Unsettled."""
    try:
        await prove(client, member.account, member.keys.device)
    except DeviceRefused:
        return True
    except AccountError:
        raise Unsettled from None
    return False


async def _anew(access: Access) -> str:
    """Another token, for what may have been done with the one before. Raises Unsettled."""
    if access.again is None:
        raise Unsettled
    try:
        return await access.again()
    except AccountError:
        raise Unsettled from None


async def sign_out_everywhere(desk: Desk, password: Secret) -> None:
    """Remove all other devices, then sign this one out."""

    async def work() -> None:
        member, access = await open_member(desk, password)
        others = [device.id for device in access.unlocked.log.active]
        await remove(desk, member, access, others)
        await _sign_out(desk)

    await desk.act(work)


async def _last(desk: Desk) -> Member | None:
    """Who is signed in, if the keys can be opened."""
    try:
        return await desk.member()
    except AccountError:
        return None


async def _forget(desk: Desk) -> None:
    desk.pendings.clear()
    desk.leaving = True
    try:
        # First of all nobody is served or asked any more: a disk, a keyring or the broker may take their time.
        desk.forget_said()
        desk.changed.set()
        await desk.vault.erase()
        desk.forget_said()
    finally:
        desk.leaving = False
        desk.changed.set()
    await desk.find_place()
    desk.wake.set()


async def _tell(client: BrokerClient, member: Member, session: Session | None) -> None:
    """Say it by the session there is, or by a new one."""
    if session is not None and session.device == member.keys.device.id:
        try:
            await client.sign_out(session.token)
        except TokenEnded:
            pass
        else:
            return
    await client.sign_out(await prove(client, member.account, member.keys.device))
