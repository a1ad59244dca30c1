"""The addresses of `chat.exporting`."""

from django.urls import path

from chat.exporting import views

urlpatterns = [
    path("chats/<uuid:chat_id>/export.md", views.export, name="export"),
    path("messages/<int:message_id>/code/<int:number>/", views.code, name="code"),
]
