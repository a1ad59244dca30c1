"""Sealed secrets open for their own row only, and sealing keys are found where they were kept, or it is said."""

import asyncio
import logging
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.sealing import (
    Binding,
    SealingError,
    SealingKey,
    SealingKeyLost,
    SealingKeySilent,
    Unsealable,
    fingerprint_of,
)
from connections.sealing_keys import SERVICE, KeptKey, Place, SealingKeys
from connections.secrets import Secret
from tests.connections.keyrings import (
    ForgetfulKeyring,
    LockedKeyring,
    MemoryKeyring,
    PlainKeyring,
    SilentKeyring,
    using,
)
from tests.connections.waiting import files, mode, until

KEY = SealingKey(bytes(range(32)))
ROW = Binding("api-key-1", "a test", 0)
SECRET = Secret("sk-planted-secret")


def keys_of(folder: Path) -> SealingKeys:
    """The sealing keys of a folder, for keyrings that answer as soon as the machine lets them."""
    return SealingKeys(folder, seconds=30)


bindings = st.builds(Binding, st.text(max_size=8), st.text(max_size=8), st.integers(0, 99))

# What is sealed


@given(st.text(st.characters(codec="utf-8"), max_size=200), bindings)
def test_a_sealed_secret_opens_again(text: str, binding: Binding) -> None:
    key = SealingKey.new()
    assert key.unseal(key.seal(Secret(text), binding), binding).reveal() == text


def test_any_changed_byte_and_any_cut_keeps_it_closed() -> None:
    sealed = KEY.seal(SECRET, ROW)
    for place in range(len(sealed)):
        for flip in (0x01, 0x80, 0xFF):
            changed = bytearray(sealed)
            changed[place] ^= flip
            with pytest.raises(Unsealable):
                KEY.unseal(bytes(changed), ROW)
    for length in range(len(sealed)):
        with pytest.raises(Unsealable):
            KEY.unseal(sealed[:length], ROW)
    with pytest.raises(Unsealable):
        KEY.unseal(sealed + b"\0", ROW)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_unsealable(noise: bytes) -> None:
    for sealed in (noise, b"\x01" + KEY.fingerprint + noise):
        with pytest.raises(Unsealable):
            KEY.unseal(sealed, ROW)


@given(bindings, bindings)
def test_a_secret_opens_for_its_own_row_purpose_and_revision_only(one: Binding, other: Binding) -> None:
    sealed = KEY.seal(SECRET, one)
    if one == other:
        assert KEY.unseal(sealed, other) == SECRET
    else:
        with pytest.raises(Unsealable):
            KEY.unseal(sealed, other)


def test_the_parts_of_a_binding_cannot_be_shifted_against_each_other() -> None:
    assert Binding("ab", "c", 1).data(b"") != Binding("a", "bc", 1).data(b"")
    assert Binding("a", "b", 11).data(b"") != Binding("a", "b1", 1).data(b"")


def test_the_same_secret_is_never_sealed_to_the_same_bytes() -> None:
    sealed = {KEY.seal(SECRET, ROW) for _ in range(200)}
    assert len(sealed) == len({each[9:21] for each in sealed}) == 200
    assert not [each for each in sealed if b"planted" in each]


def test_another_key_does_not_open_it_and_is_told_apart_by_its_fingerprint() -> None:
    sealed = KEY.seal(SECRET, ROW)
    assert fingerprint_of(sealed) == KEY.fingerprint != SealingKey.new().fingerprint
    with pytest.raises(Unsealable):
        SealingKey.new().unseal(sealed, ROW)


def test_a_sealing_key_shows_itself_to_nobody() -> None:
    digits = bytes(range(32)).hex()
    for shown in (repr(KEY), str(KEY), f"{KEY}", repr(KEY.text), repr([KEY])):
        assert digits not in shown
    with pytest.raises(TypeError):
        pickle.dumps(KEY)
    for text in ("", "x", digits[:-2], digits + "00", "é" * 64):
        with pytest.raises(ValueError, match="no sealing key") as raised:
            SealingKey.from_text(text)
        assert raised.value.__cause__ is None


# Where sealing keys are kept


async def test_a_sealing_key_is_kept_in_the_keyring_where_there_is_one(tmp_path: Path) -> None:
    backend = MemoryKeyring()
    with using(backend):
        assert await keys_of(tmp_path).expected() is Place.KEYRING
        kept = await keys_of(tmp_path).create()
        found = await keys_of(tmp_path).find(kept)
    assert (kept.place, found.fingerprint) == (Place.KEYRING, kept.fingerprint)
    ((service, account),) = backend.kept
    assert (service, account) == (SERVICE, kept.name)
    assert files(tmp_path) == []


