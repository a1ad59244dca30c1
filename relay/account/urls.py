"""Settings > Account, below /settings/account/."""

from django.urls import path

from relay.account import entry_views, own_views, step_views, views

app_name = "account"
urlpatterns = [
    path("", views.index, name="index"),
    path("events/", views.events, name="events"),
    path("broker/", views.broker, name="broker"),
    path("running-a-broker/", views.running_a_broker, name="guide"),
    # Without an account on this device.
    path("create/", entry_views.create, name="create"),
    path("sign-in/", entry_views.sign_in, name="sign-in"),
    path("recover/", entry_views.recover, name="recover"),
    path("erase/", entry_views.erase, name="erase"),
    path("strength/", entry_views.strength, name="strength"),
    # What takes several steps.
    path("steps/<slug:pending_id>/", step_views.step, name="step"),
    path("steps/<slug:pending_id>/check/", step_views.check, name="check"),
    path("steps/<slug:pending_id>/file/", step_views.key_file, name="key-file"),
    path("steps/<slug:pending_id>/resend/", step_views.resend, name="resend"),
    path("steps/<slug:pending_id>/cancel/", step_views.cancel, name="cancel"),
    # With one.
    path("password/", own_views.password, name="password"),
    path("recovery-key/", own_views.recovery_key, name="recovery-key"),
    path("devices/<str:device>/rename/", own_views.rename, name="rename"),
    path("devices/<str:device>/remove/", own_views.remove, name="remove"),
    path("keys/", own_views.rekey, name="rekey"),
    path("trust/", own_views.trust, name="trust"),
    path("refresh/", own_views.refresh, name="refresh"),
    path("notices/<int:notice_id>/dismiss/", own_views.dismiss, name="dismiss"),
    path("delete/", own_views.delete, name="delete"),
    path("sign-out/", own_views.sign_out, name="sign-out"),
    path("sign-out-everywhere/", own_views.sign_out_everywhere, name="sign-out-everywhere"),
]
