"""Suites are constants of the code: neither the broker nor a caller brings others."""

import dataclasses
import inspect
from typing import Any, NoReturn

import pytest

from connections.secrets import Secret
from relay.account.keys import flows, password, suites
from relay.account.keys.errors import SaltMalformed, SuiteUnknown

SALT = bytes(range(16))
EMAIL = "ada@example.com"


@pytest.fixture
def no_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail when anything is hashed."""

    def hashed(**_: Any) -> NoReturn:
        raise AssertionError("the password was hashed")

    monkeypatch.setattr(password, "Argon2id", hashed)


def test_suite_1_is_what_it_always_was() -> None:
    assert dict(suites.SUITES) == {1: suites.Suite(salt_length=16, iterations=3, memory_kib=65536, lanes=4)}
    assert suites.NEWEST == 1


@pytest.mark.usefixtures("no_hashing")
@pytest.mark.parametrize("suite", [0, 2, 250, 255, 256, -1])
def test_another_suite_is_refused_before_the_password_is_hashed(suite: int) -> None:
    with pytest.raises(SuiteUnknown):
        password.stretch(Secret("Grüße aus Åland 7"), EMAIL, suite=suite, salt=SALT)


@pytest.mark.usefixtures("no_hashing")
@pytest.mark.parametrize("length", [0, 1, 8, 15, 17, 32, 4096])
def test_a_salt_of_another_length_is_refused_before_the_password_is_hashed(length: int) -> None:
    with pytest.raises(SaltMalformed):
        password.stretch(Secret("Grüße aus Åland 7"), EMAIL, suite=1, salt=b"s" * length)


def test_the_tests_own_suite_is_unknown_to_the_program(cheap_suite: int) -> None:
    """And it is there only while a test has put it there."""
    assert password.stretch(Secret("Grüße aus Åland 7"), EMAIL, suite=cheap_suite, salt=SALT).suite == cheap_suite
    assert cheap_suite == 250


def test_the_table_cannot_be_added_to() -> None:
    with pytest.raises(TypeError):
        suites.SUITES[3] = suites.SUITES[1]  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        suites.SUITES[1].iterations = 1  # type: ignore[misc]


def test_no_function_takes_the_cost_of_hashing_from_its_caller() -> None:
    functions = [
        function
        for module in (password, flows)
        for _, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
    ]
    taken = {name for function in functions for name in inspect.signature(function).parameters}
    assert "suite" in taken
    assert not taken & {"suites", "iterations", "memory", "memory_kib", "memory_cost", "lanes", "parameters"}
