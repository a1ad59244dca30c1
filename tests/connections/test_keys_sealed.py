"""API keys at rest: where the sealing key is, what a change costs, and that nobody sees a key again."""

import asyncio
import logging
from datetime import timedelta
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.core import serializers
from django.db import connection
from django.test import AsyncClient
from django.utils import timezone

from connections import keys, views
from connections.cards import key_cards
from connections.key_errors import KeyNotKept
from connections.keys import ApiKeys
from connections.models import ApiKey, SealingRecord
from connections.sealing_keys import SERVICE, Place
from tests.connections.key_desk import HOME, NEW, URL, WORK, Platform, again, path_of
from tests.connections.keyrings import LockedKeyring, MemoryKeyring, SilentKeyring, using
from tests.connections.test_openai import collect, refused
from tests.connections.waiting import files, until

# Where the sealing key is


async def test_the_keyring_holds_the_sealing_key_where_there_is_one(
    api_keys: ApiKeys, platform: Platform, tmp_path: Path
) -> None:
    backend = MemoryKeyring()
    with using(backend):
        assert await api_keys.stored.place() is Place.KEYRING
        row = await api_keys.add("Work", WORK)
        await api_keys.add("Home", HOME)
        assert len(backend.kept) == 1
        assert files(tmp_path) == []
        assert "planted" not in str(backend.kept)
        await collect(path_of(await again(tmp_path, platform), row))
        assert platform.tokens[-1] == WORK
        assert {card.sealed for card in await key_cards()} == {"sealed with a key that the system keyring holds"}


async def test_a_sealing_key_that_vanished_is_told_for_each_key_and_entering_one_again_mends_it(
    api_keys: ApiKeys, platform: Platform, tmp_path: Path
) -> None:
    backend = MemoryKeyring()
    with using(backend):
        row, other = await api_keys.add("Work", WORK), await api_keys.add("Home", HOME)
        kept = dict(backend.kept)
        backend.kept.clear()
        later = await again(tmp_path, platform)
        for each in (row, other):
            status = await path_of(later, each).look()
            assert (status.code, status.ready) == ("sealing-key-gone", False)
            assert "Nothing was deleted" in status.sentence
        await later.replace(row, NEW)
        assert path_of(later, row).status().ready
        assert path_of(later, other).status().code == "sealing-key-gone"
        assert await SealingRecord.objects.acount() == 2
        # The old one comes back, from a backup for example.
        backend.kept |= kept
        assert (await path_of(later, other).look()).ready
        for each, key in ((row, NEW), (other, HOME)):
            await collect(path_of(await again(tmp_path, platform), each))
            assert platform.tokens[-1] == key


async def test_a_locked_keyring_is_told_and_no_new_key_is_sealed_elsewhere(
    api_keys: ApiKeys, platform: Platform, tmp_path: Path
) -> None:
    backend = LockedKeyring()
    backend.locked = False
    with using(backend):
        row = await api_keys.add("Work", WORK)
        backend.locked = True
        later = await again(tmp_path, platform)
        assert (await path_of(later, row).look()).code == "sealing-key-away"
        with pytest.raises(KeyNotKept, match="system keyring does not answer"):
            await later.add("Home", HOME)
        backend.locked = False
        assert (await path_of(later, row).look()).ready


async def test_a_keyring_that_answers_late_is_heard_without_asking_again(
    api_keys: ApiKeys, platform: Platform, tmp_path: Path
) -> None:
    backend = SilentKeyring()
    backend.may_answer.set()
    with using(backend):
        row = await api_keys.add("Work", WORK)
        backend.may_answer.clear()
        later = await again(tmp_path, platform)
        later.stored._sealing_keys._seconds = 0.05
        backend.asked = 0
        path = path_of(later, row)
        keeper = asyncio.create_task(later.keep_outcomes(path))
        await until(lambda: path.status().code == "sealing-key-away")
        backend.may_answer.set()
        await until(lambda: path.status().ready)
        keeper.cancel()
    assert backend.asked == 1


@pytest.mark.parametrize("place", [0, 1, 8, 9, 20, 21, 40, -17, -16, -1])
async def test_a_changed_byte_in_the_database_never_gives_a_key(
    api_keys: ApiKeys, platform: Platform, tmp_path: Path, place: int
) -> None:
    row = await api_keys.add("Work", WORK)
    sealed = bytearray(row.sealed)
    sealed[place] ^= 1
    await ApiKey.objects.aupdate(sealed=bytes(sealed))
    path = path_of(await again(tmp_path, platform), row)
    asked = len(platform.requests)
    await refused(path)
    assert path.status().code in {"sealed-key-damaged", "sealing-key-gone"}
    assert len(platform.requests) == asked
    assert await ApiKey.objects.acount() == 1


# Nobody sees a key


