"""Who gets what from whom: the one place where the apps' parts are made and handed to each other."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from functools import partial
from pathlib import Path

from django.conf import settings

import lerix_web
from chat import generate, preferences, sending
from chat.attachments import store
from chat.conversation import queue
from chat.history import purge
from chat.temporary import ending
from connections import catalogues, keys
from connections.codex.path import CodexPath
from connections.codex.usage import Usage
from connections.models import PathMemory
from connections.openai import OpenAIPath
from connections.paths import AccessPath, paths
from connections.sealing_keys import SealingKeys
from lerix_web import relaying
from lerix_web.background import Work
from lerix_web.following import follow_paths
from lerix_web.paths import ROOT
from lerix_web.service.log import keep_short
from relay.account import account
from relay.account.account import Account
from relay.account.embedded import EmbeddedBroker


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
    # One for both, so that nobody is asked twice at once to unlock a keyring.
    sealing_keys = SealingKeys(settings.LERIX_HOME)
    api_keys = keys.ApiKeys(
        settings.LERIX_HOME, settings.LERIX_OPENAI_BASE_URL, user_agent(), sealing_keys=sealing_keys
    )
    keys.install(api_keys)
    api_keys.load()
    own = Account(
        embedded_broker(settings.LERIX_HOME),
        user_agent(),
        fixed_address=settings.LERIX_BROKER_URL,
        sealing_keys=sealing_keys,
    )
    account.install(own)
    own.load()
    relaying.connect(own, codex, user_agent())


def embedded_broker(folder: Path) -> EmbeddedBroker:
    """Return the account broker of a data folder, which is started when it is first used."""
    command = [sys.executable, "-m", "lerix_web.cli", "broker", "--embedded"]
    # Where this very program was found, so that the child is the same version.
    environment = dict(os.environ.items()) | {"LERIX_HOME": str(folder)}
    return EmbeddedBroker(command, environment, ROOT)


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
    purge.register(store.sweep)
    purge.register(queue.forget_removed)
    return [
        ("access paths", partial(follow_paths, paths, works)),
        ("service log", keep_short),
        ("messages that wait", sending.follow),
        ("deleted chats", purge.follow),
        ("attached files", store.follow),
        ("temporary chats", ending.follow),
        ("removed API keys", keys.installed().purge),
        ("account", account.installed().follow),
        *relaying.works(account.installed(), user_agent()),
    ]


async def shutdown() -> None:
    """End what must be stored before the process ends."""
    # Side by side: there are two seconds for all of it.
    await asyncio.gather(generate.stop_all(), account.installed().aclose(), *(path.aclose() for path in paths.all()))
