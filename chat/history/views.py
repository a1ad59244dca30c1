"""What the list of chats asks for: more of itself, search, the archive, menus, and changes of chats and folders."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat.feed import feeds
from chat.history import bulk, folders, listing, purge
from chat.history.bulk import OPPOSITE, Do
from chat.history.find import find as find_in
from chat.history.forms import ChangeForm, FolderForm, why
from chat.history.listing import Key, sidebar
from chat.history.search import LONGEST, search
from chat.history.undo import undo
from chat.models import Chat, Folder
from chat.pages import page
from connections.push import html, partial, refused

NOT_HERE = "This chat is not here any more: it was deleted. Nothing was changed."
NO_FOLDER = "This folder is not here any more: it was deleted. Nothing was changed."
TOO_LATE = "It is too late to undo this: what was deleted is gone for good after a minute."
WRONG_PLACE = "This place in the list is not known. Reload the page."

#: What a note with Undo says, for one chat and for several.
SAID = {
    Do.ARCHIVE: ("Chat archived.", "{} chats archived."),
    Do.UNARCHIVE: ("Chat taken out of the archive.", "{} chats taken out of the archive."),
    Do.DELETE: ("Chat deleted.", "{} chats deleted."),
}


@require_GET
async def older(request: HttpRequest) -> HttpResponse:
    """The chats below a place in the list, of the days or of one folder."""
    before = Key.parse(request.GET.get("before", ""))
    folder = request.GET.get("folder", "")
    if before is None or (folder and not (folder.isascii() and folder.isdecimal() and len(folder) < 18)):
        return refused(WRONG_PLACE, 400)
    found = await sync_to_async(listing.older)(before, int(folder) if folder else None)
    context = {"page": found, "folder": folder, "after": request.GET.get("after", "")[:40]}
    return render(request, "chat/history/older_in_folder.html" if folder else "chat/history/older.html", context)


@require_GET
async def archive(request: HttpRequest) -> HttpResponse:
    """The archive in the place of the list, or what follows a place in it."""
    before = Key.parse(request.GET.get("before", ""))
    found = await sync_to_async(listing.archive)(before)
    return render(request, "chat/history/archive_part.html" if before else "chat/history/archive.html", {"page": found})


@require_GET
async def look(request: HttpRequest) -> HttpResponse:
    """Search as one types. An empty query has an empty answer."""
    query = request.GET.get("q", "")[:LONGEST].strip()
    before = request.GET.get("before", "")
    if before and not (before.isascii() and before.isdecimal() and len(before) < 18):
        return refused(WRONG_PLACE, 400)
    results = await sync_to_async(search)(query, int(before) if before else None)
    template = "chat/history/found_part.html" if before else "chat/history/found.html"
    return render(request, template, {"results": results, "query": query})


@require_GET
async def find(request: HttpRequest, chat_id: UUID) -> HttpResponse:
    """Which messages of the shown branch have all words of `q`, as JSON: {"messages": [ids], "words": [...]}."""
    chat = await Chat.objects.filter(pk=chat_id, deleted=None).afirst()
    if chat is None:
        return refused(NOT_HERE, 404)
    found = await find_in(chat, request.GET.get("q", "")[:LONGEST])
    answer = json.dumps({"messages": found.messages, "words": found.words})
    return HttpResponse(answer, content_type="application/json")


@require_GET
async def options(request: HttpRequest, chat_id: UUID) -> HttpResponse:
    """The menu of a chat; with `part=folders` the folders that it can go to."""
    chat = await Chat.objects.filter(pk=chat_id, deleted=None).afirst()
    if chat is None:
        return refused(NOT_HERE, 404)
    if request.GET.get("part") == "folders":
        return render(request, "chat/history/options_folders.html", {"chat": chat, "folders": await _folders()})
    context = {"chat": chat, "here": request.GET.get("from") == "topbar", "title": chat.title}
    return render(request, "chat/history/options.html", context)


@require_GET
async def destinations(request: HttpRequest) -> HttpResponse:
    """The folders that the selected chats can go to."""
    return render(request, "chat/history/options_folders.html", {"folders": await _folders()})


async def _folders() -> list[Folder]:
    return await sync_to_async(listing.folders)()


@require_POST
async def change(request: HttpRequest) -> HttpResponse:
    """Do something to one chat or several: pin, archive, move, delete, and take that back."""
    form = ChangeForm.of(request.POST)
    if not form.is_valid():
        return refused(why(form), 422)
    do: Do = form.cleaned_data["do"]
    chats: list[UUID] = form.cleaned_data["chats"]
    shown: UUID | None = form.cleaned_data["shown"]
    try:
        changed = await bulk.change(do, chats, form.cleaned_data["folder"])
    except bulk.NoSuchFolder:
        return refused(NO_FOLDER, 409)
    if not changed:
        return refused(TOO_LATE if do is Do.RESTORE else NOT_HERE, 409)
    extra = ""
    if do in SAID:
        one, many = SAID[do]
        fields = {"do": OPPOSITE[do].value, "chats": [str(each) for each in changed]}
        if shown in changed and do is Do.DELETE:
            fields["chat"] = str(shown)
        words = one if len(changed) == 1 else many.format(len(changed))
        extra = await sync_to_async(undo, thread_sensitive=False)(words, reverse("chat:history-change"), fields)
    if do is Do.DELETE and shown in changed:
        return await _main(request, None, extra, do, changed)
    if do is Do.RESTORE and shown in changed:
        return await _main(request, await Chat.objects.aget(pk=shown), extra, do, changed)
    return await _list(shown, extra, do, changed)


async def _main(
    request: HttpRequest, chat: Chat | None, extra: str, do: Do, changed: Collection[UUID]
) -> HttpResponse:
    """The answer where the page must show another chat, or none."""
    main = await html("chat/main.html", (await page(chat)).context() | {"titled": True, "request": request})
    response = await _list(chat.pk if chat else None, main + extra, do, changed)
    response["HX-Retarget"] = "#main"
    response["HX-Reswap"] = "innerHTML"
    response["HX-Push-Url"] = reverse("chat:chat", args=[chat.pk]) if chat else reverse("chat:index")
    return response


async def _list(
    shown: UUID | None, extra: str = "", do: Do | None = None, changed: Collection[UUID] = ()
) -> HttpResponse:
    """The answer to a change: the list anew, at once, and word for the parts of it that only the page knows."""
    response = HttpResponse(extra + partial("#history", await sidebar.html(shown)))
    if do is not None:
        told: dict[str, Any] = {"do": do.value, "chats": [str(each) for each in changed]}
        response["HX-Trigger"] = json.dumps({"lerix:chats": told})
    return response


def _shown(request: HttpRequest) -> UUID | None:
    """The chat of the page that asks."""
    try:
        return UUID(request.POST.get("chat", ""))
    except ValueError:
        return None


@require_http_methods(["GET", "POST"])
async def new_folder(request: HttpRequest) -> HttpResponse:
    """A form for a new folder, and making it; `chats` go into it at once."""
    if request.method == "GET":
        chats = request.GET.getlist("chats")[:1]
        return render(request, "chat/history/folder_form.html", {"address": request.path, "chats": chats})
    form = FolderForm(request.POST)
    if not form.is_valid():
        return refused(why(form), 422)
    chats = form.cleaned_data["chats"]
    try:
        await sync_to_async(folders.create)(form.cleaned_data["name"], chats)
    except folders.FolderRefused as refusal:
        return refused(refusal.sentence, 409)
    feeds.history.set()
    return await _list(_shown(request), do=Do.MOVE if chats else None, changed=chats)


@require_http_methods(["GET", "POST"])
async def rename_folder(request: HttpRequest, folder_id: int) -> HttpResponse:
    """A form for another name of a folder, and giving it."""
    folder = await Folder.objects.filter(pk=folder_id, deleted=None).afirst()
    if folder is None:
        return refused(NO_FOLDER, 404)
    if request.method == "GET":
        return render(request, "chat/history/folder_form.html", {"address": request.path, "folder": folder})
    form = FolderForm(request.POST)
    if not form.is_valid():
        return refused(why(form), 422)
    try:
        await sync_to_async(folders.rename)(folder_id, form.cleaned_data["name"])
    except folders.FolderRefused as refusal:
        return refused(refusal.sentence, 409)
    except Folder.DoesNotExist:
        return refused(NO_FOLDER, 404)
    feeds.history.set()
    return await _list(_shown(request))


@require_GET
async def folder_options(request: HttpRequest, folder_id: int) -> HttpResponse:
    """The menu of a folder."""
    folder = await Folder.objects.filter(pk=folder_id, deleted=None).afirst()
    if folder is None:
        return refused(NO_FOLDER, 404)
    return render(request, "chat/history/folder_options.html", {"folder": folder})


@require_POST
async def open_folder(request: HttpRequest, folder_id: int) -> HttpResponse:
    """Remember that a folder was opened in the list, or without `open` that it was closed."""
    await sync_to_async(folders.set_open)(folder_id, is_open="open" in request.POST)
    # Open pages stay as they are; the next one is as this one was left.
    sidebar.again()
    return HttpResponse(status=204)


@require_POST
async def delete_folder(request: HttpRequest, folder_id: int) -> HttpResponse:
    """Delete a folder and keep its chats."""
    if not await sync_to_async(folders.delete)(folder_id):
        return refused(NO_FOLDER, 404)
    feeds.history.set()
    purge.changed.set()
    words = "Folder deleted. Its chats are kept."
    address = reverse("chat:folder-restore", args=[folder_id])
    note = await sync_to_async(undo, thread_sensitive=False)(words, address, {})
    return await _list(_shown(request), note)


@require_POST
async def restore_folder(request: HttpRequest, folder_id: int) -> HttpResponse:
    """Bring a deleted folder back."""
    if not await sync_to_async(folders.restore)(folder_id):
        return refused(TOO_LATE, 409)
    feeds.history.set()
    return await _list(_shown(request))
