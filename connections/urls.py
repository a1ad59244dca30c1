"""Settings > Connections, below /settings/connections/."""

from django.urls import path

from connections import key_views, views

app_name = "connections"
urlpatterns = [
    path("", views.index, name="index"),
    path("events/", views.events, name="events"),
    path("keys/add/", key_views.add, name="key-add"),
    path("keys/<uuid:row_id>/replace/", key_views.replace, name="key-replace"),
    path("keys/<uuid:row_id>/rename/", key_views.rename, name="key-rename"),
    path("keys/<uuid:row_id>/remove/", key_views.remove, name="key-remove"),
    path("keys/<uuid:row_id>/undo/", key_views.undo, name="key-undo"),
    path("<str:key>/models/", views.edit_models, name="models"),
    path("<str:key>/models/refresh/", views.refresh_models, name="refresh"),
    path("<str:key>/models/switch/", views.switch_model, name="switch"),
    path("<str:key>/account/", views.use_account, name="account"),
    path("<str:key>/sign-in/", views.sign_in, name="sign-in"),
    path("<str:key>/sign-in/cancel/", views.cancel_sign_in, name="cancel-sign-in"),
    path("<str:key>/check/", views.check, name="check"),
]
