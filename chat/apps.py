"""Django's entry to the chat app."""

from django.apps import AppConfig


class ChatConfig(AppConfig):
    """Conversations and their pages."""

    name = "chat"
    verbose_name = "Chat"
