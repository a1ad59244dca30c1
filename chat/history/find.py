"""Finding words in one chat: in the whole of the branch that is shown, for a page has only a part of it."""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from chat.history.search import words
from chat.models import Chat, Message

# As static/lerix/js/find.js has it, which marks what is found here.
_ACCENTS: Final = re.compile("[\u0300-\u036f]")


@dataclass(frozen=True)
class FoundHere:
    """The messages that have all words, the oldest first, and the words as they are compared."""

    messages: Sequence[int]
    words: Sequence[str]


async def find(chat: Chat, query: str) -> FoundHere:
    """Look for a query. Unlike in the search of all chats, a word may stand anywhere, also within another."""
    wanted = [folded(word.text) for word in words(query)]
    if not wanted:
        return FoundHere([], [])
    branch = await chat.branch()
    texts = {pk: text async for pk, text in Message.objects.filter(chat=chat, deleted=None).values_list("pk", "text")}
    rows = [(pk, texts.get(pk, "")) for pk in branch]
    return FoundHere(await asyncio.to_thread(_having, rows, wanted), wanted)


def _having(rows: Iterable[tuple[int, str]], wanted: Sequence[str]) -> list[int]:
    found = []
    for pk, text in rows:
        plain = folded(text)
        if all(word in plain for word in wanted):
            found.append(pk)
    return found


def folded(text: str) -> str:
    """Return a text in small letters, without accents."""
    if text.isascii():
        return text.lower()
    return _ACCENTS.sub("", unicodedata.normalize("NFD", text)).lower()
