"""Who gets what from whom: the one place where the apps' parts are made and handed to each other."""

from __future__ import annotations

import platform
from functools import partial

from django.conf import settings

import lerix_web
from chat import generate, preferences
from connections import catalogues, keys
from connections.codex.path import CodexPath
from connections.codex.usage import Usage
from connections.models import PathMemory
from connections.openai import OpenAIPath
from connections.paths import AccessPath, paths
from lerix_web.background import Work
from lerix_web.following import follow_paths


def user_agent() -> str:
    """Return how Lerix names itself to the services it asks: honestly."""
    return f"Lerix/{lerix_web.__version__} ({platform.system()} {platform.machine()})"


def connect() -> None:
    """Make the access paths of this process, once, and register them."""
    memory = PathMemory.objects.filter(path=CodexPath.key).first()
    codex = CodexPath(
        settings.CODEX_HOME,
        settings.LERIX_CODEX_BASE_URL,
        (memory.account if memory else "") or None,
        user_agent(),
        token_url=settings.LERIX_CODEX_TOKEN_URL,
        on_account=partial(catalogues.remember_account, CodexPath.key),
    )
    codex.usage = Usage.from_json(memory.usage if memory else None)
    paths.add(codex)
    api_keys = keys.ApiKeys(settings.LERIX_HOME, settings.LERIX_OPENAI_BASE_URL, user_agent())
    keys.install(api_keys)
    api_keys.load()


def works(path: AccessPath) -> list[Work]:
    """Return the work that goes on for an access path while it is registered."""
    found: list[Work] = [
        (f"{path.key}: status", partial(catalogues.follow, path)),
        (f"{path.key}: service", partial(catalogues.probe, path)),
    ]
    if isinstance(path, CodexPath):
        found.append((f"{path.key}: session", path.watch))
    if isinstance(path, OpenAIPath):
        found.append((f"{path.key}: key", partial(keys.installed().keep_outcomes, path)))
    return found


def background_tasks() -> list[Work]:
    """Return the work that goes on beside the requests while the server runs. Call after migrating, before serving."""
    generate.recover()
    preferences.load()
    connect()
    return [
        ("access paths", partial(follow_paths, paths, works)),
        ("removed API keys", keys.installed().purge),
    ]


async def shutdown() -> None:
    """End what must be stored before the process ends."""
    await generate.stop_all()
    for path in paths.all():
        await path.aclose()
