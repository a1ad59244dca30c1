"""What pages with temporary chats say of themselves as they go."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from chat.database import MEMORY, alias, is_temporary
from chat.temporary.requests import CHAT
from chat.temporary.tabs import tabs
from connections.visitor import visitor


@require_POST
async def here(request: HttpRequest, tab_id: uuid.UUID) -> HttpResponse:
    """Take note that a page on another device is there."""
    tabs.beat(tab_id, _chat(request))
    return HttpResponse(status=204)


@require_POST
async def hidden(request: HttpRequest, tab_id: uuid.UUID) -> HttpResponse:
    """Take note that a page is in the background."""
    tabs.hide(tab_id, _chat(request))
    return HttpResponse(status=204)


@require_POST
async def left(request: HttpRequest, tab_id: uuid.UUID) -> HttpResponse:
    """Take note that a page was left."""
    tabs.leave(tab_id, _chat(request))
    return HttpResponse(status=204)


def followed(request: HttpRequest, events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Return the events for the stream of a page, whose tab is there while they are taken. Others stay as they are."""
    tab_id = _id(request.GET.get("tab", ""))
    if tab_id is None or alias() != MEMORY:
        return events
    return tabs.following(tab_id, _chat(request), events, beats=visitor() is not None)


def _chat(request: HttpRequest) -> uuid.UUID | None:
    chat_id = _id(request.GET.get(CHAT, ""))
    return chat_id if chat_id is not None and is_temporary(chat_id) else None


def _id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
