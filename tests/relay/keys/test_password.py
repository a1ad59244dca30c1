"""What becomes of an e-mail address and a password."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.secrets import Secret
from relay.account.keys import password
from relay.account.keys.errors import EmailUnusable, PasswordTooShort, PasswordUnusable
from tests.relay.keys.conftest import cheap_suites

SALT = bytes(range(16))


def keys(text: str, email: str = "ada@example.com", salt: bytes = SALT) -> password.PasswordKeys:
    with cheap_suites():
        return password.stretch(Secret(text), email, suite=250, salt=salt)


@pytest.mark.parametrize(
    "text",
    ["Grüße aus Åland 7", "パスワードがぎ", "\u0939\u093f\u0928 \u0958", "한국어 비밀번호", "e\u0301\u0323 Tiếng Việt"],
)
def test_a_password_is_the_same_composed_and_decomposed(text: str) -> None:
    forms = {form: unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")}
    assert len({text, *forms.values()}) > 1
    assert {keys(form).wrap.reveal() for form in forms.values()} == {keys(text).wrap.reveal()}


def test_compatible_characters_are_the_same_password() -> None:
    assert keys("ﬁnstere Ｎacht ４２") == keys("finstere Nacht 42")


@pytest.mark.parametrize("other", ["grüße aus Åland 7", "Grüße aus Åland 7 ", "Grüße  aus Åland 7", "Grüße aus Åland"])
def test_another_password_gives_other_keys(other: str) -> None:
    mine, others = keys("Grüße aus Åland 7"), keys(other)
    assert mine.wrap != others.wrap
    assert mine.auth != others.auth


def test_another_salt_gives_other_keys() -> None:
    mine, others = keys("Grüße aus Åland 7"), keys("Grüße aus Åland 7", salt=bytes(16))
    assert mine.wrap != others.wrap
    assert mine.auth != others.auth


def test_the_key_for_the_broker_is_bound_to_the_address_and_says_nothing_of_the_other() -> None:
    mine, others = keys("Grüße aus Åland 7"), keys("Grüße aus Åland 7", "bob@example.com")
    assert mine.auth != others.auth
    assert mine.wrap == others.wrap
    assert mine.auth.reveal() != mine.wrap.reveal()
    assert keys("Grüße aus Åland 7", " ADA@example.COM ") == mine


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("ada@example.com", "ada@example.com"),
        (" Ada.Lovelace+lerix@EXAMPLE.com\r\n", "ada.lovelace+lerix@example.com"),
        ("\u00a0ada@example.com\u2003", "ada@example.com"),
        ("ａｄａ＠example．com", "ada@example.com"),
        ("o'hara@mail-1.example", "o'hara@mail-1.example"),
        ("ada@localhost", "ada@localhost"),
        ("!#$%&'*+/=?^_`{|}~-@example.com", "!#$%&'*+/=?^_`{|}~-@example.com"),
        (f"{'a' * 64}@example.com", f"{'a' * 64}@example.com"),
        ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
    ],
)
def test_an_address_has_one_spelling(typed: str, address: str) -> None:
    assert password.normalise_email(typed) == address
    assert password.normalise_email(address) == address


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@@example.com",
        "a b@example.com",
        "ada@example..com",
        "ada@.example.com",
        "ada@-example.com",
        "ada@example.com.",
        "ada@bücher.example",
        "ådå@example.com",
        "ada\0@example.com",
        "ada@example.com\nbcc:x@example.com",
        f"{'a' * 65}@example.com",
        f"{'a.' * 32}a@example.com",
        # Quoted strings, comments, lists and routes: a mail server may read another address than was counted.
        *(f"a{each}b@example.com" for each in '"(),:;<>[\\]'),
        "a,@example.com",
        "<a@example.com",
        '"ada"@example.com',
        ".ada@example.com",
        "ada.@example.com",
        "a..da@example.com",
        f"a@{'.'.join(['x' * 60] * 5)}",
        "\udcff@example.com",
        "İda@example.com",
    ],
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(EmailUnusable):
        password.normalise_email(typed)


@given(st.text(max_size=80))
def test_any_text_is_an_address_in_one_spelling_or_is_refused(typed: str) -> None:
    try:
        address = password.normalise_email(typed)
    except EmailUnusable:
        return
    assert address.isascii()
    assert password.normalise_email(address) == address == address.lower()


@pytest.mark.parametrize("text", ["", "x" * 1025, "ü" * 513, "half a pair \ud83d"])
def test_a_password_that_cannot_be_hashed_is_refused(text: str) -> None:
    with pytest.raises(PasswordUnusable) as raised:
        keys(text)
    assert raised.value.__cause__ is None
    assert text not in str(raised.value) or not text


def test_a_short_password_is_taken_but_not_chosen() -> None:
    assert keys("kurz").suite == 250
    for short in ("kurz", "x" * 11, "é" * 11, unicodedata.normalize("NFD", "é" * 11)):
        with pytest.raises(PasswordTooShort):
            password.check_new(Secret(short))
    for long in ("x" * 12, "é" * 12, "ﬁ" * 6):
        password.check_new(Secret(long))


def test_a_new_password_gets_a_new_salt_and_the_newest_suite() -> None:
    with cheap_suites():
        first, second = (password.stretch_new(Secret("Grüße aus Åland 7"), "ada@example.com") for _ in range(2))
    assert first.suite == 250
    assert len(first.salt) == 16
    assert first.salt != second.salt
    assert first.auth != second.auth
