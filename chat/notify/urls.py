"""The addresses of `chat.notify`."""

from django.urls import path

from chat.notify import views

urlpatterns = [
    path("answers/done/", views.done, name="done"),
    path("notify/", views.here, name="notify"),
]
