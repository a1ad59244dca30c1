"""The recovery key on paper."""

import hashlib
import re

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from relay.account.keys.errors import (
    RecoveryKeyCharacter,
    RecoveryKeyLength,
    RecoveryKeyMistyped,
    RecoveryKeyUnusable,
    RecoveryKeyVersion,
    RetypeDiffers,
)
from relay.account.keys.primitives import hkdf
from relay.account.keys.recovery import ALPHABET, RecoveryKey, groups_to_retype
from tests.relay.keys.fixed import FixedRandomness

KEY = RecoveryKey.new(FixedRandomness("paper 2"))
TEXT = KEY.text().reveal()


def test_a_key_is_nine_groups_of_four_after_its_prefix() -> None:
    assert re.fullmatch(rf"LRX1(-[{ALPHABET}]{{4}}){{9}}", TEXT)
    assert RecoveryKey.parse(TEXT) == KEY
    assert RecoveryKey.new() != RecoveryKey.new()


def test_the_characters_are_the_bits_from_the_left_and_a_hash() -> None:
    characters = TEXT.replace("-", "")[4:]
    bits = "".join(f"{ALPHABET.index(character):05b}" for character in characters)
    assert int(bits[:160], 2).to_bytes(20, "big") == KEY.reveal()
    digest = hashlib.sha256(b"lerix/recovery-check/1" + KEY.reveal()).digest()
    assert bits[160:] == f"{int.from_bytes(digest, 'big'):0256b}"[:20]


@pytest.mark.parametrize(
    "typed",
    [
        TEXT.lower(),
        TEXT.replace("-", ""),
        TEXT.replace("-", " "),
        TEXT.replace("-", " – "),
        TEXT.replace("-", "\n"),
        TEXT.removeprefix("LRX1-"),
        f"  {TEXT}\t\r\n",
        TEXT.replace("0", "O").replace("1", "I"),
        TEXT.replace("0", "o").replace("1", "l"),
        TEXT.replace("1", "L"),
    ],
)
def test_a_key_may_be_typed_as_people_type(typed: str) -> None:
    assert RecoveryKey.parse(typed) == KEY


def test_the_examples_hold_the_characters_that_are_confused() -> None:
    assert "0" in TEXT.replace("LRX1", "")
    assert "1" in TEXT.replace("LRX1", "")


def test_each_wrong_character_is_noticed() -> None:
    for at in range(5, len(TEXT)):
        for character in ALPHABET:
            if TEXT[at] in ("-", character):
                continue
            with pytest.raises(RecoveryKeyMistyped):
                RecoveryKey.parse(TEXT[:at] + character + TEXT[at + 1 :])


def test_swapped_neighbours_and_groups_are_noticed() -> None:
    characters = TEXT.replace("-", "")[4:]
    for at in range(len(characters) - 1):
        swapped = characters[:at] + characters[at + 1] + characters[at] + characters[at + 2 :]
        if swapped != characters:
            with pytest.raises(RecoveryKeyMistyped):
                RecoveryKey.parse(swapped)
    groups = TEXT.split("-")
    for at in range(1, len(groups) - 1):
        moved = [*groups[:at], groups[at + 1], groups[at], *groups[at + 2 :]]
        with pytest.raises(RecoveryKeyMistyped):
            RecoveryKey.parse("-".join(moved))


def test_missing_and_extra_characters_are_named() -> None:
    with pytest.raises(RecoveryKeyLength):
        RecoveryKey.parse("")
    for cut in range(6, len(TEXT)):
        with pytest.raises(RecoveryKeyUnusable):
            RecoveryKey.parse(TEXT[:cut])
    with pytest.raises(RecoveryKeyLength):
        RecoveryKey.parse(TEXT + "0")
    with pytest.raises(RecoveryKeyLength):
        RecoveryKey.parse("0" * 100_000)


@pytest.mark.parametrize("character", ["U", "u", "!", "é", "Ω", "１", "\0"])
def test_a_character_that_no_key_has_is_named(character: str) -> None:
    with pytest.raises(RecoveryKeyCharacter):
        RecoveryKey.parse(TEXT[:-1] + character)


def test_each_other_prefix_is_another_version() -> None:
    for at in range(4):
        for character in ALPHABET:
            typed = TEXT[:at] + character + TEXT[at + 1 :]
            if character != TEXT[at] and not (at == 0 and character == "1"):  # 1 is how L is read
                with pytest.raises(RecoveryKeyVersion):
                    RecoveryKey.parse(typed)


@given(st.binary(min_size=20, max_size=20))
def test_any_key_is_read_back_from_its_text(value: bytes) -> None:
    key = RecoveryKey(value)
    assert RecoveryKey.parse(key.text().reveal()) == key


@given(st.text(max_size=60))
def test_any_text_is_a_key_or_an_error_of_ours(typed: str) -> None:
    with pytest.raises(RecoveryKeyUnusable):
        RecoveryKey.parse(typed)


def test_what_is_derived_is_derived_apart() -> None:
    private = X25519PrivateKey.from_private_bytes(hkdf(KEY.reveal(), b"lerix/recovery-x25519/1"))
    assert KEY.public() == private.public_key().public_bytes_raw()
    assert KEY.auth().reveal() == hkdf(KEY.reveal(), b"lerix/recovery-auth/1")
    assert len({KEY.auth().reveal(), KEY.public(), KEY.anchor(bytes(16), bytes(32))}) == 3


def test_the_anchor_is_of_one_account_and_one_signing_key() -> None:
    anchors = {
        KEY.anchor(bytes(16), bytes(32)),
        KEY.anchor(b"\1" + bytes(15), bytes(32)),
        KEY.anchor(bytes(16), b"\1" + bytes(31)),
        RecoveryKey.new().anchor(bytes(16), bytes(32)),
    }
    assert len(anchors) == 4


def test_some_groups_are_typed_again() -> None:
    groups = TEXT.split("-")[1:]
    for seed in range(50):
        places = groups_to_retype(3, FixedRandomness(f"retype {seed}"))
        assert len(set(places)) == 3
        assert all(0 <= place < 9 for place in places)
        KEY.check_retyped({place: f" {groups[place].lower()} " for place in places})
    asked = {place for seed in range(50) for place in groups_to_retype(3, FixedRandomness(f"retype {seed}"))}
    assert asked == set(range(9))
    assert len(groups_to_retype()) == 3


def test_a_group_typed_wrongly_is_refused() -> None:
    groups = TEXT.split("-")[1:]
    wrong: list[dict[int, str]] = [
        {},
        {0: ""},
        {0: groups[1]},
        {0: groups[0], 3: "????"},
        {9: groups[8]},
        {-1: groups[8]},
        {0: groups[0][:3]},
        {2: groups[2] + "0"},
    ]
    for typed in wrong:
        with pytest.raises(RetypeDiffers):
            KEY.check_retyped(typed)