async def test_two_data_folders_have_two_accounts(tmp_path: Path) -> None:
    backend = MemoryKeyring()
    with using(backend):
        one, other = await keys_of(tmp_path).create(), await keys_of(tmp_path).create()
    assert one.name != other.name
    assert len(backend.kept) == 2


@pytest.mark.parametrize("backend", [None, ForgetfulKeyring(), PlainKeyring(), LockedKeyring()])
async def test_where_no_keyring_keeps_it_a_file_does(tmp_path: Path, backend: MemoryKeyring | None) -> None:
    """None is keyring's own backend that fails, which the tests run under."""
    before = os.umask(0)
    try:
        if backend is None:
            kept = await keys_of(tmp_path).create()
        else:
            with using(backend):
                kept = await keys_of(tmp_path).create()
    finally:
        os.umask(before)
    (file,) = files(tmp_path)
    assert kept.place is Place.FILE
    assert mode(file) == 0o600
    assert (await keys_of(tmp_path).find(kept)).fingerprint == kept.fingerprint
    assert backend is None or backend.kept == {}  # nothing is left behind where it was tried


async def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    kept = await keys_of(tmp_path).create()
    (file,) = files(tmp_path)
    file.chmod(0o644)
    await keys_of(tmp_path).find(kept)
    assert mode(file) == 0o600


async def test_a_keyring_that_does_not_answer_is_waited_for_only_so_long(tmp_path: Path) -> None:
    backend = SilentKeyring()
    with using(backend):
        started = asyncio.get_running_loop().time()
        kept = await SealingKeys(tmp_path, seconds=0.1).create()
        assert asyncio.get_running_loop().time() - started < 30  # it itself says nothing for a minute
        assert kept.place is Place.FILE
        # What it takes after all is taken out again.
        backend.may_answer.set()
        await until(lambda: backend.asked > 0 and not backend.kept)
    assert backend.kept == {}


async def test_an_answer_that_comes_late_is_there_for_the_next_who_asks(tmp_path: Path) -> None:
    backend = SilentKeyring()
    key = SealingKey.new()
    backend.kept[SERVICE, "here"] = key.text.reveal()
    kept = KeptKey(Place.KEYRING, "here", key.fingerprint)
    with using(backend):
        keys = SealingKeys(tmp_path, seconds=0.05)
        for _ in range(3):
            with pytest.raises(SealingKeySilent):
                await keys.find(kept)
            assert keys.is_asking
        backend.may_answer.set()
        keys._seconds = 30.0
        assert (await keys.find(kept)).fingerprint == key.fingerprint
        assert not keys.is_asking
    assert backend.asked == 1  # nobody is asked to unlock it four times


async def test_a_locked_keyring_is_no_lost_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    backend = LockedKeyring()
    key = SealingKey.new()
    backend.kept[SERVICE, "here"] = key.text.reveal()
    kept = KeptKey(Place.KEYRING, "here", key.fingerprint)
    with using(backend):
        keys = keys_of(tmp_path)
        with pytest.raises(SealingKeySilent) as raised:
            await keys.find(kept)
        assert "planted" not in str(raised.value) + caplog.text
        backend.locked = False
        assert (await keys.find(kept)).fingerprint == key.fingerprint


async def test_a_key_that_vanished_or_is_another_is_lost(tmp_path: Path) -> None:
    backend = MemoryKeyring()
    with using(backend):
        in_keyring = await keys_of(tmp_path).create()
        for content in (None, "", "nonsense", SealingKey.new().text.reveal()):
            if content is None:
                backend.kept.clear()
            else:
                backend.kept[SERVICE, in_keyring.name] = content
            with pytest.raises(SealingKeyLost):
                await keys_of(tmp_path).find(in_keyring)
    in_file = await keys_of(tmp_path).create()
    (file,) = files(tmp_path)
    file.write_bytes(b"\xff" * 100_000)
    with pytest.raises(SealingKeyLost):
        await keys_of(tmp_path).find(in_file)
    file.unlink()
    with pytest.raises(SealingKeyLost):
        await keys_of(tmp_path).find(in_file)


async def test_a_link_or_a_folder_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    kept = await keys_of(tmp_path).create()
    (file,) = files(tmp_path)
    elsewhere = file.rename(tmp_path / "elsewhere")
    file.symlink_to(elsewhere)
    with pytest.raises(SealingKeySilent):
        await keys_of(tmp_path).find(kept)
    file.unlink()
    file.mkdir()
    with pytest.raises(SealingError):
        await keys_of(tmp_path).find(kept)
