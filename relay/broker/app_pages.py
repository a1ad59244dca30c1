"""The two pages in which a browser on another device shows the Mac's: the vault, and the frame inside it.

Both are the same for everybody and know of no account: what the vault needs it has in the browser.
"""

import re
from collections.abc import Sequence
from functools import cache
from posixpath import dirname, join, normpath

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from relay.broker import house

FRAMED = frozenset({"iframe", "frame", "embed", "object"})
_IMPORT = re.compile(r'^(?:import|export)\b[^;"]*"(\.[^"]+)";$', re.MULTILINE)


@require_safe
def app(request: HttpRequest, where: str = "") -> HttpResponse:
    """Show the vault, at whichever address of the Mac's pages; it reads the address itself."""
    if request.headers.get("Sec-Fetch-Dest", "") in FRAMED:
        return _refused("This page is not shown inside others.")
    return _page(request, "app.html", "lerix/app/main.js")


@require_safe
def frame(request: HttpRequest) -> HttpResponse:
    """Show the empty frame, inside the vault and nowhere else."""
    if request.headers.get("Sec-Fetch-Dest", "iframe") != "iframe":
        return _refused("This page is a part of another one. Open the broker’s address instead.")
    return _page(request, "frame.html", "lerix/frame/main.js")


@cache
def modules(entry: str) -> Sequence[str]:
    """Return the names of a module and of all that it imports, so that a browser fetches them at once, not in turns."""
    found = [entry]
    for name in found:
        text = (settings.ASSETS / "static" / name).read_text("utf-8")
        imported = (normpath(join(dirname(name), each)) for each in _IMPORT.findall(text))
        found += [each for each in dict.fromkeys(imported) if each not in found]
    return found


def _page(request: HttpRequest, template: str, entry: str) -> HttpResponse:
    about = house.installed()
    if about.embedded:
        raise Http404
    context = {"version": about.version, "static": settings.STATIC_URL, "modules": modules(entry)}
    return render(request, template, context)


def _refused(sentence: str) -> HttpResponse:
    return HttpResponse(sentence, status=403, content_type="text/plain; charset=utf-8")
