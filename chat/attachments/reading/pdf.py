"""Reads a PDF: how many pages it has, and its text."""

from __future__ import annotations

import contextlib
import io
import time
from typing import Any, Final

import pypdf

from chat.attachments.reading.confined import Problem

MOST_PAGES: Final = 5000
#: Characters of the text, and seconds after which no further page is begun.
MOST_TEXT: Final = 1_000_000
READ_SECONDS: Final = 15.0


def read(data: bytes, kind: str) -> tuple[dict[str, Any], list[bytes]]:
    """Return how many pages a PDF has, and as one part its text, as far as there is time and room for it."""
    try:
        reader = pypdf.PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Problem("locked")
        count = len(reader.pages)
    except (Problem, MemoryError):
        raise
    except Exception:  # it raises whatever a damaged file leads it to
        raise Problem("damaged") from None
    if count == 0:
        raise Problem("damaged")
    if count > MOST_PAGES:
        raise Problem("pages")
    texts: list[str] = []
    size, read, until = 0, 0, time.monotonic() + READ_SECONDS
    for number in range(count):
        if time.monotonic() > until or size >= MOST_TEXT:
            break
        text = ""
        with contextlib.suppress(Exception):  # the other pages may be whole
            text = reader.pages[number].extract_text() or ""
        text = text.replace("\0", "").encode("utf-8", "replace").decode("utf-8").strip()[: MOST_TEXT - size]
        read += 1
        size += len(text)
        if text:
            texts.append(f"[Page {number + 1}]\n{text}")
    return {"pages": count, "read": read}, ["\n\n".join(texts).encode("utf-8")]
