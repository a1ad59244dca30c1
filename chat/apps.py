"""Django's entry to the chat app."""

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate

from chat.history import index


class ChatConfig(AppConfig):
    """Conversations and their pages."""

    name = "chat"
    verbose_name = "Chat"

    def ready(self) -> None:
        """Have the search's triggers outlive every change of the tables that they watch."""
        post_migrate.connect(_watch, sender=self)


def _watch(sender: AppConfig, using: str, **kwargs: Any) -> None:
    index.watch(connections[using])
