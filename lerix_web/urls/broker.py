"""Every address of the account broker."""

from django.urls import include, path

from relay.api import PREFIX
from relay.broker.pages import home
from relay.broker.staff.site import site

urlpatterns = [
    path("", home, name="home"),
    path(PREFIX.lstrip("/"), include("relay.broker.urls")),
    path("admin/", site.urls),
]
