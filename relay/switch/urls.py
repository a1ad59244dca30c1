"""Codex Relay's switch, below /settings/relay/."""

from django.urls import path

from relay.switch import views

app_name = "relay"
urlpatterns = [
    path("switch/", views.turn, name="switch"),
    path("keep-awake/", views.keep_awake, name="keep-awake"),
]
