"""Settings > Connections, below /settings/connections/."""

from django.urls import path

from connections import views

app_name = "connections"
urlpatterns = [
    path("", views.index, name="index"),
    path("events/", views.events, name="events"),
    path("<str:key>/models/", views.edit_models, name="models"),
    path("<str:key>/models/refresh/", views.refresh_models, name="refresh"),
    path("<str:key>/models/switch/", views.switch_model, name="switch"),
    path("<str:key>/account/", views.use_account, name="account"),
    path("<str:key>/check/", views.check, name="check"),
]
