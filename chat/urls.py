"""The chat pages."""

from django.urls import include, path

from chat import instructing, views, window_views

app_name = "chat"
urlpatterns = [
    path("", views.index, name="index"),
    path("chats/", views.begin, name="begin"),
    path("chats/<uuid:chat_id>/", views.chat, name="chat"),
    path("chats/<uuid:chat_id>/messages/", views.send, name="send"),
    path("chats/<uuid:chat_id>/stop/", views.stop, name="stop"),
    path("chats/<uuid:chat_id>/older/", window_views.older, name="older"),
    path("chats/<uuid:chat_id>/newer/", window_views.newer, name="newer"),
    path("chats/<uuid:chat_id>/window/", window_views.window, name="window"),
    path("messages/<int:message_id>/retry/", views.retry, name="retry"),
    path("messages/<int:message_id>/continue/", views.go_on, name="go-on"),
    path("messages/<int:message_id>/take-back/", views.take_back, name="take-back"),
    path("drafts/<uuid:draft_id>/placed/", views.draft_placed, name="draft-placed"),
    path("messages/<int:message_id>/source/", views.source, name="source"),
    path("choice/", views.choose, name="choose"),
    path("events/", views.events, name="events"),
    path("chats/<uuid:chat_id>/instructions/", instructing.show, name="instructions"),
    path("chats/<uuid:chat_id>/instructions/save/", instructing.save, name="instructions-save"),
    path("", include("chat.history.urls")),
    path("", include("chat.conversation.urls")),
    path("", include("chat.attachments.urls")),
    path("", include("chat.exporting.urls")),
    path("", include("chat.temporary.urls")),
    path("", include("chat.notify.urls")),
]
