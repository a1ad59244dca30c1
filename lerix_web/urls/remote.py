"""Every page that a browser on another device may ask for over Codex Relay, and by which methods.

The addresses for other Lerix are no part of Django, see `relay.host.model_api`.

Nothing that changes connections, keys or settings, and no page of the admin, may ever stand here.
"""

from django.urls import include, path

from relay.host.pages import UPLOAD, rule

urlpatterns = [
    path("", include("chat.urls")),
]

#: What browsers on other devices get.
PAGES = (
    rule("GET", "/"),
    rule("POST", "/chats/"),
    rule("GET", "/chats/<uuid>/"),
    rule("GET", "/chats/<uuid>/older/"),
    rule("GET", "/chats/<uuid>/newer/"),
    rule("GET", "/chats/<uuid>/window/"),
    rule("POST", "/chats/<uuid>/messages/"),
    rule("POST", "/chats/<uuid>/stop/"),
    rule("GET", "/chats/<uuid>/instructions/"),
    rule("POST", "/chats/<uuid>/instructions/save/"),
    rule("POST", "/messages/<int>/retry/"),
    rule("POST", "/messages/<int>/continue/"),
    rule("POST", "/messages/<int>/take-back/"),
    rule("GET", "/messages/<int>/source/"),
    rule("GET", "/messages/<int>/code/<int>/"),
    rule("GET", "/chats/<uuid>/export.md"),
    rule("POST", "/messages/<int>/edit/"),
    rule("GET", "/messages/<int>/again/"),
    rule("POST", "/messages/<int>/show/"),
    rule("POST", "/messages/<int>/delete/"),
    rule("POST", "/messages/<int>/restore/"),
    rule("POST", "/chats/<uuid>/title/"),
    rule("POST", "/chats/<uuid>/queue/send/"),
    rule("POST", "/queue/<int>/edit/"),
    rule("POST", "/queue/<int>/remove/"),
    rule("POST", "/queue/<int>/restore/"),
    rule("GET", "/chats/<uuid>/options/"),
    rule("GET", "/chats/<uuid>/find/"),
    rule("GET", "/history/older/"),
    rule("GET", "/history/archive/"),
    rule("GET", "/history/search/"),
    rule("GET", "/history/folders/"),
    rule("POST", "/history/change/"),
    rule("GET", "/folders/new/"),
    rule("POST", "/folders/new/"),
    rule("GET", "/folders/<int>/options/"),
    rule("GET", "/folders/<int>/rename/"),
    rule("POST", "/folders/<int>/rename/"),
    rule("POST", "/folders/<int>/opened/"),
    rule("POST", "/folders/<int>/delete/"),
    rule("POST", "/folders/<int>/restore/"),
    rule("POST", "/drafts/<uuid>/placed/"),
    rule(UPLOAD, "/attachments/"),
    rule("GET", "/attachments/<uuid>/"),
    rule("GET", "/attachments/<uuid>/thumb/"),
    rule("GET", "/attachments/<uuid>/view/"),
    rule("POST", "/attachments/<uuid>/remove/"),
    rule("POST", "/choice/"),
    rule("GET", "/events/"),
    rule("POST", "/temporary/tabs/<uuid>/here/"),
    rule("POST", "/temporary/tabs/<uuid>/hidden/"),
    rule("POST", "/temporary/tabs/<uuid>/left/"),
    rule("GET", "/answers/done/"),
    rule("POST", "/notify/"),
)
