"""Uploading, showing and removing files. Each answer with bytes can do nothing in a browser but be shown or saved."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any, Final
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, TooManyFilesSent
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.utils.datastructures import MultiValueDict
from django.views.decorators.http import require_GET, require_POST

from chat.attachments import store
from chat.attachments.attaching import light
from chat.attachments.kinds import NotTaken
from chat.attachments.store import THUMB, WHOLE
from chat.attachments.taking import take
from chat.models import Attachment, FileKind
from connections.push import refused

#: What is uploaded never runs, loads, sends or frames anything, also where its address is opened by itself.
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    # Its bytes never change, but whoever removes it wants it gone from the browser too.
    "Cache-Control": "no-store",
}
NO_FILE: Final = "No file came. Choose it once more."
BROKEN: Final = "The file did not arrive whole, so nothing was kept. Attach it again."
SENT: Final = "This file was sent with its message already. Delete the message to remove it."
# Not more of a text is shown in the page; the rest is in the download.
LONGEST_SHOWN: Final = 200_000


@require_POST
async def upload(request: HttpRequest) -> HttpResponse:
    """Take one file, and answer with its chip for the composer."""
    try:
        # Taking the form apart copies megabytes: not in the event loop.
        files: MultiValueDict[str, Any] = await asyncio.to_thread(lambda: request.FILES)
        found = files.getlist("file")
        data = await asyncio.to_thread(found[0].read) if len(found) == 1 else b""
    except (MultiPartParserError, RequestDataTooBig, SuspiciousOperation, TooManyFilesSent, OSError):
        return refused(BROKEN, 400)
    if len(found) != 1:
        return refused(NO_FILE, 422)
    try:
        made = await take(found[0].name or "", data)
    except NotTaken as problem:
        return refused(problem.sentence, problem.status)
    return render(request, "chat/attachment.html", {"attached": made})


@require_GET
async def download(request: HttpRequest, attachment_id: uuid.UUID) -> HttpResponse:
    """Give the file, to be saved under its name."""
    attached = await _find(attachment_id)
    data = await _bytes(attached, WHOLE)
    answer = HttpResponse(data, content_type=attached.file.media_type, headers=HEADERS)
    plain = attached.name.encode("ascii", "replace").decode().translate(_NOT_QUOTED)
    coded = quote(attached.name, safe="")
    answer["Content-Disposition"] = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{coded}"
    return answer


@require_GET
async def thumb(request: HttpRequest, attachment_id: uuid.UUID) -> HttpResponse:
    """Give the small picture of an image."""
    attached = await _find(attachment_id)
    data = await _bytes(attached, THUMB)
    if not data:
        raise Http404
    return HttpResponse(data, content_type="image/webp", headers=HEADERS | {"Content-Disposition": "inline"})


@require_GET
async def view(request: HttpRequest, attachment_id: uuid.UUID) -> HttpResponse:
    """Show a file large, as the content of a dialog."""
    attached = await _find(attachment_id)
    text = ""
    if attached.file.kind != FileKind.IMAGE:
        text = await sync_to_async(lambda: attached.file.text)()
    context = {"attached": attached, "text": text[:LONGEST_SHOWN], "more": len(text) > LONGEST_SHOWN}
    return render(request, "chat/attachment_view.html", context)


@require_POST
async def remove(request: HttpRequest, attachment_id: uuid.UUID) -> HttpResponse:
    """Remove a file from the message that is being written. One that is not there is removed already."""
    found = Attachment.objects.filter(pk=attachment_id, message=None, queued=None)
    gone, _ = await found.adelete()
    if not gone and await Attachment.objects.filter(pk=attachment_id).aexists():
        return refused(SENT, 409)
    await sync_to_async(store.sweep)()
    return HttpResponse(status=204)


async def _find(attachment_id: uuid.UUID) -> Attachment:
    """The attachment, unless its message or chat is deleted. Raises Http404."""
    found = await light(
        Attachment.objects.filter(pk=attachment_id, message__deleted=None, message__chat__deleted=None)
    ).afirst()
    if found is None:
        raise Http404
    return found


async def _bytes(attached: Attachment, part: str) -> bytes:
    try:
        return await sync_to_async(store.read)(attached.file, part)
    except store.Missing:
        raise Http404 from None


_NOT_QUOTED: Final = str.maketrans({'"': "_", "\\": "_", "?": "_", "%": "_", ";": "_"})

