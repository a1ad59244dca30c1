"""Settings > Account with an account on this device: its password, its recovery key, its devices, and its end.

What cannot be undone asks for the password, and says so. A password never comes back in a form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from relay.account.account import installed
from relay.account.entry_views import P, View, device_ids
from relay.account.errors import AccountError
from relay.account.forms import Form, Trouble, answer, is_piece, moved, secret, show, typed
from relay.account.pages import done
from relay.account.refusals import WrongLogin
from relay.account.state import DeviceView


def signed_in(view: View[P]) -> View[P]:
    """Only where an account is signed in; else its page says what there is to do."""

    @wraps(view)
    async def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not installed().view.signed_in:
            return moved(request, "index")
        return await view(request, *args, **kwargs)

    return checked


@sensitive_post_parameters("password", "new_password")
@require_http_methods(["GET", "POST"])
@signed_in
async def password(request: HttpRequest) -> HttpResponse:
    """Change the password."""
    form = _form("password", ("password", "new_password"), "Change password", "Change password")

    async def take() -> HttpResponse:
        try:
            await installed().change_password(secret(request, "password"), secret(request, "new_password"))
        except AccountError as error:
            return show(request, form, about_new(error), **_email())
        return await done(request, "Your new password holds. Other devices stay signed in.")

    return await answer(request, form, take, **_email())


def about_new(error: AccountError) -> Trouble:
    """Tell which of two passwords an error is about: only the broker judges the old one."""
    trouble = Trouble.of(error)
    if trouble.field == "password" and not isinstance(error, WrongLogin):
        return replace(trouble, field="new_password")
    return trouble


def _form(name: str, asks: Sequence[str], title: str, button: str, *arguments: str) -> Form:
    template = f"account/{name.replace('-', '_')}.html"
    return Form(template, reverse(f"account:{name}", args=arguments), asks, title, button)


def _email() -> dict[str, str]:
    """For password managers: whose password is asked for."""
    return {"email": installed().view.email}


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@signed_in
async def recovery_key(request: HttpRequest) -> HttpResponse:
    """Ask for the password, then show a new recovery key."""
    form = _form("recovery-key", ("password",), "New recovery key", "Continue")

    async def take() -> HttpResponse:
        pending = await installed().start_recovery_key(secret(request, "password"))
        return moved(request, "step", pending.id)

    return await answer(request, form, take, **_email())


@require_http_methods(["GET", "POST"])
@signed_in
async def rename(request: HttpRequest, device: str) -> HttpResponse:
    """Give a device another name."""
    found = _device(device)
    if found is None:
        return moved(request, "index")
    form = _form("rename", ("name",), f"Rename {found.name}", "Rename", device)

    async def take() -> HttpResponse:
        await installed().rename(found.id, typed(request, "name"))
        return await done(request, f"Renamed to {typed(request, 'name')}.")

    name = typed(request, "name") if request.method == "POST" else found.name
    return await answer(request, form, take, device=found, name=name)


def _device(device: str) -> DeviceView | None:
    return next((each for each in installed().view.devices if each.hex == device), None)


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@signed_in
async def remove(request: HttpRequest, device: str) -> HttpResponse:
    """Remove a device from the account, with a new key for those that stay."""
    found = _device(device)
    if found is None:
        return moved(request, "index")
    form = _form("remove", ("password",), f"Remove {found.name}", "Remove", device)

    async def take() -> HttpResponse:
        await installed().revoke(secret(request, "password"), [found.id])
        return await done(request, f"Removed {found.name}. It gets nothing new from now on.")

    return await answer(request, form, take, device=found, **_email())


@sensitive_post_parameters("password", "new_password")
@require_http_methods(["GET", "POST"])
@signed_in
async def rekey(request: HttpRequest) -> HttpResponse:
    """Somebody else may know the keys: make all of them anew, keep the devices that are ticked."""
    form = _form("rekey", ("password", "new_password"), "Somebody else may know my keys", "Continue")
    posted = request.method == "POST"
    keep = device_ids(request.POST.getlist("keep"))
    others = [
        (device, device.id in keep if posted else True)
        for device in installed().view.devices
        if not device.this and not device.signed_out
    ]

    async def take() -> HttpResponse:
        try:
            pending = await installed().rekey(secret(request, "password"), secret(request, "new_password"), keep)
        except AccountError as error:
            return show(request, form, about_new(error), others=others, **_email())
        return moved(request, "step", pending.id)

    return await answer(request, form, take, others=others, **_email())


@require_POST
@signed_in
async def trust(request: HttpRequest) -> HttpResponse:
    """Take a person's word on whether the digits here are those of the other device."""
    equal = request.POST.get("equal") == "yes"
    try:
        await installed().trust(equal, typed(request, "digits"))
    except AccountError as error:
        return await done(request, error.sentence, bad=True)
    if not equal:
        return await done(request, "The new keys are not trusted, and nothing was changed here.", bad=True)
    return await done(request, "The new keys are trusted. This device is up to date again.")


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@signed_in
async def delete(request: HttpRequest) -> HttpResponse:
    """Delete the account for good."""
    form = replace(_form("delete", ("password", "sure"), "Delete account", "Delete account"), danger=True)

    async def take() -> HttpResponse:
        if request.POST.get("sure") != "yes":
            unsure = Trouble("Nothing was deleted. Tick the box if the account shall be.", "sure")
            return show(request, form, unsure, **_email())
        await installed().delete(secret(request, "password"))
        return await done(request, said="deleted")

    return await answer(request, form, take, **_email())


@require_POST
@signed_in
async def sign_out(request: HttpRequest) -> HttpResponse:
    """Sign this device out."""
    try:
        await installed().sign_out()
    except AccountError as error:
        return await done(request, error.sentence, bad=True)
    return await done(request, said="signed-out")


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@signed_in
async def sign_out_everywhere(request: HttpRequest) -> HttpResponse:
    """Remove every other device, then sign this one out."""
    form = _form("sign-out-everywhere", ("password",), "Sign out everywhere", "Sign out everywhere")

    async def take() -> HttpResponse:
        await installed().sign_out_everywhere(secret(request, "password"))
        return await done(request, said="signed-out-everywhere")

    return await answer(request, form, take, **_email())


@require_POST
async def dismiss(request: HttpRequest, notice_id: int) -> HttpResponse:
    """Take a notice away: it was the person's own doing."""
    await installed().dismiss(notice_id)
    return await done(request)


@require_POST
async def refresh(request: HttpRequest) -> HttpResponse:
    """Ask the broker now."""
    await installed().refresh()
    problem = installed().view.problem
    return await done(request, "" if problem or not is_piece(request) else "The account broker has answered.")
