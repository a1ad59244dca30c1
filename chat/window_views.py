"""Older and newer messages of a chat, for a page that scrolls to where its window ends."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Final

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from chat import windows
from chat.conversation import versions
from chat.feed import feeds
from chat.models import Chat, State
from chat.pages import ChatPage, page, shown
from connections.push import html, partial, refused

GONE: Final = "This chat was deleted, or its address is wrong. Begin a new chat, or open another one."
UNCLEAR: Final = "This page does not say which messages it lacks. Reload the page."


@require_GET
async def older(request: HttpRequest, chat_id: uuid.UUID) -> HttpResponse:
    """Return the messages before `before`, with what asks for those before them. Nothing where there are none."""
    found, at = await _asked(chat_id), _number(request, "before")
    if found is None or at is None:
        return refused(GONE, 404) if found is None else refused(UNCLEAR, 400)
    more = await windows.before(await found.branch(), at)
    context = {"chat_id": chat_id, "messages": await shown(more.rows), "older": more.older}
    return HttpResponse(await html("chat/window.html", context))


@require_GET
async def newer(request: HttpRequest, chat_id: uuid.UUID) -> HttpResponse:
    """Return the messages after `after`.

    With the end of the chat comes an event stream that tells what follows it: the one the page has does not.
    """
    found, at = await _asked(chat_id), _number(request, "after")
    if found is None or at is None:
        return refused(GONE, 404) if found is None else refused(UNCLEAR, 400)
    branch = await found.branch()
    if at not in branch:
        # The branch is another one by now.
        return await _window(await page(found))
    made = await page(found, after=at)
    made.older = False
    return HttpResponse(await _html(made) + ("" if made.newer else await _stream(made)))


@require_GET
async def window(request: HttpRequest, chat_id: uuid.UUID) -> HttpResponse:
    """Return what the log of a chat shows, with its event stream: its end, or what stands around the message `at`."""
    found = await _asked(chat_id)
    return refused(GONE, 404) if found is None else await _window(await opened(request, found))


async def _window(made: ChatPage) -> HttpResponse:
    response = HttpResponse(await _html(made) + await _stream(made))
    response["HX-Retarget"] = "#log"
    response["HX-Reswap"] = "innerHTML"
    return response


async def _html(made: ChatPage) -> str:
    return await html("chat/window.html", made.context())


async def _stream(made: ChatPage) -> str:
    # What the stream before it was about to tell of the sidebar and the menu may be lost: this one tells it again.
    made.cursor = replace(made.cursor, history=-1, connections=-1)
    return partial("#stream", await html("chat/live.html", made.context()), "outerHTML")


async def opened(request: HttpRequest, chat: Chat) -> ChatPage:
    """Return the page of a chat: its end, or what stands around the message `at` of the query, in whatever branch."""
    at = _number(request, "at")
    if at is not None and at not in await chat.branch() and await _may_show(chat, at):
        await sync_to_async(versions.show)(at)
        feeds.changed(chat.pk)
        await chat.arefresh_from_db()
    return await page(chat, at)


async def _may_show(chat: Chat, message_id: int) -> bool:
    """Whether a message is in another branch of the chat, and no answer is coming in the one that is shown."""
    there = chat.messages.filter(deleted=None)
    unfinished = there.filter(state__in=[State.STREAMING, State.WAITING])
    return await there.filter(pk=message_id).aexists() and not await unfinished.aexists()


async def _asked(chat_id: uuid.UUID) -> Chat | None:
    return await Chat.objects.filter(pk=chat_id, deleted=None).afirst()


def _number(request: HttpRequest, name: str) -> int | None:
    """The id of a message in the query, None where there is none."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
