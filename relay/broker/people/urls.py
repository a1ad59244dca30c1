"""Their addresses."""

from django.urls import path

from relay.broker.people import views

urlpatterns = [
    path("", views.home, name="home"),
    path("sign-in/", views.sign_in, name="sign-in"),
    path("create/", views.create, name="create"),
    path("recover/", views.recover, name="recover"),
    path("devices/", views.devices, name="devices"),
]
