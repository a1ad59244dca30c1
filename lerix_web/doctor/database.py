"""The database: opened for reading only, so that a running Lerix is not disturbed and no file is made."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from django.db.migrations.loader import MigrationLoader

from lerix_web import facts
from lerix_web.doctor.finding import Finding, Level
from lerix_web.doctor.machine import size

# Seconds that the check of a large database may take.
PATIENCE: Final = 10.0
# Age of the list of models from which it is worth a word.
OLD: Final = timedelta(days=7)
NAME: Final = "Database"


@dataclass(frozen=True)
class Kept:
    """What the database says about access paths: the models known and switched on, when they were fetched last (aware,
    UTC), whose account Codex auth used, how many API keys there are, and where sealing keys are kept."""

    known: int = 0
    enabled: int = 0
    fetched: datetime | None = None
    account: str | None = None
    keys: int = 0
    places: frozenset[str] = frozenset()


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the database for reading only. Raises sqlite3.Error."""
    # Without a -wal file nobody has it open; SQLite would then make one, and its -shm, unless it is told not to.
    alone = not path.with_name(f"{path.name}-wal").exists()
    address = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}"
    with contextlib.closing(sqlite3.connect(address, uri=True, timeout=2)) as connection:
        yield connection


def database(path: Path) -> Finding:
    """Whether the database opens, is whole, and fits this version."""
    try:
        there = path.stat().st_size
    except FileNotFoundError:
        return Finding(NAME, Level.WARN, "It is not there yet. Lerix makes it when it starts.")
    except OSError as error:
        return Finding(NAME, Level.PROBLEM, f"{path} cannot be looked at: {error.strerror}.", "Check its folder.")
    if not there:
        return Finding(NAME, Level.WARN, "It is empty. Lerix fills it when it starts.")
    try:
        with opened(path) as connection:
            whole = _is_whole(connection)
            applied = set(connection.execute("SELECT app, name FROM django_migrations"))
    except sqlite3.Error as error:
        restore = "Stop Lerix and put a backup in its place."
        return Finding(NAME, Level.PROBLEM, f"{path} cannot be read: {error}.", restore)
    if whole is False:
        return Finding(NAME, Level.PROBLEM, f"{path} is damaged.", "Stop Lerix and put a backup in its place.")
    return _versions(path, applied, whole)


def _is_whole(connection: sqlite3.Connection) -> bool | None:
    """None where looking through all of it took too long."""
    end = time.monotonic() + PATIENCE
    connection.set_progress_handler(lambda: int(time.monotonic() > end), 100_000)
    try:
        return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.OperationalError as error:
        if "interrupted" in str(error):
            return None
        raise
    finally:
        connection.set_progress_handler(None, 0)


def _versions(path: Path, applied: set[tuple[str, str]], whole: bool | None) -> Finding:
    loader = MigrationLoader(None)
    newer = {key for key in applied - set(loader.disk_migrations) if key[0] in loader.migrated_apps}
    missing = set(loader.disk_migrations) - applied
    said = f"{size(facts.database_size(path))}, {'whole' if whole else 'not looked through: it is large'}"
    if newer:
        return Finding(NAME, Level.PROBLEM, f"{said}, but made by a newer Lerix.", "Install the newest version.")
    if missing:
        return Finding(NAME, Level.WARN, f"{said}, of an older version. Lerix brings it up to date when it starts.")
    return Finding(NAME, Level.OK if whole else Level.WARN, f"{said}, up to date")


def kept(path: Path, codex: str) -> Kept:
    """Return what the database says about access paths; `codex` is the key of Codex auth. What is not there, damaged or
    of another version counts as nothing: `database` says it."""
    if not path.exists():
        return Kept()
    try:
        with opened(path) as connection:
            counts = _rows(connection, "SELECT count(*), total(enabled) FROM connections_catalogueentry")
            memories = _rows(connection, "SELECT path, account, fetched FROM connections_pathmemory")
            keys = _rows(connection, "SELECT id FROM connections_apikey WHERE removed_at IS NULL")
            places = _rows(connection, "SELECT place FROM connections_sealingrecord")
            places += _rows(connection, "SELECT sealing_place FROM account_membership")
    except sqlite3.Error:
        return Kept()
    known, enabled = counts[0] if counts else (0, 0)
    fetched = [datetime.fromisoformat(text).replace(tzinfo=UTC) for _, _, text in memories if text]
    accounts = {key: account for key, account, _ in memories}
    return Kept(
        known,
        int(enabled),
        max(fetched, default=None),
        accounts.get(codex) or None,
        len(keys),
        frozenset(place for (place,) in places),
    )


def _rows(connection: sqlite3.Connection, query: str) -> list[tuple[Any, ...]]:
    try:
        return connection.execute(query).fetchall()
    except sqlite3.Error:
        return []


def catalogue(found: Kept, now: datetime) -> Finding:
    """How many models are known and switched on, and how old the list is."""
    name = "Models"
    if not found.known:
        return Finding(name, Level.WARN, "No list has been fetched yet.", "Open Settings, Connections.")
    age = now - found.fetched if found.fetched else None
    said = f"{found.known} known, {found.enabled} switched on, list {_ago(age)}"
    if not found.enabled:
        return Finding(name, Level.WARN, f"{said}.", "Switch some on: Settings, Connections, Edit models.")
    if age is None or age > OLD:
        return Finding(name, Level.WARN, f"{said}.", "Open Settings, Connections, Edit models and press Refresh.")
    return Finding(name, Level.OK, said)


def _ago(age: timedelta | None) -> str:
    if age is None:
        return "of unknown age"
    minutes = int(age.total_seconds() // 60)
    for unit, length in (("day", 1440), ("hour", 60), ("minute", 1)):
        count = minutes // length
        if count:
            return f"fetched {count} {unit}{'s' if count != 1 else ''} ago"
    return "fetched just now"
