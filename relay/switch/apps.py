"""Django's entry to the switch of Codex Relay."""

from django.apps import AppConfig


class SwitchConfig(AppConfig):
    """Codex Relay on this computer, and its card."""

    name = "relay.switch"
    label = "relay"
    verbose_name = "Codex Relay"
