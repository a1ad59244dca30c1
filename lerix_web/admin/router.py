"""Which of the admin's tables exist: none of those for users."""

from typing import Any

WITHOUT_TABLES = frozenset({"auth", "admin"})


class NoUsers:
    """Database router: no tables for users, groups and permissions, nor for the log of what each user did.

    Without it Django would write permissions into a table that is not there, after each migration.
    """

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool | None:
        """Return False for a table that shall not exist; None leaves the rest to Django."""
        return False if app_label in WITHOUT_TABLES else None
