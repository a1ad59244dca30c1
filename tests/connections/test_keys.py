"""API keys from the form to the access path: what is kept, what is refused, and that nobody sees a key again."""

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.core import serializers
from django.db import IntegrityError, connection, transaction
from django.test import AsyncClient
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from chat import choices
from connections import catalogues, keys, views
from connections.cards import key_cards
from connections.key_checks import key_from, label_from
from connections.key_errors import KeyNotKept
from connections.keys import ApiKeys
from connections.models import ApiKey, CatalogueEntry, PathMemory, SealingRecord
from connections.openai import OpenAIPath
from connections.paths import paths
from connections.sealing_keys import SERVICE, Place
from tests.connections.far import COMPLETED, Far, delta, refusal, stream
from tests.connections.keyrings import LockedKeyring, MemoryKeyring, SilentKeyring, using
from tests.connections.test_openai import QUOTA, SCOPES, UNKNOWN, collect, listing, refused
from tests.connections.waiting import files, until

BASE = "https://api.openai.com/v1"
WORK, HOME, NEW = (f"sk-proj-planted-{name}-0123456789-{name}" for name in ("work", "home", "news"))
URL = "/settings/connections/keys/"


class Platform(Far):
    """The platform API: knows the keys it is told, and lists two models."""

    def __init__(self, *known: str) -> None:
        super().__init__(self.answer)
        self.known = set(known)

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.headers["authorization"].removeprefix("Bearer ") not in self.known:
            return refusal(401, UNKNOWN)
        if request.url.path.endswith("/models"):
            return listing("gpt-5.5", "gpt-4.1", "whisper-1")
        return stream(delta("ok"), COMPLETED)


@pytest.fixture
def platform() -> Platform:
    return Platform(WORK, HOME, NEW)


@pytest.fixture
def api_keys(db: None, platform: Platform, tmp_path: Path) -> Iterator[ApiKeys]:
    """The API keys of a process that has none yet, and no other access path."""
    for each in paths.all():
        paths.remove(each.key)
    made = ApiKeys(tmp_path, BASE, "Lerix/0.1 (test)", transport=platform)
    keys.install(made)
    yield made
    for each in paths.all():
        paths.remove(each.key)


async def again(tmp_path: Path, platform: Platform) -> ApiKeys:
    """The API keys as the next process finds them."""
    for each in paths.all():
        paths.remove(each.key)
    made = ApiKeys(tmp_path, BASE, "Lerix/0.1 (test)", transport=platform)
    await sync_to_async(made.load)()
    return made


def path_of(api_keys: ApiKeys, row: ApiKey) -> OpenAIPath:
    found = api_keys.path(row)
    assert found is not None
    return found


async def not_there(row: ApiKey) -> bool:
    return not await ApiKey.objects.filter(pk=row.pk).aexists()


# Adding


async def test_a_key_that_openai_accepts_is_kept_sealed_and_is_an_access_path(
    api_keys: ApiKeys, platform: Platform
) -> None:
    row = await api_keys.add("  My\twork ", f" {WORK}\n")
    assert (row.label, row.hint, row.revision) == ("My work", "sk-…work", 0)
    assert row.verified_at is not None
    assert b"planted" not in bytes(row.sealed)
    assert [request.url.path for request in platform.requests] == ["/v1/models"]
    path = path_of(api_keys, row)
    assert (path.label, path.status().ready) == ("API key · My work", True)
    assert [entry.slug for entry in await catalogues.entries(path)] == ["gpt-5.5", "gpt-4.1"]
    await collect(path)
    assert platform.tokens[-1] == WORK


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (refusal(401, UNKNOWN), "OpenAI does not accept this API key"),
        (refusal(403, SCOPES), "may not list models"),
        (refusal(403, {"error": {"code": "unsupported_country_region_territory"}}), "country"),
        (refusal(429, QUOTA), "no more requests"),
        (refusal(500, None), "fault of its own"),
        (refusal(404, {}), "does not know"),
        (httpx.Response(200, json={"else": 1}), "does not know"),
        (httpx.Response(200, text="<html>", headers={"content-type": "text/html"}), "web page"),
        (httpx.ConnectError("x"), "could not be reached"),
    ],
)
async def test_a_key_that_cannot_be_verified_is_not_kept_and_the_reason_is_told(
    api_keys: ApiKeys, platform: Platform, tmp_path: Path, reply: Any, words: str
) -> None:
    platform.replies = [reply]
    with pytest.raises(KeyNotKept) as raised:
        await api_keys.add("Work", WORK)
    assert raised.value.field == "key"
    assert words in raised.value.sentence
    assert "not kept" in raised.value.sentence
    assert "planted" not in "".join(traceback.format_exception(raised.value))
    assert not await ApiKey.objects.aexists()
    assert not await CatalogueEntry.objects.aexists()
    assert paths.all() == ()
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Enter the API key"), (" \n", "Enter the API key"), ("two words that are no key", "one word"),
        (f"{WORK}\n{HOME}", "one word"), ("sk-proj-é-0123456789-0123", "one word"), (f"{WORK}\0", "one word"),
        ("sk-short", "begins with sk-"), ("sk-" + "x" * 500, "begins with sk-"), ("eyJhbGciOiJub25lIn0.e30.x", "sk-"),
        ("sk-admin-0123456789-0123456789", "admin key"),
    ],
)  # fmt: skip
async def test_what_cannot_be_a_key_is_refused_without_asking_anybody(
    api_keys: ApiKeys, platform: Platform, text: str, words: str
) -> None:
    with pytest.raises(KeyNotKept) as raised:
        await api_keys.add("Work", text)
    assert words in raised.value.sentence
    assert platform.requests == []


