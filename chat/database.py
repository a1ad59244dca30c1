"""Which database a piece of work is about: chats are kept on the disk, temporary ones in memory only.

The database follows from the number or id alone of what is asked for: those of temporary chats are of a kind of their
own. Whoever begins some work names it once (`about`); the router below then sends each query there, and what is made
gets an id of the right kind. A task that begins with an empty context takes `context`.
"""

from __future__ import annotations

import contextvars
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from django.db import DEFAULT_DB_ALIAS, models, transaction

P = ParamSpec("P")
T = TypeVar("T")

DISK: Final = DEFAULT_DB_ALIAS
MEMORY: Final = "temporary"
#: Numbers of rows begin here in memory: no disk holds so many. JavaScript counts twice as far.
FIRST_NUMBER: Final = 2**52
#: RFC 9562, 5.8: ids whose kind is for the application to say.
VERSION: Final = 8
# What is on the disk whatever the work is about.
ALWAYS_ON_DISK: Final = frozenset({"preference", "folder"})

_alias: contextvars.ContextVar[str] = contextvars.ContextVar("database", default=DISK)


def alias() -> str:
    """The name of the database that the work at hand is about."""
    return _alias.get()


@contextmanager
def using(name: str) -> Iterator[None]:
    """Do what is inside with the database of that name."""
    token = _alias.set(name)
    try:
        yield
    finally:
        _alias.reset(token)


@contextmanager
def about(what: uuid.UUID | int | None) -> Iterator[None]:
    """Do what is inside with the database that holds what has this id or number; None leaves it as it is."""
    with using(alias() if what is None else alias_of(what)):
        yield


@contextmanager
def kept() -> Iterator[None]:
    """Do what is inside with the chats on the disk, which alone have a history and can be searched."""
    with using(DISK):
        yield


def alias_of(what: uuid.UUID | int) -> str:
    """The name of the database that holds what has this id or number."""
    return MEMORY if is_temporary(what) else DISK


def is_temporary(what: uuid.UUID | int) -> bool:
    """Whether this is the id of a temporary chat, or the id or number of something in one."""
    return what.version == VERSION if isinstance(what, uuid.UUID) else what >= FIRST_NUMBER


def new_id() -> uuid.UUID:
    """Return a new random id for what is made now, of the kind that says where it is kept."""
    made = uuid.uuid4()
    return made if alias() == DISK else uuid.UUID(int=made.int & ~(0xF << 76) | VERSION << 76)


def context(what: uuid.UUID | int | None = None) -> contextvars.Context:
    """Return a context that holds nothing but the database of `what`, or else of the work at hand: for a new task."""
    empty = contextvars.Context()
    empty.run(_alias.set, alias() if what is None else alias_of(what))
    return empty


def atomic(work: Callable[P, T]) -> Callable[P, T]:
    """Do `work` in one transaction of the database that it is about."""

    @wraps(work)
    def done(*args: P.args, **kwargs: P.kwargs) -> T:
        with transaction.atomic(using=alias()):
            return work(*args, **kwargs)

    return done


class Router:
    """Django's database router: the chats that the work at hand is about, and what is kept with a row beside it."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str | None:
        """Where `model` is looked up; None leaves it to Django, which takes the disk."""
        if model._meta.app_label != "chat" or model._meta.model_name in ALWAYS_ON_DISK:
            return None
        beside = hints.get("instance")
        return (beside._state.db if beside is not None else None) or alias()

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool | None:
        """Only chats have tables in memory."""
        return app_label == "chat" if db == MEMORY else None
