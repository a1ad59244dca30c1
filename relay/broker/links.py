"""Who may come to the meeting place of devices, and who has to leave it again.

The tables decide, not what was true when somebody came: every second the devices that are on line are looked up, so
that a removal, a sign-out, a plan that ended or an account that is gone ends its links within two seconds, whoever
brought it about, also another process.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from django.db import Error as DatabaseFailure
from django.db.models import Q

from relay.broker.desk import desk
from relay.broker.devices import proves
from relay.broker.models import Device, hexadecimal, now
from relay.broker.presence import Hosts
from relay.broker.presence_rows import Rows
from relay.broker.refusals import Refused
from relay.broker.rendezvous import Claim, Rendezvous
from relay.broker.states import default_plan, plan_of
from relay.broker.tokens import SEEN_STEP
from relay.protocol.limits import Bucket
from relay.protocol.link import Code

logger = logging.getLogger(__name__)

#: Seconds between two looks at those who are on line.
WATCH_SECONDS: Final = 1.0
#: Accounts in one statement.
BATCH: Final = 400

#: Links that a device may begin: a second, and at once. Each is told to the account's other devices.
ARRIVALS: Final = 0.5
ARRIVALS_BURST: Final = 20
#: Devices whose links are counted, the latest of them.
MOST_ARRIVALS: Final = 20_000
_arrivals: dict[bytes, Bucket] = {}

# A device, as its link names it: account and id, 16 bytes each.
_Named = tuple[bytes, bytes]


async def check(claim: Claim) -> Code | None:
    """Say whether a device may come: None, or why not."""
    try:
        code = await desk.do(partial(_check, claim))
    except Refused:
        return Code.RESTARTING  # too much waits for the database
    # Counted only for those who proved who they are: nobody can use up what is another's.
    return Code.TOO_MANY if code is None and not _may_come(claim.account + claim.device) else code


def _may_come(named: bytes) -> bool:
    bucket = _arrivals.pop(named, None) or Bucket(ARRIVALS, ARRIVALS_BURST)
    _arrivals[named] = bucket
    if len(_arrivals) > MOST_ARRIVALS:
        del _arrivals[next(iter(_arrivals))]
    return bucket.take(time.monotonic())


#: The meeting place of this process, and who of its hosts is there.
rendezvous = Rendezvous(check)
hosts = Hosts(rendezvous, Rows())


async def watch() -> None:
    """Show out who may not be there any more, and tell of hosts, as work beside the requests. Never ends."""
    async with asyncio.TaskGroup() as both:
        both.create_task(hosts.keep())
        both.create_task(_show_out())


async def _show_out() -> None:
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        try:
            await _look()
        except (Refused, DatabaseFailure) as error:
            logger.warning("Who may be on line could not be looked up: %s.", type(error).__name__)


async def _look() -> None:
    present = rendezvous.present()
    accounts = sorted({account for account, _ in present})
    for start in range(0, len(accounts), BATCH):
        some = set(accounts[start : start + BATCH])
        mine = [named for named in present if named[0] in some]
        for (account, device), code in (await desk.do(partial(_unwelcome, mine))).items():
            rendezvous.expel(account, device, code)


def _check(claim: Claim) -> Code | None:
    row = (
        Device.objects.filter(account=hexadecimal(claim.account), device=hexadecimal(claim.device))
        .select_related("account__plan")
        .defer("account__by_password", "account__by_recovery")
        .first()
    )
    # The proof first: what became of a device is told to nobody else.
    if row is None or not row.roles & claim.role or not proves(row, claim):
        return Code.REFUSED
    if row.revoked is not None:
        return Code.REVOKED
    if row.signed_out is not None:
        return Code.REFUSED
    if not plan_of(row.account).relay:
        return Code.NO_PLAN
    _seen([row.pk], now())
    return None


def _unwelcome(present: Sequence[_Named]) -> dict[_Named, Code]:
    """Those who may not be there any more, and why; the others were seen just now."""
    moment, ended = now(), default_plan().relay
    # Rows in place of objects: with thousands of devices on line this is most of what a broker does.
    rows = Device.objects.filter(
        account__in={hexadecimal(account) for account, _ in present},
        device__in={hexadecimal(device) for _, device in present},
    ).values_list("pk", "account", "device", "revoked", "signed_out", "account__plan__relay", "account__plan_until")
    devices = {(row[1], row[2]): row for row in rows}
    found: dict[_Named, Code] = {}
    here: list[int] = []
    for named in present:
        row = devices.get((hexadecimal(named[0]), hexadecimal(named[1])))
        if row is None:
            found[named] = Code.REVOKED
            continue
        pk, _, _, revoked, signed_out, relay, until = row
        if revoked is not None:
            found[named] = Code.REVOKED
        elif signed_out is not None:
            found[named] = Code.REFUSED
        elif not (ended if until is not None and until <= moment else relay):
            found[named] = Code.NO_PLAN
        else:
            here.append(pk)
    _seen(here, moment)
    return found


def _seen(rows: Sequence[int], moment: datetime) -> None:
    late = Q(seen__isnull=True) | Q(seen__lt=moment - SEEN_STEP)
    Device.objects.filter(late, pk__in=rows).update(seen=moment)
