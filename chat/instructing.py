"""The dialog with the instructions for one chat: shown, and saved."""

from __future__ import annotations

import uuid
from typing import Final

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from chat.conversation.storing import touch_quietly
from chat.database import atomic
from chat.feed import feeds
from chat.models import Chat
from chat.preferences import LONGEST_INSTRUCTIONS, Unusable, checked
from connections.push import refused

GONE: Final = "This chat is not here any more, so nothing was saved. Your text stays in its field; copy it."


@require_GET
async def show(request: HttpRequest, chat_id: uuid.UUID) -> HttpResponse:
    """Show the form with what this chat's models are told."""
    found = await _asked(chat_id)
    if found is None:
        return refused(GONE, 404)
    return render(request, "chat/instructions_form.html", {"chat": found, "longest": LONGEST_INSTRUCTIONS})


@require_POST
async def save(request: HttpRequest, chat_id: uuid.UUID) -> HttpResponse:
    """Keep what this chat's models are told, in the answers from now on."""
    found = await _asked(chat_id)
    if found is None:
        return refused(GONE, 404)
    try:
        found.instructions = checked("instructions", request.POST.get("instructions", ""))
    except Unusable as refusal:
        return refused(str(refusal), 422)
    await sync_to_async(_save)(found)
    feeds.changed(chat_id)
    # The chat's pages are told by their event streams.
    return HttpResponse(status=204)


async def _asked(chat_id: uuid.UUID) -> Chat | None:
    return await Chat.objects.filter(pk=chat_id, deleted=None).afirst()


@atomic
def _save(chat: Chat) -> None:
    touch_quietly(chat.pk, instructions=chat.instructions.strip())
