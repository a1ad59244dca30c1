"""Each request to the database that it is about, as its address says; no view needs to know of temporary chats."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Final

from asgiref.sync import markcoroutinefunction, sync_to_async
from django.db import NotSupportedError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from chat.database import DISK, MEMORY, alias, is_temporary, using
from chat.temporary.room import FULL, is_full
from connections.push import refused

#: Of the query of an address: what is asked for, or begun, is a temporary chat.
TEMPORARY: Final = "temporary"
#: Of the query: the chat that is meant, where the path names none.
CHAT: Final = "chat"
#: The ends of the paths by which something is brought that takes up memory.
BRINGING: Final = ("/chats/", "/messages/", "/attachments/", "/edit/")


class Databases:
    """Middleware. What an answer streams after it began is on its own, see `chat.stream`."""

    sync_capable = False
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> None:
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, with the database that the address is about."""
        with using(database_of(request)):
            if alias() == DISK:
                return await self.get_response(request)
            response = await self._refusal(request) or await self.get_response(request)
            # Pictures and files may be kept by browsers; nothing of these chats may.
            response.headers["Cache-Control"] = "no-store"
            return response

    async def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Say that there is no memory left, or that this Python cannot do it, where a view met that."""
        if alias() == MEMORY and isinstance(exception, OperationalError) and "full" in str(exception):
            return refused(FULL, 507)
        return refused(str(exception), 501) if isinstance(exception, NotSupportedError) else None

    async def _refusal(self, request: HttpRequest) -> HttpResponse | None:
        if request.method != "POST" or not request.path_info.endswith(BRINGING):
            return None
        try:
            return refused(FULL, 507) if await sync_to_async(is_full)() else None
        except NotSupportedError as reason:
            return refused(str(reason), 501)


def database_of(request: HttpRequest) -> str:
    """Return the name of the database that holds what the address of a request names."""
    if TEMPORARY in request.GET:
        return MEMORY
    named = (*request.path_info.split("/"), request.GET.get(CHAT, ""))
    return MEMORY if any(map(_is_temporary, named)) else DISK


def _is_temporary(part: str) -> bool:
    if part.isascii() and part.isdecimal() and len(part) < 20:
        return is_temporary(int(part))
    try:
        return len(part) == 36 and is_temporary(uuid.UUID(part))
    except ValueError:
        return False
