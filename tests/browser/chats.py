"""Chats that are there already: written into the database of a Lerix, as if somebody had had them. No ORM here."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.serving import LerixProcess

#: What a column holds that nothing is said of, by its type.
EMPTY = {"integer": 0, "bigint": 0, "smallint": 0, "text": "", "varchar": "", "char": "", "bool": 0}
JSON = {"choice": "{}", "items": "[]"}


def _insert(database: sqlite3.Connection, table: str, given: dict[str, Any]) -> int:
    columns = {name: (kind, needed) for _, name, kind, needed, _, _ in database.execute(f"PRAGMA table_info({table})")}
    values = {
        name: JSON.get(name, EMPTY.get(kind.split("(")[0].split()[0], ""))
        for name, (kind, needed) in columns.items()
        if needed and name != "id"
    } | given
    marks = ", ".join("?" * len(values))
    done = database.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", list(values.values()))
    return done.lastrowid or 0


def store(lerix: LerixProcess, title: str, texts: Sequence[str] = (), *, minutes: float = 0, **fields: Any) -> str:
    """Store a chat that was changed so many minutes ago, with questions and answers in turns. Returns its id."""
    chat = uuid.uuid4()
    then = (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%d %H:%M:%S.%f")
    with closing(sqlite3.connect(lerix.home / "lerix.sqlite3", timeout=30)) as database, database:
        times = {"created": then, "updated": then}
        _insert(database, "chat_chat", {"id": chat.hex, "title": title, "title_by": "words", **times, **fields})
        last = None
        for number, text in enumerate(texts):
            role = "assistant" if number % 2 else "user"
            named = {"model_name": "GPT-6.1 Sol", "model": "gpt-6.1-sol"} if number % 2 else {}
            known = {"chat_id": chat.hex, "parent_id": last, "role": role, "state": "complete", "text": text}
            last = _insert(database, "chat_message", {**known, **named, "created": then})
        database.execute("UPDATE chat_chat SET head_id = ? WHERE id = ?", [last, chat.hex])
    return str(chat)
