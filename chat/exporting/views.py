"""Files to keep. Plain addresses, for a page on another device may make no files of its own."""

from __future__ import annotations

import asyncio
import uuid

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import aget_object_or_404
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from chat.exporting.document import document, parts
from chat.exporting.names import chat_file, code_file
from chat.feed import feeds
from chat.markdown import code_blocks
from chat.models import Chat, Message


@require_GET
async def export(request: HttpRequest, chat_id: uuid.UUID) -> HttpResponse:
    """Return the shown branch of a chat as one Markdown file."""
    chat = await aget_object_or_404(Chat, pk=chat_id, deleted=None)
    told = await parts(await chat.conversation())
    text = await asyncio.to_thread(document, chat.title, chat.created, told)
    return _file(text, chat_file(chat.title), "text/markdown")


@require_GET
async def code(request: HttpRequest, message_id: int, number: int) -> HttpResponse:
    """Return one code block of a message, the first being number 1, under the name that its language asks for."""
    live = feeds.live.get(message_id)
    if live is not None:
        text = "".join(live.text)
    else:
        text = (await aget_object_or_404(Message, pk=message_id, deleted=None, chat__deleted=None)).text
    blocks = await asyncio.to_thread(code_blocks, text)
    if not 0 < number <= len(blocks):
        raise Http404
    info, content = blocks[number - 1]
    return _file(content, code_file(info, content), "text/plain")


def _file(text: str, name: str, kind: str) -> HttpResponse:
    header = content_disposition_header(as_attachment=True, filename=name)
    return HttpResponse(
        text,
        content_type=f"{kind}; charset=utf-8",
        headers={"Content-Disposition": header or "attachment", "Cache-Control": "no-store"},
    )
