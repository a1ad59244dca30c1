"""The addresses of `chat.conversation`."""

from django.urls import path

from chat.conversation import views

urlpatterns = [
    path("messages/<int:message_id>/edit/", views.edit, name="edit"),
    path("messages/<int:message_id>/again/", views.again, name="again"),
    path("messages/<int:message_id>/show/", views.show, name="show"),
    path("messages/<int:message_id>/delete/", views.delete, name="delete"),
    path("messages/<int:message_id>/restore/", views.restore, name="restore"),
    path("chats/<uuid:chat_id>/title/", views.title, name="title"),
    path("chats/<uuid:chat_id>/queue/send/", views.queue_send, name="queue-send"),
    path("queue/<int:queued_id>/edit/", views.queued_edit, name="queued-edit"),
    path("queue/<int:queued_id>/remove/", views.queued_remove, name="queued-remove"),
    path("queue/<int:queued_id>/restore/", views.queued_restore, name="queued-restore"),
]
