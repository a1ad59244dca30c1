"""API keys from the form to the access path: what is kept, what is refused, what can be brought back."""

import asyncio
import contextlib
import traceback
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from chat import choices
from connections import catalogues, keys
from connections.cards import key_cards
from connections.key_checks import key_from, label_from
from connections.key_errors import KeyNotKept
from connections.keys import ApiKeys
from connections.models import ApiKey, CatalogueEntry, PathMemory
from connections.paths import paths
from tests.connections.far import refusal
from tests.connections.key_desk import BASE, HOME, NEW, WORK, Platform, again, not_there, path_of
from tests.connections.test_openai import QUOTA, SCOPES, UNKNOWN, collect, refused
from tests.connections.waiting import files, until

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
    row, other = await api_keys.add("Work", WORK), await api_keys.add("Home", HOME)
    purging = asyncio.create_task(api_keys.purge())
    await asyncio.sleep(0)
    await api_keys.remove(row)
    monkeypatch.setattr(keys, "UNDO", timedelta(seconds=0.2))
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
