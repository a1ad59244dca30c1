"""The chat pages: each view parses with a form, asks a use case, and renders one template."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import aget_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from chat import generate, waiting
from chat.attachments.attaching import GONE as FILES_GONE
from chat.attachments.attaching import FilesGone, measured, unsent
from chat.attachments.turns import refusal as cannot_be_given
from chat.choice import Choice
from chat.choices import picker, remember
from chat.context import refusal
from chat.conversation.chosen import DELETED, NobodyChosen, chosen, faults, why_busy
from chat.conversation.queue import QueueIsFull
from chat.conversation.storing import ChatIsBusy, ChatWaits
from chat.database import MEMORY, about, alias
from chat.feed import feeds
from chat.forms import ChoiceForm, MessageForm
from chat.history.listing import sidebar
from chat.instructions import instructions
from chat.meter import meter
from chat.models import Chat, Message, Role, State
from chat.pages import ChatPage, Cursor, page
from chat.stream import Reader
from chat.temporary.tabs import tabs
from chat.temporary.views import followed
from chat.visits import TooManyVisits
from chat.window_views import opened
from connections.changes import connections_changed
from connections.push import html, partial, refused, stream
from connections.visitor import visitor

FULL = "Ten messages wait in this chat already. Your message stays in its field; send it when one of them is sent."
GONE_ANSWER = "This message was deleted, so nothing was asked. Reload the page to see the chat as it is."
MISSING = "This chat is not here: it was deleted, or the address is wrong. Open another one."
TOO_LATE = "It is too late to take this message back: it was sent a moment ago. Stop the answer if you do not want it."


@require_GET
async def index(request: HttpRequest) -> HttpResponse:
    """Show the empty page that a new chat begins with."""
    made = await page(None)
    if _wants_main(request):
        return _main(request, made)
    return render(request, "chat/page.html", made.context() | {"sidebar": await sidebar.html(None)})


@require_GET
async def chat(request: HttpRequest, chat_id: uuid.UUID) -> HttpResponse:
    """Show one chat."""
    found = await Chat.objects.filter(pk=chat_id, deleted=None).afirst()
    if found is None:
        return refused(MISSING, 404) if _wants_main(request) else render(request, "chat/missing.html", status=404)
    made = await opened(request, found)
    if _wants_main(request):
        return _main(request, made)
    return render(request, "chat/page.html", made.context() | {"sidebar": await sidebar.html(found.pk)})


def _wants_main(request: HttpRequest) -> bool:
    """Whether a page asks for another chat in its main column: the list beside it stays as it is."""
    return request.headers.get("HX-Target") == "main#main"


def _main(request: HttpRequest, made: ChatPage) -> HttpResponse:
    """The main column alone. Of the list the page has what its stream had told it: the next one tells what is new."""
    had = Cursor.parse(request.headers.get("Last-Event-ID", ""))
    made.cursor = replace(made.cursor, history=had.history if had.boot == made.cursor.boot else -1)
    return render(request, "chat/main.html", made.context() | {"titled": True})


@require_POST
async def begin(request: HttpRequest) -> HttpResponse:
    """Begin a chat with its first message, and show it."""
    return await _send(request, None)


@require_POST
async def send(request: HttpRequest, chat_id: uuid.UUID) -> HttpResponse:
    """Send a message. The page's event stream brings it, and the answer; this only empties the composer."""
    found = await Chat.objects.filter(pk=chat_id, deleted=None).afirst()
    return refused(DELETED, 404) if found is None else await _send(request, found)


