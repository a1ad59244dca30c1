"""Settings > General: theme, send key, notifications, custom instructions. Each is saved as soon as it is changed."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from chat import preferences
from chat.preferences import LONGEST_INSTRUCTIONS, SendKey, Theme
from connections.push import refused

# Value, what it is called, and what stands below; icons are Lucide's.
THEMES = (
    (Theme.SYSTEM, "System", "monitor"),
    (Theme.LIGHT, "Light", "sun"),
    (Theme.DARK, "Dark", "moon"),
)
SEND_KEYS = (
    (SendKey.ENTER, "Enter", "Shift+Enter breaks the line."),
    (SendKey.MODIFIED, "Ctrl+Enter or ⌘+Enter", "Enter alone breaks the line."),
)


@require_http_methods(["GET", "HEAD", "POST"])
async def general(request: HttpRequest) -> HttpResponse:
    """Show the page, or take one setting from it: the form has one field, named as the setting."""
    if request.method != "POST":
        context = {
            "page": "general",
            "chosen": preferences.current(),
            "themes": THEMES,
            "send_keys": SEND_KEYS,
            "longest": LONGEST_INSTRUCTIONS,
        }
        return render(request, "lerix_web/general.html", context)
    name = next((name for name in preferences.NAMES if name in request.POST), "")
    try:
        await preferences.keep(name, request.POST.get(name))
    except preferences.Unusable as refusal:
        return refused(str(refusal), 422)
    return render(request, "lerix_web/saved.html")
