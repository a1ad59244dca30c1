"""How the forms of Settings > Account are asked and answered: in a dialog, in their page, or without any script.

htmx gets a form alone, everybody else a page of its own around it. A form that was not taken comes back with the reason
beside its field and with what was typed, but never with a password, a recovery key or a part of one.
"""

from __future__ import annotations

import platform
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from connections.secrets import Secret
from relay.account.errors import AccountError

# No address, name or key is longer; a password that is, is refused for its length.
LONGEST: Final = 2000
# Seconds. A sentence says how long to wait; from here on the time when that is over helps too.
_LONG_WAIT: Final = 60

#: What has been done, told on the next page.
SAID: Final = {
    "created": "Your account is ready, and this device is signed in.",
    "signed-in": "This device is signed in.",
    "recovered": "Your new password holds, and this device is signed in.",
    "recovery-key": "Your new recovery key holds. The old one no longer works.",
    "rekeyed": "Your account has new keys, and your old password and recovery key no longer work.",
    "erased": "The account and all that was synced are erased. You can create it again with the same e-mail.",
    "deleted": "The account is deleted. Chats, API keys and settings on this device stay.",
    "signed-out": "Signed out. The account's keys are erased here; chats, API keys and settings stay.",
    "signed-out-everywhere": "Signed out here and on every other device.",
    "cancelled": "Cancelled. Nothing was changed.",
}


@dataclass(frozen=True)
class Trouble:
    """Why a form was not taken. `field` is where to look, "" for the whole form; `until` when trying again helps."""

    sentence: str
    field: str = ""
    until: datetime | None = None

    @classmethod
    def of(cls, error: AccountError) -> Trouble:
        """Gather it from an error."""
        wait = error.retry_after or 0
        until = timezone.now() + timedelta(seconds=wait) if wait >= _LONG_WAIT else None
        return cls(error.sentence, error.field, until)


@dataclass(frozen=True)
class Form:
    """A form: its template, where it is sent, which fields it asks for, of which the first gets the focus; words."""

    template: str
    action: str
    asks: Sequence[str]
    title: str
    button: str
    danger: bool = False


Take = Callable[[], Awaitable[HttpResponse]]


async def answer(request: HttpRequest, form: Form, take: Take, **context: Any) -> HttpResponse:
    """Show the form, or take what was entered and go on; where that is refused, show it again with the reason."""
    trouble = None
    if request.method == "POST":
        try:
            return await take()
        except AccountError as error:
            trouble = Trouble.of(error)
    return show(request, form, trouble, **context)


def show(request: HttpRequest, form: Form, trouble: Trouble | None = None, **context: Any) -> HttpResponse:
    """Show the form, with the reason why it was not taken."""
    at_field = trouble is not None and trouble.field in form.asks
    return render(
        request,
        form.template,
        {
            "page": "account",
            "form": form,
            "trouble": trouble,
            "trouble_at": trouble.field if trouble and at_field else "",
            "focus": trouble.field if trouble and at_field else next(iter(form.asks), ""),
            "piece": is_piece(request),
            **context,
        },
    )


def is_piece(request: HttpRequest) -> bool:
    """Whether only a piece of the page is asked for."""
    return bool(getattr(request, "htmx", False))


class Notes:
    """What the next page tells, once, under a name that nobody can guess: a link from elsewhere says nothing.

    In memory only; where there are too many, the oldest goes.
    """

    MOST: Final = 32

    def __init__(self) -> None:
        self._notes: dict[str, Note] = {}

    def leave(self, note: Note) -> str:
        """Keep it, and return its name."""
        while len(self._notes) >= self.MOST:
            del self._notes[next(iter(self._notes))]
        name = secrets.token_urlsafe(12)
        self._notes[name] = note
        return name

    def take(self, name: str) -> Note:
        """What was left under a name; nothing where it was told already."""
        return self._notes.pop(name, Note())


@dataclass(frozen=True)
class Note:
    """Words, and whether they are bad news."""

    words: str = ""
    bad: bool = False


notes: Final = Notes()


def moved(request: HttpRequest, name: str, *arguments: str, said: str = "", note: Note | None = None) -> HttpResponse:
    """Send the browser to another page, where `said` (a name in SAID) or a note is told."""
    told = note or Note(SAID.get(said, ""))
    query = f"?{urlencode({'said': notes.leave(told)})}" if told.words else ""
    address = reverse(f"account:{name}", args=arguments) + query
    if is_piece(request):
        return HttpResponse(headers={"HX-Redirect": address})
    response = HttpResponseRedirect(address)
    response.status_code = 303  # the next page is asked for by GET, whatever was sent here
    return response


def typed(request: HttpRequest, name: str) -> str:
    """What was typed into a field that is no secret."""
    return request.POST.get(name, "")[:LONGEST].strip()


def secret(request: HttpRequest, name: str) -> Secret:
    """What was typed into a field that is one: every character counts."""
    return Secret(request.POST.get(name, "")[:LONGEST])


def this_device() -> str:
    """How this computer is called, for a start."""
    return platform.node().removesuffix(".local").strip()[:40] or "This computer"
