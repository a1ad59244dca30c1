"""Which database a piece of work belongs to: chats are kept in "default"."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import DEFAULT_DB_ALIAS, transaction

P = ParamSpec("P")
T = TypeVar("T")


def alias() -> str:
    """The name of the database that the work at hand is about."""
    return DEFAULT_DB_ALIAS


def atomic(work: Callable[P, T]) -> Callable[P, T]:
    """Do `work` in one transaction of the database that it is about."""

    @wraps(work)
    def done(*args: P.args, **kwargs: P.kwargs) -> T:
        with transaction.atomic(using=alias()):
            return work(*args, **kwargs)

    return done
