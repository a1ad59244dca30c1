"""The README's section on running a broker, as a page of Lerix itself."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Final

from django.conf import settings
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

SECTION: Final = "Running a broker"


@cache
def guide() -> SafeString | None:
    """Return the section as HTML, or None where Lerix came without its README."""
    found = section(_readme(), SECTION)
    if found is None:
        return None
    # Raw HTML is shown as text; the README is a file of ours.
    page = str(MarkdownIt("commonmark", {"html": False}).enable("table").render(found))
    # What can be scrolled must be reachable by keyboard.
    return mark_safe(page.replace("<pre>", '<pre tabindex="0">'))  # noqa: S308


def section(text: str, name: str) -> str | None:
    """Return what stands below a heading of the second level, up to the next one; None where there is none."""
    # Not within a block of code, where # begins a comment.
    parts = re.split(r"^(```.*?^```)$", text, flags=re.MULTILINE | re.DOTALL)
    lines: list[str] = []
    inside = False
    for part in parts:
        if part.startswith("```"):
            lines += [part] if inside else []
            continue
        for line in part.split("\n"):
            if re.match(r"##? ", line):
                inside = line[3:].strip() == name
            elif inside:
                lines.append(line)
    return "\n".join(lines).strip() or None


def _readme() -> str:
    """The README: beside the packages in a checkout, in the package's own facts where Lerix was installed."""
    beside = Path(settings.ASSETS) / "README.md"
    if beside.is_file():
        return beside.read_text("utf-8")
    try:
        facts = metadata("lerix")
    except PackageNotFoundError:
        return ""
    return str(facts.json.get("description", ""))
