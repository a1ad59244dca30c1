"""The front page: what somebody sees who opens the broker's address in a browser."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from relay.broker import house


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Say what this is; nothing about accounts."""
    return render(request, "home.html", {"embedded": house.installed().embedded})
