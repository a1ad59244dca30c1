"""The addresses of `chat.temporary`."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
