"""Signing out: everything of the account goes from this device; the broker is told when it can be."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from connections.secrets import Secret
from relay.account.changing import open_member, remove
from relay.account.client import BrokerClient
from relay.account.desk import Desk, Member, Session
from relay.account.errors import AccountError, AnswerLost
from relay.account.refusals import NotFound, TokenEnded
from relay.account.signing_in import prove

# Seconds that the broker may take to hear of it.
_PATIENCE: Final = 5.0


async def sign_out(desk: Desk) -> None:
    """Erase the account here, also what is left of one that was removed; then tell the broker."""
    await desk.act(lambda: _sign_out(desk))


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
        _, access = await open_member(desk, password)
        client = await desk.client()
        try:
            await client.delete(access.token)
        except AnswerLost:
            # Where it was done, its tokens are gone.
            with contextlib.suppress(TokenEnded, NotFound):
                await client.delete(access.token)
        await _forget(desk)
        await desk.close_client()

    await desk.act(work)


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
    await desk.vault.erase()
    desk.forget_said()
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
