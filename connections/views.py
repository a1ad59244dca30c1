"""Settings > Connections: every access path with its state, and the models it offers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from connections import catalogues
from connections.changes import connections_changed, heard
from connections.codex.path import CodexPath
from connections.codex.session import Account
from connections.codex.usage import Usage, UsageWindow
from connections.paths import AccessPath, paths
from connections.push import ALIVE, KEEP_ALIVE, message, partial, stream
from connections.status import NextStep, Status

# The commands that bring one a step on, where the next step is one at the terminal.
COMMANDS = {
    NextStep.INSTALL_CLI: ("npm install -g @openai/codex", "codex login", "codex login status"),
    NextStep.SIGN_IN: ("codex login", "codex login status"),
    NextStep.SIGN_IN_AGAIN: ("codex login", "codex login status"),
    NextStep.CHECK_FILE: ("codex login", "codex login status"),
    NextStep.RENEW: ("codex",),
}


@dataclass(frozen=True)
class Card:
    """One access path as its card shows it."""

    path: AccessPath
    status: Status
    account: Account | None
    commands: tuple[str, ...]
    enabled: int
    known: int
    usage: tuple[UsageWindow, ...] = ()
    credits: str = ""

    @property
    def tone(self) -> str:
        """The pill's kind: good, wait (passes by itself or with a click), bad (needs the user)."""
        if self.status.ready:
            return "good"
        return "wait" if self.status.next_step in {NextStep.WAIT, NextStep.RETRY, NextStep.RENEW} else "bad"


async def card(path: AccessPath) -> Card:
    """Gather the card of one path."""
    status = path.status()
    account = path.account if isinstance(path, CodexPath) else None
    entries = await catalogues.entries(path)
    return Card(
        path,
        status,
        account,
        COMMANDS.get(status.next_step, ()) if status.next_step else (),
        sum(entry.enabled for entry in entries),
        len(entries),
        path.usage.running(timezone.now()) if path.usage and account else (),
        _credits(path.usage) if path.usage and account else "",
    )


def _credits(usage: Usage) -> str:
    if usage.unlimited_credits:
        return "Unlimited credits"
    return f"Credits: {usage.credit_balance}" if usage.has_credits and usage.credit_balance else ""


async def _cards() -> list[Card]:
    return [await card(path) for path in paths.all()]


def _path(key: str) -> AccessPath:
    found = paths.get(key)
    if found is None:
        raise Http404("There is no such connection")
    return found


@require_GET
async def index(request: HttpRequest) -> HttpResponse:
    """Show the page."""
    # Looked at now: somebody who comes here from the terminal has just changed something.
    for path in paths.all():
        if isinstance(path, CodexPath):
            await path.refresh()
    context = {"cards": await _cards(), "at": connections_changed.version, "page": "connections"}
    return render(request, "connections/index.html", context)


@require_GET
async def events(request: HttpRequest) -> HttpResponseBase:
    """The page's event stream: each card anew whenever something has changed."""
    return stream(request, _events())


async def _events() -> AsyncGenerator[bytes, None]:
    bell = asyncio.Event()
    connections_changed.ring(bell)
    bell.set()
    yield ALIVE
    shown: dict[str, str] = {}
    while True:
        if not await heard(bell, seconds=KEEP_ALIVE):
            yield ALIVE
            continue
        pieces = []
        for each in await _cards():
            html = await _html("connections/card.html", {"card": each})
            if shown.get(each.path.key) != html:
                shown[each.path.key] = html
                pieces.append(partial(f"#card-{each.path.key}", html))
        if pieces:
            yield message("".join(pieces))


async def _html(template: str, context: dict[str, Any]) -> str:
    return await sync_to_async(render_to_string, thread_sensitive=False)(template, context)


@require_GET
async def edit_models(request: HttpRequest, key: str) -> HttpResponse:
    """Show the models of a path in the dialog, fetched anew unless they are fresh."""
    return await _models(request, _path(key), force=False)


@require_POST
async def refresh_models(request: HttpRequest, key: str) -> HttpResponse:
    """Fetch the models of a path now."""
    return await _models(request, _path(key), force=True)


async def _models(request: HttpRequest, path: AccessPath, *, force: bool) -> HttpResponse:
    error = await catalogues.refresh(path, force=force)
    connections_changed.set()
    context = {
        "path": path,
        "entries": await catalogues.entries(path),
        "error": error,
        "fetched": await catalogues.fetched_at(path),
    }
    return render(request, "connections/models.html", context)


@require_POST
async def switch_model(request: HttpRequest, key: str) -> HttpResponse:
    """Switch one model on or off in the composer."""
    slug = request.POST.get("model", "")[:120]
    if not await catalogues.switch(_path(key), slug, enabled=request.POST.get("enabled") == "on"):
        return HttpResponse("This model is no longer offered. Reload the page.", status=404)
    connections_changed.set()
    return HttpResponse(status=204)


@require_POST
async def use_account(request: HttpRequest, key: str) -> HttpResponse:
    """Confirm that the account which Codex is signed in to now may be used."""
    path = _path(key)
    if isinstance(path, CodexPath):
        await path.accept_account()
        await catalogues.refresh(path, force=True)
    return await _card(request, path)


@require_POST
async def check(request: HttpRequest, key: str) -> HttpResponse:
    """Look at a path again now, and ask its service for the models."""
    path = _path(key)
    if isinstance(path, CodexPath):
        await path.refresh(force=True)
    await catalogues.refresh(path, force=True)
    return await _card(request, path)


async def _card(request: HttpRequest, path: AccessPath) -> HttpResponse:
    connections_changed.set()
    return render(request, "connections/card.html", {"card": await card(path)})