def written(folder: Path) -> list[bytes]:
    """What lies in the data folder, and all pages of the database's file."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return [connection.connection.serialize(), *(file.read_bytes() for file in files(folder))]


async def test_no_key_is_in_the_database_its_files_a_page_a_log_or_a_repr(
    api_keys: ApiKeys, platform: Platform, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    browser = AsyncClient(headers={"host": "localhost"})
    pages = [
        await browser.get(f"{URL}add/"),
        await browser.post(f"{URL}add/", {"label": "Work", "key": "sk-proj-planted-but-not-known"}),
        await browser.post(f"{URL}add/", {"label": "Work", "key": "planted words"}),
        await browser.post(f"{URL}add/", {"label": "", "key": WORK}),
        await browser.post(f"{URL}add/", {"label": "Work", "key": WORK}),
        await browser.post(f"{URL}add/", {"label": "Home", "key": WORK}),
    ]
    row = await ApiKey.objects.aget()
    one = f"{URL}{row.pk}/"
    pages += [
        await browser.get("/settings/connections/"),
        await browser.get(f"{one}replace/"),
        await browser.post(f"{one}replace/", {"key": "sk-proj-planted-but-not-known"}),
        await browser.post(f"{one}replace/", {"key": NEW}),
        await browser.get(f"{one}rename/"),
        await browser.post(f"{one}rename/", {"label": ""}),
        await browser.post(f"{one}rename/", {"label": "Office"}),
        await browser.get(f"/settings/connections/{row.path_key}/models/"),
        await browser.post(f"/settings/connections/{row.path_key}/check/"),
        await browser.post(f"{one}remove/"),
        await browser.post(f"{one}undo/"),
        await browser.get("/"),
    ]
    assert {page.status_code for page in pages} == {200}
    texts = [page.content.decode() + str(page.headers) for page in pages]
    async for piece in views._events():
        texts.append(piece.decode())
        if len(texts) > len(pages) + 1:
            break
    row = await ApiKey.objects.aget()
    path = path_of(api_keys, row)
    texts += [repr(row), str(row), repr(vars(row)), repr(path), repr(vars(path)), repr(vars(api_keys)), caplog.text]
    texts += [
        serializers.serialize("json", [row]),
        repr(vars(api_keys.stored)),
        repr(vars(api_keys.stored._sealing_keys)),
    ]
    assert "Office" in texts[6 + 9]
    for number, text in enumerate(texts):
        assert "planted" not in text, number
        assert "0123456789" not in text, number
    stored = await sync_to_async(written)(tmp_path)
    assert b"Office" in b"".join(stored)
    assert not [content for content in stored if b"planted" in content]


async def test_a_form_that_is_not_taken_keeps_the_label_and_says_why(api_keys: ApiKeys) -> None:
    browser = AsyncClient(headers={"host": "localhost"})
    sent = {"label": '<b>"x"</b>', "key": "sk-proj-planted-but-not-known"}
    html = (await browser.post(f"{URL}add/", sent)).content.decode()
    assert 'value="&lt;b&gt;&quot;x&quot;&lt;/b&gt;"' in html
    assert 'type="password"' in html
    assert 'autocomplete="off"' in html
    assert 'role="alert"' in html
    assert "OpenAI does not accept this API key, so it was not kept." in html


async def test_what_is_no_longer_there_is_not_found_and_a_late_undo_is_told(
    api_keys: ApiKeys, platform: Platform, tmp_path: Path
) -> None:
    browser = AsyncClient(headers={"host": "localhost"})
    row = await api_keys.add("Work", WORK)
    await api_keys.remove(row)
    await ApiKey.objects.aupdate(removed_at=timezone.now() - timedelta(minutes=1))
    keys.install(await again(tmp_path, platform))
    late = await browser.post(f"{URL}{row.pk}/undo/")
    assert late.status_code == 409
    assert "time to undo" in late.content.decode()
    for name in ("replace", "rename", "remove"):
        assert (await browser.post(f"{URL}{row.pk}/{name}/")).status_code == 404
    assert (await browser.get(f"{URL}{row.pk}/remove/")).status_code == 405


async def test_an_open_page_hears_of_keys_that_come_change_and_go(api_keys: ApiKeys) -> None:
    async def next_event() -> str:
        async with asyncio.timeout(20):
            while (piece := await anext(events)) == b": alive\n\n":
                pass
        return piece.decode()

    events = views._events()
    assert "No API key yet" in await next_event()
    row = await api_keys.add("Work", WORK)
    came = await next_event()
    assert 'hx-target="#keys"' in came
    await api_keys.relabel(row, "Office")
    changed = await next_event()
    assert f'hx-target="#card-{row.path_key}"' in changed
    assert 'hx-target="#keys"' not in changed
    assert "Office" in changed
    await api_keys.remove(row)
    assert "Undo" in await next_event()
    await events.aclose()


def test_the_account_in_the_keyring_names_lerix() -> None:
    assert SERVICE == "Lerix"
