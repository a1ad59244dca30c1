"""A cheap way to stretch passwords, which only tests have, and the account of the story made with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType

import pytest

from connections.secrets import Secret
from relay.account.keys import suites
from relay.account.keys.device import EVERY_ROLE
from relay.account.keys.flows import Created, create
from tests.relay.keys.broker import EMAIL, PASSWORD, Broker
from tests.relay.keys.story import Story, tell

CHEAP = 250


@contextmanager
def cheap_suites() -> Iterator[None]:
    """Add suite 250 and make it the newest. The module's names are all there is to change: no function takes them."""
    with pytest.MonkeyPatch.context() as patch:
        cheap = suites.Suite(salt_length=16, iterations=1, memory_kib=8, lanes=1)
        patch.setattr(suites, "SUITES", MappingProxyType({**suites.SUITES, CHEAP: cheap}))
        patch.setattr(suites, "NEWEST", CHEAP)
        yield


@pytest.fixture
def cheap_suite() -> Iterator[int]:
    """The number of a suite that takes no time, for one test."""
    with cheap_suites():
        yield CHEAP


@pytest.fixture(scope="session")
def ada() -> Story:
    """Ada's account at every point of the story."""
    with cheap_suites():
        return tell()


@pytest.fixture(scope="session")
def bob() -> Story:
    """Another account, with which nothing of Ada's may work."""
    with cheap_suites():
        return tell("Bob")


@pytest.fixture
def created(cheap_suite: int) -> Created:
    """Ada's account, just made on her Mac."""
    assert cheap_suite == CHEAP
    return create(EMAIL, Secret(PASSWORD), "Ada’s Mac", EVERY_ROLE)


@pytest.fixture
def broker(created: Created) -> Broker:
    """A broker that has taken it."""
    broker = Broker()
    broker.take(created.update)
    return broker
