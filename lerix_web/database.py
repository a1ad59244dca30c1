"""Bringing the database up to date before anything is served."""

from pathlib import Path

from django import db
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from lerix_web.errors import DatabaseError
from lerix_web.paths import close_to_others

#: SQLite's own words, and ours for them.
CAUSES = (
    ("full", "The disk is full. Free some space, then start Lerix again. Nothing is lost."),
    ("readonly", "The database {path} cannot be written. Make the file and its folder writable."),
    (
        "unable to open",
        "The database {path} cannot be opened. Make the file and its folder readable and writable.",
    ),
    ("locked", "Another program is using the database {path}. Close it, then start Lerix again."),
    ("not a database", "The file {path} is not a database. Move it away, then start Lerix again."),
    ("malformed", "The database {path} is damaged. Put a backup in its place, then start Lerix again."),
)


def prepare(folder: Path) -> None:
    """Create or migrate the database in the data folder and close its files to others.

    Raises DatabaseError if it cannot be opened or written, or was made by a newer Lerix.
    """
    path = connection.settings_dict["NAME"]
    try:
        loader = MigrationLoader(connection)
        newer = set(loader.applied_migrations) - set(loader.disk_migrations) - _replaced(loader)
        if any(app in loader.migrated_apps for app, _ in newer):
            raise DatabaseError(
                f"The database {path} was made by a newer Lerix. Nothing was changed. Install the newest version."
            )
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", interactive=False, verbosity=0)
    except (db.DatabaseError, OSError) as error:
        text = str(error)
        for mark, sentence in CAUSES:
            if mark in text:
                raise DatabaseError(sentence.format(path=path)) from None
        raise DatabaseError(f"The database {path} cannot be used: {text}.") from error
    finally:
        connection.close()
    close_to_others(folder)


def _replaced(loader: MigrationLoader) -> set[tuple[str, str]]:
    return {key for migration in loader.disk_migrations.values() for key in migration.replaces}
