"""A broker and the browsers of its people, for tests of the pages that it has for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.remote.people import People, Visitor
from tests.serving import BrokerProcess


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with BrokerProcess(tmp_path_factory.mktemp("broker") / "home") as process:
        yield process


@pytest.fixture
def people(chromium: Browser, broker: BrokerProcess) -> Iterator[People]:
    broker.forget_limits()
    made = People(chromium, broker)
    yield made
    for context in made.contexts:
        context.close()
    assert not made.problems


@pytest.fixture
def visitor(people: People) -> Visitor:
    return people.visitor()
