"""Asking what is done, and whether the browser that asks is to be told of it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET, require_POST

from chat import preferences
from chat.notify.done import MOST, news
from connections.push import refused
from connections.visitor import visitor

_DIGITS = 18


@require_GET
async def done(request: HttpRequest) -> HttpResponse:
    """Wait for the end of a long answer. `known` are the ids of those that ran before, with commas between."""
    parts = [part for part in request.GET.get("known", "").split(",") if part]
    if len(parts) > MOST or not all(part.isascii() and part.isdigit() and len(part) <= _DIGITS for part in parts):
        return refused("This page asks for something that is not there. Reload it.", 400)
    return JsonResponse((await news(map(int, parts))).to_json())


@require_POST
async def here(request: HttpRequest) -> HttpResponse:
    """Switch notifications on or off for the browser on another device that asks; this computer has its Settings."""
    who = visitor()
    value = request.POST.getlist("notify")[-1:]
    if who is None or value not in (["on"], ["off"]):
        return refused("This setting is not there. Reload the page, then try again.", 422)
    await preferences.keep_notified(who.device, on=value == ["on"])
    return HttpResponse(status=204)
