"""Every address of the app on this machine."""

from django.urls import include, path
from django.views.generic import RedirectView

from lerix_web.admin.pages import site
from lerix_web.pages import about, general

urlpatterns = [
    path("", include("chat.urls")),
    path("settings/", RedirectView.as_view(pattern_name="general"), name="settings"),
    path("settings/general/", general.general, name="general"),
    path("settings/about/", about.about, name="about"),
    path("settings/connections/", include("connections.urls")),
    path("settings/relay/", include("relay.switch.urls")),
    path("settings/account/", include("relay.account.urls")),
    path("admin/", site.urls),
]
