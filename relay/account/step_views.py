"""The steps of what takes several: its code, its recovery key, its end. Each step is the same after a reload.

The address names what is under way and nothing else. What it holds is in the memory of this process only, for an hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from relay.account.account import installed
from relay.account.errors import AccountError
from relay.account.forms import Form, Take, Trouble, answer, moved, secret, show, this_device, typed
from relay.account.keys.recovery import GROUPS
from relay.account.pending import Kind, Pending, Step

# What is over is over for one of these reasons, and its page says so.
_GONE: Final = 410

#: What each flow is called, and its steps as its pages list them.
TITLES: Final = {
    Kind.CREATE: "Create account",
    Kind.RECOVER: "Recover your account",
    Kind.ERASE: "Erase and start again",
    Kind.RECOVERY_KEY: "New recovery key",
    Kind.REKEY: "Renew all keys",
}
STEPS: Final = {
    Kind.CREATE: ("Details", "Code", "Recovery key", "Check"),
    Kind.RECOVER: ("E-mail", "Code", "Recovery key", "New password"),
    Kind.ERASE: ("E-mail", "Code", "Confirm"),
    Kind.RECOVERY_KEY: ("Password", "Recovery key", "Check"),
    Kind.REKEY: ("Passwords", "Recovery key", "Check", "Compare"),
}
_NAMES: Final = {
    Step.CODE: "Code",
    Step.SHOW_KEY: "Recovery key",
    Step.ENTER_KEY: "Recovery key",
    Step.NEW_PASSWORD: "New password",
    Step.CONFIRM: "Confirm",
    Step.DONE: "Compare",
}
# The button of the last step.
_LAST: Final = {
    Kind.CREATE: "Create account",
    Kind.RECOVERY_KEY: "Use this key from now on",
    Kind.REKEY: "Renew all keys",
}


@sensitive_post_parameters("password", "key", "code")
@require_http_methods(["GET", "POST"])
async def step(request: HttpRequest, pending_id: str) -> HttpResponse:
    """Show the step that comes next, or take what was entered there."""
    pending = installed().pending(pending_id)
    if pending is None:
        return over(request)
    if pending.step in {Step.SHOW_KEY, Step.DONE}:
        return _key(request, pending)
    # A form of a step that is over, from another tab or from the browser's Back.
    if request.method == "POST" and request.POST.get("step") != pending.step:
        return moved(request, "step", pending.id)
    form, take = _FORMS[pending.step](request, pending)
    return await answer(request, form, take, name=_name(request), **_context(pending))


def _code(request: HttpRequest, pending: Pending) -> tuple[Form, Take]:
    async def take() -> HttpResponse:
        await installed().enter_code(pending.id, "".join(typed(request, "code").split()))
        return moved(request, "step", pending.id)

    return _form(pending, "account/code.html", ("code",)), take


def _enter_key(request: HttpRequest, pending: Pending) -> tuple[Form, Take]:
    async def take() -> HttpResponse:
        await installed().open_recovery(pending.id, secret(request, "key"))
        return moved(request, "step", pending.id)

    return _form(pending, "account/enter_key.html", ("key",)), take


def _new_password(request: HttpRequest, pending: Pending) -> tuple[Form, Take]:
    async def take() -> HttpResponse:
        await installed().finish_recovery(pending.id, secret(request, "password"), typed(request, "name"))
        return moved(request, "index", said="recovered")

    return _form(pending, "account/new_password.html", ("password", "name"), "Set password and sign in"), take


def _confirm(request: HttpRequest, pending: Pending) -> tuple[Form, Take]:
    form = replace(_form(pending, "account/confirm_erasure.html", ("sure",), "Erase the account"), danger=True)

    async def take() -> HttpResponse:
        if request.POST.get("sure") != "yes":
            unsure = Trouble("Nothing was erased. Tick the box if it shall be.", "sure")
            return show(request, form, unsure, **_context(pending))
        await installed().finish_erasure(pending.id)
        return moved(request, "index", said="erased")

    return form, take


_FORMS: Final = {
    Step.CODE: _code,
    Step.ENTER_KEY: _enter_key,
    Step.NEW_PASSWORD: _new_password,
    Step.CONFIRM: _confirm,
}


@require_http_methods(["GET", "POST"])
async def check(request: HttpRequest, pending_id: str) -> HttpResponse:
    """Ask for some groups of the recovery key, which is not in this page; with them, what was begun is done."""
    pending = installed().pending(pending_id)
    if pending is None:
        return over(request)
    if pending.step != Step.SHOW_KEY:
        return moved(request, "step", pending.id)
    asked = {at: f"group-{at + 1}" for at in pending.retype}
    action = reverse("account:check", args=[pending.id])
    form = replace(_form(pending, "account/check.html", ("key",), _LAST[pending.purpose]), action=action)

    async def take() -> HttpResponse:
        account, groups = installed(), {at: typed(request, name) for at, name in asked.items()}
        if pending.purpose == Kind.CREATE:
            await account.finish_creation(pending.id, groups)
            return moved(request, "index", said="created")
        if pending.purpose == Kind.REKEY:
            await account.finish_rekey(pending.id, groups)
            if account.pending(pending.id):
                return moved(request, "step", pending.id)
            return moved(request, "index", said="rekeyed")
        await account.finish_recovery_key(pending.id, groups)
        return moved(request, "index", said="recovery-key")

    groups = [(at + 1, asked.get(at)) for at in range(GROUPS)]
    context = _context(pending, further=1)
    return await answer(request, form, take, groups=groups, first=next(iter(asked.values()), ""), **context)


def _key(request: HttpRequest, pending: Pending) -> HttpResponse:
    template = "account/show_key.html" if pending.step == Step.SHOW_KEY else "account/digits.html"
    context = _context(pending)
    return render(request, template, {"page": "account", "key": _text(pending), **context})


@require_GET
async def key_file(request: HttpRequest, pending_id: str) -> HttpResponse:
    """The recovery key as a file to save."""
    pending = installed().pending(pending_id)
    if pending is None or pending.step != Step.SHOW_KEY:
        return over(request)
    context = {"key": _text(pending), "email": pending.email, "today": timezone.localdate()}
    response = render(request, "account/recovery_key.txt", context, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="lerix-recovery-key.txt"'
    return response


@require_POST
async def resend(request: HttpRequest, pending_id: str) -> HttpResponse:
    """Have another code sent; the one before no longer counts."""
    pending = installed().pending(pending_id)
    if pending is None:
        return over(request)
    trouble = None
    try:
        pending = await installed().resend_code(pending.id)
    except AccountError as error:
        trouble = Trouble.of(error)
    form, _ = _code(request, pending)
    return show(request, form, trouble, again=trouble is None, **_context(pending))


@require_POST
async def cancel(request: HttpRequest, pending_id: str) -> HttpResponse:
    """Drop what is under way. Before its last step nothing has been changed."""
    pending = installed().pending(pending_id)
    installed().cancel(pending_id)
    return moved(request, "index", said="rekeyed" if pending and pending.step == Step.DONE else "cancelled")


def over(request: HttpRequest) -> HttpResponse:
    """Say that what is asked for has ended: finished, cancelled, too old, or of an earlier run of Lerix."""
    return render(request, "account/over.html", {"page": "account", "title": "This has ended"}, status=_GONE)


def _form(pending: Pending, template: str, asks: Sequence[str], button: str = "Continue") -> Form:
    return Form(template, reverse("account:step", args=[pending.id]), asks, TITLES[pending.purpose], button)


def _name(request: HttpRequest) -> str:
    return typed(request, "name") if request.method == "POST" else this_device()


def _text(pending: Pending) -> str:
    return pending.recovery_key.reveal() if pending.recovery_key else ""


def _context(pending: Pending, further: int = 0) -> dict[str, Any]:
    steps = STEPS[pending.purpose]
    at = next((n for n, each in enumerate(steps) if each == _NAMES[pending.step]), 0) + further
    return {"pending": pending, "title": TITLES[pending.purpose], "steps": steps, "at": min(at, len(steps) - 1)}
