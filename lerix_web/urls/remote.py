"""Every address that a remote device may ask for over Codex Relay; `relay.host.allowed` names their methods.

Nothing that changes connections, keys or settings, and no page of the admin, may ever stand here.
"""

from django.urls import path

from relay.answers import MODELS, RESPONSES, STATE
from relay.host import views

urlpatterns = [
    path(STATE.lstrip("/"), views.state, name="relay-state"),
    path(MODELS.lstrip("/"), views.models, name="relay-models"),
    path(RESPONSES.lstrip("/"), views.responses, name="relay-responses"),
]
