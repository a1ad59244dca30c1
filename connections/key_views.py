"""Settings > Connections, region OpenAI API keys: adding, replacing, renaming and removing a key.

A form never comes back with the key that was entered, whether it was taken or not.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from connections.cards import SEALED, key_card, key_list
from connections.key_checks import LONGEST_LABEL
from connections.key_errors import KeyNotKept
from connections.keys import UNDO, installed
from connections.models import ApiKey
from connections.push import html
from connections.stored_keys import places

# No label or key is longer; what is, was never one.
_LONGEST_FIELD = 2000


@sensitive_post_parameters("key")
@require_http_methods(["GET", "POST"])
async def add(request: HttpRequest) -> HttpResponse:
    """Show the form for a new key in the dialog, or take what was entered."""

    async def take(label: str, key: str) -> str:
        row = await installed().add(label, key)
        return f"Added {row.label}. Choose its models with Edit models."

    context = {
        "title": "Add API key",
        "action": reverse("connections:key-add"),
        "asks": ("label", "key"),
        "button": "Add",
        "sealed": SEALED[await installed().stored.place()],
    }
    return await _form(request, context, take)


@sensitive_post_parameters("key")
@require_http_methods(["GET", "POST"])
async def replace(request: HttpRequest, row_id: uuid.UUID) -> HttpResponse:
    """Show the form for another key in the place of one, or take what was entered."""
    row = await _row(row_id)

    async def take(_: str, key: str) -> str:
        await installed().replace(row, key)
        return f"Replaced the key of {row.label}."

    context = {
        "title": f"Replace the key of {row.label}",
        "action": reverse("connections:key-replace", args=[row.pk]),
        "asks": ("key",),
        "button": "Replace",
        "hint": row.hint,
        "sealed": SEALED[await installed().stored.place()],
    }
    return await _form(request, context, take)


@require_http_methods(["GET", "POST"])
async def rename(request: HttpRequest, row_id: uuid.UUID) -> HttpResponse:
    """Show the form for another label, or take what was entered."""
    row = await _row(row_id)

    async def take(label: str, _: str) -> str:
        await installed().relabel(row, label)
        return f"Renamed to {row.label}."

    context = {
        "title": f"Rename {row.label}",
        "action": reverse("connections:key-rename", args=[row.pk]),
        "asks": ("label",),
        "button": "Rename",
        "label": row.label,
    }
    return await _form(request, context, take)


async def _form(
    request: HttpRequest, context: dict[str, Any], take: Callable[[str, str], Awaitable[str]]
) -> HttpResponse:
    """Answer with the form; with the form and the reason; or, where it was taken, with the list and word of it."""
    context |= {"longest_label": LONGEST_LABEL}
    if request.method == "POST":
        label, key = (request.POST.get(name, "")[:_LONGEST_FIELD] for name in ("label", "key"))
        try:
            words = await take(label, key)
        except KeyNotKept as problem:
            context |= {"label": label, "problem": problem}
        else:
            return HttpResponse(await html("connections/key_done.html", {"words": words}) + await key_list())
    return render(request, "connections/key_form.html", context)


@require_POST
async def remove(request: HttpRequest, row_id: uuid.UUID) -> HttpResponse:
    """Remove a key; its card offers to undo that for some seconds."""
    row = await _row(row_id)
    await installed().remove(row)
    return await _key(request, row, f"Removed {row.label}. You can undo this for {UNDO.seconds} seconds.")


@require_POST
async def undo(request: HttpRequest, row_id: uuid.UUID) -> HttpResponse:
    """Bring a removed key back."""
    row = await ApiKey.objects.filter(pk=row_id).afirst()
    if row is None or not await installed().restore(row):
        sentence = "The time to undo this is over, and the key is gone. Add it again."
        return HttpResponse(
            sentence,
            status=409,
            content_type="text/plain; charset=utf-8",
            headers={"X-Lerix-Sentence": quote(sentence)},
        )
    return await _key(request, row, f"{row.label} is back.")


async def _key(request: HttpRequest, row: ApiKey, words: str) -> HttpResponse:
    await row.arefresh_from_db()
    context = {"key": await key_card(row, await places()), "focus": True, "words": words}
    return render(request, "connections/key.html", context)


async def _row(row_id: uuid.UUID) -> ApiKey:
    row = await ApiKey.objects.filter(pk=row_id).afirst()
    if row is None:
        raise Http404("There is no such API key")
    return row
