"""The addresses of `chat.attachments`."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
