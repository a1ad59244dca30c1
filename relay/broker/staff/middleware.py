"""Django's middleware for pages with users, for the admin only.

The interface knows no cookies, and each of these would cost it two changes of thread per request.
"""

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.deprecation import MiddlewareMixin

PREFIX = "/admin/"


class ForAdmin(MiddlewareMixin):
    """Passes every other request by."""

    def __call__(self, request: HttpRequest) -> Any:
        return super().__call__(request) if request.path.startswith(PREFIX) else self.get_response(request)


class Sessions(ForAdmin, SessionMiddleware):
    """Sessions of staff."""


class Csrf(ForAdmin, CsrfViewMiddleware):
    """Forms of staff come from our own pages."""


class Authentication(ForAdmin, AuthenticationMiddleware):
    """Who it is."""


class Messages(ForAdmin, MessageMiddleware):
    """What has just been done."""
