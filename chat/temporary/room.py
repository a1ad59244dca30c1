"""How much memory temporary chats take, with their files: bounded, and refused with a sentence beyond that."""

from __future__ import annotations

from typing import Final

from django.db import connections

from chat.database import MEMORY

#: Bytes from which nothing more is brought in. What the database may take in all is more (see the settings), for the
#: answers that are coming by then.
MOST: Final = 192 * 1024 * 1024
FULL: Final = (
    "Temporary chats take as much memory as they may, so nothing was sent. Close one of them, which frees its memory, "
    "then try again."
)


def is_full() -> bool:
    """Whether what there is takes up `MOST`."""
    return used() >= MOST


def used() -> int:
    """Return how many bytes are taken up now."""
    with connections[MEMORY].cursor() as cursor:
        pages = []
        for name in ("page_count", "freelist_count", "page_size"):
            cursor.execute(f"PRAGMA {name}")
            pages.append(int(cursor.fetchone()[0]))
    count, free, size = pages
    return (count - free) * size
