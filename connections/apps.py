"""Django's entry to the connections app."""

from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    """What access there is, and the pages that manage it."""

    name = "connections"
    verbose_name = "Connections"
