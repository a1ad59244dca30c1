"""The addresses of `chat.history`."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
