"""Addresses, strength, pending flows, and the sentences of the errors."""

from __future__ import annotations

import inspect
import re

import pytest
from zxcvbn.matching import RANKED_DICTIONARIES

from connections.secrets import Secret
from relay.account import errors, refusals, strength
from relay.account.address import host_of, normalise
from relay.account.client import BrokerClient
from relay.account.errors import (
    AccountError,
    AddressUnusable,
    KeysRefused,
    PasswordWeak,
    PendingElsewhere,
    PendingEnded,
)
from relay.account.keys.errors import DeviceRevoked
from relay.account.pending import LIFETIME, MOST, Kind, Pendings, Step
from relay.account.refusals import DevicesFull, SlowDown

# Addresses.


@pytest.mark.parametrize(
    ("typed", "address", "host"),
    [
        ("broker.example.com", "https://broker.example.com", "broker.example.com"),
        (" https://Broker.Example.com/ ", "https://broker.example.com", "broker.example.com"),
        ("https://broker.example.com:8443", "https://broker.example.com:8443", "broker.example.com"),
        ("https://bücher.example", "https://xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("broker.example.com.", "https://broker.example.com", "broker.example.com"),
        ("https://broker.example.com.:8443", "https://broker.example.com:8443", "broker.example.com"),
        ("http://localhost.:7718", "http://localhost:7718", "localhost"),
        ("http://localhost:7718/", "http://localhost:7718", "localhost"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1", "127.0.0.1"),
        ("http://[::1]:7718", "http://[::1]:7718", "::1"),
    ],
)
def test_an_address_has_one_spelling(typed: str, address: str, host: str) -> None:
    assert normalise(typed) == address
    assert normalise(address) == address
    assert host_of(address) == host


def test_an_address_that_was_stored_with_the_dot_of_the_root_has_the_same_host() -> None:
    assert host_of("https://broker.example.com.") == "broker.example.com"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "https://broker.example.com..",
        "https://.",
        "https://",
        "http://broker.example.com",
        "http://127.0.0.1.evil.example",
        "ftp://broker.example.com",
        "https://broker.example.com/path",
        "https://broker.example.com?",
        "https://broker.example.com#x",
        "https://ada:planted@broker.example.com",
        "https://broker.example.com:0",
        "https://broker.example.com:99999",
        "https://bro ker.example.com",
        "https://[::1",
        "https://a\\@b",
        "https://" + "a" * 400,
        "javascript:alert(1)",
    ],
)
def test_what_is_no_plain_secure_address_is_refused(typed: str) -> None:
    with pytest.raises(AddressUnusable) as refused:
        normalise(typed)
    assert "planted" not in str(refused.value)


def test_no_client_speaks_plainly_to_another_computer() -> None:
    with pytest.raises(ValueError, match="https"):
        BrokerClient("http://broker.example.com", "Lerix/test")


# Strength.


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("short", "12 characters"),
        ("", "cannot be used"),
        ("password1234", "common words"),
        ("aaaaaaaaaaaaaaaaaaaaaaa", "repeats itself"),
        ("qwertyuiop[]", "keyboard"),
        ("abcdefghijklmnop", "sequence"),
        ("ada.lovelace@example", "e-mail address"),
        ("x" * 1000, "repeats itself"),
    ],
)
def test_what_is_guessed_easily_is_refused_with_a_reason(password: str, said: str) -> None:
    judged = strength.judge(Secret(password), "ada.lovelace@example.com")
    assert said in judged.sentence
    assert not judged.enough
    with pytest.raises((PasswordWeak, KeysRefused)) as refused:
        strength.check(Secret(password), "ada.lovelace@example.com")
    assert refused.value.field == "password"


@pytest.mark.parametrize(
    "password", ["Grüße aus Åland 7", "correct horse battery staple", "vW4%tq8!Lz0p", "ééXk29 hdoq ü"]
)
def test_what_is_hard_to_guess_is_taken(password: str) -> None:
    assert strength.judge(Secret(password), "ada@example.com").enough
    strength.check(Secret(password), "ada@example.com")


def test_the_judge_forgets_whom_it_judged() -> None:
    strength.judge(Secret("planted-person-of-this-name"), "planted-person@example.com")
    assert "user_inputs" not in RANKED_DICTIONARIES


# Pending flows.


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_flow_ends_by_itself_with_what_it_held() -> None:
    clock = Clock()
    pendings = Pendings(clock)
    pending = pendings.begin(Kind.CREATE, Step.CODE, "ada@example.com", "held")
    assert pendings.at(pending.id, (Kind.CREATE, Step.CODE)) == (pending, "held")
    clock.now = LIFETIME - 1
    assert pendings.find(pending.id) == pending
    clock.now = LIFETIME
    assert pendings.find(pending.id) is None
    with pytest.raises(PendingEnded):
        pendings.at(pending.id, (Kind.CREATE, Step.CODE))
    assert pendings._begun == {}


def test_a_flow_too_many_takes_the_place_of_the_oldest() -> None:
    pendings = Pendings(Clock())
    begun = [pendings.begin(Kind.ERASE, Step.CODE, "ada@example.com", None) for _ in range(MOST + 1)]
    assert pendings.find(begun[0].id) is None
    assert all(pendings.find(each.id) for each in begun[1:])


def test_only_the_right_flow_goes_on_at_a_step() -> None:
    pendings = Pendings(Clock())
    pending = pendings.begin(Kind.RECOVER, Step.CODE, "ada@example.com", None)
    with pytest.raises(PendingElsewhere):
        pendings.at(pending.id, (Kind.CREATE, Step.CODE))
    with pytest.raises(PendingEnded):
        pendings.go_on("unknown", step=Step.DONE)


def test_a_pending_flow_hides_its_code_and_key() -> None:
    pendings = Pendings(Clock())
    pending = pendings.begin(Kind.CREATE, Step.CODE, "a@b", None, code="12345678", recovery_key=Secret("LRX1-planted"))
    assert "12345678" not in repr(pending)
    assert "planted" not in repr(pending)


# Sentences.


def all_errors() -> list[type[AccountError]]:
    return [
        kind
        for module in (errors, refusals)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, AccountError) and kind.__module__ == module.__name__
    ]


def sentences() -> dict[str, str]:
    made: dict[type[AccountError], AccountError] = {
        KeysRefused: KeysRefused(DeviceRevoked()),
        PasswordWeak: PasswordWeak("Easy to guess. Nothing was changed."),
        DevicesFull: DevicesFull(((bytes(16), "Mac", None),), most=3),
        SlowDown: SlowDown(retry_after=61),
    }
    return {kind.__name__: made[kind].sentence if kind in made else kind.sentence for kind in all_errors()}


@pytest.mark.parametrize(("name", "sentence"), sentences().items())
def test_every_error_has_plain_sentences(name: str, sentence: str) -> None:
    assert re.fullmatch(r"[A-Z0-9].*\.", sentence), name
    assert "!" not in sentence
    assert len(sentence) < 300
    assert sentence.count(". ") >= 1, "what happened, and what to do"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1, "a second"), (2, "a minute"), (60, "a minute"), (61, "2 minutes"), (3600, "60 minutes"), (3601, "2 hours")],
)
def test_a_wait_is_said_as_people_say_it(seconds: int, said: str) -> None:
    assert f"Wait {said}, then try again." in SlowDown(retry_after=seconds).sentence
