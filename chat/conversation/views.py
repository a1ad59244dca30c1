"""The views of `chat.conversation`. What they change comes to the page by its event stream."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from functools import partial

from asgiref.sync import sync_to_async
from django.core.exceptions import ObjectDoesNotExist
from django.http import HttpRequest, HttpResponse
from django.shortcuts import aget_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from chat import generate
from chat.attachments.attaching import measured
from chat.choices import picker
from chat.context import refusal
from chat.conversation import queue, removal, senders, titles, versions
from chat.conversation.chosen import NAMES, NobodyChosen, chosen, faults, why_busy
from chat.conversation.forms import TextForm, TitleForm
from chat.conversation.storing import ChatIsBusy
from chat.feed import feeds
from chat.forms import ChoiceForm, MessageForm
from chat.history import purge
from chat.history.undo import undo
from chat.instructions import instructions
from chat.models import Chat, Message, Role
from chat.visits import TooManyVisits
from connections.push import refused

GONE = "This message is not there any more. Reload the page to see the chat as it is now."
GONE_EDIT = "This message was deleted meanwhile, so nothing was sent. Your text stays here; copy it if you need it."
SENT = "This message was sent a moment ago, so it cannot be changed here. Edit it in the conversation."
REMOVED = "This message was sent or removed a moment ago."
TOO_LATE = "It is too late to undo this."
NO_CHAT = "This chat was deleted, so it cannot be renamed."
#: Seconds for a deleted answer to end before its deletion is told.
ENDING = 2.0


def _done() -> HttpResponse:
    return HttpResponse(status=204)


@require_POST
async def edit(request: HttpRequest, message_id: int) -> HttpResponse:
    """Ask a question anew with another text; the first version is kept beside it."""
    form = MessageForm(request.POST)
    if not form.is_valid():
        return refused(faults(form), 422)
    sent = form.cleaned_data
    questions = Message.objects.filter(role=Role.USER, deleted=None, chat__deleted=None).select_related("chat")
    first = await questions.filter(pk=message_id).afirst()
    if first is None:
        return refused(GONE_EDIT, 404)
    try:
        choice = await chosen(first.chat, sent)
        files = [each async for each in measured().filter(message=first.pk)]
        if why := refusal(sent["text"], files, choice.model, instructions(first.chat.instructions)):
            return refused(why, 409)
        await generate.edit(first.pk, sent["text"], sent["key"], choice)
    except NobodyChosen as nobody:
        return refused(str(nobody), 409)
    except (ChatIsBusy, TooManyVisits) as busy:
        return refused(why_busy(busy), 409)
    except ObjectDoesNotExist:
        return refused(GONE_EDIT, 404)
    return _done()


@require_GET
async def again(request: HttpRequest, message_id: int) -> HttpResponse:
    """Show by whom an answer can be given again: the menu beside Answer again."""
    answers = Message.objects.filter(role=Role.ASSISTANT, deleted=None, chat__deleted=None).select_related("chat")
    answer = await aget_object_or_404(answers, pk=message_id)
    menu = await picker(answer.chat, {name: getattr(answer, name) for name in NAMES})
    return render(request, "chat/again.html", {"message": answer, "picker": menu})


@require_POST
async def show(request: HttpRequest, message_id: int) -> HttpResponse:
    """Show another version of a message, with what followed it."""
    chat_id = await _changed(partial(versions.show, message_id))
    if chat_id is None:
        return refused(GONE, 404)
    return _done()


@require_POST
async def delete(request: HttpRequest, message_id: int) -> HttpResponse:
    """Delete a message with all that follows it; the answer carries the note that undoes it."""
    removed = await generate.to_the_end(lambda: sync_to_async(removal.delete)(message_id))
    if removed is None:
        # Another press, or another tab, has deleted it already.
        return _done()
    feeds.changed(removed.chat_id)
    purge.changed.set()
    ending = []
    for answer in list(feeds.live.values()):
        if answer.message.pk in removed.ids:
            answer.stop()
            if answer.task is not None:
                ending.append(answer.task)
    if ending:
        # So that what is sent next need not wait for it.
        await asyncio.wait(ending, timeout=ENDING)
    words = "Message deleted." if len(removed.ids) == 1 else "Message deleted, with what followed it."
    return HttpResponse(undo(words, reverse("chat:restore", args=[message_id]), {}))


@require_POST
async def restore(request: HttpRequest, message_id: int) -> HttpResponse:
    """Take a deletion back."""
    chat_id = await _changed(partial(removal.restore, message_id))
    if chat_id is None:
        return refused(TOO_LATE, 409)
    return _done()


@require_POST
async def title(request: HttpRequest, chat_id: uuid.UUID) -> HttpResponse:
    """Rename a chat."""
    form = TitleForm(request.POST)
    if not form.is_valid():
        return refused(faults(form), 422)
    if not await generate.to_the_end(lambda: sync_to_async(titles.rename)(chat_id, form.cleaned_data["title"])):
        return refused(NO_CHAT, 404)
    feeds.changed(chat_id)
    return _done()


@require_POST
async def queued_edit(request: HttpRequest, queued_id: int) -> HttpResponse:
    """Give a queued message another text."""
    form = TextForm(request.POST)
    if not form.is_valid():
        return refused(faults(form), 422)
    text, sender = form.cleaned_data["text"], senders.note()
    chat_id = await _changed(partial(queue.edit, queued_id, text, sender))
    if chat_id is None:
        return refused(SENT, 409)
    return _done()


@require_POST
async def queued_remove(request: HttpRequest, queued_id: int) -> HttpResponse:
    """Take a message out of the queue; the answer carries the note that undoes it."""
    chat_id = await _changed(partial(queue.remove, queued_id))
    if chat_id is None:
        return refused(REMOVED, 409)
    queue.forget_soon()
    return HttpResponse(undo("Message removed.", reverse("chat:queued-restore", args=[queued_id]), {}))


@require_POST
async def queued_restore(request: HttpRequest, queued_id: int) -> HttpResponse:
    """Put a removed message back into the queue."""
    chat_id = await _changed(partial(queue.put_back, queued_id))
    if chat_id is None:
        return refused(TOO_LATE, 409)
    await generate.send_due(chat_id)
    return _done()


@require_POST
async def queue_send(request: HttpRequest, chat_id: uuid.UUID) -> HttpResponse:
    """Send what is held in a chat after all, by the choice that stands in the menu."""
    found = await aget_object_or_404(Chat, pk=chat_id, deleted=None)
    form = ChoiceForm(request.POST)
    try:
        choice = await chosen(found, form.cleaned_data if form.is_valid() else {})
    except NobodyChosen as why:
        return refused(str(why), 409)
    await generate.send_held(chat_id, choice)
    return _done()


async def _changed(work: Callable[[], uuid.UUID | None]) -> uuid.UUID | None:
    """Do what changes a chat, to its end, and tell its pages. Returns its id, None where there was nothing to do."""
    chat_id = await generate.to_the_end(sync_to_async(work))
    if chat_id is not None:
        feeds.changed(chat_id)
    return chat_id
