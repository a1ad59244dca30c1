"""OpenAI API keys: added, replaced, renamed, removed. Each is an access path while it is there.

A key is checked with OpenAI before it is kept, and kept sealed. A removed key can be brought back for some seconds.
"""

from __future__ import annotations

import asyncio
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import httpx
from asgiref.sync import sync_to_async
from django.db import IntegrityError, transaction
from django.utils import timezone

from connections import catalogues
from connections.catalogue import Catalogue
from connections.changes import Signal, connections_changed, heard
from connections.errors import AccessError
from connections.key_checks import LONGEST_LABEL, key_from, label_from, why_not
from connections.key_errors import KeyNotKept, KeyUnreadable
from connections.models import API_KEY_PATHS, ApiKey, CatalogueEntry
from connections.openai import LASTING, OpenAIPath
from connections.paths import AccessPaths
from connections.paths import paths as registered
from connections.sealing_keys import SealingKeys
from connections.secrets import Secret
from connections.stored_keys import StoredKeys

# How long a removed key can be brought back.
UNDO: Final = timedelta(seconds=10)


class ApiKeys:
    """The API keys of one data folder. `base_url` is the platform API's address.

    To be used on one event loop, but for `load`. `folder` gets the sealing key where there is no keyring.
    """

    def __init__(
        self,
        folder: Path,
        base_url: str,
        user_agent: str,
        *,
        paths: AccessPaths = registered,
        sealing_keys: SealingKeys | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._base_url = base_url
        self._user_agent = user_agent
        self._paths = paths
        self._transport = transport
        self.stored = StoredKeys(sealing_keys or SealingKeys(folder))
        self._removed: dict[uuid.UUID, OpenAIPath] = {}
        self._removal = Signal()
        # One at a time: two forms must not both find that a label is free.
        self._writing = asyncio.Lock()

    def load(self) -> None:
        """Register the path of each key, and drop what an earlier process removed. Once, before anything is served."""
        for row in ApiKey.objects.filter(removed_at__isnull=False):
            _purge(row.pk, row.path_key)
        rows = list(ApiKey.objects.all())
        # A process that ended between two steps may have left a catalogue behind.
        known = {row.path_key for row in rows}
        left = CatalogueEntry.objects.filter(path__startswith=API_KEY_PATHS).exclude(path__in=known)
        for key in set(left.values_list("path", flat=True)):
            catalogues.forget(key)
        for row in rows:
            self._paths.add(self._path(row))

    async def add(self, label: str, text: str) -> ApiKey:
        """Check a new key with OpenAI and keep it. Raises KeyNotKept."""
        key = key_from(text, self._base_url)
        async with self._writing:
            label = await _free_label(label)
            await self._refuse_known(key)
            catalogue = await self._verified(key)
            row = ApiKey(label=label, last_four=_last_four(key), verified_at=timezone.now())
            row.sealed = await self.stored.seal(key, row)
            try:
                await row.asave(force_insert=True)
            except IntegrityError:
                raise _taken() from None
            self._paths.add(self._path(row))
            await catalogues.keep(row.path_key, catalogue)
        connections_changed.set()
        return row

    async def replace(self, row: ApiKey, text: str) -> None:
        """Put another API key into the place of the one that `row` holds. Raises KeyNotKept."""
        key = key_from(text, self._base_url)
        async with self._writing:
            await self._refuse_known(key, but=row)
            catalogue = await self._verified(key)
            path = await self._present(row)
            row.revision += 1
            row.sealed = await self.stored.seal(key, row)
            row.last_four, row.verified_at, row.last_error = _last_four(key), timezone.now(), ""
            await row.asave(update_fields=("revision", "sealed", "last_four", "verified_at", "last_error"))
            path.take(self.stored.opener(row), row.revision)
            await catalogues.keep(row.path_key, catalogue)
        connections_changed.set()

    async def relabel(self, row: ApiKey, label: str) -> None:
        """Give a key another label. Raises KeyNotKept."""
        async with self._writing:
            path = await self._present(row)
            label = await _free_label(label, but=row)
            try:
                await ApiKey.objects.filter(pk=row.pk).aupdate(label=label)
            except IntegrityError:
                raise _taken() from None
            row.label = label
            path.rename(label)
        connections_changed.set()

    async def remove(self, row: ApiKey) -> None:
        """Use a key no longer. It can be brought back for `UNDO`; answers that are coming go on to their end."""
        path = self.path(row)
        if path is None:
            return
        await ApiKey.objects.filter(pk=row.pk).aupdate(removed_at=timezone.now())
        self._paths.remove(path.key)
        self._removed[row.pk] = path
        await path.retire()
        self._removal.set()
        connections_changed.set()

    async def restore(self, row: ApiKey) -> bool:
        """Bring a removed key back. Returns whether it was still there."""
        async with self._writing:
            path = self._removed.pop(row.pk, None)
            if path is None:
                return False
            label = await _unlike_others(row.label)
            await ApiKey.objects.filter(pk=row.pk).aupdate(removed_at=None, label=label)
            path.rename(label)
            path.resume()
            # To its old place in the menu: paths are listed in the order in which they were added.
            order = [each.path_key async for each in ApiKey.objects.all()]
            present = {each.key: each for each in self._paths.all() if isinstance(each, OpenAIPath)}
            for each in present.values():
                self._paths.remove(each.key)
            present[path.key] = path
            for key in sorted(present, key=order.index):
                self._paths.add(present[key])
        connections_changed.set()
        return True

    async def purge(self) -> None:
        """Drop removed keys for good when their time is over. Never ends: a task of the server's."""
        bell = asyncio.Event()
        self._removal.ring(bell)
        while True:
            waiting = ApiKey.objects.filter(removed_at__isnull=False).order_by("removed_at")
            async for row in waiting:
                if row.removed_at is not None and timezone.now() - row.removed_at >= UNDO:
                    await self._purge(row)
            first = await waiting.afirst()
            wait = first.removed_at + UNDO - timezone.now() if first is not None and first.removed_at else None
            await heard(bell, seconds=max(0.05, wait.total_seconds()) if wait is not None else 3600.0)

    async def _purge(self, row: ApiKey) -> None:
        async with self._writing:
            if not await sync_to_async(_purge)(row.pk, row.path_key):
                return  # brought back in the last moment
            path = self._removed.pop(row.pk, None)
            if path is not None:
                await path.retire()
        connections_changed.set()

    async def keep_outcomes(self, path: OpenAIPath) -> None:
        """Keep in the database what a path finds out about its key. Never ends: a task of the server's."""
        await path.look()
        while self.stored.is_asking:  # somebody is being asked to unlock the keyring
            await path.look()
        async for status in path.changes():
            facts: dict[str, str | datetime] = {"last_error": status.code if status.code in LASTING else ""}
            if path.accepted is not None:
                facts["verified_at"] = path.accepted
            await ApiKey.objects.filter(pk=_row_id(path)).aupdate(**facts)

    def path(self, row: ApiKey) -> OpenAIPath | None:
        """The registered path of a key; None for a removed one."""
        path = self._paths.get(row.path_key)
        return path if isinstance(path, OpenAIPath) else None

    async def _present(self, row: ApiKey) -> OpenAIPath:
        """The path of `row`, which is read anew. Raises KeyNotKept where the key was removed meanwhile."""
        path = self.path(row)
        if path is None:
            raise KeyNotKept("key", "This API key was removed meanwhile. Nothing was changed.")
        await row.arefresh_from_db()
        return path

    def _path(self, row: ApiKey) -> OpenAIPath:
        return OpenAIPath(
            row.path_key,
            row.label,
            self._base_url,
            self.stored.opener(row),
            self._user_agent,
            self._transport,
            revision=row.revision,
            trouble=row.last_error,
        )

    # Checking

    async def _refuse_known(self, key: Secret, but: ApiKey | None = None) -> None:
        async for row in ApiKey.objects.filter(removed_at__isnull=True, last_four=_last_four(key)):
            try:
                same = key == await self.stored.opener(row)()
            except KeyUnreadable:
                continue
            if same and row != but:
                raise KeyNotKept("key", f"This API key is here already, with the label {row.label}.")

    async def _verified(self, key: Secret) -> Catalogue:
        """What OpenAI lists for the key. Raises KeyNotKept with the reason why it is not kept."""

        async def itself() -> Secret:
            return key

        path = OpenAIPath("new", "new", self._base_url, itself, self._user_agent, self._transport)
        try:
            return await path.models()
        except AccessError as error:
            raise KeyNotKept("key", why_not(error)) from None
        finally:
            await path.aclose()


def _row_id(path: OpenAIPath) -> uuid.UUID:
    return uuid.UUID(path.key.removeprefix(API_KEY_PATHS))


def _last_four(key: Secret) -> str:
    return key.reveal()[-4:]


@transaction.atomic
def _purge(row_id: uuid.UUID, path_key: str) -> bool:
    """Drop a removed key and what belongs to it. Returns whether it was there, and removed."""
    if not ApiKey.objects.filter(pk=row_id, removed_at__isnull=False).delete()[0]:
        return False
    catalogues.forget(path_key)
    return True


async def _labels(but: ApiKey | None = None) -> set[str]:
    rows = ApiKey.objects.filter(removed_at__isnull=True)
    if but is not None:
        rows = rows.exclude(pk=but.pk)
    return {label.casefold() async for label in rows.values_list("label", flat=True)}


async def _free_label(text: str, but: ApiKey | None = None) -> str:
    """A label as it is kept. Raises KeyNotKept where there is none or it is taken."""
    label = label_from(text)
    if label.casefold() in await _labels(but):
        raise _taken()
    return label


def _taken() -> KeyNotKept:
    return KeyNotKept("label", "Another key has this label. Choose another one.")


async def _unlike_others(label: str) -> str:
    """`label`, with a number behind it if another key has taken it meanwhile."""
    taken, number, found = await _labels(), 1, label
    while found.casefold() in taken:
        number += 1
        found = f"{label[: LONGEST_LABEL - 4]} {number}"
    return found


_installed: ApiKeys | None = None


def install(api_keys: ApiKeys) -> None:
    """Make `api_keys` those of this process."""
    global _installed
    _installed = api_keys


def installed() -> ApiKeys:
    """The API keys of this process. Raises RuntimeError before `install`."""
    if _installed is None:
        raise RuntimeError("no API keys are installed in this process")
    return _installed
