"""The keys of this device at rest: each row's sealed by a key of its own, which lies in the keyring or a 0600 file.

Why a key for each row: when the row goes, its sealing key goes too, and whatever is left of the sealed bytes (in the
database's free pages, in its -wal file, in a backup) opens no more. What a row holds in the clear, an e-mail address
and names of devices, is overwritten: the settings of the database say `secure_delete`, and `erase` empties the -wal
file. What no program can promise is that a disk or a snapshot of the file system keeps no older copy of a block.
"""

import contextlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from asgiref.sync import sync_to_async
from django.db import DatabaseError, OperationalError, connection, transaction

from connections.sealing import Binding, SealingError, SealingKeySilent
from connections.sealing_keys import SealingKeys
from connections.secrets import Secret
from relay.account.errors import NotKept, StoredAway, StoredLost
from relay.account.keys.device import DeviceKeys
from relay.account.keys.errors import KeysError
from relay.account.keys.holders import Stored
from relay.account.keys.log import Known
from relay.account.keys.workspace import WorkspaceKeys
from relay.account.models import Membership, Notice
from relay.api.fields import Fields, MessageMalformed, encode
from relay.api.states import entries_from_json, entries_to_json

PURPOSE: Final = "Lerix account"
# A workspace of 1,024 epochs has 32 KiB.
_MOST: Final = 64 * 1024
#: Bytes of a log that is stored; a longer one is asked for at each start.
MOST_STORED: Final = 2 * 1024 * 1024

State = Membership.State


@dataclass(frozen=True)
class Keys:
    """What a member has: its own keys, the account's, and what it has seen.

    `planned` is a signing key that this device is about to put in place of `known.signing_key`, so that it knows its
    own work again after a crash; `distrusted` one that a person has refused.
    """

    device: DeviceKeys
    workspace: WorkspaceKeys
    known: Known
    planned: bytes | None = None
    distrusted: bytes | None = None


@dataclass(frozen=True)
class News:
    """What `keep` stores as a notice."""

    kind: Notice.Kind
    device: bytes
    name: str
    when: datetime


