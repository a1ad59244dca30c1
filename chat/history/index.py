"""The full-text index: two FTS5 tables beside the chats, which triggers keep equal to them whoever writes.

`chat_texts` indexes messages by their ids and keeps no second copy of their texts; `chat_titles` keeps titles with the
ids of their chats. Words are split as unicode61 does, without accents; prefixes of two and three letters have an index
of their own, for without one they would be as many words as the list has.

Made by the migration 0004, in the database of what is kept only: temporary chats are searched by nobody.
"""

from __future__ import annotations

from typing import Final

from django.db import DEFAULT_DB_ALIAS
from django.db.backends.base.base import BaseDatabaseWrapper

TEXTS: Final = "chat_texts"
TITLES: Final = "chat_titles"
_WORDS: Final = "tokenize=\"unicode61 remove_diacritics 2\", prefix='2 3'"

_TEXT: Final = "text, content='chat_message', content_rowid='id'"
_TABLES: Final = (
    f"CREATE VIRTUAL TABLE IF NOT EXISTS chat_texts USING fts5({_TEXT}, {_WORDS})",
    f"CREATE VIRTUAL TABLE IF NOT EXISTS chat_titles USING fts5(title, chat UNINDEXED, {_WORDS})",
)
# A table with its content elsewhere must be told what it forgets, word for word. Empty texts are not in it.
_FORGET: Final = (
    "INSERT INTO chat_texts(chat_texts, rowid, text) SELECT 'delete', old.id, old.text WHERE old.text <> '';"
)
_LEARN: Final = "INSERT INTO chat_texts(rowid, text) SELECT new.id, new.text WHERE new.text <> '';"
# Saving a message sets its text, also to what it was: then there is nothing to do.
_TRIGGERS: Final = {
    "chat_texts_added": f"AFTER INSERT ON chat_message BEGIN {_LEARN} END",
    "chat_texts_gone": f"AFTER DELETE ON chat_message BEGIN {_FORGET} END",
    "chat_texts_changed": "AFTER UPDATE OF text ON chat_message WHEN old.text <> new.text "
    f"BEGIN {_FORGET} {_LEARN} END",
    "chat_titles_added": "AFTER INSERT ON chat_chat BEGIN "
    "INSERT INTO chat_titles(title, chat) VALUES (new.title, new.id); END",
    "chat_titles_gone": "AFTER DELETE ON chat_chat BEGIN DELETE FROM chat_titles WHERE chat = old.id; END",
    "chat_titles_changed": "AFTER UPDATE OF title ON chat_chat WHEN old.title <> new.title BEGIN "
    "UPDATE chat_titles SET title = new.title WHERE chat = new.id; END",
}

_MERGE: Final = {
    TEXTS: "INSERT INTO chat_texts(chat_texts, rank) VALUES ('merge', %s)",
    TITLES: "INSERT INTO chat_titles(chat_titles, rank) VALUES ('merge', %s)",
}

#: Pages of the index that one step of `forget` rewrites: a few milliseconds, in which nobody else can write.
STEP: Final = 200


def build(connection: BaseDatabaseWrapper) -> None:
    """Make the index of all that is there, and the triggers. Nothing happens in a database of temporary chats."""
    if connection.alias != DEFAULT_DB_ALIAS:
        return
    with connection.cursor() as cursor:
        for statement in _TABLES:
            cursor.execute(statement)
        cursor.execute("INSERT INTO chat_texts(rowid, text) SELECT id, text FROM chat_message WHERE text <> ''")
        cursor.execute("INSERT INTO chat_titles(title, chat) SELECT title, id FROM chat_chat")
    watch(connection)


def watch(connection: BaseDatabaseWrapper) -> None:
    """Make the triggers that are not there: SQLite drops them with their table, and Django changes tables that way."""
    if connection.alias != DEFAULT_DB_ALIAS:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM sqlite_master WHERE name = %s", [TITLES])
        if cursor.fetchone() is None:
            return
        for name, body in _TRIGGERS.items():
            cursor.execute(f"CREATE TRIGGER IF NOT EXISTS {name} {body}")


def drop(connection: BaseDatabaseWrapper) -> None:
    """Remove the index and its triggers."""
    with connection.cursor() as cursor:
        for name in _TRIGGERS:
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
        for table in (TEXTS, TITLES):
            cursor.execute(f"DROP TABLE IF EXISTS {table}")


def forget(connection: BaseDatabaseWrapper, table: str, *, first: bool) -> bool:
    """Do one step of rewriting the index without the words that only deleted texts have. Returns whether more is left.

    Until then such words lie in the file, marked as deleted. `first` begins the rewriting.
    (SQLite 3.42 can remove them at once, but an older one cannot read such an index any more.)
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT total_changes()")
        (before,) = cursor.fetchone()
        cursor.execute(_MERGE[table], [-STEP if first else STEP])
        cursor.execute("SELECT total_changes()")
        (after,) = cursor.fetchone()
    # As SQLite's manual says: fewer than two changes are a merge that had nothing to do.
    return bool(after - before >= 2)
