"""Settings > Account: the page itself, its event stream, and the broker it speaks to."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from connections.changes import heard
from connections.push import ALIVE, WAITING, message, stream
from relay.account.account import installed
from relay.account.errors import AccountError
from relay.account.forms import Trouble, is_piece, notes, typed
from relay.account.guide import SECTION, guide
from relay.account.pages import Pieces, done, shown

# How often the broker is asked while somebody looks at the page, in seconds.
LOOK: Final = 5.0


@require_GET
async def index(request: HttpRequest) -> HttpResponse:
    """Show the page."""
    note = notes.take(request.GET.get("said", ""))
    had = await _position()
    context = shown(installed().view) | {"words": note.words, "bad": note.bad, "had": had}
    return render(request, "account/index.html", context)


async def _position() -> str:
    """Where the stream of a page begins that is shown now. Before it is shown: what changes meanwhile is sent again."""
    pieces = Pieces()
    await pieces.new()
    return pieces.position


@require_GET
async def events(request: HttpRequest) -> HttpResponseBase:
    """The page's event stream: each region anew whenever something has changed."""
    had = request.headers.get("Last-Event-ID") or request.GET.get("had", "")
    return stream(request, _events(had[:500]))


async def _events(had: str) -> AsyncGenerator[bytes, None]:
    bell = asyncio.Event()
    installed().changed.ring(bell)
    bell.set()
    yield ALIVE
    pieces = Pieces(had)
    look = _look()
    try:
        while True:
            if not bell.is_set():
                yield WAITING
            if await heard(bell, seconds=LOOK):
                if new := await pieces.new():
                    yield message(new, pieces.position)
                continue
            if look.done():
                look = _look()
            yield ALIVE
    finally:
        look.cancel()
        await asyncio.wait((look,))


def _look() -> asyncio.Task[None]:
    """Have the broker asked, beside the page, which hears of it by the signal and must not wait for a silent broker."""
    # A context of its own, for what is begun in it outlasts the request.
    return asyncio.create_task(installed().refresh(), context=contextvars.Context())


@require_POST
async def broker(request: HttpRequest) -> HttpResponse:
    """Use another broker."""
    try:
        await installed().set_broker(typed(request, "broker"))
    except AccountError as error:
        context = shown(installed().view) | {"trouble": Trouble.of(error), "address": typed(request, "broker")}
        if not is_piece(request):
            return render(request, "account/index.html", context)
        return render(request, "account/broker_form.html", context)
    return await done(request, "This broker is used from now on.")


@require_GET
async def running_a_broker(request: HttpRequest) -> HttpResponse:
    """Show the README's section on it: it comes with Lerix, and needs no other site."""
    context = {"page": "account", "title": SECTION, "guide": await asyncio.to_thread(guide)}
    return render(request, "account/guide.html", context)
