"""Every address of the app on this machine."""

from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", include("chat.urls")),
    path("settings/", RedirectView.as_view(pattern_name="connections:index"), name="settings"),
    path("settings/connections/", include("connections.urls")),
]