@given(st.text(max_size=60))
def test_whatever_is_entered_gives_a_key_that_fits_a_header_or_a_sentence(text: str) -> None:
    for base in (BASE, "http://127.0.0.1:9/v1"):
        with contextlib.suppress(KeyNotKept):
            key = key_from(text, base).reveal()
            assert key == text.strip()
            httpx.Headers({"Authorization": f"Bearer {key}"})


@given(st.text(max_size=60))
def test_a_label_is_one_short_printable_line(text: str) -> None:
    with contextlib.suppress(KeyNotKept):
        label = label_from(text)
        assert 0 < len(label) <= 40
        assert label.isprintable()
        assert label == label_from(label)


async def test_a_label_and_a_key_are_there_once(api_keys: ApiKeys) -> None:
    await api_keys.add("Work", WORK)
    for label, key, field, words in (
        ("wORK ", HOME, "label", "Another key has this label"),
        ("Home", WORK, "key", "here already, with the label Work"),
        ("", HOME, "label", "Give the key a label"),
        ("x" * 41, HOME, "label", "at most 40"),
    ):
        with pytest.raises(KeyNotKept, match=words) as raised:
            await api_keys.add(label, key)
        assert raised.value.field == field
    assert await ApiKey.objects.acount() == 1


async def test_two_forms_at_once_do_not_take_one_label_twice(api_keys: ApiKeys) -> None:
    results = await asyncio.gather(
        api_keys.add("Work", WORK), api_keys.add("Work", HOME), return_exceptions=True
    )  # fmt: skip
    assert [type(result).__name__ for result in results] == ["ApiKey", "KeyNotKept"]


@pytest.mark.django_db
def test_the_database_itself_holds_a_label_once() -> None:
    ApiKey.objects.create(label="Work", sealed=b"", last_four="work", removed_at=timezone.now())
    ApiKey.objects.create(label="Work", sealed=b"", last_four="work")
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.create(label="WORK", sealed=b"", last_four="work")


# Using them later


async def test_the_next_process_has_the_same_keys_in_the_same_order(
    api_keys: ApiKeys, platform: Platform, tmp_path: Path
) -> None:
    rows = [await api_keys.add("Work", WORK), await api_keys.add("Home", HOME)]
    await catalogues.switch(path_of(api_keys, rows[1]), "gpt-4.1", enabled=True)
    later = await again(tmp_path, platform)
    assert [path.label for path in paths.all()] == ["API key · Work", "API key · Home"]
    for row, key in zip(rows, (WORK, HOME), strict=True):
        await collect(path_of(later, row))
        assert platform.tokens[-1] == key
    assert [[model.slug for model in offer.models] for offer in await catalogues.offers()] == [[], ["gpt-4.1"]]


async def test_what_a_path_finds_out_about_its_key_is_known_to_the_next_process(
    api_keys: ApiKeys, platform: Platform, tmp_path: Path
) -> None:
    row = await api_keys.add("Work", WORK)
    path = path_of(api_keys, row)
    keeper = asyncio.create_task(api_keys.keep_outcomes(path))
    platform.known.clear()
    await refused(path)
    await until(lambda: ApiKey.objects.filter(last_error="key-refused").aexists())
    keeper.cancel()
    later = await again(tmp_path, platform)
    assert path_of(later, row).status().code == "key-refused"
    platform.known.add(NEW)
    await later.replace(row, NEW)
    assert path_of(await again(tmp_path, platform), row).status().ready


