"""Folders of chats."""

import re

import pytest
from django.test import AsyncClient

from chat.history import folders
from chat.history.folders import MOST, FolderRefused
from chat.history.listing import sidebar
from chat.models import Chat, Folder, Preference
from tests.chat.tab import sentence

pytestmark = pytest.mark.django_db


async def test_a_folder_is_made_with_chats_in_it(browser: AsyncClient) -> None:
    chats = [await Chat.objects.acreate(title=title) for title in ("One", "Two", "Three")]
    form = (await browser.get("/folders/new/", {"chats": str(chats[0].pk)})).content.decode()
    assert f'value="{chats[0].pk}"' in form
    inside = [str(chat.pk) for chat in chats[:2]]
    response = await browser.post("/folders/new/", {"name": "  My\n  work ", "chats": inside})
    assert response.status_code == 200
    folder = await Folder.objects.aget()
    assert folder.name == "My work"
    assert {chat.title async for chat in folder.chats.all()} == {"One", "Two"}
    assert "My work" in response.content.decode()


@pytest.mark.parametrize(
    ("name", "status", "why"),
    [("", 422, "needs a name"), ("  ", 422, "needs a name"), ("x" * 81, 422, "at most 80"), ("wORK", 409, "already")],
)
async def test_a_name_that_cannot_be_is_refused(browser: AsyncClient, name: str, status: int, why: str) -> None:
    work = await Folder.objects.acreate(name="Work")
    other = await Folder.objects.acreate(name="Other")
    for address in ("/folders/new/", f"/folders/{other.pk}/rename/"):
        response = await browser.post(address, {"name": name})
        assert (response.status_code, why in sentence(response)) == (status, True)
    assert {folder.name async for folder in Folder.objects.all()} == {"Work", "Other"}
    assert (await browser.post(f"/folders/{work.pk}/rename/", {"name": "WORK"})).status_code == 200


async def test_a_folder_is_renamed_where_it_is(browser: AsyncClient) -> None:
    folder = await Folder.objects.acreate(name="Work")
    assert 'value="Work"' in (await browser.get(f"/folders/{folder.pk}/rename/")).content.decode()
    response = await browser.post(f"/folders/{folder.pk}/rename/", {"name": "Home <b>"})
    assert "Home &lt;b&gt;" in response.content.decode()
    assert "Rename folder" in (await browser.get(f"/folders/{folder.pk}/options/")).content.decode()


async def test_deleting_a_folder_keeps_its_chats_and_undo_puts_them_back(browser: AsyncClient) -> None:
    folder = await Folder.objects.acreate(name="Work")
    chat = await Chat.objects.acreate(title="Inside", folder=folder)
    response = await browser.post(f"/folders/{folder.pk}/delete/", {})
    html = response.content.decode()
    assert "Folder deleted. Its chats are kept." in html
    assert f'id="chat-{chat.pk}"' in html
    assert "folder-chats" not in html
    assert "Work" not in html.replace("data-", "")
    for address in ("delete", "rename"):
        assert (await browser.post(f"/folders/{folder.pk}/{address}/", {"name": "x"})).status_code == 404
    assert f'action="/folders/{folder.pk}/restore/"' in html
    response = await browser.post(f"/folders/{folder.pk}/restore/", {})
    assert "Work" in response.content.decode()
    assert await folder.chats.acount() == 1
    assert (await browser.post(f"/folders/{folder.pk}/restore/", {})).status_code == 409


async def test_a_folder_that_is_left_open_is_open_on_the_next_page(browser: AsyncClient) -> None:
    work, home = await Folder.objects.acreate(name="Work"), await Folder.objects.acreate(name="Home")

    async def opened() -> list[str]:
        page = (await browser.get("/")).content.decode()
        return re.findall(r'<details id="folder-(\d+)-chats"[^>]* open', page)

    assert await opened() == []
    for folder in (work, home):
        assert (await browser.post(f"/folders/{folder.pk}/opened/", {"open": "on"})).status_code == 204
    await browser.post("/folders/12345/opened/", {"open": "on"})
    assert await opened() == [str(home.pk), str(work.pk)]
    await browser.post(f"/folders/{home.pk}/opened/", {"closed": "on"})
    assert await opened() == [str(work.pk)]
    assert (await Preference.objects.aget(name="open-folders")).value == [work.pk]
    await Preference.objects.filter(name="open-folders").aupdate(value={"not": "a list"})
    sidebar.again()
    assert await opened() == []


def test_a_folder_comes_back_beside_another_that_has_taken_its_name() -> None:
    gone = folders.create("Work")
    folders.delete(gone.pk)
    folders.create("WORK")
    assert folders.restore(gone.pk)
    assert not folders.restore(gone.pk)
    assert {folder.name for folder in Folder.objects.all()} == {"WORK", "Work 2"}


def test_there_are_not_too_many() -> None:
    Folder.objects.bulk_create(Folder(name=str(number)) for number in range(MOST))
    with pytest.raises(FolderRefused, match="100 folders already"):
        folders.create("One more")
