"""The rows of hosts: what is known of each after a restart. See `presence.Kept`."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial

from django.db import transaction
from django.db.models.functions import Coalesce

from relay.account.keys.device import Role
from relay.broker.desk import desk
from relay.broker.models import Device, hexadecimal
from relay.broker.presence import BATCH, HERE, Named, Row
from relay.protocol.presence import Presence, Why


class Rows:
    """The table of devices, by way of the desk."""

    async def read(self, accounts: Sequence[bytes]) -> Mapping[bytes, Sequence[Row]]:
        """The hosts of some accounts."""
        return await desk.do(partial(_read, accounts))

    async def write(self, changes: Mapping[Named, Presence]) -> None:
        """Write what has changed."""
        await desk.do(partial(_write, changes))

    async def lose(self, here: Collection[Named]) -> Mapping[Named, Presence]:
        """Those that were on line, but for `here`, are lost since they were last seen."""
        return await desk.do(partial(_lose, here))


def _read(accounts: Sequence[bytes]) -> dict[bytes, list[Row]]:
    found: dict[bytes, list[Row]] = {}
    rows = Device.objects.filter(account__in=[hexadecimal(each) for each in accounts], revoked__isnull=True)
    for row in rows.only("account_id", "device", "roles", "presence", "presence_since", "seen", "signed_out"):
        if not row.roles & Role.HOST:
            continue
        state, since = row.presence, row.presence_since
        if row.signed_out is not None:
            state, since = Why.SIGNED_OUT.value, row.signed_out
        found.setdefault(bytes.fromhex(row.account_id), []).append(
            Row(bytes.fromhex(row.device), state, since, row.seen)
        )
    return found


def _write(changes: Mapping[Named, Presence]) -> None:
    with transaction.atomic():
        for (account, host), presence in changes.items():
            state = HERE if presence.online else (presence.why or Why.LOST).value
            rows = Device.objects.filter(account=hexadecimal(account), device=hexadecimal(host))
            # What is so already is not written again: after a restart all hosts come back.
            same = {"presence": HERE} if presence.online else {"presence": state, "presence_since": presence.since}
            rows.exclude(**same).update(presence=state, presence_since=presence.since)


def _lose(here: Collection[Named]) -> dict[Named, Presence]:
    found: dict[Named, Presence] = {}
    gone: list[int] = []
    for row in Device.objects.filter(presence=HERE, revoked__isnull=True).only("account_id", "device", "seen"):
        named = bytes.fromhex(row.account_id), bytes.fromhex(row.device)
        if named not in here:
            gone.append(row.pk)
            found[named] = Presence(named[1], False, row.seen, Why.LOST)
    with transaction.atomic():
        for start in range(0, len(gone), BATCH):
            some = Device.objects.filter(pk__in=gone[start : start + BATCH])
            some.update(presence=Why.LOST.value, presence_since=Coalesce("seen", "presence_since"))
    return found
