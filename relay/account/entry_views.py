"""Settings > Account without an account on this device: creating one, signing in, and the ways back in."""

from __future__ import annotations

import asyncio
import binascii
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from relay.account.account import installed
from relay.account.forms import Form, Trouble, answer, moved, secret, show, this_device, typed
from relay.account.pending import Pending
from relay.account.refusals import DevicesFull
from relay.account.strength import judge
from relay.api import ID

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], Coroutine[Any, Any, HttpResponse]]

# More boxes than an account has devices were not ticked by a person.
_MOST_BOXES: Final = 200


def signed_out(view: View[P]) -> View[P]:
    """Only where no account is signed in; else the page of the account is what was looked for."""

    @wraps(view)
    async def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if installed().view.signed_in:
            return moved(request, "index")
        return await view(request, *args, **kwargs)

    return checked


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@signed_out
async def create(request: HttpRequest) -> HttpResponse:
    """Ask for e-mail, password and a name for this device; then go on to the code."""
    asks = ("email", "password", "name")
    form = Form("account/create.html", reverse("account:create"), asks, "Create account", "Continue")

    async def take() -> HttpResponse:
        email, password, name = typed(request, "email"), secret(request, "password"), typed(request, "name")
        return _begun(request, await installed().start_creation(email, password, name))

    return await answer(request, form, take, **_typed(request))


def _begun(request: HttpRequest, pending: Pending) -> HttpResponse:
    """Go on to the code. Who came back from there has begun anew, so the earlier one is over."""
    if before := typed(request, "before"):
        installed().cancel(before)
    return moved(request, "step", pending.id)


def _typed(request: HttpRequest) -> dict[str, Any]:
    """What the fields that are no secret hold. Who comes back from a later step finds the e-mail again."""
    before = request.POST.get("before", request.GET.get("before", ""))[:100]
    earlier = installed().pending(before) if before else None
    return {
        "email": typed(request, "email") or (earlier.email if earlier else installed().view.email),
        "name": typed(request, "name") if request.method == "POST" else this_device(),
        "before": before if earlier else "",
    }


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@signed_out
async def sign_in(request: HttpRequest) -> HttpResponse:
    """Ask for e-mail and password. Where the plan has no room for this device, ask which others shall go."""
    form = Form("account/sign_in.html", reverse("account:sign-in"), ("email", "password", "name"), "Sign in", "Sign in")
    context = _typed(request)

    async def take() -> HttpResponse:
        try:
            await installed().sign_in(
                typed(request, "email"),
                secret(request, "password"),
                typed(request, "name"),
                remove=device_ids(request.POST.getlist("remove")),
            )
        except DevicesFull as full:
            again = replace(form, asks=("password",), button="Remove and sign in")
            return show(request, again, Trouble.of(full), **context, full=full.devices, trouble_at="devices")
        return moved(request, "index", said="signed-in")

    return await answer(request, form, take, **context)


def device_ids(boxes: list[str]) -> list[bytes]:
    """Read ids as the boxes of a form hold them: hexadecimal digits."""
    found = []
    for box in boxes[:_MOST_BOXES]:
        try:
            device = binascii.unhexlify(box)
        except ValueError:
            continue
        if len(device) == ID:
            found.append(device)
    return found


@require_http_methods(["GET", "POST"])
@signed_out
async def recover(request: HttpRequest) -> HttpResponse:
    """The password is lost: ask for the e-mail, then for its code and the recovery key."""
    form = Form("account/recover.html", reverse("account:recover"), ("email",), "Recover your account", "Continue")

    async def take() -> HttpResponse:
        return _begun(request, await installed().start_recovery(typed(request, "email")))

    return await answer(request, form, take, **_typed(request))


@require_http_methods(["GET", "POST"])
@signed_out
async def erase(request: HttpRequest) -> HttpResponse:
    """Password and recovery key are lost: say what that means, and ask for the e-mail whose account shall go."""
    form = Form("account/erase.html", reverse("account:erase"), ("email",), "Erase and start again", "Send a code")

    async def take() -> HttpResponse:
        return _begun(request, await installed().start_erasure(typed(request, "email")))

    return await answer(request, form, take, **_typed(request))


@sensitive_post_parameters("password", "new_password")
@require_POST
async def strength(request: HttpRequest) -> HttpResponse:
    """Say how strong a password is while it is typed. It goes no further than this."""
    password = secret(request, "new_password" if "new_password" in request.POST else "password")
    email = typed(request, "email") or installed().view.email
    # In a thread: it takes a moment, in which other pages go on.
    judged = await asyncio.to_thread(judge, password, email) if password.reveal() else None
    return render(request, "account/strength.html", {"strength": judged, "marks": (1, 2, 3, 4)})
