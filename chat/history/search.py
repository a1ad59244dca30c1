"""Search over the titles and texts of all chats, as one types: every word must be there, by its beginning.

Words are compared without accents and case; what stands between double quotes must be there as it stands. The newest
message comes first: that needs no ranking, so a letter that is in every text costs no more than a rare word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.db import connections
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from chat.database import DISK
from chat.history.index import TEXTS, TITLES
from chat.models import Role

#: Characters that are looked at of a query, and words.
LONGEST: Final = 200
MOST_WORDS: Final = 12
# Messages at once, titles, and messages of one chat that are shown of these.
PAGE: Final = 40
MOST_TITLES: Final = 12
OF_ONE: Final = 3
# Words of a text around a hit.
AROUND: Final = 10
# What stands around a hit until the text has been made safe. A text that has them itself is marked there as well.
BEGIN, END = "\x02", "\x03"

_WORD: Final = re.compile(r'"([^"]*)"?|([^\s"]+)')
# Scripts that put no spaces between words: there unicode61 takes a sentence for one word, and a search must look into
# the texts themselves.
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]"
)
_MARKUP: Final = re.compile(r"\*\*|`+|~~|^\s*(?:#{1,6}|[-*+>])\s", re.MULTILINE)


@dataclass(frozen=True)
class Word:
    """One word of a query, or with `whole` what must be there as it stands."""

    text: str
    whole: bool = False

    @property
    def expression(self) -> str:
        """It in the language of FTS5. Quoted, so that nothing in it is an operator."""
        quoted = self.text.replace('"', '""')
        return f'"{quoted}"' if self.whole else f'"{quoted}"*'

    @property
    def unspaced(self) -> bool:
        """Whether the index does not know it as a word."""
        return _UNSPACED.search(self.text) is not None


@dataclass(frozen=True)
class Hit:
    """A message that has all words. `snippet` is safe HTML with the words marked."""

    message: int
    chat: UUID
    role: str
    created: datetime
    snippet: SafeString

    @property
    def is_question(self) -> bool:
        """Whether the user wrote it."""
        return self.role == Role.USER


@dataclass
class Found:
    """A chat with its hits, the newest first. `title` is safe HTML; `more` is the first hit that is not shown."""

    chat: UUID
    title: SafeString
    archived: bool
    folder: str
    hits: list[Hit] = field(default_factory=list)
    more: int = 0


@dataclass(frozen=True)
class Results:
    """The answer to a query: `query` is what it was taken for, `older` asks for what follows, 0 where nothing does."""

    query: str
    chats: Sequence[Found]
    older: int


def words(query: str) -> list[Word]:
    """Return the words of what somebody typed; none where it has no letter and no digit."""
    found = []
    for quoted, plain in _WORD.findall(query[:LONGEST].replace("\0", " ")):
        text = quoted or plain
        if any(letter.isalnum() for letter in text):
            found.append(Word(text.strip(), whole=bool(quoted)))
    return found[:MOST_WORDS]


def search(query: str, before: int | None = None) -> Results:
    """Look for a query. With `before`, what follows that message; titles come with the first answer only."""
    wanted = words(query)
    if not wanted:
        return Results(query, (), 0)
    chats: dict[UUID, Found] = {}
    if before is None:
        for row in _titles(wanted):
            chats[row.chat] = row
    rows = _texts(wanted, before)
    for hit, row in rows[:PAGE]:
        found = chats.setdefault(hit.chat, row)
        if len(found.hits) < OF_ONE:
            found.hits.append(hit)
        elif not found.more:
            found.more = hit.message
    return Results(query, list(chats.values()), rows[PAGE - 1][0].message if len(rows) > PAGE else 0)


def _titles(wanted: Sequence[Word]) -> list[Found]:
    known, unknown = _split(wanted)
    marked = f"highlight({TITLES}, 0, '{BEGIN}', '{END}')" if known else "t.title"
    conditions, values = _conditions(known, unknown, "t.title", TITLES)
    rows = _rows(
        # Names and placeholders of our own stand in it, and nothing that anybody has typed.
        f"SELECT c.id, {marked}, c.archived IS NOT NULL, f.name "  # noqa: S608
        f"FROM {TITLES} t JOIN chat_chat c ON c.id = t.chat "
        "LEFT JOIN chat_folder f ON f.id = c.folder_id AND f.deleted IS NULL "
        f"WHERE {conditions} AND c.deleted IS NULL ORDER BY c.updated DESC LIMIT {MOST_TITLES}",
        values,
    )
    return [
        Found(UUID(hex=pk), _marked(title, unknown), bool(archived), folder or "")
        for pk, title, archived, folder in rows
    ]


def _texts(wanted: Sequence[Word], before: int | None) -> list[tuple[Hit, Found]]:
    known, unknown = _split(wanted)
    conditions, values = _conditions(known, unknown, "m.text", TEXTS)
    if known:
        source, number = f"{TEXTS} t JOIN chat_message m ON m.id = t.rowid", "t.rowid"
        text = f"snippet({TEXTS}, 0, '{BEGIN}', '{END}', '\u2026', {AROUND})"
    else:
        source, number = "chat_message m", "m.id"
        text = f"substr(m.text, max(1, instr(m.text, %s) - {2 * AROUND}), {10 * AROUND})"
        values = [unknown[0].text, *values]
    if before is not None:
        conditions += f" AND {number} < %s"
        values = [*values, before]
    rows = _rows(
        f"SELECT m.id, m.chat_id, m.role, m.created, {text}, c.title, "  # noqa: S608
        f"c.archived IS NOT NULL, f.name FROM {source} "
        "JOIN chat_chat c ON c.id = m.chat_id LEFT JOIN chat_folder f ON f.id = c.folder_id AND f.deleted IS NULL "
        f"WHERE {conditions} AND m.deleted IS NULL AND c.deleted IS NULL ORDER BY {number} DESC LIMIT {PAGE + 1}",
        values,
    )
    return [
        (
            Hit(pk, UUID(hex=chat), role, _moment(created), _marked(_plain(snippet), unknown)),
            Found(UUID(hex=chat), escape(title), bool(archived), folder or ""),
        )
        for pk, chat, role, created, snippet, title, archived, folder in rows
    ]


def _split(wanted: Sequence[Word]) -> tuple[list[Word], list[Word]]:
    """The words that the index knows, and those it does not."""
    return [word for word in wanted if not word.unspaced], [word for word in wanted if word.unspaced]


def _conditions(known: Sequence[Word], unknown: Sequence[Word], column: str, table: str) -> tuple[str, list[Any]]:
    conditions = [f"instr({column}, %s) > 0" for _ in unknown]
    values: list[Any] = [word.text for word in unknown]
    if known:
        conditions.append(f"{table} MATCH %s")
        values.append(" ".join(word.expression for word in known))
    return " AND ".join(conditions), values


def _rows(statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    # Of what is kept: nobody finds a temporary chat.
    with connections[DISK].cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _moment(stored: str | datetime) -> datetime:
    """A time as the database gives it."""
    moment = stored if isinstance(stored, datetime) else datetime.fromisoformat(stored)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _plain(text: str) -> str:
    """A piece of Markdown on one line, without the signs that are no text."""
    return " ".join(_MARKUP.sub("", text).replace("|", " ").split())


def _marked(text: str, unknown: Sequence[Word]) -> SafeString:
    """Make a text with marked hits safe HTML."""
    for word in unknown:
        text = text.replace(word.text, f"{BEGIN}{word.text}{END}")
    html = re.sub(f"{BEGIN}([^{BEGIN}{END}]*){END}", r"<mark>\1</mark>", escape(text))
    # Escaped above, but for the marks; one that has lost its other half is left out.
    return mark_safe(html.replace(BEGIN, "").replace(END, ""))  # noqa: S308
