"""A database that is never on a disk: one for all threads of this process, and gone with it.

SQLite keeps it in its file system of memory, "memdb". Rollback journals are in memory there as well, and the options
in the settings say so of what SQLite puts aside while it sorts. It comes into being with the first connection.
"""

from __future__ import annotations

import sqlite3
import threading
from typing import Any, Final

from django.apps import apps
from django.db import NotSupportedError
from django.db.backends.sqlite3 import base, creation
from django.db.models import AutoField

from chat.database import FIRST_NUMBER

#: The first SQLite whose memory is shared by the connections of a process.
OLDEST_SQLITE: Final = (3, 36)
TOO_OLD: Final = (
    "Temporary chats need SQLite 3.36 or newer, and this Python has {}. Run Lerix with a newer Python; other chats "
    "work as before."
)

_lock = threading.Lock()
# One connection of each database stays open, since the last one would take the memory with it.
_held: dict[str, sqlite3.Connection] = {}


def is_begun() -> bool:
    """Whether there is a database in memory yet: before the first temporary chat there is none."""
    return bool(_held)


class DatabaseCreation(creation.DatabaseCreation):
    """For tests, which take the database as it is."""

    def create_test_db(self, *args: Any, **options: Any) -> str:
        """Nothing is to be made: it is in memory, and this process is the test's own."""
        return str(self.connection.settings_dict["NAME"])

    def destroy_test_db(self, *args: Any, **options: Any) -> None:
        """Nothing is left once the process ends."""
        self.connection.close()


class DatabaseWrapper(base.DatabaseWrapper):
    """Connections to the database in memory. `NAME` is its address, such as "file:/name?vfs=memdb"."""

    creation_class = DatabaseCreation

    def get_new_connection(self, conn_params: Any) -> Any:
        """Connect; the first time, make the tables of all chats."""
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise NotSupportedError(TOO_OLD.format(sqlite3.sqlite_version))
        with _lock:
            if conn_params["database"] not in _held:
                first = super().get_new_connection(conn_params)
                first.executescript(f"BEGIN;{self._tables()}COMMIT;")
                _held[conn_params["database"]] = first
        return super().get_new_connection(conn_params)

    def _tables(self) -> str:
        models = list(apps.get_app_config("chat").get_models())
        # Only collects: it is never entered, where it would connect.
        editor = self.SchemaEditorClass(self, collect_sql=True)
        editor.deferred_sql = []
        for model in models:
            editor.create_model(model)
        numbered = [model._meta.db_table for model in models if isinstance(model._meta.pk, AutoField)]
        numbers = [f"INSERT INTO sqlite_sequence VALUES ('{table}', {FIRST_NUMBER});" for table in numbered]  # noqa: S608
        return "\n".join([*editor.collected_sql, *(f"{later};" for later in editor.deferred_sql), *numbers])
