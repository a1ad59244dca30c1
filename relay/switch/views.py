"""What the switches of the card do. Each answers with the card as it is then."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from relay.switch.card import TEMPLATE, context
from relay.switch.service import CannotBeOn, NotSaved, StillStored, installed

NOT_SAVED = "The setting could not be stored, so nothing was changed. Is the disk full? Try again."

STILL_STORED = "Codex Relay is off now, but that could not be stored: at the next start it may be on. Is the disk full?"


@require_POST
async def turn(request: HttpRequest) -> HttpResponse:
    """Switch the relay on or off."""
    trouble = ""
    try:
        await installed().turn(on=request.POST.get("enabled") == "on")
    except CannotBeOn as refusal:
        trouble = refusal.obstacle.sentence
    except NotSaved:
        trouble = NOT_SAVED
    except StillStored:
        trouble = STILL_STORED
    return _card(request, trouble)


@require_POST
async def keep_awake(request: HttpRequest) -> HttpResponse:
    """Keep the computer awake while the relay is on, or not."""
    trouble = ""
    try:
        await installed().set_keep_awake(on=request.POST.get("enabled") == "on")
    except NotSaved:
        trouble = NOT_SAVED
    return _card(request, trouble)


def _card(request: HttpRequest, trouble: str) -> HttpResponse:
    return render(request, TEMPLATE, context(installed().view, trouble))
