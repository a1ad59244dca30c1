"""Django's entry to the broker."""

from django.apps import AppConfig


class BrokerConfig(AppConfig):
    """Accounts, their devices and plans, as the broker keeps them."""

    name = "relay.broker"
    label = "broker"
    verbose_name = "Account broker"
