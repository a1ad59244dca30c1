"""Puts long chats into the database of a Lerix that runs, as they would be after weeks of use."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chat.markdown import HTML_VERSION


def put_chat(
    database: Path,
    title: str,
    texts: Sequence[tuple[str, str, str]],
    choice: dict[str, str] | None = None,
    usage: dict[str, int] | None = None,
) -> tuple[str, list[int]]:
    """Store a chat of exchanges (question, answer, the answer's HTML); return its id and those of its messages.

    `usage` is of the last answer. It is as a page that is opened afterwards finds it: no page is told.
    """
    chat, now = uuid.uuid4(), datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    with contextlib.closing(sqlite3.connect(database, timeout=10)) as opened, opened:
        _insert(
            opened, "chat_chat", id=chat.hex, title=title, created=now, updated=now, choice=json.dumps(choice or {})
        )
        ids: list[int] = []
        for number, (question, answer, html) in enumerate(texts, 1):
            last = usage if number == len(texts) else None
            shared = {"chat_id": chat.hex, "created": now, "state": "complete"}
            asked = _insert(
                opened, "chat_message", **shared, role="user", text=question, parent_id=ids[-1] if ids else None
            )
            ids += (
                asked,
                _insert(
                    opened,
                    "chat_message",
                    **shared,
                    role="assistant",
                    text=answer,
                    html=html,
                    html_version=HTML_VERSION,
                    parent_id=asked,
                    model="gpt-6.1-sol",
                    model_name="GPT-6.1 Sol",
                    access="codex",
                    access_label="Codex auth",
                    usage=json.dumps(last) if last else None,
                    finished=now,
                ),
            )
        opened.execute("UPDATE chat_chat SET head_id = ?, revision = 1 WHERE id = ?", (ids[-1], chat.hex))
    return str(chat), ids


def _insert(opened: sqlite3.Connection, table: str, **given: Any) -> int:
    """Insert a row; columns that are not given are empty as their type has it. Returns its rowid."""
    row = dict(given)
    for _, name, kind, required, default, key in opened.execute(f"PRAGMA table_info({table})"):
        if required and not key and name not in row and default is None:
            row[name] = "[]" if name == "items" else "" if kind.lower().startswith(("varchar", "text")) else 0
    marks = ", ".join("?" * len(row))
    done = opened.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))
    return done.lastrowid or 0


def paragraphs(count: int, words: str) -> tuple[str, str]:
    """Return an answer of so many paragraphs, as Markdown and as HTML."""
    lines = [f"{words} {number}: " + "some more words that fill the line " * 4 for number in range(1, count + 1)]
    return "\n\n".join(lines), "".join(f"<p>{line}</p>\n" for line in lines)
