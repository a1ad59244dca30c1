"""The chat pages: each view parses with a form, asks a use case, and renders one template."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import aget_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from chat import generate, waiting
from chat.choice import Choice
from chat.choices import Picker, picker, remember
from chat.feed import feeds
from chat.forms import ChoiceForm, MessageForm
from chat.models import Chat, Message, Role, State
from chat.pages import Cursor, history, page
from chat.stream import Reader
from chat.visits import TooManyVisits
from connections.changes import connections_changed
from connections.push import html, partial, refused, stream
from connections.visitor import visitor

NO_MODEL = "No model is chosen. Switch one on in Settings, Connections; your message stays in its field."
GONE = "The chosen access is not there any more, so nothing was sent. Choose another one in the menu Model, then send."
MANY = "As many answers are coming as other devices may ask for at once. Wait until one is complete, then send."
BUSY = "An answer is still coming in this chat. Stop it, or wait until it is complete, then send."
WAITS = "A message still waits in this chat. It is sent by itself; to write another one first, take it back."
TOO_LATE = "It is too late to take this message back: it was sent a moment ago. Stop the answer if you do not want it."
DELETED = "This chat was deleted. Your message stays in its field; copy it and begin a new chat."


@require_GET
async def index(request: HttpRequest) -> HttpResponse:
    """Show the empty page that a new chat begins with."""
    context = (await page(None)).context() | {"history": await history()}
    return render(request, "chat/page.html", context)


@require_GET
async def chat(request: HttpRequest, chat_id: uuid.UUID) -> HttpResponse:
    """Show one chat."""
    found = await Chat.objects.filter(pk=chat_id).afirst()
    if found is None:
        return render(request, "chat/missing.html", status=404)
    context = (await page(found)).context() | {"history": await history()}
    return render(request, "chat/page.html", context)


@require_POST
async def begin(request: HttpRequest) -> HttpResponse:
    """Begin a chat with its first message, and show it."""
    return await _send(request, None)


@require_POST
async def send(request: HttpRequest, chat_id: uuid.UUID) -> HttpResponse:
    """Send a message. The page's event stream brings it, and the answer; this only empties the composer."""
    found = await Chat.objects.filter(pk=chat_id).afirst()
    return refused(DELETED, 404) if found is None else await _send(request, found)


async def _send(request: HttpRequest, found: Chat | None) -> HttpResponse:
    form = MessageForm(request.POST)
    if not form.is_valid():
        return refused(" ".join(str(error) for errors in form.errors.values() for error in errors), 422)
    sent = form.cleaned_data
    menu = await picker(found, {name: sent[name] for name in ("access", "model", "effort")})
    if (choice := _chosen(menu, sent["access"])) is None:
        return refused(_why_none(menu), 409)
    try:
        shown, _ = await generate.send(found, sent["text"], sent["key"], choice)
    except (generate.ChatIsBusy, TooManyVisits) as busy:
        return refused(_why(busy), 409)
    except Chat.DoesNotExist:
        return refused(DELETED, 404)
    await remember(choice, shown)
    if found is None:
        response = render(request, "chat/main.html", (await page(shown)).context() | {"titled": True})
        response["HX-Push-Url"] = reverse("chat:chat", args=[shown.pk])
        return response
    fresh = f'<input type="hidden" name="key" value="{uuid.uuid4()}">'
    return HttpResponse(partial("#send-key", fresh))


@require_POST
async def stop(request: HttpRequest, chat_id: uuid.UUID) -> HttpResponse:
    """Stop the answer that is coming in a chat; what came is kept."""
    answer = feeds.live_in(chat_id)
    if answer is not None:
        answer.stop()
    return HttpResponse(status=204)


@require_POST
async def retry(request: HttpRequest, message_id: int) -> HttpResponse:
    """Ask again for an answer, with the choice that stands in the menu now."""
    return await _ask_again(request, message_id, generate.retry)


@require_POST
async def go_on(request: HttpRequest, message_id: int) -> HttpResponse:
    """Ask for the rest of an answer that ended early, with the choice that stands in the menu now."""
    return await _ask_again(request, message_id, generate.go_on)