class Vault:
    """The rows of this data folder. To be used on one event loop, but for `load`; one writer at a time."""

    def __init__(self, sealing_keys: SealingKeys) -> None:
        self._sealing_keys = sealing_keys
        self._rows: dict[str, Membership] = {}
        # Opened once, and kept while the row is there: a device that is signed in uses them all the time.
        self._opened: dict[int, Keys] = {}
        self.notices: tuple[Notice, ...] = ()

    def load(self) -> None:
        """Read the rows, without opening what is sealed."""
        self._rows = {row.state: row for row in Membership.objects.all()}
        self.notices = tuple(Notice.objects.all())

    @property
    def member(self) -> Membership | None:
        """Who is signed in."""
        return self._rows.get(State.MEMBER)

    @property
    def joining(self) -> Membership | None:
        """A device of which it is not known whether the broker took it."""
        return self._rows.get(State.JOINING)

    @property
    def revoked(self) -> Membership | None:
        """A device that was removed."""
        return self._rows.get(State.REVOKED)

    def opened(self, row: Membership) -> Keys | None:
        """The keys of a row, if they were opened in this process."""
        return self._opened.get(row.pk)

    async def keys(self, row: Membership) -> Keys:
        """Open a member's or a joining row. Raises StoredAway, StoredLost."""
        found = self._opened.get(row.pk)
        if found is None:
            fields = await self._open(row)
            try:
                found = Keys(
                    DeviceKeys.from_stored(Stored(fields.raw("device"))),
                    WorkspaceKeys.from_stored(Stored(fields.raw("workspace", at_most=_MOST))),
                    Known.from_stored(Stored(fields.raw("known"))),
                    fields.raw_or_none("planned"),
                    fields.raw_or_none("distrusted"),
                )
            except (MessageMalformed, KeysError):
                raise StoredLost from None
            self._opened[row.pk] = found
        return found

    async def known(self, row: Membership) -> Known:
        """What a row of any state has seen. Raises StoredAway, StoredLost."""
        try:
            return Known.from_stored(Stored((await self._open(row)).raw("known")))
        except (MessageMalformed, KeysError):
            raise StoredLost from None

    async def join(self, broker: str, account: bytes, email: str, keys: Keys, *, recovered: bool) -> Membership:
        """Store the keys of a device that the broker does not know yet. Raises NotKept."""
        old = self.joining
        if old is not None:
            await self.drop(old)
        row = Membership(
            state=State.JOINING, broker=broker, account=account.hex(), email=email, recovery_key_used=recovered
        )
        try:
            kept = await self._sealing_keys.create()
            row.sealing_place, row.sealing_name = kept.place.value, kept.name
            row.sealing_fingerprint = kept.fingerprint.hex()
            row.sealed = await self._seal(row, _document(keys))
            await row.asave(force_insert=True)
        except (OSError, SealingError, DatabaseError):
            raise NotKept from None
        self._opened[row.pk] = keys
        self._rows[State.JOINING] = row
        return row

    async def admit(self, row: Membership) -> None:
        """The broker has taken it: from now on this device is signed in. Raises NotKept."""
        others = [other for other in self._rows.values() if other.pk != row.pk]
        try:
            await sync_to_async(_admit)(row.pk)
        except DatabaseError:
            raise NotKept from None
        for other in others:
            self._opened.pop(other.pk, None)
            await self._sealing_keys.remove(other.kept)
        row.state = State.MEMBER
        self._rows = {State.MEMBER: row}
        self.notices = ()

    async def keep(self, row: Membership, keys: Keys, news: Collection[News] = ()) -> None:
        """Replace the keys of a member, and store notices with them. Raises NotKept, StoredAway, StoredLost."""
        await self._replace(row, _document(keys), {}, news)
        self._opened[row.pk] = keys

    async def keep_entries(self, row: Membership, entries: Sequence[bytes]) -> None:
        """Store the log, so that the account's devices are known at the next start also without a network."""
        stored = json.dumps(entries_to_json(tuple(entries))).encode() if entries else b""
        if len(stored) > MOST_STORED:
            stored = b""
        with contextlib.suppress(DatabaseError):  # it is there for convenience
            await Membership.objects.filter(pk=row.pk).aupdate(entries=stored)
            row.entries = stored

    def entries(self, row: Membership) -> tuple[bytes, ...]:
        """The log as it was stored; nothing where there is none."""
        try:
            return entries_from_json(json.loads(bytes(row.entries))) if row.entries else ()
        except (ValueError, MessageMalformed):
            return ()

    async def set_recovery_key_used(self, row: Membership, used: bool) -> None:
        """Remember whether the recovery key was used up."""
        if row.recovery_key_used != used:
            row.recovery_key_used = used
            await row.asave(update_fields=("recovery_key_used",))

    async def forget_keys(self, row: Membership) -> None:
        """This device was removed from the account: drop its keys, and keep what it has seen.

        The row gets a new sealing key, since the old one could open the old content. Raises NotKept, StoredAway.
        """
        known = await self.known(row)
        old = row.kept
        try:
            kept = await self._sealing_keys.create()
        except OSError:
            raise NotKept from None
        place = {
            "state": State.REVOKED,
            "sealing_place": kept.place.value,
            "sealing_name": kept.name,
            "sealing_fingerprint": kept.fingerprint.hex(),
        }
        try:
            await self._replace(row, {"known": encode(known.stored().reveal())}, place, ())
        except NotKept:
            await self._sealing_keys.remove(kept)
            raise
        self._opened.pop(row.pk, None)
        await self.keep_entries(row, ())
        self._rows = {State.REVOKED: row}
        await self._sealing_keys.remove(old)

    async def drop(self, row: Membership) -> None:
        """Delete one row, with its sealing key."""
        await sync_to_async(_delete)(row.pk)
        self._opened.pop(row.pk, None)
        self._rows = {state: other for state, other in self._rows.items() if other.pk != row.pk}
        await self._sealing_keys.remove(row.kept)

    async def erase(self) -> None:
        """Delete everything, first the rows and then their sealing keys."""
        rows = list(self._rows.values())
        # What was broken off may have stored a row of which nobody here has heard.
        stored = await sync_to_async(_delete)(None)
        self._rows, self.notices = {}, ()
        self._opened.clear()
        places = {row.sealing_name: row.kept for row in (*rows, *stored)}
        for kept in places.values():
            await self._sealing_keys.remove(kept)

    async def dismiss(self, notice_id: int) -> None:
        """Take a notice away."""
        await Notice.objects.filter(pk=notice_id).adelete()
        self.notices = tuple(notice for notice in self.notices if notice.pk != notice_id)

    async def _open(self, row: Membership) -> Fields:
        try:
            key = await self._sealing_keys.find(row.kept)
            return Fields(json.loads(key.unseal(bytes(row.sealed), _binding(row)).reveal()))
        except SealingKeySilent:
            raise StoredAway from None
        except (SealingError, MessageMalformed, ValueError):
            raise StoredLost from None

    async def _seal(self, row: Membership, document: dict[str, str]) -> bytes:
        key = await self._sealing_keys.find(row.kept)
        return key.seal(Secret(json.dumps(document)), _binding(row))

    async def _replace(
        self, row: Membership, document: dict[str, str], place: dict[str, str], news: Collection[News]
    ) -> None:
        """Seal other content for a row and store it in one step; where that fails, row and object are as before."""
        draft = Membership(
            **{field.attname: getattr(row, field.attname) for field in Membership._meta.concrete_fields} | place
        )
        draft.revision = row.revision + 1
        try:
            draft.sealed = await self._seal(draft, document)
            notices = await sync_to_async(_store)(draft, news)
        except SealingKeySilent:
            raise StoredAway from None
        except SealingError:
            raise StoredLost from None
        except DatabaseError:
            raise NotKept from None
        for name in _CHANGING:
            setattr(row, name, getattr(draft, name))
        self.notices = notices


