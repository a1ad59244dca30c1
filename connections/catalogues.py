"""The models of each access path: fetched from the path, kept in the database, switched on and off by the user."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from asgiref.sync import sync_to_async
from django.db import transaction
from django.utils import timezone

from connections.catalogue import Catalogue, Model
from connections.changes import connections_changed
from connections.errors import AccessError
from connections.models import CatalogueEntry, PathMemory
from connections.paths import AccessPath, paths
from connections.status import NextStep, Status

# The Codex CLI keeps its copy of the catalogue for as long (300 s).
FRESH_FOR: Final = timedelta(minutes=5)

# Seconds between two looks at a service that failed.
FIRST_PROBE: Final = 5.0
LONGEST_PROBE: Final = 60.0

_locks: dict[str, asyncio.Lock] = {}


@dataclass(frozen=True)
class Offer:
    """One access path as the model menu shows it: its state and the models that are switched on."""

    path: AccessPath
    status: Status
    models: Sequence[Model]
    # Why a model was refused when it was last asked, by slug.
    refused: Mapping[str, str]


async def offers() -> list[Offer]:
    """Return every access path with its enabled models, in the order in which they were added."""
    enabled: dict[str, list[CatalogueEntry]] = {}
    async for entry in CatalogueEntry.objects.filter(enabled=True, retired=False):
        enabled.setdefault(entry.path, []).append(entry)
    return [
        Offer(
            path,
            path.status(),
            [entry.model for entry in enabled.get(path.key, [])],
            {entry.slug: entry.refused for entry in enabled.get(path.key, []) if entry.refused},
        )
        for path in paths.all()
    ]


async def entries(path: AccessPath) -> list[CatalogueEntry]:
    """Return the catalogue of `path` as last fetched."""
    return [entry async for entry in CatalogueEntry.objects.filter(path=path.key)]


async def fetched_at(path: AccessPath) -> datetime | None:
    """Return when the catalogue of `path` was last fetched."""
    memory = await PathMemory.objects.filter(path=path.key).afirst()
    return memory.fetched if memory else None


async def refresh(path: AccessPath, *, force: bool = False) -> AccessError | None:
    """Fetch the catalogue of `path` unless the kept one is fresh. One fetch at a time for each path.

    Returns the reason when it could not be fetched; the kept catalogue then stays as it was.
    """
    async with _locks.setdefault(path.key, asyncio.Lock()):
        fetched = await fetched_at(path)
        if not force and fetched is not None and timezone.now() - fetched < FRESH_FOR:
            return None
        try:
            catalogue = await path.models()
        except AccessError as error:
            return error
        if paths.get(path.key) is path:  # else it was removed meanwhile
            await keep(path.key, catalogue)
        return None


async def keep(key: str, catalogue: Catalogue) -> None:
    """Keep a catalogue that was fetched just now as that of the path `key`; what is switched on stays so."""
    await sync_to_async(_store)(key, catalogue)


def forget(key: str) -> None:
    """Drop everything that is remembered of the path `key`."""
    CatalogueEntry.objects.filter(path=key).delete()
    PathMemory.objects.filter(path=key).delete()
    _locks.pop(key, None)


@transaction.atomic
def _store(key: str, catalogue: Catalogue) -> None:
    known = {entry.slug: entry for entry in CatalogueEntry.objects.filter(path=key)}
    later = bool(known)
    # Another computer says what it offers: one that says it twice offers it once.
    models = {model.slug: model for model in reversed(catalogue.models)}
    for position, model in enumerate(reversed(models.values())):
        entry = known.pop(model.slug, None) or CatalogueEntry(
            path=key, slug=model.slug, came_later=later, enabled=catalogue.chosen
        )
        entry.position, entry.facts, entry.retired = position, model.to_json(), False
        entry.save()
    gone = CatalogueEntry.objects.filter(pk__in=[entry.pk for entry in known.values()])
    # What was not chosen here is not missed here either.
    (gone if catalogue.chosen else gone.filter(enabled=False)).delete()
    gone.update(retired=True, position=len(catalogue.models))
    PathMemory.objects.update_or_create(
        path=key, defaults={"etag": (catalogue.etag or "")[:200], "fetched": timezone.now()}
    )


async def follow(path: AccessPath) -> None:
    """Tell the pages of each change of a path, and fetch its catalogue whenever it becomes ready, or can be asked anew.

    Never ends.
    """
    was_ready = could_ask = False
    async for status in path.changes():
        connections_changed.set()
        can_ask = status.ready or status.next_step == NextStep.RETRY
        if (status.ready and not was_ready) or (can_ask and not could_ask):
            # Somebody has just signed in: what the service said before that is looked at anew.
            await refresh(path, force=not status.ready)
            connections_changed.set()
        was_ready, could_ask = status.ready, can_ask


async def probe(path: AccessPath) -> None:
    """While the service of a path does not answer as it should, ask it again now and then. Never ends.

    Nobody has to try a message to learn that the network is back, or that there are other models.
    """
    pause = FIRST_PROBE
    etag = path.models_etag
    while True:
        await asyncio.sleep(pause)
        if path.models_etag != etag and path.status().ready:
            # It says that its list is another one; what an answer told is looked at in `note_answer` too.
            etag = path.models_etag
            await _refresh_if_other(path)
        if path.status().next_step != NextStep.RETRY:
            pause = FIRST_PROBE
            continue
        await refresh(path, force=True)
        connections_changed.set()
        pause = min(2 * pause, LONGEST_PROBE)


async def switch(path: AccessPath, slug: str, *, enabled: bool) -> bool:
    """Switch a model on or off in the composer. Returns whether the catalogue has such a model.

    A model that was refused may be tried again once it is switched on anew.
    """
    entry = CatalogueEntry.objects.filter(path=path.key, slug=slug)
    return bool(await entry.aupdate(enabled=enabled, refused=""))


async def note_answer(path: AccessPath, model: Model, error: AccessError | None) -> None:
    """Take note of how an answer ended: of the plan's limits, and of a model that was refused or is no longer."""
    entry = CatalogueEntry.objects.filter(path=path.key, slug=model.slug)
    if error is not None and error.model_refused:
        await entry.aupdate(refused=error.sentence.replace(" Your message is kept.", "")[:300])
    elif error is None:
        await entry.exclude(refused="").aupdate(refused="")
    await keep_usage(path)
    await _refresh_if_other(path)


async def _refresh_if_other(path: AccessPath) -> None:
    memory = await PathMemory.objects.filter(path=path.key).afirst()
    if path.models_etag and memory is not None and memory.etag not in ("", path.models_etag[:200]):
        # The service's list has changed since it was fetched.
        await refresh(path, force=True)
        connections_changed.set()


async def keep_usage(path: AccessPath) -> None:
    """Keep what the last answer told of the plan's limits, and tell the pages."""
    if path.usage is not None:
        await PathMemory.objects.aupdate_or_create(path=path.key, defaults={"usage": path.usage.to_json()})
    connections_changed.set()


async def remember_account(key: str, account: str) -> None:
    """Keep the id of the account that the path `key` uses now."""
    await PathMemory.objects.aupdate_or_create(path=key, defaults={"account": account})