async def test_a_replaced_key_takes_the_place_of_the_old_one(
    api_keys: ApiKeys, platform: Platform, tmp_path: Path
) -> None:
    row = await api_keys.add("Work", WORK)
    path = path_of(api_keys, row)
    await catalogues.switch(path, "gpt-4.1", enabled=True)
    old, replay = bytes(row.sealed), path.replay_key(model=(await catalogues.entries(path))[0].model)
    with pytest.raises(KeyNotKept, match="does not accept"):
        await api_keys.replace(row, "sk-proj-nobody-knows-this")
    await collect(path)
    assert platform.tokens[-1] == WORK
    await api_keys.replace(row, NEW)
    assert (row.hint, row.revision, row.label) == ("sk-…news", 1, "Work")
    assert path.replay_key(model=(await catalogues.entries(path))[0].model) != replay
    for each in (path, path_of(await again(tmp_path, platform), row)):
        await collect(each)
        assert platform.tokens[-1] == NEW
    assert [entry.slug for entry in await catalogues.entries(path) if entry.enabled] == ["gpt-4.1"]
    # What was sealed before does not open in the new one's place.
    await ApiKey.objects.aupdate(sealed=old)
    assert (await path_of(await again(tmp_path, platform), row).look()).code == "sealed-key-damaged"


async def test_a_renamed_key_is_called_so_at_once(api_keys: ApiKeys) -> None:
    row, other = await api_keys.add("Work", WORK), await api_keys.add("Home", HOME)
    await api_keys.relabel(row, " Office ")
    assert path_of(api_keys, row).label == "API key · Office"
    await api_keys.relabel(row, "OFFICE")  # its own label is not taken
    for label in ("home", " ", "x" * 41):
        with pytest.raises(KeyNotKept):
            await api_keys.relabel(row, label)
    assert {each.label async for each in ApiKey.objects.all()} == {"OFFICE", other.label}


# Removing


async def test_a_removed_key_is_out_of_use_and_can_be_brought_back_to_its_place(
    api_keys: ApiKeys, platform: Platform
) -> None:
    row, other = await api_keys.add("Work", WORK), await api_keys.add("Home", HOME)
    await catalogues.switch(path_of(api_keys, row), "gpt-5.5", enabled=True)
    before = paths.all()
    await api_keys.remove(row)
    assert [path.label for path in paths.all()] == ["API key · Home"]
    (removed, _) = await key_cards()
    assert (removed.path, removed.row) == (None, row)
    for attempt in (api_keys.replace(row, NEW), api_keys.relabel(row, "New")):
        with pytest.raises(KeyNotKept, match="removed meanwhile"):
            await attempt
    assert await api_keys.restore(row)
    assert paths.all() == before
    assert not await api_keys.restore(row)
    await collect(path_of(api_keys, row))
    assert (await catalogues.offers())[0].models[0].slug == "gpt-5.5"
    assert other.label == "Home"


async def test_a_label_taken_meanwhile_does_not_keep_a_key_from_coming_back(api_keys: ApiKeys) -> None:
    row = await api_keys.add("Work", WORK)
    await api_keys.remove(row)
    await api_keys.add("work", HOME)
    assert await api_keys.restore(row)
    assert [path.label for path in paths.all()] == ["API key · Work 2", "API key · work"]


async def test_a_removed_key_is_gone_with_all_that_belongs_to_it_when_the_time_is_over(
    api_keys: ApiKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "UNDO", timedelta(seconds=0.2))
    row, other = await api_keys.add("Work", WORK), await api_keys.add("Home", HOME)
    purging = asyncio.create_task(api_keys.purge())
    await asyncio.sleep(0)
    await api_keys.remove(row)
    await until(lambda: not_there(row))
    purging.cancel()
    assert not await api_keys.restore(row)
    assert {entry.path async for entry in CatalogueEntry.objects.all()} == {other.path_key}
    assert {memory.path async for memory in PathMemory.objects.all()} == {other.path_key}


async def test_a_restart_ends_the_time_for_bringing_it_back(
    api_keys: ApiKeys, platform: Platform, tmp_path: Path
) -> None:
    row = await api_keys.add("Work", WORK)
    await api_keys.remove(row)
    await CatalogueEntry.objects.acreate(path="api-key-left-behind", slug="x", position=0, facts={})
    await CatalogueEntry.objects.acreate(path="codex", slug="x", position=0, facts={})
    await again(tmp_path, platform)
    assert not await ApiKey.objects.aexists()
    assert [entry.path async for entry in CatalogueEntry.objects.all()] == ["codex"]
    assert paths.all() == ()


async def test_a_chat_on_a_removed_key_falls_back_to_what_there_is(api_keys: ApiKeys) -> None:
    row, other = await api_keys.add("Work", WORK), await api_keys.add("Home", HOME)
    for each in (row, other):
        await catalogues.switch(path_of(api_keys, each), "gpt-5.5", enabled=True)
    wanted = {"access": row.path_key, "model": "gpt-5.5", "effort": "high"}
    menu = await choices.picker(wanted=wanted)
    assert [(entry.label, entry.selected) for entry in menu.accesses] == [
        ("API key · Work", True), ("API key · Home", False),
    ]  # fmt: skip
    await api_keys.remove(row)
    menu = await choices.picker(wanted=wanted)
    assert menu.choice is not None
    assert (menu.choice.path.label, menu.choice.effort) == ("API key · Home", "high")


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
        async with asyncio.timeout(5):
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
