"""Template tags that every page shares."""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from django import template
from django.conf import settings
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from chat.database import MEMORY, alias
from chat.temporary.tabs import tabs
from connections.visitor import visitor

if TYPE_CHECKING:  # the broker has these tags too, and no chats
    from chat.models import Chat, File, Message

register = template.Library()


@cache
def _drawing(name: str) -> str:
    svg = (settings.ASSETS / "static/lerix/vendor/lucide" / f"{name}.svg").read_text()
    body = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    inner = re.search(r"<svg[^>]*>(.*)</svg>", body, flags=re.DOTALL)
    if inner is None:
        raise ValueError(f"The icon {name} is not an SVG drawing")
    return " ".join(inner[1].split())


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """Return a vendored Lucide icon as inline SVG, hidden from screen readers; `extra` are more classes.

    Inline, because a drawing referred to by address does not load in the sandboxed frame of a remote browser.
    """
    drawing = (
        f'<svg class="icon {extra}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" '
        'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">'
        f"{_drawing(name)}</svg>"
    )
    return mark_safe(drawing)  # noqa: S308 - our own vendored file, no input of anyone


@register.filter
def dated(sentence: str, since: datetime | None) -> str:
    """Return what is the matter with the time before it: "Since 14:05: The Mac is asleep."."""
    return sentence if since is None else f"Since{moment(since, '')}: {sentence}"


@register.filter
def access_name(message: Message) -> str:
    """Return how an answer was asked for; to a browser on another device nothing of what it cannot use."""
    who = visitor()
    if who is None:
        return message.access_label
    return who.label if message.access == who.access else "Other access"


@register.filter
def facts(file: File) -> str:
    """Return in a few words what an attached file is: "PDF · 12 pages · 1.4 MB"."""
    parts = [{"image": file.media_type.partition("/")[2].upper(), "pdf": "PDF"}.get(file.kind, "Text")]
    if file.kind == "pdf":
        parts.append(f"{file.pages:,} page{'' if file.pages == 1 else 's'}")
    size = file.size / 1024
    parts.append(f"{max(1, round(size))} KB" if size < 1024 else f"{size / 1024:.1f} MB")
    return " · ".join(parts)


@register.simple_tag
def is_visit() -> bool:
    """Whether the page is for a browser on another device, which has no settings of this computer."""
    return visitor() is not None


@register.simple_tag
def is_temporary() -> bool:
    """Whether the page is of a temporary chat, or of the empty one that such a chat begins with."""
    return alias() == MEMORY


@register.simple_tag
def open_tab(chat: Chat | None) -> uuid.UUID:
    """Return an id for the page of a temporary chat, which is made now and will be heard of again."""
    tab_id = uuid.uuid4()
    tabs.open(tab_id, chat.pk if chat else None)
    return tab_id


@register.filter
def tokens(count: int) -> str:
    """Return a number of tokens as people say it: 272000 is "272K"."""
    if count >= 1_000_000:
        return f"{count / 1_000_000:g}M"
    return f"{round(count / 1000)}K" if count >= 1000 else str(count)


@register.filter
def thousands(count: int) -> str:
    """Return a number with its thousands apart: 8000 is "8,000"."""
    return f"{count:,}"


@register.filter
def moment(value: datetime, before: str = "at") -> str:
    """Return a time as one says it: "at 14:05" today, "on Tue 3 Mar, 14:05" on another day."""
    try:
        local = timezone.localtime(value)
    except OverflowError:  # at the end of the calendar there is no local time
        return f"{before} {value:%Y}"
    if local.date() == timezone.localdate():
        return f"{before} {local:%H:%M}"
    return f"{'on' if before == 'at' else before} {local:%a} {local.day} {local:%b, %H:%M}"
