"""The addresses of `chat.temporary`."""

from django.urls import path

from chat.temporary import views

urlpatterns = [
    path("temporary/tabs/<uuid:tab_id>/here/", views.here, name="tab-here"),
    path("temporary/tabs/<uuid:tab_id>/hidden/", views.hidden, name="tab-hidden"),
    path("temporary/tabs/<uuid:tab_id>/left/", views.left, name="tab-left"),
]
