"""Django's entry to what a signed-in device holds."""

from django.apps import AppConfig


class AccountConfig(AppConfig):
    """The Lerix account of this device, and the pages that manage it."""

    name = "relay.account"
    label = "account"
    verbose_name = "Account"
