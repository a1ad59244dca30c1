"""Every address that a remote device may ask for over Codex Relay, and by which methods.

Nothing that changes connections, keys or settings, and no page of the admin, may ever stand here.
"""

from django.urls import include, path

from relay.answers import MODELS, RESPONSES, STATE
from relay.host import views
from relay.host.pages import rule

urlpatterns = [
    path(STATE.lstrip("/"), views.state, name="relay-state"),
    path(MODELS.lstrip("/"), views.models, name="relay-models"),
    path(RESPONSES.lstrip("/"), views.responses, name="relay-responses"),
    path("", include("chat.urls")),
]

#: What browsers on other devices get. The three addresses above are for other Lerix, see `relay.host.allowed`.
PAGES = (
    rule("GET", "/"),
    rule("POST", "/chats/"),
    rule("GET", "/chats/<uuid>/"),
    rule("POST", "/chats/<uuid>/messages/"),
    rule("POST", "/chats/<uuid>/stop/"),
    rule("POST", "/messages/<int>/retry/"),
    rule("POST", "/messages/<int>/continue/"),
    rule("POST", "/messages/<int>/take-back/"),
    rule("GET", "/messages/<int>/source/"),
    rule("POST", "/drafts/<uuid>/placed/"),
    rule("POST", "/choice/"),
    rule("GET", "/events/"),
)
