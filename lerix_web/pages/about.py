"""Settings > About: versions, where the data lies, what goes where, licences."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from connections.codex.cli import find_codex
from lerix_web import facts, licences, paths

# The version of the Codex CLI by its program and that file's age: a new CLI is asked, the same one is not asked again.
_codex: dict[tuple[Path, float], str | None] = {}


@require_safe
async def about(request: HttpRequest) -> HttpResponse:
    """Show the page."""
    return render(request, "lerix_web/about.html", {"page": "about", **await _facts()})


async def _facts() -> dict[str, Any]:
    program = find_codex()
    folder: Path = settings.LERIX_HOME
    return {
        "versions": facts.versions(),
        "codex": await _codex_version(program) if program else None,
        "codex_found": program is not None,
        "folder": folder,
        "size": facts.database_size(paths.database_path(folder)),
        "carried": await asyncio.to_thread(licences.carried),
        "packages": await asyncio.to_thread(licences.packages),
    }


async def _codex_version(program: Path) -> str | None:
    age = facts.changed(program)
    if age is None:
        return None
    key = program, age
    if _codex.get(key) is None:
        _codex.clear()
        _codex[key] = await facts.codex_version(program)
    return _codex[key]
