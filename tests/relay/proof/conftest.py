"""What the tests of the broker are given, for the proofs as well; and a household of real processes."""

from collections.abc import Iterator

import pytest

from tests.relay.broker.conftest import broker, cheap, desk
from tests.relay.proof.computers import Household, household

__all__ = ["broker", "cheap", "desk"]


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    """A broker, a Mac and a laptop; started once for all tests of a process that use it."""
    with household(tmp_path_factory.mktemp("house")) as made:
        yield made


@pytest.fixture
def home(house: Household) -> Iterator[Household]:
    """The same, healed of what the test before did to it."""
    house.heal()
    yield house
    house.up.clear()