async def _send(request: HttpRequest, found: Chat | None) -> HttpResponse:
    form = MessageForm(request.POST)
    if not form.is_valid():
        return refused(faults(form), 422)
    sent = form.cleaned_data
    try:
        choice = await chosen(found, sent)
        files = [each async for each in unsent(sent["attached"])] if sent["attached"] else []
        told = instructions(found.instructions if found else sent["instructions"])
        if why := refusal(sent["text"], files, choice.model, told):
            return refused(why, 409)
        shown = await _send_or_queue(found, sent["text"], sent["key"], choice, sent["attached"], sent["instructions"])
    except NobodyChosen as why:
        return refused(str(why), 409)
    except (ChatIsBusy, TooManyVisits) as busy:
        return refused(why_busy(busy), 409)
    except QueueIsFull:
        return refused(FULL, 409)
    except FilesGone:
        return refused(FILES_GONE, 409)
    except Chat.DoesNotExist:
        return refused(DELETED, 404)
    await remember(choice, shown)
    if found is None:
        tabs.changed.set()
        response = render(request, "chat/main.html", (await page(shown)).context() | {"titled": True})
        response["HX-Push-Url"] = reverse("chat:chat", args=[shown.pk])
        return response
    fresh = f'<input type="hidden" name="key" value="{uuid.uuid4()}">'
    return HttpResponse(partial("#send-key", fresh))


async def _send_or_queue(
    found: Chat | None,
    text: str,
    key: uuid.UUID,
    choice: Choice,
    files: Sequence[uuid.UUID],
    chats_own: str,
) -> Chat:
    """Send a message now, or behind the answer that is coming. Raises as `generate.send` and `generate.send_later`."""
    try:
        shown, _ = await generate.send(found, text, key, choice, files, chats_own)
    except ChatWaits:
        raise
    except ChatIsBusy:
        if found is None:
            begun = await Message.with_key(key)
            if begun is None:
                raise
            found = begun.chat
        await generate.send_later(found.pk, text, key, choice, files)
        return found
    return shown


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
    answers = Message.objects.filter(deleted=None, chat__deleted=None, role=Role.ASSISTANT)
    answer = await aget_object_or_404(answers.select_related("chat"), pk=message_id)
    form = ChoiceForm(request.POST)
    try:
        choice = await chosen(answer.chat, form.cleaned_data if form.is_valid() else {})
        files = [each async for each in measured().filter(message=answer.parent_id)]
        if why := cannot_be_given(files, choice.model):
            return refused(why, 409)
        await ask(answer, choice)
    except NobodyChosen as why:
        return refused(str(why), 409)
    except (ChatIsBusy, TooManyVisits) as busy:
        return refused(why_busy(busy), 409)
    except ObjectDoesNotExist:
        return refused(GONE_ANSWER, 404)
    return HttpResponse(status=204)


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
    response["HX-Push-Url"] = reverse("chat:index") + ("?temporary=1" if alias() == MEMORY else "")
    return response


@require_POST
async def draft_placed(request: HttpRequest, draft_id: uuid.UUID) -> HttpResponse:
    """Take note that the text of a draft stands in a message field now."""
    await waiting.placed(draft_id)
    return HttpResponse(status=204)


@require_GET
async def source(request: HttpRequest, message_id: int) -> HttpResponse:
    """Return a message's Markdown, for copying."""
    found = await aget_object_or_404(Message, pk=message_id, deleted=None, chat__deleted=None)
    return HttpResponse(found.text, content_type="text/plain; charset=utf-8")


@require_POST
async def choose(request: HttpRequest) -> HttpResponse:
    """Make a choice in the model menu, remember it, and show the menu anew."""
    form = ChoiceForm(request.POST)
    if not form.is_valid():
        return refused("This choice is not there any more. Reload the page, then choose again.", 422)
    with about(form.cleaned_data["chat"]):
        return await _choose(form.cleaned_data)


async def _choose(wanted: Mapping[str, Any]) -> HttpResponse:
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
    counted = await meter(await found.branch(), menu) if found is not None else None
    shown = partial("#meter", await html("chat/meter.html", {"meter": counted}))
    return HttpResponse(await html("chat/picker.html", context) + note + shown)


@require_GET
async def events(request: HttpRequest) -> HttpResponseBase:
    """The tab's event stream; `chat` names the chat it shows, `at` or Last-Event-ID what it has already."""
    try:
        chat_id = uuid.UUID(request.GET["chat"]) if "chat" in request.GET else None
    except ValueError:
        return refused("This page's address is wrong. Open the chat again from the sidebar.", 400)
    at = Cursor.parse(request.headers.get("Last-Event-ID") or request.GET.get("at", ""))
    return stream(request, followed(request, Reader(chat_id, at).events()))
