"""Every address of the account broker."""

from django.urls import include, path

from relay.api import PREFIX
from relay.broker.app_pages import app, frame
from relay.broker.staff.site import site

urlpatterns = [
    path("", include("relay.broker.people.urls")),
    path(PREFIX.lstrip("/"), include("relay.broker.urls")),
    path("app/", app, name="app"),
    path("app/<path:where>", app, name="app-page"),
    path("frame/", frame, name="frame"),
    path("admin/", site.urls),
]
