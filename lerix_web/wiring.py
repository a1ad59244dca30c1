"""Who gets what from whom: the one place where the apps' parts are made and handed to each other."""

from __future__ import annotations

import platform
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings

import lerix_web
from chat import generate
from connections import catalogues
from connections.codex.path import CodexPath
from connections.models import PathMemory
from connections.paths import paths

Work = tuple[str, Callable[[], Coroutine[Any, Any, None]]]


def user_agent() -> str:
    """Return how Lerix names itself to the services it asks: honestly."""
    return f"Lerix/{lerix_web.__version__} ({platform.system()} {platform.machine()})"


def connect() -> CodexPath:
    """Make the access paths of this process, once, and register them."""
    memory = PathMemory.objects.filter(path=CodexPath.key).first()
    codex = CodexPath(
        settings.CODEX_HOME,
        settings.LERIX_CODEX_BASE_URL,
        (memory.account if memory else "") or None,
        user_agent(),
        on_account=partial(catalogues.remember_account, CodexPath.key),
    )
    paths.add(codex)
    return codex


def background_tasks() -> list[Work]:
    """Return the work that goes on beside the requests while the server runs. Call after migrating."""
    codex = connect()
    return [
        ("answers left unfinished", recover),
        ("Codex session", codex.watch),
        ("Codex status", partial(catalogues.follow, codex)),
        ("Codex service", partial(catalogues.probe, codex)),
    ]


async def recover() -> None:
    """Mark what an earlier process left unfinished."""
    await sync_to_async(generate.recover)()


async def shutdown() -> None:
    """End what must be stored before the process ends."""
    await generate.stop_all()
    for path in paths.all():
        await path.aclose()
