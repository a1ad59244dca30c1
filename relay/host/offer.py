"""What this host offers remotes: the models that are switched on for one access path, and how that path is."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connections.catalogue import Model
from connections.models import CatalogueEntry
from connections.paths import AccessPath
from relay.host.turns import Turns


async def enabled_models(path: AccessPath) -> Sequence[Model]:
    """The models of `path` that the person has switched on, in the catalogue's order."""
    return [entry.model async for entry in CatalogueEntry.objects.filter(path=path.key, enabled=True, retired=False)]


@dataclass(frozen=True)
class Offer:
    """One access path as remotes may use it. `models` is asked for each request."""

    path: AccessPath
    turns: Turns
    models: Callable[[], Awaitable[Sequence[Model]]]


async def models_document(offer: Offer) -> dict[str, Any]:
    """The models, as `Model.from_json` reads them."""
    found = await offer.models()
    return {"models": [model.to_json() for model in found], "etag": _etag(found)}


async def state_document(offer: Offer) -> dict[str, Any]:
    """What a remote shows of this host, and what it needs to ask it."""
    status, usage = offer.path.status(), offer.path.usage
    # Names the account of the path, so that reasoning of another one is not sent to it; no part of it can be read.
    account = hashlib.sha256(offer.path.replay_key(_NOBODY).encode()).hexdigest()[:16]
    return {
        "boot": offer.turns.boot,
        "ready": status.ready,
        "code": status.code,
        "title": status.title,
        "sentence": status.sentence,
        "next_step": status.next_step.value if status.next_step is not None else None,
        "since": _moment(status.since),
        "until": _moment(status.until),
        "usage": usage.to_json() if usage is not None else None,
        # Of what is offered here, not of the service's whole list.
        "models_etag": _etag(await offer.models()),
        "account": account,
        "running": offer.turns.running,
        "waiting": offer.turns.waiting,
    }


_NOBODY = Model(slug="", name="")


def _etag(models: Sequence[Model]) -> str:
    return hashlib.sha256(repr([model.to_json() for model in models]).encode()).hexdigest()[:32]


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
