"""The admin as a site without sign-in, and the base of its pages: read-only, and nothing shown that is not listed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from django.contrib.admin import AdminSite, AllValuesFieldListFilter, ModelAdmin
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.contrib.messages.middleware import MessageMiddleware
from django.core.exceptions import ImproperlyConfigured
from django.db.models import BinaryField, CharField, Model
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver
from django.utils.decorators import decorator_from_middleware

#: Fields that hold, or by their name may come to hold, what nobody shall read or search by.
SECRET: Final = re.compile(r"seal|secret|token|key|cipher|nonce|password|credential|encrypted|signature|^items$")
#: Pages of Django's own that are for several users, and the one that leads from a model to pages of other sites.
LEFT_OUT: Final = frozenset({"login", "logout", "password_change", "password_change_done", "view_on_site"})

#: Whoever the guard let in. Never stored: there is no table of users.
OWNER: Final = User(username="you", is_staff=True, is_superuser=True)

View = Callable[..., HttpResponse]

with_messages = decorator_from_middleware(MessageMiddleware)


class Site(AdminSite):
    """The admin behind the guard: no login form, no passwords, no log of actions.

    Each of its pages, and no other page of Lerix, has messages and Django's own protection against forged requests
    (which `AdminSite.admin_view` brings). Messages travel in a cookie, so that no session is needed.
    """

    site_title = "Lerix"
    site_header = "Lerix database"
    index_title = "What the database holds"
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        """Everybody: the guard has decided already."""
        return True

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Give the view its user and its messages."""

        def entered(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
            request.user = OWNER
            response: HttpResponse = view(request, *arguments, **named)
            return response

        return super().admin_view(with_messages(entered), cacheable)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add what context processors bring elsewhere, which would also run for all other pages."""
        return super().each_context(request) | {"messages": get_messages(request), "user": request.user}

    def get_urls(self) -> list[Any]:
        """Leave out the pages for signing in and out."""
        return _without(super().get_urls(), LEFT_OUT)


class Values(AllValuesFieldListFilter):
    """A filter by the texts that a field has."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Give the empty text a name, since a link needs one."""
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or "(none)"}


if TYPE_CHECKING:  # Django's classes take no parameters, its types do
    Pages = ModelAdmin[Model]
else:
    Pages = ModelAdmin


class Shown(Pages):
    """The pages of one model, to look at. Only the fields that a subclass lists are shown, searched or filtered by.

    Raises ImproperlyConfigured where a subclass lists none, or one that may hold a secret.
    """

    list_per_page = 50
    actions = None
    view_on_site = False

    def __init__(self, model: type[Model], admin_site: AdminSite) -> None:
        super().__init__(model, admin_site)
        if not self.fields or list(self.list_display) == ["__str__"]:
            raise ImproperlyConfigured(f"{type(self).__name__} must list its fields.")
        listed = [*self.fields, *self.list_display, *self.search_fields, *self.list_filter]
        secret = [name for name in listed if not isinstance(name, str) or self._is_secret(name)]
        if secret:
            raise ImproperlyConfigured(f"{type(self).__name__} would show {secret}.")

    def _is_secret(self, listed: str) -> bool:
        name = listed.partition("__")[0]
        known = {field.name: field for field in self.model._meta.get_fields()}
        return bool(SECRET.search(name)) or isinstance(known.get(name), BinaryField)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Everybody whom the guard let in."""
        return True

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Everybody whom the guard let in."""
        return True

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: rows are made by using Lerix."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody, unless a subclass says otherwise."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody: the pages of Lerix delete with everything that belongs to it."""
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only the filters listed: Django would let an address filter by any field, and so guess its content."""
        return lookup.split("__")[0] in {str(name).split("__")[0] for name in self.list_filter}

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """The filters listed; one by texts has a name for the empty text too."""
        fields = {field.name: field for field in self.model._meta.get_fields()}
        texts = {name for name, field in fields.items() if isinstance(field, CharField) and not field.choices}
        return [(name, Values) if name in texts else name for name in self.list_filter]

    def get_urls(self) -> list[URLPattern]:
        """Leave out the history, which is not kept."""
        info = self.opts.app_label, self.opts.model_name
        return _without(super().get_urls(), {"{}_{}_history".format(*info)})

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Keep no log: there is one user."""


def _without(patterns: Sequence[Any], names: Any) -> list[Any]:
    return [each for each in patterns if isinstance(each, URLResolver) or each.name not in names]