async def _ask_again(
    request: HttpRequest, message_id: int, ask: Callable[[Message, Choice], Awaitable[Message]]
) -> HttpResponse:
    answer = await aget_object_or_404(Message, pk=message_id, role=Role.ASSISTANT)
    form = ChoiceForm(request.POST)
    found = await Chat.objects.aget(pk=answer.chat_id)
    wanted = form.cleaned_data if form.is_valid() else {}
    menu = await picker(found, {name: wanted.get(name, "") for name in ("access", "model", "effort")})
    if (choice := _chosen(menu, wanted.get("access", ""))) is None:
        return refused(_why_none(menu), 409)
    try:
        await ask(answer, choice)
    except (generate.ChatIsBusy, TooManyVisits) as busy:
        return refused(_why(busy), 409)
    return HttpResponse(status=204)


def _chosen(menu: Picker, access: str) -> Choice | None:
    """What the menu stands at, unless the page that sent it stood at another access: then nobody is asked."""
    moved = menu.choice is not None and access not in {"", menu.choice.path.key} and visitor() is None
    return None if moved else menu.choice


def _why_none(menu: Picker) -> str:
    if menu.choice is not None:
        return GONE
    return menu.problem.sentence if menu.problem is not None else NO_MODEL


def _why(busy: Exception) -> str:
    if isinstance(busy, TooManyVisits):
        return MANY
    return WAITS if isinstance(busy, generate.ChatWaits) else BUSY


@require_POST
async def take_back(request: HttpRequest, message_id: int) -> HttpResponse:
    """Take back a message that waits: its text goes to the message field, and what was before it is shown."""
    taken = await generate.to_the_end(lambda: waiting.take_back(message_id))
    if taken is None:
        # Not there at all: another press, or another tab, has taken it back already.
        there = await Message.objects.filter(pk=message_id).aexists()
        return refused(TOO_LATE, 409) if there else HttpResponse(status=204)
    if taken.chat is not None:
        return render(request, "chat/drafts.html", {"drafts": await waiting.drafts(taken.chat)})
    response = render(request, "chat/main.html", (await page(None)).context() | {"titled": True})
    response["HX-Retarget"] = "#main"
    response["HX-Reswap"] = "innerHTML"
    response["HX-Push-Url"] = reverse("chat:index")
    return response


@require_POST
async def draft_placed(request: HttpRequest, draft_id: uuid.UUID) -> HttpResponse:
    """Take note that the text of a draft stands in a message field now."""
    await waiting.placed(draft_id)
    return HttpResponse(status=204)


@require_GET
async def source(request: HttpRequest, message_id: int) -> HttpResponse:
    """Return a message's Markdown, for copying."""
    found = await aget_object_or_404(Message, pk=message_id)
    return HttpResponse(found.text, content_type="text/plain; charset=utf-8")


@require_POST
async def choose(request: HttpRequest) -> HttpResponse:
    """Make a choice in the model menu, remember it, and show the menu anew."""
    form = ChoiceForm(request.POST)
    if not form.is_valid():
        return refused("This choice is not there any more. Reload the page, then choose again.", 422)
    wanted = form.cleaned_data
    found = await Chat.objects.filter(pk=wanted["chat"]).afirst() if wanted["chat"] else None
    menu = await picker(found, {name: wanted[name] for name in ("access", "model", "effort")})
    if menu.choice is not None:
        await remember(menu.choice, found)
        if visitor() is None:
            # An event stream that read the old choice a moment ago may still bring it to this page, after the answer
            # to this request: the new one must come last.
            connections_changed.set()
    waits = found is not None and await found.messages.filter(state=State.WAITING).aexists()
    context = {"picker": menu, "chat": found, "waits": waits}
    note = partial("#composer-note", await html("chat/note.html", context))
    return HttpResponse(await html("chat/picker.html", context) + note)


@require_GET
async def events(request: HttpRequest) -> HttpResponseBase:
    """The tab's event stream; `chat` names the chat it shows, `at` or Last-Event-ID what it has already."""
    try:
        chat_id = uuid.UUID(request.GET["chat"]) if "chat" in request.GET else None
    except ValueError:
        return refused("This page's address is wrong. Open the chat again from the sidebar.", 400)
    at = Cursor.parse(request.headers.get("Last-Event-ID") or request.GET.get("at", ""))
    return stream(request, Reader(chat_id, at).events())
