"""Settings > Connections: every access path with its state, and the models it offers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from connections import catalogues
from connections.cards import Pieces, card, key_card, key_cards, sections
from connections.changes import connections_changed, heard
from connections.codex.path import CodexPath
from connections.codex.sign_in import SignInImpossible
from connections.models import ApiKey
from connections.openai import OpenAIPath
from connections.paths import AccessPath, paths
from connections.push import ALIVE, KEEP_ALIVE, WAITING, message, refused, stream
from connections.stored_keys import places


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
            await path.look()
    context = {"sections": await sections(), "keys": await key_cards(), "page": "connections"}
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
    pieces = Pieces()
    while True:
        if not bell.is_set():
            yield WAITING
        if not await heard(bell, seconds=KEEP_ALIVE):
            yield ALIVE
        elif new := await pieces.new():
            yield message(new)


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
        # A path that is not ready says it best: an error's own words are about a message.
        "reason": error and (error.sentence if path.status().ready else path.status().sentence),
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
        await path.check()
    if isinstance(path, OpenAIPath):
        path.forgive()
    await catalogues.refresh(path, force=True)
    return await _card(request, path)


@require_POST
async def sign_in(request: HttpRequest, key: str) -> HttpResponse:
    """Have the Codex CLI begin its login; the answer names the address for the page to open."""
    path = _path(key)
    if not isinstance(path, CodexPath):
        raise Http404("This connection has no sign-in")
    try:
        await path.sign_in.begin()
    except SignInImpossible as reason:
        return refused(str(reason), 502)
    return render(request, "connections/card.html", {"card": await card(path), "open_now": True})


@require_POST
async def cancel_sign_in(request: HttpRequest, key: str) -> HttpResponse:
    """End the login that is under way."""
    path = _path(key)
    if isinstance(path, CodexPath):
        await path.sign_in.cancel()
    return await _card(request, path)


async def _card(request: HttpRequest, path: AccessPath) -> HttpResponse:
    connections_changed.set()
    if not isinstance(path, OpenAIPath):
        return render(request, "connections/card.html", {"card": await card(path)})
    async for row in ApiKey.objects.all():
        if row.path_key == path.key:
            return render(request, "connections/key.html", {"key": await key_card(row, await places())})
    raise Http404("There is no such connection")
