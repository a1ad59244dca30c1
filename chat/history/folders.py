"""Folders of chats: made, renamed, deleted and brought back. Deleting one keeps its chats."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from uuid import UUID

from django.utils import timezone

from chat.database import atomic
from chat.history import listing
from chat.models import Chat, Folder, Preference

#: So many there may be: the list shows them all.
MOST: Final = 100


class FolderRefused(Exception):
    """A folder cannot be as wished; `sentence` says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@atomic
def create(name: str, chat_ids: Collection[UUID] = ()) -> Folder:
    """Make a folder and put chats into it. Raises FolderRefused."""
    others = listing.folders()
    if len(others) >= MOST:
        raise FolderRefused(f"There are {MOST} folders already. Delete one that you do not need, then try again.")
    _refuse_second(name, others)
    folder = Folder.objects.create(name=name)
    Chat.objects.filter(pk__in=chat_ids, deleted=None).update(folder=folder)
    return folder


@atomic
def rename(folder_id: int, name: str) -> None:
    """Give a folder another name. Raises FolderRefused, and Folder.DoesNotExist."""
    folder = Folder.objects.get(pk=folder_id, deleted=None)
    _refuse_second(name, [other for other in listing.folders() if other.pk != folder_id])
    folder.name = name
    folder.save(update_fields=["name"])


def delete(folder_id: int) -> bool:
    """Delete a folder; its chats stand outside of it. Returns whether it was there."""
    return Folder.objects.filter(pk=folder_id, deleted=None).update(deleted=timezone.now()) > 0


@atomic
def restore(folder_id: int) -> bool:
    """Bring a deleted folder back, with the chats that were in it. Returns whether that was still possible.

    Where another has its name by now, it comes back as "Name 2".
    """
    folder = Folder.objects.filter(pk=folder_id).exclude(deleted=None).first()
    if folder is None:
        return False
    taken = {other.name.casefold() for other in listing.folders()}
    wanted = [folder.name, *(f"{folder.name[:76]} {number}" for number in range(2, MOST + 3))]
    folder.name = next(name for name in wanted if name.casefold() not in taken)
    folder.deleted = None
    folder.save(update_fields=["name", "deleted"])
    return True


@atomic
def set_open(folder_id: int, *, is_open: bool) -> None:
    """Remember whether a folder is open in the list, for the next page."""
    there = {folder.pk for folder in listing.folders()}
    ids = (listing.opened() | {folder_id}) if is_open else (listing.opened() - {folder_id})
    Preference.objects.update_or_create(name=listing.OPENED, defaults={"value": sorted(ids & there)})


def _refuse_second(name: str, others: Collection[Folder]) -> None:
    if any(other.name.casefold() == name.casefold() for other in others):
        raise FolderRefused(f"There is a folder named {name} already. Take another name.")
