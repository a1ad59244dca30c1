"""The addresses of `chat.attachments`."""

from django.urls import path

from chat.attachments import views

urlpatterns = [
    path("attachments/", views.upload, name="upload"),
    path("attachments/<uuid:attachment_id>/", views.download, name="attachment"),
    path("attachments/<uuid:attachment_id>/thumb/", views.thumb, name="thumb"),
    path("attachments/<uuid:attachment_id>/view/", views.view, name="attachment-view"),
    path("attachments/<uuid:attachment_id>/remove/", views.remove, name="attachment-remove"),
]
