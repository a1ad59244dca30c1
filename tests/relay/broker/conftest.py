"""One broker for all tests here that leave it running; each asks from a network of its own."""

from collections.abc import Iterator

import pytest

from tests.relay.broker.desk import Desk
from tests.relay.keys.conftest import cheap_suites
from tests.serving import BrokerProcess


@pytest.fixture(scope="session")
def broker() -> Iterator[BrokerProcess]:
    """A broker process."""
    with BrokerProcess() as running:
        yield running


@pytest.fixture(autouse=True)
def cheap() -> Iterator[None]:
    """Passwords are stretched cheaply; the broker takes any suite, since it knows none."""
    with cheap_suites():
        yield


@pytest.fixture
def desk(broker: BrokerProcess) -> Desk:
    """The broker, asked from a network of this test's own."""
    return Desk(broker)