_CHANGING: Final = ("state", "sealed", "revision", "sealing_place", "sealing_name", "sealing_fingerprint")


def _binding(row: Membership) -> Binding:
    # Random, made for this row alone.
    return Binding(row.sealing_name, PURPOSE, row.revision)


def _document(keys: Keys) -> dict[str, str]:
    document = {
        "device": encode(keys.device.stored().reveal()),
        "workspace": encode(keys.workspace.stored().reveal()),
        "known": encode(keys.known.stored().reveal()),
    }
    if keys.planned is not None:
        document["planned"] = encode(keys.planned)
    if keys.distrusted is not None:
        document["distrusted"] = encode(keys.distrusted)
    return document


@transaction.atomic
def _admit(pk: int) -> None:
    Membership.objects.exclude(pk=pk).delete()
    Notice.objects.all().delete()
    Membership.objects.filter(pk=pk).update(state=State.MEMBER)


@transaction.atomic
def _store(row: Membership, news: Collection[News]) -> tuple[Notice, ...]:
    row.save(force_update=True, update_fields=_CHANGING)
    for each in news:
        Notice.objects.update_or_create(
            kind=each.kind, device=each.device.hex(), defaults={"name": each.name, "when": each.when}
        )
    return tuple(Notice.objects.all())


def _delete(pk: int | None) -> tuple[Membership, ...]:
    """Delete one row, or everything, so that the database files hold none of it. Returns the rows that were there."""
    with transaction.atomic():
        stored = tuple(Membership.objects.all() if pk is None else Membership.objects.filter(pk=pk))
        if pk is None:
            Notice.objects.all().delete()
            Membership.objects.all().delete()
        else:
            Membership.objects.filter(pk=pk).delete()
    try:
        with connection.cursor() as cursor:
            # Waits for readers; what they do not let go of is overwritten by the checkpoints that follow.
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except OperationalError:
        pass  # inside somebody else's transaction
    return stored


