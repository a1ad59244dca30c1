"""The addresses of `chat.conversation`."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
