"""Taking a file: looked at, cleaned, kept once, and given back as an attachment that belongs to no message yet."""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from asgiref.sync import sync_to_async

from chat.attachments import child, store
from chat.attachments.kinds import KINDS, LARGEST, MIB, PDF, TEXT, NotTaken, kind_of, text_of
from chat.attachments.store import SENT, THUMB, WHOLE, Content
from chat.models import Attachment, FileKind

LONGEST_NAME: Final = 120
NAMELESS: Final = "file"
_ENDINGS: Final = {"image/png": (".png",), "image/jpeg": (".jpg", ".jpeg", ".jpe"), "image/webp": (".webp",)}
# Signs that turn the direction of writing, or show nothing: a name must not look like another one.
_HIDDEN: Final = frozenset("Cc Cf Cs Co Cn Zl Zp".split())
TOO_LARGE: Final = f"This file is too large: a PDF may have {LARGEST // MIB} MB, an image 20 MB, a text 2 MB."


async def take(name: str, data: bytes) -> Attachment:
    """Keep a file for a message that is still being written. Raises NotTaken, and then nothing of it is kept."""
    if len(data) > LARGEST:
        raise NotTaken(TOO_LARGE, 413)
    # To hash megabytes takes a while too.
    content = await asyncio.to_thread(await _content(data))
    return await sync_to_async(store.keep, thread_sensitive=True)(content, clean_name(name, content.media_type))


async def _content(data: bytes) -> Callable[[], Content]:
    kind = kind_of(data)
    if kind == TEXT:
        text = await asyncio.to_thread(text_of, data)
        return partial(Content, FileKind.TEXT, "text/plain", {WHOLE: data}, text=text)
    if kind == PDF:
        found = await child.read("pdf", kind, data)
        facts, (text_data,) = found.facts, _exactly(found.parts, 1)
        pages, read = _number(facts.get("pages")), _number(facts.get("read"))
        text = text_data.decode("utf-8", "replace").replace("\0", "")
        if text and read < pages:
            text += f"\n\n[The text of the pages from {read + 1} to {pages} was not read.]"
        return partial(Content, FileKind.PDF, "application/pdf", {WHOLE: data}, pages=pages, text=text)
    found = await child.read("image", kind, data)
    whole, sent, thumb = _exactly(found.parts, 3)
    again = kind_of(whole)
    if KINDS[again] != FileKind.IMAGE or (sent and KINDS[kind_of(sent)] != FileKind.IMAGE):
        raise NotTaken("This image could not be read. Save it as PNG or JPEG, then attach it again.")
    return partial(
        Content,
        FileKind.IMAGE,
        f"image/{again}",
        {WHOLE: whole, SENT: sent, THUMB: thumb},
        width=_number(found.facts.get("width")),
        height=_number(found.facts.get("height")),
    )


def _exactly(parts: Any, count: int) -> Any:
    if len(parts) != count or not (parts[0] or count == 1):
        raise NotTaken("This file could not be read. Save it once more, then attach it again.", 422)
    return parts


def _number(value: object) -> int:
    return value if type(value) is int and 0 <= value < 2**31 else 0


def clean_name(name: str, media_type: str = "") -> str:
    """Return a name without folders and without signs that hide something, cut in its middle where it is long."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(sign for sign in unicodedata.normalize("NFC", last) if unicodedata.category(sign) not in _HIDDEN)
    shown = " ".join(shown.split()).strip(". ")
    if not shown:
        kind = media_type.partition("/")[2]
        shown = f"{NAMELESS}.{'txt' if kind == 'plain' else kind}" if kind else NAMELESS
    endings = _ENDINGS.get(media_type)
    if endings is not None and not shown.lower().endswith(endings):
        # A picture that was made anew is called after what it is now.
        stem, _, ending = shown.rpartition(".")
        shown = (stem if stem and ending.isalpha() and len(ending) < 6 else shown) + endings[0]
    if len(shown) > LONGEST_NAME:
        shown = f"{shown[: LONGEST_NAME - 21]}…{shown[-20:]}"
    return shown
